//! How our kinds name each other.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Which component of which project an object belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Owner {
    /// The project that owns the component.
    #[schemars(schema_with = "super::schema::name")]
    pub project_name: String,
    /// The component.
    #[schemars(schema_with = "super::schema::name")]
    pub component_name: String,
}

/// Reads a reference in its object form, or in the plain string that OpenChoreo used before 1.0.
fn object_or_name<'de, D, T>(deserializer: D, named: impl FnOnce(String) -> T) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: From<KindAndName>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Name(String),
        Object(KindAndName),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Name(name) => named(name),
        Either::Object(object) => object.into(),
    })
}

#[derive(Deserialize)]
struct KindAndName {
    kind: Option<String>,
    name: String,
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $kind:literal, [$($allowed:literal),+]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
        pub struct $name {
            /// The kind of the object that is meant.
            #[schemars(default = "Self::default_kind", extend("enum" = [$($allowed),+]))]
            pub kind: String,
            /// Its name, in the same namespace.
            #[schemars(schema_with = "super::schema::name")]
            pub name: String,
        }

        impl $name {
            fn default_kind() -> String {
                $kind.to_owned()
            }

            /// A reference by name, of the usual kind.
            pub fn named(name: impl Into<String>) -> Self {
                Self { kind: Self::default_kind(), name: name.into() }
            }
        }

        impl From<KindAndName> for $name {
            fn from(object: KindAndName) -> Self {
                Self { kind: object.kind.unwrap_or_else(Self::default_kind), name: object.name }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                object_or_name(deserializer, Self::named)
            }
        }
    };
}

reference!(
    /// An environment of a promotion path.
    EnvironmentRef, "Environment", ["Environment"]
);
reference!(
    /// The pipeline along which a project's components are promoted.
    DeploymentPipelineRef, "DeploymentPipeline", ["DeploymentPipeline"]
);
reference!(
    /// Where the objects of an environment live.
    DataPlaneRef, "DataPlane", ["DataPlane", "ClusterDataPlane"]
);

/// The component type of a component, named `<workloadType>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentTypeRef {
    /// `ComponentType` or `ClusterComponentType`.
    #[serde(default = "ComponentTypeRef::default_kind")]
    #[schemars(extend("enum" = ["ComponentType", "ClusterComponentType"]))]
    pub kind: String,
    /// `<workloadType>/<name>`.
    #[schemars(
        length(max = 128),
        regex(pattern = r"^(deployment|statefulset|cronjob|job|proxy)/[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}

impl ComponentTypeRef {
    fn default_kind() -> String {
        "ComponentType".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_in_both_forms() {
        for json in [r#""dev""#, r#"{"name":"dev"}"#, r#"{"kind":"Environment","name":"dev"}"#] {
            let reference: EnvironmentRef = serde_json::from_str(json).unwrap();
            assert_eq!(reference, EnvironmentRef::named("dev"), "{json}");
        }
    }
}
