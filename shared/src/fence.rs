//! What an Environment lets in: into which namespaces, and of which kinds.

use serde_json::Value;

use crate::kinds::ObjectRef;
use crate::names;
use crate::object::text;
use crate::world::EnvironmentView;

/// Where an object lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster itself.
    Cluster,
}

/// The built-in kinds that live in the cluster itself, as `Kind.group`: what `k8s.io/api` 0.36 and its siblings mark as
/// `+genclient:nonNamespaced`, also where it is not served unless it is switched on.
const CLUSTER_KINDS: [&str; 39] = [
    "APIService.apiregistration.k8s.io",
    "CSIDriver.storage.k8s.io",
    "CSINode.storage.k8s.io",
    "CertificateSigningRequest.certificates.k8s.io",
    "ClusterRole.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
    "ClusterTrustBundle.certificates.k8s.io",
    "ComponentStatus",
    "CustomResourceDefinition.apiextensions.k8s.io",
    "DeviceClass.resource.k8s.io",
    "DeviceTaintRule.resource.k8s.io",
    "FlowSchema.flowcontrol.apiserver.k8s.io",
    "IPAddress.networking.k8s.io",
    "IngressClass.networking.k8s.io",
    "MutatingAdmissionPolicy.admissionregistration.k8s.io",
    "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass.scheduling.k8s.io",
    "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io",
    "ResourcePoolStatusRequest.resource.k8s.io",
    "ResourceSlice.resource.k8s.io",
    "RuntimeClass.node.k8s.io",
    "SelfSubjectAccessReview.authorization.k8s.io",
    "SelfSubjectReview.authentication.k8s.io",
    "SelfSubjectRulesReview.authorization.k8s.io",
    "ServiceCIDR.networking.k8s.io",
    "StorageClass.storage.k8s.io",
    "StorageVersion.internal.apiserver.k8s.io",
    "StorageVersionMigration.storagemigration.k8s.io",
    "SubjectAccessReview.authorization.k8s.io",
    "TokenReview.authentication.k8s.io",
    "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "VolumeAttachment.storage.k8s.io",
    "VolumeAttributesClass.storage.k8s.io",
];

/// The group of the kinds that give rights: refused like cluster-scoped ones, also in a namespace.
const RBAC: &str = "rbac.authorization.k8s.io";

/// The groups of a cluster's built-in kinds. What is not listed above lives in a namespace.
const BUILT_IN_GROUPS: [&str; 23] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    RBAC,
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// `Kind.group`, or `Kind` for the core group: how a kind stands in `allowed-cluster-kinds`.
pub fn kind_name(group: &str, kind: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

/// Where a built-in kind lives; `None` for a kind that only the cluster knows.
pub fn built_in_scope(group: &str, kind: &str) -> Option<Scope> {
    if CLUSTER_KINDS.contains(&kind_name(group, kind).as_str()) {
        return Some(Scope::Cluster);
    }
    BUILT_IN_GROUPS.contains(&group).then_some(Scope::Namespaced)
}

/// The built-in kind of another group that a name without a group looks like, as `Kind.group`.
pub fn with_its_group(kind: &str) -> Option<&'static str> {
    CLUSTER_KINDS.into_iter().find(|known| known.split_once('.').is_some_and(|(known, _)| known == kind))
}

/// An object, as far as a fence can refuse it before the cluster is asked: it names a namespace, or is of a built-in kind that
/// concerns the whole cluster or gives rights. `None` for all others.
pub fn guarded(object: &Value) -> Option<ObjectRef> {
    guarded_in(object, text(object, "/metadata/namespace"))
}

/// The same for a template. What namespace a reference leads to is known when it is rendered.
pub fn guarded_template(template: &Value) -> Option<ObjectRef> {
    guarded_in(template, text(template, "/metadata/namespace").filter(|namespace| !namespace.contains("${")))
}

fn guarded_in(object: &Value, namespace: Option<&str>) -> Option<ObjectRef> {
    let version = text(object, "/apiVersion")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = text(object, "/kind")?;
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    let concerns = namespace.is_some() || group == RBAC || built_in_scope(group, kind) == Some(Scope::Cluster);
    concerns.then(|| ObjectRef {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: text(object, "/metadata/name").unwrap_or_default().to_owned(),
    })
}

/// A namespace that nothing is ever released into: the cluster's own, and ours.
pub fn is_forbidden_namespace(namespace: &str) -> bool {
    namespace == "default" || namespace.starts_with("kube-") || namespace == names::SYSTEM_NAMESPACE
}

