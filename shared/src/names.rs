//! Every name that more than one part of the project must agree on.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::kinds::Kind;

/// The API group of all our kinds.
pub const GROUP: &str = "openchoreo.dev";
/// The version of all our kinds.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of all our kinds.
pub const API_VERSION: &str = "openchoreo.dev/v1alpha1";

/// The field manager of the plugin's writes.
pub const PLUGIN_MANAGER: &str = "kubectl-release";
/// The field manager of the controller's writes, and the value of the `managed-by` label.
pub const CONTROLLER_MANAGER: &str = "release-controller";
/// The namespace in which webhook and controller run.
pub const SYSTEM_NAMESPACE: &str = "release-system";
/// The name of both webhook configurations, of the webhook's account and of its Service.
pub const WEBHOOK: &str = "release-webhook";
/// The name of the Secret with the keys that sign records, and of the ConfigMap with their public halves.
pub const RECORD_KEYS: &str = "release-record-keys";
/// The user that the controller is for the API server. Only it writes Releases that are rendered from bindings.
pub const CONTROLLER_USER: &str = "system:serviceaccount:release-system:release-controller";
/// Holds a Release until its live objects are gone. (OpenChoreo v0.17.0, `controller_finalize.go`)
pub const FINALIZER: &str = "openchoreo.dev/dataplane-cleanup";

/// The human version of a ComponentRelease.
pub const VERSION_ANNOTATION: &str = "openchoreo.dev/version";
/// Any new value restarts the workloads of a binding.
pub const RESTARTED_AT: &str = "openchoreo.dev/restartedAt";
/// A name for people, on any kind.
pub const DISPLAY_NAME: &str = "openchoreo.dev/display-name";
/// A description for people, on any kind.
pub const DESCRIPTION: &str = "openchoreo.dev/description";

/// What the keys of our own annotations begin with.
pub const PREFIX: &str = "release.openchoreo.dev/";
/// Why: sent by the client with a change.
pub const REASON: &str = "release.openchoreo.dev/reason";
/// A URL: sent by the client with a change.
pub const LINK: &str = "release.openchoreo.dev/link";
/// What the plugin means by a change; a hint.
pub const ACTION: &str = "release.openchoreo.dev/action";
/// The revision that the plugin saw before its change; 0 = must not exist.
pub const EXPECTED_REVISION: &str = "release.openchoreo.dev/expected-revision";

/// The person behind an account that may speak for others: sent by such an account with a change.
pub const ON_BEHALF_OF: &str = "release.openchoreo.dev/on-behalf-of";
/// Asks to go past a rule with permission: the number of the revision that this write makes. In any other write it says nothing.
pub const BYPASS: &str = "release.openchoreo.dev/bypass";

/// The verb of RBAC that lets somebody go past a rule, on `environments` and `deploymentpipelines`.
pub const BYPASS_VERB: &str = "bypass";

/// Written by the webhook only: number of the current revision.
pub const REVISION: &str = "release.openchoreo.dev/revision";
/// Written by the webhook only: who made the current revision.
pub const CHANGED_BY: &str = "release.openchoreo.dev/changed-by";
/// Written by the webhook only: when the current revision was made, RFC 3339 in UTC.
pub const CHANGED_AT: &str = "release.openchoreo.dev/changed-at";
/// Written by the webhook only: the human version of the pinned release.
pub const RELEASE_VERSION: &str = "release.openchoreo.dev/release-version";
/// Written by the webhook only: the records, oldest first, a JSON array.
pub const HISTORY: &str = "release.openchoreo.dev/history";

/// Written by the controller on a Release: `<binding UID>/<revision>`, what it is rendered from.
pub const RENDERED_FROM: &str = "release.openchoreo.dev/rendered-from";
/// Written by the controller on a live object: the hash of what it applied.
pub const APPLIED_HASH: &str = "release.openchoreo.dev/applied-hash";

/// On a webhook configuration: the version whose replicas put back what somebody changes in it.
pub const KEPT_AS: &str = "release.openchoreo.dev/kept-as";

/// The keys that the webhook alone writes: whatever a client sends under them is replaced.
pub const WEBHOOK_KEYS: [&str; 5] = [REVISION, CHANGED_BY, CHANGED_AT, RELEASE_VERSION, HISTORY];

