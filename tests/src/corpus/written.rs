//! For each rule that needs nothing but the object and its predecessor: an object that it refuses, for that alone, and one that comes
//! close and is fine.

use release_shared::kinds::Kind;
use release_shared::names;
use serde_json::{Value, json};

use super::generated::{numbered, of_its_own};
use super::{Case, base};

/// A case that was written for a code.
#[derive(Debug, Clone)]
pub struct Written {
    /// The code.
    pub code: &'static str,
    /// Whether the rules refuse it, for this code alone.
    pub is_refused: bool,
    /// The write.
    pub case: Case,
}

type Change = fn(&mut Value);

/// The code, the kind, what is refused, and what comes close.
type Row = (&'static str, Kind, Change, Change);

const RESOURCE: &str = "/spec/resources/0/object";
const TEMPLATE: &str = "/spec/componentType/spec/resources/1/template";

fn here<'a>(object: &'a mut Value, pointer: &str) -> &'a mut Value {
    // A place that does not exist would be a mistake in this file, which the unit test tells.
    object.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"))
}

fn remove(object: &mut Value, pointer: &str, key: &str) {
    here(object, pointer).as_object_mut().map(|entries| entries.remove(key));
}

fn annotate(object: &mut Value, key: &str, text: &str) {
    object["metadata"]["annotations"][key] = text.into();
}

/// Lists inside lists, so many of them.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

fn secret(data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token" }, "data": data })
}

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })
}