/// The name of the namespace of an environment that lists none: `<project>-<environment>-<hash of both and the control plane's>`.
pub fn generated_namespace(control_namespace: &str, project: &str, environment: &str) -> String {
    let whole = format!("{control_namespace}/{project}/{environment}");
    names::with_suffix(&format!("{project}-{environment}"), &names::short_hash(whole.as_bytes(), names::PAIR_HASH))
}

/// What stands for the project in an entry of [`names::NAMESPACES`].
pub const PROJECT: &str = "{project}";

/// The namespace that an entry of [`names::NAMESPACES`] is for a project: where the project makes it too long, it is cut and ends in
/// its hash, as every name does.
pub fn expanded(entry: &str, project: &str) -> String {
    if entry.contains(PROJECT) { names::fitted(&entry.replace(PROJECT, project)) } else { entry.to_owned() }
}

/// Why an object may not go where it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// The stable code of the rule: `OutsideNamespace` or `ClusterKind`.
    pub code: &'static str,
    /// The field of the object that says so.
    pub field: &'static [&'static str],
    /// A whole sentence with the cure.
    pub message: String,
}

/// What an Environment lets in for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    environment: String,
    namespaces: Vec<String>,
    allowed_cluster_kinds: Vec<String>,
    listed: bool,
}

impl Fence {
    /// The fence of an Environment in `control_namespace` for `project`.
    pub fn new(view: &EnvironmentView, control_namespace: &str, project: &str, environment: &str) -> Self {
        let listed: Vec<_> = view.namespaces.iter().map(|entry| expanded(entry, project)).collect();
        let is_listed = !listed.is_empty();
        let namespaces =
            if is_listed { listed } else { vec![generated_namespace(control_namespace, project, environment)] };
        Self {
            environment: environment.to_owned(),
            namespaces,
            allowed_cluster_kinds: view.allowed_cluster_kinds.clone(),
            listed: is_listed,
        }
    }

    /// The name of the Environment.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Where an object without a namespace goes.
    pub fn default_namespace(&self) -> &str {
        self.namespaces.first().map_or("", String::as_str)
    }

    /// The namespaces, the default first.
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// Whether the Environment lists its namespaces. One that is not listed must carry our labels.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// Why an object may not go where it wants, as far as that is known before the cluster is asked.
    pub fn refuses(&self, object: &ObjectRef) -> Option<Outside> {
        let scope = built_in_scope(&object.group, &object.kind);
        if scope.is_none() && object.namespace.is_none() {
            return None;
        }
        self.outside(&object.group, &object.kind, scope, object.namespace.as_deref())
    }

