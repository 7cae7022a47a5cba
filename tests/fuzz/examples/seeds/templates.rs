//! Templates with their values.

use serde_json::{Value, json};

use super::Seeds;

const TEXTS: [&str; 14] = [
    "plain $ {} $$ }",
    "${environmentConfigs.replicas}",
    "a${ metadata.name }b${workload}",
    "${parameters.a[0][\"b.c/d\"]['e'].f}",
    "$${\"$\"}${ \"$\" }",
    "é${metadata.name}",
    "${",
    "${metadata[0}",
    "a ${has(metadata.name)}",
    "${metadata[-1]}",
    "${metadata[\"a}b${\"]}",
    "${HOME}",
    "${metadata[99999999999999999999]}",
    "${environmentConfigs}${environmentConfigs.list}",
];

pub(crate) fn seeds() -> Seeds {
    let texts = TEXTS.iter().enumerate().map(|(at, text)| (format!("text-{at:02}"), text.as_bytes().to_vec()));
    let values = values().into_iter().map(|(name, value)| (format!("{name}.json"), value.to_string().into_bytes()));
    texts.chain(values).collect()
}

fn values() -> [(&'static str, Value); 7] {
    let schema = json!({"type": "object", "properties": {
        "replicas": {"type": "integer", "default": 2},
        "limits": {"type": "object", "default": {"cpu": "1"}},
        "hosts": {"type": "array", "items": {"properties": {"port": {"default": 80}}}},
    }});
    let deployment = json!({"kind": "Deployment", "spec": {"replicas": "${environmentConfigs.replicas}", "limits":
        "${environmentConfigs.limits}", "image": "${workload.container.image}-${metadata.environmentName}", "n": 1.5, "z": null}});
    let workload = json!({"container": {"image": "shop:1", "args": ["a", "b"]}});
    [
        ("deployment", json!({"template": deployment, "schema": schema, "workload": workload})),
        (
            "configs",
            json!({"template": ["${environmentConfigs.hosts[0].port}"], "configs": {"hosts": [{}]}, "schema": schema}),
        ),
        ("keys", json!({"template": {"${metadata.name}": 1, "web": 2, "a${metadata.projectName}": 3}})),
        ("amplified", json!({"template": vec!["${environmentConfigs.a}"; 50], "configs": {"a": "x".repeat(200)}})),
        (
            "defaults",
            json!({"template": "${environmentConfigs.a}", "configs": {"a": vec![json!({}); 20]},
            "schema": {"properties": {"a": {"items": {"properties": {"b": {"default": "x".repeat(50)}}}}}}}),
        ),
        (
            "parameters",
            json!({"template": "${parameters.a}", "parameters": {"a": null}, "parametersSchema": {"properties": {"a": {"default": 1}}}}),
        ),
        (
            "unknown",
            json!({"template": "${environmentConfigs.replcas} ${workload.container.args}", "schema": schema, "workload": workload}),
        ),
    ]
}
