//! Every code of a rule, and what it means in a few words: what `docs/rules.md` says besides what is seen.

/// One code.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// As it stands in a violation.
    pub code: &'static str,
    /// What is wrong where it is told.
    pub meaning: &'static str,
    /// Where a test shows it that neither the corpus nor a case with a world can: a file in the repository.
    pub shown_in: Option<&'static str>,
    /// What the controller does about it, besides rendering nothing where the fault is a pin's own.
    pub controller: Option<&'static str>,
}

const fn code(code: &'static str, meaning: &'static str) -> Code {
    Code { code, meaning, shown_in: None, controller: None }
}

const fn also(code: &'static str, meaning: &'static str, controller: &'static str) -> Code {
    Code { code, meaning, shown_in: None, controller: Some(controller) }
}

const fn shown(code: &'static str, meaning: &'static str, shown_in: &'static str) -> Code {
    Code { code, meaning, shown_in: Some(shown_in), controller: None }
}

/// A code that the controller tells besides, where it renders.
const fn rendered(code: &'static str, meaning: &'static str) -> Code {
    Code { code, meaning, shown_in: Some("shared/src/render/tests.rs"), controller: Some("applies nothing") }
}

/// A binding whose release does not stand is rendered no more; what was rendered stays. (Which faults of a binding itself do that is seen.)
const STANDING: &str = "renders nothing";
/// A Release goes out without the object.
const FENCE: &str = "leaves the object out";

