//! What would be written, decided before anything is: pure.

use release_shared::kinds::{Kind, Owner};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::content_changed;
use release_shared::schema;
use release_shared::yaml;
use serde_json::{Map, Value, json};

use crate::args::Write;
use crate::error::Error;

/// A pin as it should be.
#[derive(Debug)]
pub(crate) struct Pin<'a> {
    /// The binding's name.
    pub(crate) name: String,
    /// The namespace.
    pub(crate) namespace: &'a str,
    /// Whose pin it is.
    pub(crate) owner: &'a Owner,
    /// Where.
    pub(crate) environment: &'a str,
    /// What.
    pub(crate) release: &'a str,
    /// The values of the environment.
    pub(crate) configs: Map<String, Value>,
    /// The binding as it is.
    pub(crate) existing: Option<&'a Value>,
    /// What the webhook is told that this is.
    pub(crate) action: &'static str,
}

impl Pin<'_> {
    /// The complete intent, as server-side apply needs it: what is left out here would be removed.
    pub(crate) fn intent(&self, write: &Write) -> Value {
        let mut annotations = said(write);
        annotations.insert(names::ACTION.into(), self.action.into());
        annotations.insert(names::EXPECTED_REVISION.into(), self.seen_revision().into());
        let mut spec = self.carried();
        spec.insert("owner".into(), json!(self.owner));
        spec.insert("environment".into(), self.environment.into());
        spec.insert("releaseName".into(), self.release.into());
        // Leaving out what somebody else has set would leave it there: none is said in so many words.
        let stands =
            self.existing.is_some_and(|binding| binding.pointer("/spec/componentTypeEnvironmentConfigs").is_some());
        if !self.configs.is_empty() || stands {
            spec.insert("componentTypeEnvironmentConfigs".into(), Value::Object(self.configs.clone()));
        }
        let mut metadata = json!({ "name": self.name, "namespace": self.namespace });
        metadata["annotations"] = Value::Object(annotations);
        if let Some(restarted) = self.existing.and_then(|binding| annotation(binding, names::RESTARTED_AT)) {
            metadata["annotations"][names::RESTARTED_AT] = restarted.into();
        }
        json!({ "apiVersion": names::API_VERSION, "kind": Kind::ReleaseBinding.as_str(), "metadata": metadata, "spec": spec })
    }

    /// The revision that this plan is based on; 0 = there is none.
    fn seen_revision(&self) -> String {
        self.existing.and_then(|binding| annotation(binding, names::REVISION)).unwrap_or("0").to_owned()
    }

    /// What of the existing spec stays as it is.
    fn carried(&self) -> Map<String, Value> {
        let ours = ["componentTypeEnvironmentConfigs"];
        let spec = self.existing.and_then(|binding| binding.get("spec")?.as_object()).cloned().unwrap_or_default();
        let mut carried: Map<_, _> = spec.into_iter().filter(|(key, _)| !ours.contains(&key.as_str())).collect();
        carried.entry("state").or_insert_with(|| "Active".into());
        carried
    }

    /// The binding as it would be after the write.
    pub(crate) fn after(&self, intent: &Value) -> Value {
        let Some(existing) = self.existing else { return intent.clone() };
        let mut after = existing.clone();
        after["spec"] = intent["spec"].clone();
        if let (Some(said), Some(there)) =
            (intent["metadata"]["annotations"].as_object(), after["metadata"]["annotations"].as_object_mut())
        {
            there.extend(said.clone());
        }
        after
    }

    /// Whether the cluster already has it so.
    pub(crate) fn is_there(&self, intent: &Value) -> bool {
        self.existing.is_some() && !content_changed(Kind::ReleaseBinding, &self.after(intent), self.existing)
    }
}

/// What the user says of a change, as annotations. What is not said is written as empty: a word that somebody else left there would
/// become this user's.
pub(crate) fn said(write: &Write) -> Map<String, Value> {
    let entries = [(names::REASON, &write.reason), (names::LINK, &write.link)];
    entries.into_iter().map(|(key, text)| (key.to_owned(), text.clone().unwrap_or_default().into())).collect()
}

