//! A review as the API server sends it: its fields by their names on the wire, its objects read as whoever asks for it likes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use release_shared::kinds::Kind;
use release_shared::names;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::respond::Facts;

/// A review. (admission.k8s.io/v1, `AdmissionReview`)
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review<'a, R> {
    #[serde(borrow)]
    pub(super) api_version: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    pub(super) request: Option<R>,
}

impl<R> Review<'_, R> {
    /// Whether it is of the version and kind that we know.
    pub(super) fn is_known(&self) -> bool {
        (&*self.api_version, &*self.kind) == ("admission.k8s.io/v1", "AdmissionReview")
    }
}

/// The request, its objects read as `O`. (admission.k8s.io/v1, `AdmissionRequest`)
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'a, O> {
    uid: String,
    kind: GroupKind,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    pub(super) operation: String,
    #[serde(borrow, default)]
    sub_resource: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) user_info: UserInfo<'a>,
    #[serde(default = "Option::default")]
    pub(super) object: Option<O>,
    #[serde(default = "Option::default")]
    pub(super) old_object: Option<O>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default)]
    options: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

/// Who asks. Only the name is needed for every review; the rest stays text until somebody's rights are asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct UserInfo<'a> {
    #[serde(default)]
    username: String,
    #[serde(borrow, default)]
    uid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    groups: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extra: Option<&'a RawValue>,
}

impl UserInfo<'_> {
    /// The same with all that an authorizer looks at. What cannot be read gives nobody a right.
    pub(super) fn subject(&self) -> Subject {
        fn read<T: DeserializeOwned + Default>(raw: Option<&RawValue>) -> T {
            raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
        }
        Subject { uid: read(self.uid), groups: read(self.groups), extra: read(self.extra) }
    }
}

/// What of a user besides the name an authorizer looks at.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) uid: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options<'a> {
    #[serde(borrow, default)]
    field_manager: Option<Cow<'a, str>>,
}

/// An object without looking into it: raw texts are read at any depth.
#[derive(Deserialize)]
struct Shallow<'a> {
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: ShallowMetadata<'a>,
}

#[derive(Default, Deserialize)]
struct ShallowMetadata<'a> {
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

impl<'a> Shallow<'a> {
    fn read(raw: Option<&'a RawValue>) -> Option<Self> {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    fn content(&self) -> [Option<&str>; 2] {
        [self.spec, self.metadata.annotations].map(|raw| raw.map(RawValue::get))
    }
}

impl Envelope<'_, &RawValue> {
    /// Whether spec and annotations are byte for byte what they were: nothing that is judged or stamped changes.
    pub(super) fn leaves_content_alone(&self) -> bool {
        match (Shallow::read(self.object), Shallow::read(self.old_object)) {
            (Some(new), Some(old)) => new.content() == old.content(),
            _ => false,
        }
    }
}

impl<'a, O> Envelope<'a, O> {
    /// What is logged of it and repeated in the reply.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            uid: self.uid.clone(),
            user: self.user_info.username.clone(),
            operation: self.operation.clone(),
            kind: self.kind.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            dry_run: self.dry_run == Some(true),
        }
    }

    /// The kind of the object where it is ours to judge: nothing is recorded of a subresource, and of a connection nothing is stored.
    pub(super) fn kind(&self) -> Option<Kind> {
        let is_ours = self.kind.group == names::GROUP && self.sub_resource.is_empty() && self.operation != "CONNECT";
        Kind::parse(&self.kind.kind).filter(|_| is_ours)
    }

    /// The field manager that it names.
    pub(super) fn manager(&self) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Options<'_>>(self.options?.get()).ok()?.field_manager
    }
}