/// Creations.
const CREATED: &[Row] = &[
    (
        "Required",
        Kind::Project,
        |o| remove(o, "/spec/deploymentPipelineRef", "name"),
        |o| remove(o, "/spec/deploymentPipelineRef", "kind"),
    ),
    ("Required", Kind::Component, |o| remove(o, "/spec/owner", "projectName"), |o| remove(o, "/spec", "traits")),
    ("Required", Kind::ComponentRelease, |o| remove(o, "/spec/owner", "projectName"), |o| remove(o, "/spec", "traits")),
    ("Required", Kind::ReleaseBinding, |o| remove(o, "/spec", "environment"), |o| remove(o, "/spec", "releaseName")),
    ("Required", Kind::Release, |o| remove(o, "/spec", "environmentName"), |o| remove(o, "/spec", "interval")),
    (
        "Required",
        Kind::DeploymentPipeline,
        |o| remove(o, "/spec/promotionPaths/0", "sourceEnvironmentRef"),
        |o| {
            remove(o, "/spec/promotionPaths/0", "targetEnvironmentRefs");
        },
    ),
    (
        "InvalidType",
        Kind::Release,
        |o| o["spec"]["environmentName"] = json!(5),
        |o| o["spec"]["environmentName"] = "5".into(),
    ),
    (
        "InvalidType",
        Kind::ReleaseBinding,
        |o| o["spec"]["state"] = json!(true),
        |o| o["spec"]["state"] = "Undeploy".into(),
    ),
    (
        "InvalidName",
        Kind::Release,
        |o| o["spec"]["environmentName"] = "a".repeat(64).into(),
        |o| o["spec"]["environmentName"] = "a".repeat(63).into(),
    ),
    (
        "InvalidName",
        Kind::Environment,
        |o| o["metadata"]["name"] = "a.b".into(),
        |o| o["metadata"]["name"] = "a-b".into(),
    ),
    (
        "InvalidName",
        Kind::Component,
        |o| o["metadata"]["name"] = "a".repeat(64).into(),
        |o| o["metadata"]["name"] = "a".repeat(63).into(),
    ),
    ("GenerateName", Kind::Release, generate_name, |o| o["metadata"]["generateName"] = "a-".into()),
    ("GenerateName", Kind::ComponentRelease, generate_name, |o| o["metadata"]["generateName"] = "a-".into()),
    (
        "GenerateName",
        Kind::Release,
        |o| here(o, RESOURCE)["metadata"] = json!({ "generateName": "a-" }),
        |o| {
            here(o, RESOURCE)["metadata"] = json!({ "name": "a-b" });
        },
    ),
    (
        "TooLong",
        Kind::Environment,
        |o| annotate(o, names::REASON, &"x".repeat(513)),
        |o| annotate(o, names::REASON, &"x".repeat(512)),
    ),
    (
        "TooLong",
        Kind::ReleaseBinding,
        |o| annotate(o, names::LINK, &"ä".repeat(257)),
        |o| annotate(o, names::LINK, &"ä".repeat(256)),
    ),
    (
        "ControlCharacter",
        Kind::Release,
        |o| annotate(o, names::REASON, "a\nb"),
        |o| annotate(o, names::REASON, "a \u{200b}b"),
    ),
    (
        "ControlCharacter",
        Kind::Project,
        |o| annotate(o, names::LINK, "a\u{1b}[0m"),
        |o| annotate(o, names::LINK, "a[0m"),
    ),
    (
        "TooLarge",
        Kind::Release,
        |o| here(o, RESOURCE)["data"] = large(1_258_000),
        |o| here(o, RESOURCE)["data"] = large(1_256_000),
    ),
    (
        "TooLarge",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["data"]["text"] = large(1_258_000),
        |o| {
            here(o, TEMPLATE)["data"]["text"] = large(1_256_000);
        },
    ),
    (
        "InvalidResourceId",
        Kind::Release,
        |o| *here(o, "/spec/resources/0/id") = "a/b".into(),
        |o| *here(o, "/spec/resources/0/id") = "a_B.c".into(),
    ),
    (
        "InvalidResourceId",
        Kind::ComponentRelease,
        |o| *here(o, "/spec/componentType/spec/resources/0/id") = "a/b".into(),
        |o| {
            *here(o, "/spec/componentType/spec/resources/0/id") = "a_B.c".into();
        },
    ),
    (
        "DuplicateResourceId",
        Kind::Release,
        |o| *here(o, "/spec/resources/1/id") = "deployment".into(),
        |o| {
            *here(o, "/spec/resources/1/id") = "Deployment".into();
        },
    ),
    (
        "DuplicateObject",
        Kind::Release,
        |o| *here(o, "/spec/resources/1/object") = o["spec"]["resources"][0]["object"].clone(),
        |o| {
            *here(o, "/spec/resources/1/object") = o["spec"]["resources"][0]["object"].clone();
            *here(o, "/spec/resources/1/object/metadata/name") = "web-2".into();
        },
    ),
    (
        "DuplicateObject",
        Kind::ComponentRelease,
        |o| *here(o, TEMPLATE) = o["spec"]["componentType"]["spec"]["resources"][0]["template"].clone(),
        |o| {
            *here(o, TEMPLATE) = o["spec"]["componentType"]["spec"]["resources"][0]["template"].clone();
            here(o, TEMPLATE)["apiVersion"] = "extensions/v1".into();
        },
    ),
    ("NotAnObject", Kind::Release, |o| *here(o, RESOURCE) = "text".into(), |o| *here(o, RESOURCE) = config_map("a")),
    (
        "NotAnObject",
        Kind::ComponentRelease,
        |o| *here(o, TEMPLATE) = json!([]),
        |o| *here(o, TEMPLATE) = config_map("a"),
    ),
    ("TooDeep", Kind::Release, |o| here(o, RESOURCE)["data"] = nested(64), |o| here(o, RESOURCE)["data"] = nested(63)),
    (
        "TooDeep",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["data"] = nested(64),
        |o| here(o, TEMPLATE)["data"] = nested(63),
    ),
    (
        "ReservedLabel",
        Kind::Release,
        |o| here(o, RESOURCE)["metadata"]["labels"][names::MANAGED_BY_LABEL] = "me".into(),
        |o| {
            here(o, RESOURCE)["metadata"]["labels"]["openchoreo.dev/managed"] = "me".into();
        },
    ),
    (
        "ReservedLabel",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["metadata"]["labels"][names::RELEASE_UID_LABEL] = "me".into(),
        |o| {
            here(o, TEMPLATE)["metadata"]["annotations"][names::RELEASE_UID_LABEL] = "me".into();
        },
    ),
    (
        "ListObject",
        Kind::Release,
        |o| here(o, RESOURCE)["kind"] = "List".into(),
        |o| here(o, RESOURCE)["kind"] = "AccessList".into(),
    ),
    (
        "ListObject",
        Kind::ComponentRelease,
        |o| {
            here(o, TEMPLATE)["kind"] = "PodList".into();
            here(o, TEMPLATE)["items"] = json!([]);
        },
        |o| here(o, TEMPLATE)["kind"] = "PodList".into(),
    ),
    ("OwnKind", Kind::Release, |o| own_kind(here(o, RESOURCE), "Project"), |o| own_kind(here(o, RESOURCE), "Workload")),
    (
        "OwnKind",
        Kind::ComponentRelease,
        |o| own_kind(here(o, TEMPLATE), "Release"),
        |o| own_kind(here(o, TEMPLATE), "Workload"),
    ),
    (
        "SecretInline",
        Kind::Release,
        |o| *here(o, RESOURCE) = secret(&json!({ "a": "b" })),
        |o| *here(o, RESOURCE) = secret(&json!({})),
    ),
    (
        "SecretInline",
        Kind::ComponentRelease,
        |o| *here(o, TEMPLATE) = secret(&json!({ "a": "b" })),
        |o| *here(o, TEMPLATE) = secret(&json!({})),
    ),
    (
        "NumberOutOfRange",
        Kind::Release,
        |o| here(o, RESOURCE)["n"] = json!(u64::MAX),
        |o| here(o, RESOURCE)["n"] = json!(i64::MAX),
    ),
    (
        "NumberOutOfRange",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["n"] = json!(1_u64 << 63),
        |o| here(o, TEMPLATE)["n"] = json!(i64::MIN),
    ),
    (
        "TemplateIdentity",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["kind"] = "${environmentConfigs.size}".into(),
        |o| {
            here(o, TEMPLATE)["data"]["kind"] = "${environmentConfigs.size}".into();
        },
    ),
    (
        "UnsupportedTemplate",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["data"]["size"] = "${size(parameters.a) > 1}".into(),
        |o| {
            here(o, TEMPLATE)["data"]["size"] = "${\"$\"}{size}".into();
        },
    ),
    (
        "UnknownConfigKey",
        Kind::ComponentRelease,
        |o| here(o, TEMPLATE)["data"]["size"] = "${environmentConfigs.sise}".into(),
        |o| {
            here(o, TEMPLATE)["data"]["size"] = "${environmentConfigs.replicas}".into();
        },
    ),
    (
        "InvalidSchema",
        Kind::ComponentRelease,
        |o| {
            *here(o, "/spec/componentType/spec/environmentConfigs/openAPIV3Schema/properties/size/type") =
                "strin".into();
        },
        |o| {
            *here(o, "/spec/componentType/spec/environmentConfigs/openAPIV3Schema/properties/size") =
                json!({ "type": "number" });
        },
    ),
    (
        "ContentName",
        Kind::ComponentRelease,
        |o| o["metadata"]["name"] = "web-aaaaaaaaaaaaaaaa".into(),
        |o| {
            o["metadata"]["name"] = "web-aaaaaaaaaaaaaaa".into();
        },
    ),
    (
        "BindingName",
        Kind::ReleaseBinding,
        |o| o["metadata"]["name"] = "web-developer".into(),
        |o| o["metadata"]["labels"]["team"] = "red".into(),
    ),
    (
        "UnknownPlane",
        Kind::Release,
        |o| o["spec"]["targetPlane"] = "moon".into(),
        |o| o["spec"]["targetPlane"] = "dataplane".into(),
    ),
    (
        "UnknownState",
        Kind::ReleaseBinding,
        |o| o["spec"]["state"] = "Suspended".into(),
        |o| remove(o, "/spec", "state"),
    ),
    (
        "ConfigTooLarge",
        Kind::ReleaseBinding,
        |o| o["spec"]["componentTypeEnvironmentConfigs"]["size"] = "x".repeat(8192).into(),
        |o| {
            o["spec"]["componentTypeEnvironmentConfigs"]["size"] = "x".repeat(7900).into();
        },
    ),
    (
        "InvalidDuration",
        Kind::Release,
        |o| o["spec"]["interval"] = "5 minutes".into(),
        |o| o["spec"]["interval"] = "5m0s".into(),
    ),
    (
        "IntervalBounds",
        Kind::Release,
        |o| o["spec"]["interval"] = "25h".into(),
        |o| o["spec"]["interval"] = "24h".into(),
    ),
    (
        "IntervalBounds",
        Kind::Release,
        |o| o["spec"]["progressingInterval"] = "999ms".into(),
        |o| o["spec"]["progressingInterval"] = "0ms".into(),
    ),
    (
        "IntervalOrder",
        Kind::Release,
        |o| o["spec"]["progressingInterval"] = "6m".into(),
        |o| o["spec"]["progressingInterval"] = "5m".into(),
    ),
    (
        "PipelineCycle",
        Kind::DeploymentPipeline,
        |o| *here(o, "/spec/promotionPaths/1/targetEnvironmentRefs/0/name") = "dev".into(),
        |o| {
            *here(o, "/spec/promotionPaths/1/targetEnvironmentRefs/0/name") = "qa".into();
        },
    ),
    (
        "PipelineSelfLoop",
        Kind::DeploymentPipeline,
        |o| *here(o, "/spec/promotionPaths/1/targetEnvironmentRefs/0/name") = "staging".into(),
        |o| {
            *here(o, "/spec/promotionPaths/1/targetEnvironmentRefs/0/name") = "staging-2".into();
        },
    ),
    (
        "PipelineDuplicate",
        Kind::DeploymentPipeline,
        |o| *here(o, "/spec/promotionPaths/0/targetEnvironmentRefs/1/name") = "staging".into(),
        |o| {
            *here(o, "/spec/promotionPaths/0/targetEnvironmentRefs/1/name") = "staging-2".into();
        },
    ),
    (
        "UnknownPolicyValue",
        Kind::DeploymentPipeline,
        |o| annotate(o, names::ENFORCEMENT, "on"),
        |o| annotate(o, names::ENFORCEMENT, "enforce"),
    ),
    (
        "UnknownPolicyValue",
        Kind::Environment,
        |o| annotate(o, names::DRIFT, "on"),
        |o| annotate(o, names::DRIFT, "enforce"),
    ),
    (
        "UnknownPolicyValue",
        Kind::Environment,
        |o| annotate(o, names::NAMESPACES, "shared-qa,kube-system"),
        |o| {
            annotate(o, names::NAMESPACES, "shared-qa,kubernetes");
        },
    ),
];