/// Whether a DeploymentPipeline's rules are only told (`warn`) or kept (`enforce`).
pub const ENFORCEMENT: &str = "release.openchoreo.dev/enforcement";
/// Environment: namespaces that its objects may go into, comma-separated; the first is the default.
pub const NAMESPACES: &str = "release.openchoreo.dev/namespaces";
/// Environment: cluster-scoped and RBAC kinds that a release may bring, comma-separated `Kind.group`.
pub const ALLOWED_CLUSTER_KINDS: &str = "release.openchoreo.dev/allowed-cluster-kinds";
/// Environment: `true` lets Secrets with data into releases.
pub const ALLOW_INLINE_SECRETS: &str = "release.openchoreo.dev/allow-inline-secrets";
/// Environment: the account, `<namespace>/<name>`, that the controller acts as.
pub const SERVICE_ACCOUNT: &str = "release.openchoreo.dev/service-account";
/// Environment: `<RFC 3339>; reason`: until then nothing changes there.
pub const FROZEN: &str = "release.openchoreo.dev/frozen";
/// Environment: `true`, or a pattern that every reason must match.
pub const REQUIRE_REASON: &str = "release.openchoreo.dev/require-reason";
/// Environment: how many records the histories of what is there keep.
pub const HISTORY_RECORDS: &str = "release.openchoreo.dev/history-records";
/// Environment: how many bytes the histories of what is there keep.
pub const HISTORY_BYTES: &str = "release.openchoreo.dev/history-bytes";
/// Environment: `warn` or `enforce` against drift.
pub const DRIFT: &str = "release.openchoreo.dev/drift";
/// Environment, or a Release itself: `true` leaves live objects behind where they cannot be removed.
pub const ORPHAN_ON_DELETE: &str = "release.openchoreo.dev/orphan-on-delete";

/// The policy annotations of an Environment.
pub const ENVIRONMENT_POLICY: [&str; 10] = [
    NAMESPACES,
    ALLOWED_CLUSTER_KINDS,
    ALLOW_INLINE_SECRETS,
    SERVICE_ACCOUNT,
    FROZEN,
    REQUIRE_REASON,
    HISTORY_RECORDS,
    HISTORY_BYTES,
    DRIFT,
    ORPHAN_ON_DELETE,
];

/// The annotations of a kind that are as good as fields: with `spec` they are its recorded content. On any other kind they say nothing,
/// and nobody becomes the author of an object by writing them.
pub fn recorded_annotations(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Environment => &ENVIRONMENT_POLICY,
        Kind::DeploymentPipeline => &[ENFORCEMENT],
        Kind::ComponentRelease => &[VERSION_ANNOTATION],
        Kind::ReleaseBinding | Kind::Release => &[RESTARTED_AT],
        Kind::Project | Kind::DataPlane | Kind::Component => &[],
    }
}

/// The annotations with our prefix that say something on an object of a kind.
pub fn known_annotations(kind: Kind) -> impl Iterator<Item = &'static str> {
    let said = [REASON, LINK, ACTION, EXPECTED_REVISION, ON_BEHALF_OF, BYPASS];
    let of_release: &[&str] = if kind == Kind::Release { &[RENDERED_FROM, ORPHAN_ON_DELETE] } else { &[] };
    let ours = recorded_annotations(kind).iter().chain(of_release).copied();
    ours.chain(said).chain(WEBHOOK_KEYS).filter(|key| key.starts_with(PREFIX))
}

/// Label of a live object: who applied it.
pub const MANAGED_BY_LABEL: &str = "openchoreo.dev/managed-by";
/// Label of a live object: the id of the resource in its Release.
pub const RESOURCE_ID_LABEL: &str = "openchoreo.dev/release-resource-id";
/// Label of a live object: the UID of its Release.
pub const RELEASE_UID_LABEL: &str = "openchoreo.dev/release-uid";
/// Label of a live object: the name of its Release.
pub const RELEASE_NAME_LABEL: &str = "openchoreo.dev/release-name";
/// Label of a live object: the namespace of its Release.
pub const RELEASE_NAMESPACE_LABEL: &str = "openchoreo.dev/release-namespace";

