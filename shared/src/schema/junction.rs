//! `allOf`, `anyOf`, `oneOf` and `not`. In a CRD they hold values together and say nothing of which fields there are, so a name that a branch does
//! not know is no fault of the value. (Kubernetes' structural schemas: within them there are no `additionalProperties`, `default`,
//! `nullable` and `x-kubernetes-*`.)

use serde_json::Value;

use super::check::shown;
use crate::violation::{FieldPath, Violation};

/// How many alternatives a message repeats.
const SHOWN: usize = 3;

pub(super) fn check(schema: &Value, value: &Value, path: &FieldPath, out: &mut Vec<Violation>) {
    // Each branch is looked at once: twice would be 2^n times for one that is nested n deep.
    let of_each = |name| branches(schema, name).map(|branch| faults(branch, value, path));
    let refuse = |message: String| Violation::fault(path.clone(), "ConfigFormat", message).with_value(shown(value));
    out.extend(of_each("allOf").flatten());
    if schema.get("anyOf").is_some() {
        out.extend(fits_none(of_each("anyOf").collect()).map(refuse));
    }
    if schema.get("oneOf").is_some() {
        let found: Vec<_> = of_each("oneOf").collect();
        let fitting = found.iter().filter(|faults| faults.is_empty()).count();
        let too_many =
            || format!("fits {fitting} of the schema's alternatives and must fit one alone; correct the value");
        out.extend((fitting > 1).then(too_many).or_else(|| fits_none(found)).map(refuse));
    }
    if let Some(branch) = schema.get("not")
        && faults(branch, value, path).is_empty()
    {
        out.push(refuse(format!("must not fit {}; correct the value", shown(branch))));
    }
}

/// Every schema within the four, with the fields that lead there.
pub(super) fn nested<'a>(schema: &'a Value, path: &FieldPath) -> Vec<(FieldPath, &'a Value)> {
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| {
        let place = path.field(name);
        branches(schema, name).enumerate().map(move |(at, branch)| (place.index(at), branch))
    });
    listed.chain(schema.get("not").map(|branch| (path.field("not"), branch))).collect()
}

fn branches<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn faults(branch: &Value, value: &Value, path: &FieldPath) -> Vec<Violation> {
    let mut found = super::check(branch, value, path);
    found.retain(|violation| violation.code != "ConfigUnknown");
    found
}

/// What is said where every branch has faults.
fn fits_none(found: Vec<Vec<Violation>>) -> Option<String> {
    let mut why: Vec<String> =
        found.into_iter().map(|faults| Some(faults.into_iter().next()?.to_string())).collect::<Option<_>>()?;
    let more = if why.len() > SHOWN { "; or …" } else { "" };
    why.truncate(SHOWN);
    Some(format!("fits none of the schema's alternatives ({}{more}); correct the value", why.join("; or ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(schema: &Value, value: &Value) -> Vec<String> {
        super::super::check(schema, value, &FieldPath::root("config")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_of_the_four_judges_the_value() {
        let least = json!({"minimum": 1});
        let ports = json!({"oneOf": [{"required": ["port"]}, {"required": ["socket"]}], "properties": {"port": {}, "socket": {}}});
        let no_root = json!({"type": "string", "not": {"enum": ["root"]}});
        let int_or_string =
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]});
        let table: [(Value, Value, &[&str]); 11] = [
            (json!({"allOf": [least, {"maximum": 5}]}), json!(3), &[]),
            (
                json!({"allOf": [least, {"maximum": 5}]}),
                json!(6),
                &["config: is 6 and must be at most 5; use a smaller number"],
            ),
            (json!({"anyOf": [least, {"maximum": -1}]}), json!(-3), &[]),
            (
                json!({"anyOf": [least, {"maximum": -1}]}),
                json!(0),
                &[
                    "config: fits none of the schema's alternatives (config: is 0 and must be at least 1; use a larger number; or \
                   config: is 0 and must be at most -1; use a smaller number); correct the value",
                ],
            ),
            (ports.clone(), json!({"port": 80}), &[]),
            (
                ports.clone(),
                json!({"port": 80, "socket": "a"}),
                &["config: fits 2 of the schema's alternatives and must fit one alone; correct the value"],
            ),
            (
                ports,
                json!({}),
                &[
                    "config: fits none of the schema's alternatives (config.port: `port` is required and has no default; give it a value; \
                 or config.socket: `socket` is required and has no default; give it a value); correct the value",
                ],
            ),
            (no_root.clone(), json!("web"), &[]),
            (no_root, json!("root"), &["config: must not fit {\"enum\":[\"root\"]}; correct the value"]),
            (int_or_string.clone(), json!("50%"), &[]),
            (int_or_string, json!(3), &[]),
        ];
        for (schema, value, expected) in table {
            assert_eq!(messages(&schema, &value), expected, "{schema} {value}");
        }
    }

    #[test]
    fn what_is_nested_deeply_is_judged_in_time() {
        let deep = (0..60).fold(json!({"minimum": 1}), |inner, _| json!({"oneOf": [inner]}));
        assert_eq!(messages(&deep, &json!(0)).len(), 1);
        assert_eq!(messages(&deep, &json!(1)), [""; 0]);
    }

    #[test]
    fn a_name_that_only_the_whole_knows_is_no_fault() {
        let schema = json!({
            "properties": {"a": {"type": "integer"}, "b": {}},
            "allOf": [{"properties": {"a": {"minimum": 2}}}]
        });
        assert_eq!(messages(&schema, &json!({"a": 3, "b": 1})), [""; 0]);
        assert_eq!(messages(&schema, &json!({"a": 1, "b": 1})).len(), 1);
    }
}