/// What the API server says by itself, too.
const OF_THE_API_SERVER: &[Row] = &[
    (
        "UnknownField",
        Kind::Project,
        |o| o["metadata"]["lables"] = json!({}),
        |o| {
            o["metadata"]["labels"] = json!({});
        },
    ),
    (
        "InvalidMetadata",
        Kind::Release,
        |o| o["metadata"]["labels"]["team"] = "a b".into(),
        |o| o["metadata"]["labels"]["team"] = "a.b".into(),
    ),
    (
        "InvalidForm",
        Kind::Component,
        |o| *here(o, "/spec/componentType/name") = "other/web".into(),
        |o| *here(o, "/spec/componentType/name") = "job/web".into(),
    ),
    ("InvalidLength", Kind::DeploymentPipeline, |o| targets(o, 101), |o| targets(o, 100)),
    (
        "UnknownValue",
        Kind::Environment,
        |o| *here(o, "/spec/dataPlaneRef/kind") = "Cluster".into(),
        |o| *here(o, "/spec/dataPlaneRef/kind") = "ClusterDataPlane".into(),
    ),
    (
        "AnnotationsTooLarge",
        Kind::DataPlane,
        |o| annotate(o, "example.org/large", &"x".repeat(262_144)),
        |o| annotate(o, "example.org/large", &"x".repeat(131_072)),
    ),
];

