//! How our own kinds are addressed.

use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use release_shared::kinds::Kind;
use release_shared::names;

/// How a kind is addressed.
#[must_use]
pub fn resource(kind: Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(names::GROUP, names::VERSION, kind.as_str()),
        kind.plural(),
    )
}