/// The values that a binding has now.
pub(crate) fn configs(binding: Option<&Value>) -> Map<String, Value> {
    let configs = binding.and_then(|binding| binding.pointer("/spec/componentTypeEnvironmentConfigs")?.as_object());
    configs.cloned().unwrap_or_default()
}

/// What a release takes as values, each with its schema.
pub(crate) fn takes(release: &Value) -> Option<&Map<String, Value>> {
    release.pointer("/spec/componentType/spec/environmentConfigs/openAPIV3Schema/properties")?.as_object()
}

/// `KEY=VALUE` words as values: of the type that the release's schema has for them, else as YAML reads them.
pub(crate) fn parse_configs(words: &[String], release: &Value) -> Result<Map<String, Value>, Error> {
    let properties = takes(release).cloned().unwrap_or_default();
    let mut values = Map::new();
    for word in words {
        let (key, text) = word
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Error::Usage(format!("--config: {word:?} is not KEY=VALUE, such as replicas=3")))?;
        if !properties.contains_key(key) {
            return Err(Error::Refused(vec![unknown_key(key, &properties)]));
        }
        values.insert(key.to_owned(), value(key, text, &properties[key])?);
    }
    Ok(values)
}

fn unknown_key(key: &str, properties: &Map<String, Value>) -> String {
    let known: Vec<_> = properties.keys().map(String::as_str).collect();
    if known.is_empty() {
        return format!(
            "--config: the release has no value {key:?}: nothing was lifted when it was cut (create --lift)"
        );
    }
    let nearest = schema::nearest(key, known.iter().copied()).map(|nearest| format!(" (did you mean {nearest}?)"));
    format!("--config: the release has no value {key:?}{}; it has {}", nearest.unwrap_or_default(), known.join(", "))
}

fn value(key: &str, text: &str, schema: &Value) -> Result<Value, Error> {
    if schema.get("type").and_then(Value::as_str) == Some("string") {
        return Ok(text.into());
    }
    let documents =
        yaml::read(text).map_err(|error| Error::Usage(format!("--config {key}: {text:?} cannot be read: {error}")))?;
    Ok(documents.into_iter().next().map_or(Value::Null, |document| document.value))
}

/// A field manager and how it writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    /// Its name.
    pub(crate) name: String,
    /// Whether it applies, which owns what it names for good, or updates, which is done with it.
    pub(crate) applies: bool,
}

impl Manager {
    /// Whether this is a person's hand, which the next command takes over from: one of kubectl's own one-off commands, or an update
    /// in the plugin's own name. A GitOps controller is not, and neither is `kubectl apply --server-side`, whose manager is `kubectl`.
    pub(crate) fn is_by_hand(&self) -> bool {
        let commands = ["create", "edit", "patch", "replace", "annotate", "client-side-apply"];
        let command = self.name.strip_prefix("kubectl-");
        command.is_some_and(|command| commands.contains(&command))
            || (self.name == names::PLUGIN_MANAGER && !self.applies)
    }
}

/// The field managers that own a field which a conflict names, such as `.metadata.annotations.a.b/c`, other than the plugin's own
/// applies.
pub(crate) fn managers_of(object: &Value, field: &str) -> Vec<Manager> {
    let managed = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let owners =
        managed.filter(|entry| entry.get("fieldsV1").is_some_and(|fields| owns(fields, field.trim_start_matches('.'))));
    let managers = owners.filter_map(|entry| {
        let applies = text(entry, "/operation") == Some("Apply");
        text(entry, "/manager").map(|name| Manager { name: name.to_owned(), applies })
    });
    managers.filter(|manager| !(manager.name == names::PLUGIN_MANAGER && manager.applies)).collect()
}