/// Changes of a valid object.
const CHANGED: &[Row] = &[
    (
        "Immutable",
        Kind::Component,
        |o| *here(o, "/spec/componentType/name") = "deployment/other".into(),
        |o| o["spec"]["autoBuild"] = json!(false),
    ),
    (
        "Immutable",
        Kind::ComponentRelease,
        |o| *here(o, "/spec/workload/container/image") = "example.org/web:2".into(),
        |o| {
            o["metadata"]["labels"]["team"] = "red".into();
        },
    ),
    ("Immutable", Kind::Release, |o| remove(o, "/spec", "targetPlane"), |o| o["spec"]["interval"] = "6m".into()),
    (
        "Immutable",
        Kind::Release,
        |o| *here(o, "/spec/owner/projectName") = "shop-2".into(),
        |o| remove(o, "/spec", "interval"),
    ),
    (
        "Immutable",
        Kind::Environment,
        |o| *here(o, "/spec/dataPlaneRef/name") = "west".into(),
        |o| o["spec"]["isProduction"] = json!(true),
    ),
    ("Immutable", Kind::Environment, |o| remove(o, "/spec", "dataPlaneRef"), |o| annotate(o, names::DRIFT, "enforce")),
    (
        "VersionImmutable",
        Kind::ComponentRelease,
        |o| annotate(o, names::VERSION_ANNOTATION, "9.1"),
        |o| annotate(o, names::REASON, "9.1"),
    ),
    (
        "VersionImmutable",
        Kind::ComponentRelease,
        |o| remove(o, "/metadata/annotations", names::VERSION_ANNOTATION),
        |o| {
            remove(o, "/metadata/annotations", names::REASON);
        },
    ),
];