/// Labels that the controller puts on every object it applies; a release may not set them itself.
pub const RESERVED_LABELS: [&str; 5] =
    [MANAGED_BY_LABEL, RESOURCE_ID_LABEL, RELEASE_UID_LABEL, RELEASE_NAME_LABEL, RELEASE_NAMESPACE_LABEL];

/// Label of a namespace that the controller made: who made it.
pub const CREATED_BY_LABEL: &str = "openchoreo.dev/created-by";
/// Label of a namespace that the controller made: the control-plane namespace that it belongs to.
pub const NAMESPACE_LABEL: &str = "openchoreo.dev/namespace";
/// Label of a namespace that the controller made, and of Releases: the environment.
pub const ENVIRONMENT_LABEL: &str = "openchoreo.dev/environment";
/// Label of a namespace that the controller made: the UID of the Environment.
pub const ENVIRONMENT_UID_LABEL: &str = "openchoreo.dev/environment-uid";

/// Label of the project on our own objects.
pub const PROJECT_LABEL: &str = "openchoreo.dev/project";
/// Label of the component on our own objects.
pub const COMPONENT_LABEL: &str = "openchoreo.dev/component";

/// The longest name: that of a label value and of a DNS label.
pub const MAX_NAME: usize = 63;
/// How many characters of a hash follow the component in a ComponentRelease's name.
pub const RELEASE_HASH: usize = 16;
/// How many characters of a hash follow a name that had to give way to another.
pub const PAIR_HASH: usize = 8;

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The SHA-256 in hexadecimal of these bytes, one part after the other.
pub(crate) fn sha256_hex_of(parts: &[&[u8]]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    HEXLOWER.encode(&hash.finalize())
}

/// The first `length` characters of the SHA-256 of `bytes` in lower-case base32 (RFC 4648, no padding).
pub fn short_hash(bytes: &[u8], length: usize) -> String {
    let mut text = BASE32_NOPAD.encode(&Sha256::digest(bytes)).to_ascii_lowercase();
    text.truncate(length);
    text
}

/// `name`, cut so that `-suffix` fits behind it within [`MAX_NAME`] characters, and that suffix.
pub fn with_suffix(name: &str, suffix: &str) -> String {
    let room = MAX_NAME.saturating_sub(suffix.len() + 1);
    let cut = name.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= room).last().unwrap_or(0);
    format!("{}-{suffix}", name[..cut].trim_end_matches(['-', '.']))
}

/// `name` as it is where it fits into [`MAX_NAME`] characters, else cut and followed by 8 characters of its hash.
pub fn fitted(name: &str) -> String {
    if name.len() <= MAX_NAME { name.to_owned() } else { with_suffix(name, &short_hash(name.as_bytes(), PAIR_HASH)) }
}

/// The name of the binding of a component in an environment: `<component>-<environment>`, or the hashed one where that is too
/// long.
pub fn binding_name(component: &str, environment: &str) -> String {
    let plain = format!("{component}-{environment}");
    if plain.len() <= MAX_NAME { plain } else { binding_name_hashed(component, environment) }
}

/// The name of that binding where the plain one belongs to another pair: it ends in the pair's own hash.
pub fn binding_name_hashed(component: &str, environment: &str) -> String {
    let pair = format!("{component}/{environment}");
    with_suffix(&format!("{component}-{environment}"), &short_hash(pair.as_bytes(), PAIR_HASH))
}

/// The id of a resource in a snapshot: `<lowercase kind>-<name>`.
pub fn resource_id(kind: &str, name: &str) -> String {
    fitted(&format!("{}-{name}", kind.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_distinct() {
        let long = "a".repeat(60);
        let one = binding_name(&long, "production");
        let two = binding_name(&long, "productive");
        assert!(one.len() <= MAX_NAME && two.len() <= MAX_NAME);
        assert_ne!(one, two);
        assert_eq!(binding_name("shop", "staging"), "shop-staging");
    }

    #[test]
    fn pairs_with_the_same_plain_name_have_different_hashed_names() {
        assert_eq!(binding_name("a-b", "c"), binding_name("a", "b-c"));
        assert_ne!(binding_name_hashed("a-b", "c"), binding_name_hashed("a", "b-c"));
    }

    #[test]
    fn a_suffix_never_follows_a_hyphen() {
        assert_eq!(with_suffix("shop-", "abc"), "shop-abc");
    }
}