    /// Why an object of this kind may not go into this namespace; `None` where it may. Without a namespace it goes into the default
    /// one. `scope` is that of the kind, where it is known.
    pub fn outside(&self, group: &str, kind: &str, scope: Option<Scope>, namespace: Option<&str>) -> Option<Outside> {
        let name = kind_name(group, kind);
        let environment = &self.environment;
        if (scope == Some(Scope::Cluster) || group == RBAC) && !self.allowed_cluster_kinds.contains(&name) {
            let what = if scope == Some(Scope::Cluster) { "concerns the whole cluster" } else { "gives rights" };
            let message = format!(
                "{environment} does not take a {kind}, which {what}: leave it out, or let the platform add {name} to {} on the Environment",
                names::ALLOWED_CLUSTER_KINDS
            );
            return Some(Outside { code: "ClusterKind", field: &["kind"], message });
        }
        if scope == Some(Scope::Cluster) {
            return None;
        }
        let namespace = namespace.filter(|namespace| !namespace.is_empty()).unwrap_or(self.default_namespace());
        let own = self.namespaces.join(", ");
        let message = if is_forbidden_namespace(namespace) {
            format!(
                "nothing is released into namespace {namespace}, which is the cluster's own: leave the namespace out, or name one of \
                 {environment} ({own})"
            )
        } else if self.namespaces.iter().any(|known| known == namespace) {
            return None;
        } else {
            format!(
                "{environment} does not let objects into namespace {namespace}; its own are {own}: leave the namespace out, or let the \
                 platform add {namespace} to {} on the Environment",
                names::NAMESPACES
            )
        };
        Some(Outside { code: "OutsideNamespace", field: &["metadata", "namespace"], message })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fence(namespaces: &[&str], kinds: &[&str]) -> Fence {
        let view = EnvironmentView {
            namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
            allowed_cluster_kinds: kinds.iter().map(|&name| name.to_owned()).collect(),
            ..EnvironmentView::default()
        };
        Fence::new(&view, "acme", "shop", "staging")
    }

    #[test]
    fn the_first_namespace_is_the_default_and_an_environment_without_any_has_one_of_its_own() {
        assert_eq!(fence(&["{project}-x", "other"], &[]).default_namespace(), "shop-x");
        let own = fence(&[], &[]);
        let hash = names::short_hash(b"acme/shop/staging", 8);
        assert_eq!(own.default_namespace(), format!("shop-staging-{hash}"));
        assert!(!own.is_listed());
        let long = generated_namespace("acme", &"p".repeat(63), "staging");
        assert!(long.len() <= names::MAX_NAME && long.contains("p-"), "{long}");
    }

    #[test]
    fn a_namespace_that_a_long_project_does_not_fit_into_is_cut() {
        let view = EnvironmentView { namespaces: vec!["{project}-staging".into()], ..EnvironmentView::default() };
        let of = |project: &str| Fence::new(&view, "acme", project, "staging").default_namespace().to_owned();
        assert_eq!(of(&"p".repeat(55)), format!("{}-staging", "p".repeat(55)), "63 characters fit");
        let [one, two] = ["p", "q"].map(|last| of(&format!("{}{last}", "p".repeat(62))));
        for name in [&one, &two] {
            assert_eq!((name.len(), crate::types::dns_label_fault(name)), (63, None), "{name}");
        }
        assert_ne!(one, two);
    }

    #[test]
    fn what_is_let_in() {
        let fence = fence(&["{project}-staging", "kube-system"], &["ClusterRole.rbac.authorization.k8s.io"]);
        let code = |group: &str, kind: &str, namespace: Option<&str>| {
            fence.outside(group, kind, built_in_scope(group, kind), namespace).map(|outside| outside.code)
        };
        assert_eq!(code("apps", "Deployment", None), None);
        assert_eq!(code("apps", "Deployment", Some("shop-staging")), None);
        assert_eq!(code("apps", "Deployment", Some("elsewhere")), Some("OutsideNamespace"));
        // Also where somebody has listed it.
        assert_eq!(code("", "ConfigMap", Some("kube-system")), Some("OutsideNamespace"));
        assert_eq!(code("", "ConfigMap", Some("default")), Some("OutsideNamespace"));
        assert_eq!(code("", "Namespace", None), Some("ClusterKind"));
        assert_eq!(code("rbac.authorization.k8s.io", "RoleBinding", None), Some("ClusterKind"));
        assert_eq!(code("rbac.authorization.k8s.io", "ClusterRole", None), None);
        assert_eq!(built_in_scope("example.org", "Widget"), None);
    }

    #[test]
    fn what_is_known_of_an_object_before_the_cluster_is_asked() {
        let fence = fence(&["shop-staging"], &[]);
        let code = |version: &str, kind: &str, namespace: Option<&str>| {
            let object =
                json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": namespace}});
            guarded(&object).map(|object| fence.refuses(&object).map(|outside| outside.code))
        };
        assert_eq!(code("apps/v1", "Deployment", None), None, "it goes into the default namespace");
        assert_eq!(code("apps/v1", "Deployment", Some("")), None);
        assert_eq!(code("apps/v1", "Deployment", Some("shop-staging")), Some(None));
        assert_eq!(code("example.org/v1", "Widget", None), None, "only the cluster knows where it lives");
        assert_eq!(code("example.org/v1", "Widget", Some("elsewhere")), Some(Some("OutsideNamespace")));
        assert_eq!(code("v1", "PersistentVolume", None), Some(Some("ClusterKind")));
        assert_eq!(code("rbac.authorization.k8s.io/v1", "Role", Some("shop-staging")), Some(Some("ClusterKind")));
        let template = |namespace: &str| {
            guarded_template(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace}}))
        };
        assert_eq!(template("${metadata.namespace}"), None);
        assert_eq!(template("${environmentConfigs.team}-x"), None);
        assert!(template("elsewhere").is_some());
        assert_eq!(guarded(&json!("text")), None);
    }

    #[test]
    fn a_kind_that_lost_its_group_is_recognized() {
        assert_eq!(with_its_group("ClusterRole"), Some("ClusterRole.rbac.authorization.k8s.io"));
        assert_eq!(with_its_group("Namespace"), None, "it is of the core group");
    }
}