fn generate_name(object: &mut Value) {
    object["metadata"]["generateName"] = "a-".into();
    remove(object, "/metadata", "name");
}

fn targets(object: &mut Value, count: usize) {
    let target = |at: usize| json!({ "kind": "Environment", "name": format!("target-{at}") });
    *here(object, "/spec/promotionPaths/0/targetEnvironmentRefs") = (0..count).map(target).collect();
}

fn large(size: usize) -> Value {
    "x".repeat(size).into()
}

fn own_kind(object: &mut Value, kind: &str) {
    object["apiVersion"] = names::API_VERSION.into();
    object["kind"] = kind.into();
}

/// Every written case: both of each row, and for each refused creation the object stored by an earlier version that did not know the
/// rule, changed elsewhere.
#[must_use]
pub fn cases() -> Vec<Written> {
    let mut cases = Vec::new();
    for (row, (code, kind, refused, accepted)) in CREATED.iter().chain(OF_THE_API_SERVER).enumerate() {
        for (is_refused, change) in [(true, refused), (false, accepted)] {
            let mut new = base::object(*kind);
            change(&mut new);
            cases.push(written(code, is_refused, row, Case { name: String::new(), kind: *kind, old: None, new }));
        }
        cases.extend(stored_before(code, *kind, row, *refused));
    }
    cases.extend(other_intervals());
    for (row, (code, kind, refused, accepted)) in CHANGED.iter().enumerate() {
        for (is_refused, change) in [(true, refused), (false, accepted)] {
            let old = numbered(*kind, &base::object(*kind), 5000 + 2 * row + usize::from(is_refused));
            let mut new = old.clone();
            change(&mut new);
            let case = Case { name: "update ".to_owned(), kind: *kind, old: Some(old), new };
            cases.push(written(code, is_refused, row, case));
        }
    }
    cases
}

