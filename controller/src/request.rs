//! A request, and what the API server's answer means.

use std::time::Duration;

use http::{Method, Request, header, request};
use kube::Client;
use kube::core::ApiResource;
use release_edge::client::told_to_wait;
use release_shared::names;
use release_shared::object::printable;
use serde_json::{Value, json};

/// Why the API server did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Fields belong to other managers; in the server's words, which name them.
    Conflict(String),
    /// It will not, as things are, or cannot; in the server's words.
    Refused(String),
    /// It is not there.
    NotFound,
    /// It is no longer as it was thought to be.
    Changed,
    /// Not now: it could not be reached, or asks to be asked later.
    Later(Later),
}

/// When to ask again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Later {
    /// What happened.
    pub(crate) why: String,
    /// What the API server says about when.
    pub(crate) wait: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict(words) | Self::Refused(words) => f.write_str(words),
            Self::NotFound => f.write_str("it is not there"),
            Self::Changed => f.write_str("it was changed by somebody else at the same moment"),
            Self::Later(later) => later.fmt(f),
        }
    }
}

impl From<Refusal> for Later {
    /// Whatever it was, it is looked at again.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Later(later) => later,
            refusal => Self { why: refusal.to_string(), wait: None },
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A new object.
    Create,
    /// All that we want of an object.
    Apply,
    /// The same, taking over what others own.
    ForcedApply,
    /// Some of an object (RFC 7386).
    Merge,
    /// Operations on it (RFC 6902).
    Patch,
    /// Operations on its status.
    Status,
}

impl Content {
    fn media_type(self) -> &'static str {
        match self {
            Self::Create => "application/json",
            Self::Apply | Self::ForcedApply => "application/apply-patch+yaml",
            Self::Merge => "application/merge-patch+json",
            Self::Patch | Self::Status => "application/json-patch+json",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Apply | Self::ForcedApply | Self::Merge | Self::Patch => "patch",
            Self::Status => "patch_status",
        }
    }
}

/// What is wanted back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    /// The object.
    Object,
    /// Its metadata.
    Metadata,
}

/// Sends a write under our field manager.
pub(crate) async fn send(
    client: &Client,
    content: Content,
    path: &str,
    accept: Accept,
    body: &Value,
) -> Result<Value, Refusal> {
    let method = if content == Content::Create { Method::POST } else { Method::PATCH };
    let force = if content == Content::ForcedApply { "&force=true" } else { "" };
    let path = format!("{path}?fieldManager={}{force}", names::CONTROLLER_MANAGER);
    let accept = match accept {
        Accept::Object => "application/json",
        Accept::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    };
    let request = request(method, &path, content.verb()).header(header::ACCEPT, accept);
    exchange(client, request.header(header::CONTENT_TYPE, content.media_type()), body).await
}

/// Deletes what is at a path, where `preconditions` hold; whether anything was there. Fine where it is gone or another has taken its
/// name.
pub(crate) async fn delete(client: &Client, path: &str, preconditions: &Value) -> Result<bool, Refusal> {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": preconditions,
        "propagationPolicy": "Background",
    });
    let request = request(Method::DELETE, path, "delete").header(header::ACCEPT, "application/json");
    match exchange(client, request.header(header::CONTENT_TYPE, "application/json"), &options).await {
        Ok(_) | Err(Refusal::Changed) => Ok(true),
        Err(Refusal::NotFound) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// A request that metrics know by this verb.
pub(crate) fn request(method: Method, path: &str, verb: &'static str) -> request::Builder {
    Request::builder().method(method).uri(path).extension(verb)
}

async fn exchange(client: &Client, request: request::Builder, body: &Value) -> Result<Value, Refusal> {
    let unsendable = |why: String| Refusal::Refused(format!("it cannot be sent: {why}"));
    let body = serde_json::to_vec(body).map_err(|error| unsendable(error.to_string()))?;
    let request = request.body(body).map_err(|error| unsendable(error.to_string()))?;
    client.request::<Value>(request).await.map_err(|error| Refusal::from(&error))
}

impl From<&kube::Error> for Refusal {
    fn from(error: &kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Later(Later { why: error.to_string(), wait: None });
        };
        let words = printable(&status.message);
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        let is_field_conflict = causes.iter().any(|cause| cause.reason == "FieldManagerConflict");
        match status.code {
            404 => Self::NotFound,
            409 if is_field_conflict => Self::Conflict(words),
            409 => Self::Changed,
            429 | 503 | 504 => Self::Later(Later { why: words, wait: told_to_wait(error) }),
            _ => Self::Refused(words),
        }
    }
}

/// The path of an object, or of its kind in a namespace.
pub(crate) fn path(resource: &ApiResource, namespace: Option<&str>, name: Option<&str>) -> String {
    let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    let namespace = namespace.map(|namespace| format!("/namespaces/{}", segment(namespace))).unwrap_or_default();
    let name = name.map(|name| format!("/{}", segment(name))).unwrap_or_default();
    format!("{root}/{}{namespace}/{}{name}", resource.version, resource.plural)
}

/// A name as part of a path. (RBAC names may hold colons, which a path may, too.)
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use kube::core::GroupVersionKind;

    use super::*;

    #[test]
    fn paths() {
        let core = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "ConfigMap"), "configmaps");
        let rbac = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", "ClusterRole"),
            "clusterroles",
        );
        assert_eq!(path(&core, Some("shop"), Some("a.b")), "/api/v1/namespaces/shop/configmaps/a.b");
        assert_eq!(path(&core, None, None), "/api/v1/configmaps");
        assert_eq!(path(&rbac, None, Some("a:b/../c")), "/apis/rbac.authorization.k8s.io/v1/clusterroles/a:b%2F..%2Fc");
    }
}
