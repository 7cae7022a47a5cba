//! A template and the values for it.

use release_shared::render::template::escape;
use release_shared::render::{Input, MOST_BYTES, check_templates, render};
use release_shared::violation::{FieldPath, Violation};
use serde_json::{Map, Value, json};

/// Any `{template, configs, schema, parameters, parametersSchema, workload}`; what is none is a template by itself.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let given = serde_json::from_str(text).ok().filter(|given: &Value| given.get("template").is_some());
    let given = given.unwrap_or_else(|| json!({"template": text, "configs": {"replicas": 2, "list": [1, "${x}"]}}));
    let (rendered, template) = (rendered(&given, &given["template"]), &given["template"]);
    if let Ok(object) = &rendered {
        let (size, most) = (object.to_string().len(), 6 * (MOST_BYTES + data.len()));
        assert!(size <= most, "{size} bytes are rendered");
        assert!(template.to_string().contains("${") || object == template, "{object} is rendered from {template}");
    }
    check_admission(&given, template, &rendered);
    let plain = escaped(template);
    let back = self::rendered(&given, &plain);
    let is_large = |found: &[Violation]| found.iter().all(|found| found.code == "TooLarge");
    assert!(back.as_ref().map_or_else(|found| is_large(found), |back| back == template), "{plain} renders to {back:?}");
}

fn rendered(given: &Value, template: &Value) -> Result<Value, Vec<Violation>> {
    let release = json!({
        "componentType": {"spec": {
            "resources": [{"id": "a", "template": template}],
            "environmentConfigs": {"openAPIV3Schema": given["schema"]},
            "parameters": {"openAPIV3Schema": given["parametersSchema"]},
        }},
        "componentProfile": {"parameters": given["parameters"]},
        "workload": given["workload"],
    });
    let input = Input {
        release: &release,
        configs: &given["configs"],
        project: "shop",
        component: "web",
        environment: "dev",
        namespace: Some("shop-dev"),
    };
    let objects = render(&input);
    assert_eq!(objects, render(&input), "rendered twice, it is not the same");
    objects.map(|mut objects| objects.pop().map(|resource| resource.object).unwrap_or_default())
}

/// Admission refuses the expressions that rendering refuses, and those that are none by another reading of the text.
fn check_admission(given: &Value, template: &Value, rendered: &Result<Value, Vec<Violation>>) {
    let path = FieldPath::root("template");
    let admitted = check_templates(&path, template, given.get("schema"));
    let unsupported = admitted.iter().any(|found| found.code == "UnsupportedTemplate");
    let refused = rendered.as_ref().err().into_iter().flatten();
    let too_large = refused.clone().any(|found| found.code == "TooLarge");
    let expressions = refused.clone().any(|found| found.code == "UnsupportedTemplate");
    assert!(unsupported == expressions || too_large, "{template}: {admitted:?}, {rendered:?}");
    assert_eq!(unsupported, !texts(template).all(is_template), "{template}");
}

/// Every key and every string of a value.
fn texts(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(texts)),
        Value::Object(entries) => {
            Box::new(entries.iter().flat_map(|(key, value)| std::iter::once(key.as_str()).chain(texts(value))))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether each `${` of a text begins a reference, or the literal `$`, that is closed.
fn is_template(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, expression)) = rest.split_once("${") {
        let expression = expression.trim_start_matches(' ');
        let behind = expression.strip_prefix("\"$\"").or_else(|| behind_reference(expression));
        match behind.and_then(|behind| behind.trim_start_matches(' ').strip_prefix('}')) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}

fn behind_reference(text: &str) -> Option<&str> {
    let name = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    let (root, mut rest) = text.split_at(name(text));
    if !["environmentConfigs", "parameters", "metadata", "workload"].contains(&root) {
        return None;
    }
    loop {
        if let Some(field) = rest.strip_prefix('.') {
            let length = name(field);
            if length == 0 || field.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            rest = &field[length..];
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (key, behind) = inside.split_once(']')?;
            let quoted = ['"', '\''].into_iter().find_map(|quote| key.strip_prefix(quote)?.strip_suffix(quote));
            let is_key = quoted.is_some_and(|key| !key.contains(['"', '\'', '\\']));
            let is_index = key.bytes().all(|byte| byte.is_ascii_digit()) && key.parse::<u64>().is_ok();
            if !is_key && !is_index {
                return None;
            }
            rest = behind;
        } else {
            return Some(rest);
        }
    }
}

/// The template whose rendering is this value.
fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => escape(text).into(),
        Value::Array(items) => items.iter().map(escaped).collect(),
        Value::Object(entries) => Value::Object(
            entries.iter().map(|(key, value)| (escape(key).into_owned(), escaped(value))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}
