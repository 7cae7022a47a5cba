//! Pieces of schema that several kinds share.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The name of an object as our fields hold it: a DNS-1123 label.
pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" })
}

/// A Go duration as OpenChoreo's schema has it (v0.17.0, `release_types.go`): every duration that we take, and a bare `0` not.
pub(super) fn go_duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 64, "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$" })
}

/// An object whose content belongs to somebody else.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Any JSON value.
pub(super) fn any_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// A whole Kubernetes object. Atomic: its leaves do not show one by one in managedFields, and no two managers own half of it each.
pub(super) fn embedded_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-embedded-resource": true,
        "x-kubernetes-map-type": "atomic"
    })
}

/// An object with references in it: no embedded resource, since `metadata.name` or a label may be a reference of another type.
pub(super) fn template(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic" })
}

/// Values by name, owned as one: else a value that somebody set by hand could not be removed by leaving it out.
pub(super) fn atomic_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic" })
}

/// A list of objects of somebody else's.
pub(super) fn any_objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } })
}
