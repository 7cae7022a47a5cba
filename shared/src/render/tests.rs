use serde_json::{Value, json};

use super::*;

fn release(template: &Value) -> Value {
    json!({
        "componentType": {"spec": {
            "environmentConfigs": {"openAPIV3Schema": {"type": "object", "properties": {
                "replicas": {"type": "integer", "default": 2},
                "host": {"type": "string"},
                "limits": {"type": "object", "default": {"cpu": "1"}, "x-kubernetes-preserve-unknown-fields": true},
            }}},
            "resources": [{"id": "deployment", "template": template}],
        }},
        "workload": {"container": {"image": "shop:1", "args": ["a", "b"]}},
    })
}

fn rendered(template: &Value, configs: &Value) -> Result<Value, Vec<String>> {
    let release = release(template);
    let input = Input {
        release: &release,
        configs,
        project: "web",
        component: "shop",
        environment: "staging",
        namespace: Some("web-staging"),
    };
    let first = render(&input);
    assert_eq!(first, render(&input), "rendering is deterministic");
    first
        .map(|mut resources| resources.remove(0).object)
        .map_err(|violations| violations.iter().map(|v| format!("{} {v}", v.code)).collect())
}

#[test]
fn references_are_replaced_and_keep_their_type_where_they_stand_alone() {
    let table = [
        (json!("${environmentConfigs.replicas}"), json!({}), json!(2)),
        (json!("${environmentConfigs.replicas}"), json!({"replicas": 5}), json!(5)),
        (json!("${environmentConfigs.limits}"), Value::Null, json!({"cpu": "1"})),
        (json!("n=${environmentConfigs.replicas}"), json!({"replicas": 5}), json!("n=5")),
        (json!("n=${environmentConfigs.replicas}"), json!({"replicas": 5.0}), json!("n=5")),
        (
            json!("${metadata.name}-${metadata.environmentName}.${metadata.namespace}"),
            json!({}),
            json!("shop-staging.web-staging"),
        ),
        (
            json!({"${metadata.name}": ["${workload.container.args[1]}", null, 1.5]}),
            json!({}),
            json!({"shop": ["b", null, 1.5]}),
        ),
        (json!("${\"$\"}{HOME}"), json!({}), json!("${HOME}")),
        (json!("${\"$\"}"), json!({}), json!("$")),
        (json!("${environmentConfigs.host}"), json!({"host": "${metadata.name}"}), json!("${metadata.name}")),
    ];
    for (template, configs, expected) in table {
        assert_eq!(rendered(&template, &configs), Ok(expected), "{template}");
    }
}

#[test]
fn every_fault_names_template_and_place() {
    let template = json!({"spec": {
        "a": "x ${environmentConfigs.limits}",
        "b": ["${environmentConfigs.host}"],
        "c": "${size(x)}",
        "d": "a ${metadata.uid}",
        "shop": 1,
        "${metadata.name}": 2,
    }});
    let base = "spec.componentType.spec.resources[0].template.spec";
    let expected = [
        format!(
            "TemplateValue {base}.a: template `deployment`, column 3: `environmentConfigs.limits` is an object, which cannot stand inside a string; refer to a single value"
        ),
        format!(
            "MissingValue {base}.b[0]: template `deployment`, column 1: `environmentConfigs.host` has no value; set it in the environment's binding, or give it a default in the schema"
        ),
        format!(
            "UnsupportedTemplate {base}.c: template `deployment`, column 3: only references such as `${{environmentConfigs.replicas}}` are supported, no other expressions; write a literal `${{` as `${{\"$\"}}{{`"
        ),
        format!(
            "MissingValue {base}.d: template `deployment`, column 3: `metadata.uid` has no value; correct the reference"
        ),
        format!(
            "TemplateValue {base}.shop: template `deployment`, column 1: renders to the key `shop`, which stands here already; rename one"
        ),
    ];
    assert_eq!(rendered(&template, &json!({})), Err(expected.to_vec()));
}

#[test]
fn conditions_and_loops_are_refused() {
    let mut release = release(&json!({}));
    release["componentType"]["spec"]["resources"][0]["includeWhen"] = json!("${true}");
    let input = Input {
        release: &release,
        configs: &Value::Null,
        project: "p",
        component: "c",
        environment: "e",
        namespace: None,
    };
    let found = render(&input).unwrap_err();
    let expected = "spec.componentType.spec.resources[0].includeWhen: `includeWhen` is not supported: every resource is rendered exactly once; remove it";
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn templates_are_checked_before_there_are_values() {
    let release = release(&Value::Null);
    let schema = release.pointer("/componentType/spec/environmentConfigs/openAPIV3Schema");
    let template = json!({
        "good": ["${environmentConfigs.replicas}", "${environmentConfigs.limits.memory}", "${metadata.name}"],
        "near": "${environmentConfigs.replica}",
        "${x": "${HOME}",
    });
    let found = |schema| -> Vec<String> {
        let found = check_templates(&FieldPath::root("template"), &template, schema);
        found.iter().map(|v| format!("{} {v}", v.code)).collect()
    };
    let known = "known are `environmentConfigs`, `parameters`, `metadata`, `workload`";
    let expected = [
        format!("UnsupportedTemplate template[${{x]: column 3: `x` is nothing that a template can refer to; {known}"),
        format!("UnsupportedTemplate template[${{x]: column 3: `HOME` is nothing that a template can refer to; {known}"),
        "UnknownConfigKey template.near: column 1: `environmentConfigs.replica`: the schema of this release has no `replica`; did you mean `replicas`?".to_owned(),
    ];
    assert_eq!(found(schema), expected);
    assert_eq!(found(None).iter().filter(|found| found.starts_with("UnknownConfigKey")).count(), 3);
}

#[test]
fn references_do_not_make_a_small_text_a_large_object() {
    let value = "x".repeat(10_000);
    for (template, fits) in [("${environmentConfigs.host}", 124), ("a${environmentConfigs.host}", 125)] {
        for count in [fits, 200] {
            let found = rendered(&json!(vec![template; count]), &json!({"host": value}));
            match found {
                Ok(_) => assert_eq!(count, fits),
                Err(told) => {
                    assert!(count > fits && told.len() == 1 && told[0].starts_with("TooLarge "), "{told:?}");
                }
            }
        }
    }
}