/// Whether a set of fields holds a path. Keys may have dots in them, so every key that fits is followed; one without anything below
/// it is owned as a whole.
fn owns(fields: &Value, path: &str) -> bool {
    let Some(fields) = fields.as_object() else { return false };
    fields.iter().any(|(key, below)| {
        let rest = key.strip_prefix("f:").and_then(|key| path.strip_prefix(key));
        match rest {
            Some("") => true,
            Some(rest) => rest
                .strip_prefix('.')
                .is_some_and(|rest| below.as_object().is_some_and(Map::is_empty) || owns(below, rest)),
            None => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { project_name: "shop".into(), component_name: "web".into() }
    }

    fn pin<'a>(owner: &'a Owner, existing: Option<&'a Value>) -> Pin<'a> {
        let configs = configs(existing);
        Pin {
            name: "web-dev".into(),
            namespace: "acme",
            owner,
            environment: "dev",
            release: "web-2",
            configs,
            existing,
            action: "promote",
        }
    }

    #[test]
    fn an_intent_is_complete() {
        let owner = owner();
        let existing = json!({
            "metadata": {"annotations": {names::REVISION: "3", names::REASON: "old", names::RESTARTED_AT: "then"}},
            "spec": {
                "owner": owner, "environment": "dev", "releaseName": "web-1", "state": "Undeploy",
                "componentTypeEnvironmentConfigs": {"replicas": 2}, "workloadOverrides": {"container": {}}
            }
        });
        let write = Write { reason: Some("new".into()), ..Write::default() };
        insta::assert_json_snapshot!(pin(&owner, Some(&existing)).intent(&write));
    }

    #[test]
    fn what_is_there_needs_no_write() {
        let owner = owner();
        let first = pin(&owner, None).intent(&Write::default());
        assert!(!pin(&owner, None).is_there(&first));
        let again = pin(&owner, Some(&first));
        assert!(again.is_there(&again.intent(&Write::default())));
    }

    #[test]
    fn values_have_the_type_of_the_schema() {
        let release = json!({"spec": {"componentType": {"spec": {"environmentConfigs": {"openAPIV3Schema": {"properties": {
            "replicas": {"type": "integer"}, "tag": {"type": "string"}, "debug": {"type": "boolean"}
        }}}}}}});
        let words: Vec<String> = ["replicas=5", "tag=1.0", "debug=true"].map(str::to_owned).to_vec();
        assert_eq!(
            Value::Object(parse_configs(&words, &release).unwrap()),
            json!({"replicas": 5, "tag": "1.0", "debug": true})
        );
        let wrong = parse_configs(&["replica=5".into()], &release).unwrap_err().to_string();
        assert!(wrong.contains("did you mean replicas?"), "{wrong}");
        assert!(parse_configs(&["replicas".into()], &release).is_err());
    }

    #[test]
    fn owners_of_a_field_are_found() {
        let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let object = json!({"metadata": {"managedFields": [
            entry("kubectl-release", "Apply", json!({"f:spec": {"f:releaseName": {}}})),
            entry("kubectl-release", "Update", json!({"f:spec": {"f:state": {}}})),
            entry("kubectl-patch", "Update", json!({"f:spec": {"f:releaseName": {}}})),
            entry("kubectl-annotate", "Update", json!({"f:metadata": {"f:annotations": {".": {}, "f:release.openchoreo.dev/reason": {}}}})),
            entry("argocd-controller", "Apply", json!({"f:spec": {"f:componentTypeEnvironmentConfigs": {}}}))
        ]}});
        let found = |field: &str| {
            let managers = managers_of(&object, field);
            managers.iter().map(|manager| (manager.name.clone(), manager.is_by_hand())).collect::<Vec<_>>()
        };
        let by_hand = |name: &str| vec![(name.to_owned(), true)];
        assert_eq!(found(".spec.releaseName"), by_hand("kubectl-patch"));
        assert_eq!(found(".metadata.annotations.release.openchoreo.dev/reason"), by_hand("kubectl-annotate"));
        assert_eq!(found(".spec.state"), by_hand("kubectl-release"));
        assert_eq!(found(".spec.componentTypeEnvironmentConfigs.replicas"), [("argocd-controller".to_owned(), false)]);
        assert_eq!(found(".spec.owner"), []);
        assert!(!Manager { name: "kubectl".into(), applies: true }.is_by_hand());
    }
}
