//! Pieces of schema that several kinds share.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::Kind;
use crate::names;

/// The name of an object as our fields hold it: a DNS-1123 label.
pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" })
}

/// Every duration within bounds, as a pattern, and none that `duration()` of CEL could not read: its error would refuse also what was
/// stored before. 64 characters of it stay far below what 64 bits hold.
macro_rules! readable_duration {
    () => {
        "^(0*[0-9]{1,5}([.][0-9]+)?[hms]|0*[0-9]{1,8}([.][0-9]+)?ms)+$"
    };
}
pub(crate) use readable_duration;

/// A Go duration as OpenChoreo's schema has it (v0.17.0, `release_types.go`): every duration that we take, and a bare `0` not. Within our
/// bounds.
pub(super) fn go_duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
        "x-kubernetes-validations": [{
            "rule": concat!(
                "self.matches('",
                readable_duration!(),
                "') && (duration(self) == duration('0s') || (duration(self) >= duration('1s') && duration(self) <= duration('24h')))"
            ),
            "message": "is out of bounds: write 0s, or between 1s and 24h"
        }]
    })
}

/// An object whose content belongs to somebody else.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Any JSON value.
pub(super) fn any_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// What can be said of an object inside one of ours, whether it stands there as it is or as a template. What was wrong before is tolerated here,
/// since the API server does it only where it knows every field.
fn object_rules() -> Value {
    let kinds = Kind::ALL.map(|kind| format!("'{kind}'")).join(", ");
    let rules = [
        ("OBJECT.kind == 'List'".to_owned(), "a List is not an object: add each of its items as a resource of its own"),
        (
            format!("OBJECT.apiVersion.startsWith('{}/') && OBJECT.kind in [{kinds}]", names::GROUP),
            "one of our own kinds cannot be part of a release: apply it beside the release",
        ),
        (
            "has(OBJECT.metadata.generateName)".to_owned(),
            "metadata.generateName is not supported in a release: every object needs a fixed metadata.name",
        ),
    ];
    let rules = rules.map(|(fault, message)| {
        let [now, before] = ["self", "oldSelf.value()"].map(|object| fault.replace("OBJECT", object));
        json!({ "rule": format!("!({now}) || (oldSelf.hasValue() && {before})"), "message": message, "optionalOldSelf": true })
    });
    json!(rules)
}

/// A whole Kubernetes object. Atomic: its leaves do not show one by one in managedFields, and no two managers own half of it each.
pub(super) fn embedded_object(_: &mut SchemaGenerator) -> Schema {
    let metadata = json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string", "minLength": 1 } } });
    json_schema!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": { "metadata": metadata },
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-embedded-resource": true,
        "x-kubernetes-map-type": "atomic",
        "x-kubernetes-validations": object_rules()
    })
}

/// An object with references in it: no embedded resource, since `metadata.name` or a label may be a reference of another type. What it is
/// is written out.
pub(super) fn template(_: &mut SchemaGenerator) -> Schema {
    let written_out = json!({ "type": "string", "minLength": 1, "not": { "pattern": r"\$\{" } });
    let metadata = json!({
        "type": "object",
        "required": ["name"],
        "properties": { "name": { "type": "string", "minLength": 1 }, "generateName": { "type": "string", "nullable": true } },
        "x-kubernetes-preserve-unknown-fields": true
    });
    json_schema!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": { "apiVersion": written_out, "kind": written_out, "metadata": metadata },
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-map-type": "atomic",
        "x-kubernetes-validations": object_rules()
    })
}

/// Values by name, owned as one: else a value that somebody set by hand could not be removed by leaving it out.
pub(super) fn atomic_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic" })
}

/// A list of objects of somebody else's.
pub(super) fn any_objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } })
}
