//! What of the installed hooks is not as this version comes: a weakened hook lets changes go past the record, and nobody would see it.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use release_shared::yaml;
use serde_json::Value;

/// As this version comes.
const INSTALLED: &str = include_str!("../../../../deploy/webhook/configurations.yaml");

/// Where the server is and whom to trust there may differ from cluster to cluster.
const FREE: [&str; 2] = ["clientConfig", "name"];
/// What nothing is installed with, and what would let objects go past us.
const SELECTORS: [&str; 2] = ["namespaceSelector", "objectSelector"];

/// One sentence for each field that differs, and for each hook that is missing. A configuration that is not there at all is none.
pub(super) fn of(
    mutating: Option<&MutatingWebhookConfiguration>,
    validating: Option<&ValidatingWebhookConfiguration>,
) -> Vec<String> {
    let held = [mutating.map(serde_json::to_value), validating.map(serde_json::to_value)];
    let held: Vec<Value> = held.into_iter().flatten().filter_map(Result::ok).collect();
    compare(&held)
}

fn compare(held: &[Value]) -> Vec<String> {
    let documents = yaml::read(INSTALLED).unwrap_or_default();
    let pairs = documents.iter().filter_map(|installed| {
        let of_kind = held.iter().find(|held| held["kind"] == installed.value["kind"])?;
        Some((&installed.value, of_kind))
    });
    pairs.flat_map(|(installed, held)| of_configuration(installed, held)).collect()
}

fn of_configuration(installed: &Value, held: &Value) -> Vec<String> {
    let hooks = |configuration: &Value| configuration["webhooks"].as_array().cloned().unwrap_or_default();
    let held = hooks(held);
    let told = hooks(installed).into_iter().flat_map(|hook| {
        let name = hook["name"].as_str().unwrap_or_default().to_owned();
        match held.iter().find(|held| held["name"] == hook["name"]) {
            None => vec![format!("the hook {name} is missing: install deploy/webhook/configurations.yaml again")],
            Some(held) => of_hook(&name, &hook, held),
        }
    });
    told.collect()
}

fn of_hook(name: &str, installed: &Value, held: &Value) -> Vec<String> {
    let fields = installed.as_object().into_iter().flatten().filter(|(field, _)| !FREE.contains(&field.as_str()));
    let changed = fields.filter(|(field, value)| held.get(field.as_str()) != Some(value));
    let changed = changed.map(|(field, value)| match (value, &held[field.as_str()]) {
        (Value::String(value), Value::String(held)) => format!("{field} is {held} and not {value}"),
        (Value::Number(value), Value::Number(held)) => format!("{field} is {held} and not {value}"),
        _ => format!("{field} is not as installed"),
    });
    let narrowed = SELECTORS.iter().filter(|field| held[**field].as_object().is_some_and(|held| !held.is_empty()));
    let narrowed = narrowed.map(|field| format!("{field} lets objects go past it"));
    changed.chain(narrowed).map(|what| format!("the hook {name}: {what}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn installed() -> Vec<Value> {
        yaml::read(INSTALLED).unwrap().into_iter().map(|document| document.value).collect()
    }

    #[test]
    fn what_is_as_installed_is_fine_wherever_the_server_is() {
        let mut held = installed();
        assert_eq!(held.len(), 2);
        for hook in held.iter_mut().flat_map(|held| held["webhooks"].as_array_mut().unwrap()) {
            hook["clientConfig"] = json!({ "url": "https://elsewhere/mutate", "caBundle": "Q0E=" });
            // As the API server writes what is not given.
            hook["namespaceSelector"] = json!({});
            hook["objectSelector"] = json!({});
        }
        assert_eq!(compare(&held), [""; 0]);
        assert_eq!(compare(&[]), [""; 0], "nothing is installed, which is told elsewhere");
    }

    #[test]
    fn what_is_weakened_is_told() {
        let mut held = installed();
        held[0]["webhooks"][0]["failurePolicy"] = "Ignore".into();
        held[0]["webhooks"][0]["timeoutSeconds"] = 1.into();
        held[0]["webhooks"][0]["objectSelector"] = json!({ "matchLabels": { "a": "b" } });
        held[1]["webhooks"][0]["rules"][0]["operations"] = json!(["CREATE"]);
        held[1]["webhooks"].as_array_mut().unwrap().pop();
        assert_eq!(
            compare(&held),
            [
                "the hook mutate.release.openchoreo.dev: failurePolicy is Ignore and not Fail",
                "the hook mutate.release.openchoreo.dev: timeoutSeconds is 1 and not 10",
                "the hook mutate.release.openchoreo.dev: objectSelector lets objects go past it",
                "the hook validate.release.openchoreo.dev: rules is not as installed",
                "the hook delete.release.openchoreo.dev is missing: install deploy/webhook/configurations.yaml again",
            ]
        );
    }

    #[test]
    fn the_types_of_the_client_keep_what_is_compared() {
        let [mutating, validating] = <[Value; 2]>::try_from(installed()).unwrap();
        let mutating: MutatingWebhookConfiguration = serde_json::from_value(mutating).unwrap();
        let validating: ValidatingWebhookConfiguration = serde_json::from_value(validating).unwrap();
        assert_eq!(of(Some(&mutating), Some(&validating)), [""; 0]);
        let emptied = ValidatingWebhookConfiguration { webhooks: None, ..validating };
        assert_eq!(of(Some(&mutating), Some(&emptied)).len(), 2);
    }
}
