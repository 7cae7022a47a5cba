//! Quantities, which the API server stores in another form than they were written in: `1000m` as `1`.

use serde_json::Value;

/// The maps whose values are quantities.
const MAPS: [&str; 6] = ["requests", "limits", "hard", "capacity", "defaultRequest", "podFixed"];
/// The fields that are quantities.
const FIELDS: [&str; 3] = ["sizeLimit", "averageValue", "divisor"];

/// Whether two values of a field are the same quantity.
pub(super) fn are_same(parent: &str, field: &str, one: &Value, other: &Value) -> bool {
    if !(MAPS.contains(&parent) || FIELDS.contains(&field)) {
        return false;
    }
    let (Some(one), Some(other)) = (read(one), read(other)) else { return false };
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

/// The number that a quantity stands for. (apimachinery, `resource.Quantity`)
fn read(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        value => value.as_str()?,
    };
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |at| at + 1);
    // With an exponent the number goes on behind its letter, and so it has no suffix.
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
    Some(number * factor(suffix)?)
}

fn factor(suffix: &str) -> Option<f64> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(power) = binary.iter().position(|known| *known == suffix) {
        return Some(1024_f64.powi(i32::try_from(power).ok()? + 1));
    }
    let decimal =
        [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    decimal.iter().find(|(known, _)| *known == suffix).map(|(_, power)| 10_f64.powi(*power))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quantity_has_many_forms() {
        for (one, other, same) in [
            (json!("1000m"), json!("1"), true),
            (json!("1000m"), json!(1), true),
            (json!("0.1"), json!("100m"), true),
            (json!("1024Mi"), json!("1Gi"), true),
            (json!("1e3"), json!("1k"), true),
            (json!("1G"), json!("1Gi"), false),
            (json!("1"), json!("2"), false),
            (json!("much"), json!("much more"), false),
            (json!("inf"), json!("inf"), false),
            (json!(""), json!(0), false),
        ] {
            assert_eq!(are_same("limits", "cpu", &one, &other), same, "{one} {other}");
        }
        assert!(!are_same("data", "cpu", &json!("1000m"), &json!("1")), "text is text");
    }
}