/// The codes, by name.
pub const CODES: &[Code] = &[
    code("AnnotationsTooLarge", "the annotations leave no room for the history"),
    also("BindingExists", "the component has a binding in this environment", "keeps the binding's Release"),
    code("BindingName", "a binding is not named after its component and environment"),
    code("BypassReason", "going past a rule is asked for without a reason"),
    also("ClusterKind", "a cluster-wide or RBAC kind that the environment does not allow", FENCE),
    code("ComponentNotFound", "there is no such Component"),
    code("ConfigEnum", "a value is none of those that the release allows"),
    code("ConfigFormat", "a value does not have the form that the release wants"),
    code("ConfigLength", "a value is too long or too short for the release"),
    code("ConfigRange", "a number is out of the release's bounds"),
    code("ConfigRequired", "a value is missing that the release requires"),
    code("ConfigSecret", "a value is a secret by the release's schema"),
    code("ConfigTooLarge", "a binding's values do not fit into its records"),
    code("ConfigType", "a value has another type than the release wants"),
    code("ConfigUnknown", "the release has no such value"),
    code("ContentName", "a name looks like that of other content"),
    code("ControlCharacter", "a reason or link has a line break or another control character"),
    code("DataPlaneInUse", "an Environment lives in the DataPlane that is deleted"),
    code("DataPlaneNotFound", "there is no such DataPlane"),
    code("DirectRelease", "a Release by hand would go past an enforcing pipeline"),
    code("DuplicateObject", "two resources are the same object"),
    code("DuplicateResourceId", "two resources have one id"),
    code("EnvironmentInUse", "something is released into the Environment that is deleted, or promoted along it"),
    also("EnvironmentNotFound", "there is no such Environment", "applies nothing"),
    code("FreezePast", "a freeze is set that is over already"),
    code("Frozen", "the environment is frozen"),
    code("GenerateName", "the server is asked to make up a name"),
    code("Immutable", "a field changes that cannot be changed after creation"),
    code("IntervalBounds", "an interval is neither 0s nor between 1s and 24h"),
    code("IntervalOrder", "progressingInterval is longer than interval"),
    code("InvalidDuration", "a text is no duration"),
    code("InvalidForm", "a text does not have the form that the schema wants"),
    code("InvalidLength", "a text or a list is too long or too short for the schema"),
    code("InvalidMetadata", "a label, key, finalizer, kind or name that Kubernetes does not take"),
    code("InvalidName", "a name is no DNS label of at most 63 characters"),
    code("InvalidResourceId", "a resource's id cannot be a label value"),
    code("InvalidRevision", "expected-revision is no number"),
    code("InvalidSchema", "the schema of a release's values is no schema"),
    code("InvalidType", "a field has another type"),
    code("KnownContent", "a release of the same content has another version"),
    code("ListObject", "a resource is a List"),
    rendered("MissingValue", "a template refers to a value that is not there"),
    code("NoPipeline", "a project without a pipeline goes to an environment of an enforcing one"),
    code("NotASpeaker", "an account names somebody else and may not speak for others"),
    code("NotAnObject", "a resource is no Kubernetes object"),
    code("NotPromoted", "a release has not run healthily where the pipeline wants it first"),
    code("NumberOutOfRange", "an integer does not fit 64 bits with a sign"),
    code("OtherOwner", "a reference leads to another component's or project's object"),
    also("OutsideNamespace", "an object goes into a namespace that the environment does not have", FENCE),
    code("OwnKind", "a resource is of one of our own kinds"),
    code("OwnedRelease", "somebody else than the controller changes what a binding renders"),
    code("PipelineCycle", "promotion paths go in a circle"),
    code("PipelineDuplicate", "a promotion step stands twice"),
    code("PipelineInUse", "a Project follows the DeploymentPipeline that is deleted"),
    code("PipelineNotFound", "there is no such DeploymentPipeline"),
    code("PipelineSelfLoop", "a promotion step leads to its own source"),
    code("ProjectInUse", "something belongs to the Project that is deleted"),
    also("ProjectNotFound", "there is no such Project", "applies nothing"),
    code("ReasonPattern", "a reason does not have the form that the environment wants"),
    code("ReasonRequired", "the environment wants a reason for every change"),
    code("ReleaseInUse", "a binding needs the ComponentRelease that is deleted"),
    code("ReleaseNotFound", "there is no such ComponentRelease"),
    code("Required", "a field is missing"),
    code("ReservedLabel", "a resource sets a label that is the controller's"),
    code("RevisionConflict", "somebody else was first"),
    also("SecretInline", "a Secret is released with its content", STANDING),
    shown("StampMismatch", "another webhook changed the record after ours", "webhook/src/review/tests.rs"),
    code("TemplateIdentity", "apiVersion, kind or a key of a template is a reference"),
    rendered("TemplateValue", "a list, an object or null would stand inside a text"),
    code("TooDeep", "a resource is nested more than 64 levels deep"),
    code(
        "TooLarge",
        "an object has more bytes than the cluster stores, or a release more than its pins can be judged by",
    ),
    code("TooLong", "a reason or link has more than 512 bytes"),
    code("UnknownAnnotation", "an annotation reads like one of ours and says nothing on that kind"),
    code("UnknownConfigKey", "a template refers to a value that the release's schema does not have"),
    code("UnknownField", "a field that does not exist"),
    code("UnknownPlane", "targetPlane is no plane"),
    code("UnknownPolicyValue", "a policy annotation says what nobody knows"),
    code("UnknownState", "a binding's state is neither Active nor Undeploy"),
    code("UnknownValue", "a word that is none of those that the schema has"),
    shown("Unreadable", "the webhook cannot read what it is asked", "tests/tests/cluster/admit_release.rs"),
    also("UnsupportedTemplate", "a template holds an expression that is no reference", STANDING),
    code("VersionImmutable", "the version of a ComponentRelease changes"),
    code("VersionTaken", "another release of the component has this version"),
];

/// What only `kubectl release create` and `lint` say of manifests and arguments, before there is any object of ours.
pub const OF_MANIFESTS: &[Code] = &[
    code("AmbiguousLift", "--lift names several objects"),
    code("IntegerRange", "an integer does not fit 64 bits with a sign"),
    code("LiftConflict", "two --lift mean one place or one value"),
    code("LiftIdentity", "--lift would make an object another one"),
    code("LiftNull", "--lift names a place without a value"),
    code("NoObjects", "the manifests hold no objects"),
    code("UnknownMetadata", "metadata has a key that does not exist"),
    code("UnmatchedImage", "--image matches no image"),
    code("UnmatchedLift", "--lift names no place"),
    code("UnmatchedSkip", "--skip matches no object"),
];

/// One code, by name.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().chain(OF_MANIFESTS).find(|known| known.code == code)
}
