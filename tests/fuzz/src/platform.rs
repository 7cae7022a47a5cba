//! What the targets find around them: a namespace with a project in it, the key that signs, and the time.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{PrivateKey, PublicKeys, Signer, key_id};
use release_shared::world::World;
use serde_json::{Value, json};

/// The namespace of everything here.
pub const NAMESPACE: &str = "acme";

static NOW: LazyLock<Timestamp> = LazyLock::new(|| {
    Timestamp::from_second(1_767_355_200).unwrap_or_else(|error| unreachable!("this second is a time: {error}"))
});

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let key = PrivateKey::from_seed(&[7; 32]);
    let keys = BTreeMap::from([(key_id(&key.public(), made()), key)]);
    Signer::new(keys, PublicKeys::default()).unwrap_or_else(|| unreachable!("there is a key"))
});

static PLATFORM: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new(NAMESPACE);
    for object in objects() {
        let kind = object["kind"].as_str().and_then(Kind::parse);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(kind) = kind {
            world.put(kind, name, Some(&object));
        }
    }
    world
});

/// The clock of all targets: 2026-01-02T12:00:00Z.
pub fn now() -> Timestamp {
    *NOW
}

/// When the key was made: a day before.
fn made() -> Timestamp {
    now() - jiff::SignedDuration::from_hours(24)
}

/// Who signs.
pub fn signer() -> &'static Signer {
    &SIGNER
}

/// The namespace as the rules see it: project `shop` with component `web`, two releases of it, and the environments `dev` and
/// `production`, of which the second wants a reason.
pub fn platform() -> &'static World {
    &PLATFORM
}

fn objects() -> Vec<Value> {
    let owner = json!({"projectName": "shop", "componentName": "web"});
    let path = json!([{"sourceEnvironmentRef": {"name": "dev"}, "targetEnvironmentRefs": [{"name": "production"}]}]);
    let schema = json!({
        "type": "object",
        "properties": {"replicas": {"type": "integer", "default": 1}, "logLevel": {"type": "string", "default": "info"}}
    });
    let release = |name: &str| {
        let component_type = json!({"spec": {"environmentConfigs": {"openAPIV3Schema": schema}, "resources": []}});
        object("ComponentRelease", name, json!({"owner": owner, "componentType": component_type}))
    };
    let mut production = object("Environment", "production", json!({"isProduction": true}));
    production["metadata"]["annotations"] = json!({names::REQUIRE_REASON: "true", names::HISTORY_RECORDS: "3"});
    vec![
        object("Project", "shop", json!({"deploymentPipelineRef": {"name": "default"}})),
        object("DeploymentPipeline", "default", json!({"promotionPaths": path})),
        object("Component", "web", json!({"owner": {"projectName": "shop"}})),
        object("Environment", "dev", json!({})),
        production,
        release("web-1"),
        release("web-2"),
    ]
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let mut object =
        json!({"apiVersion": names::API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}});
    object["spec"] = spec;
    object
}