fn written(code: &'static str, is_refused: bool, row: usize, mut case: Case) -> Written {
    let verdict = if is_refused { "refused" } else { "accepted" };
    case.name = format!("{} {}{code} {row} {verdict}", case.kind, case.name);
    Written { code, is_refused, case }
}

/// What no version of a schema or of the API server ever let in: another shape, and what it holds against any object's metadata.
const NEVER_STORED: [&str; 10] = [
    "AnnotationsTooLarge",
    "GenerateName",
    "InvalidForm",
    "InvalidLength",
    "InvalidMetadata",
    "InvalidType",
    "NotAnObject",
    "Required",
    "UnknownField",
    "UnknownValue",
];

/// An object that breaks a rule and was there before it: it may be changed elsewhere.
fn stored_before(code: &'static str, kind: Kind, row: usize, refused: Change) -> Vec<Written> {
    let mut broken = base::object(kind);
    refused(&mut broken);
    if NEVER_STORED.contains(&code) {
        return Vec::new();
    }
    // Where the name itself is the fault it stays.
    let own_name = broken.pointer("/metadata/name") != base::object(kind).pointer("/metadata/name");
    let mut old = if own_name { broken } else { numbered(kind, &broken, 6000 + row) };
    if code == "BindingName" {
        of_its_own(&mut old, 6000 + row);
    }
    let mut labelled = old.clone();
    labelled["metadata"]["labels"]["team"] = "green".into();
    let mut changed = old.clone();
    elsewhere(kind, &mut changed);
    [("a label added to ", labelled), ("changed elsewhere, ", changed)]
        .into_iter()
        .map(|(name, new)| {
            let case = Case { name: format!("update {name}"), kind, old: Some(old.clone()), new };
            written(code, false, row, case)
        })
        .collect()
}

/// Intervals that were in the wrong order before: another pair of them is judged anew.
fn other_intervals() -> Vec<Written> {
    let mut old = numbered(Kind::Release, &base::object(Kind::Release), 7000);
    old["spec"]["progressingInterval"] = "6m".into();
    let case = |is_refused: bool, interval: &str| {
        let mut new = old.clone();
        new["spec"]["interval"] = interval.into();
        let case = Case { name: format!("update to {interval}, "), kind: Kind::Release, old: Some(old.clone()), new };
        written("IntervalOrder", is_refused, 0, case)
    };
    vec![case(true, "4m"), case(false, "6m")]
}

/// A change that no rule has anything against.
fn elsewhere(kind: Kind, object: &mut Value) {
    match kind {
        Kind::Project => object["spec"]["parameters"] = json!({ "tier": 2 }),
        Kind::Environment => object["spec"]["isProduction"] = json!(true),
        Kind::DataPlane => object["spec"]["planeID"] = "east-2".into(),
        Kind::DeploymentPipeline => {
            let step = json!({ "sourceEnvironmentRef": { "kind": "Environment", "name": "alone" } });
            if let Some(paths) = object["spec"]["promotionPaths"].as_array_mut() {
                paths.push(step);
            }
        }
        Kind::Component => object["spec"]["autoBuild"] = json!(false),
        // Its content cannot be changed.
        Kind::ComponentRelease => object["metadata"]["annotations"][names::DESCRIPTION] = "another".into(),
        Kind::ReleaseBinding => object["spec"]["releaseName"] = "web-2".into(),
        Kind::Release => object["spec"]["resources"].as_array_mut().map_or((), |resources| {
            resources.push(json!({ "id": "another", "object": config_map("another") }));
        }),
    }
}
