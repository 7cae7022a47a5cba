//! What would be written, decided before anything is: pure.

use release_shared::kinds::{Kind, Owner, State};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{Action, Record, config, content_changed, next_revision};
use release_shared::schema;
use release_shared::yaml;
use serde_json::{Map, Value, json};

use crate::args::Write;
use crate::error::Error;
use crate::gather::Gathered;

/// A pin as it should be.
#[derive(Debug, Clone)]
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
    pub(crate) release: Option<&'a str>,
    /// The values of the environment.
    pub(crate) configs: Map<String, Value>,
    /// What else there is to the spec: values of upstream's.
    pub(crate) rest: Map<String, Value>,
    /// Whether its objects are live.
    pub(crate) state: State,
    /// When its workloads were told to restart for the last time.
    pub(crate) restarted_at: Option<String>,
    /// The binding as it is.
    pub(crate) existing: Option<&'a Value>,
    /// What the webhook is told that this is.
    pub(crate) action: Action,
}

/// The key of the values of an environment.
const CONFIGS: &str = "componentTypeEnvironmentConfigs";

impl<'a> Pin<'a> {
    /// What is pinned in an environment as it is, to be changed by that action.
    pub(crate) fn standing(gathered: &'a Gathered, namespace: &'a str, environment: &'a str, action: Action) -> Self {
        let existing = gathered.binding(environment);
        let mut rest = existing.and_then(config).and_then(|config| config.as_object().cloned()).unwrap_or_default();
        rest.remove(CONFIGS);
        let undeployed = existing.and_then(|binding| text(binding, "/spec/state")) == Some("Undeploy");
        Self {
            name: gathered.binding_name(environment),
            namespace,
            owner: &gathered.owner,
            environment,
            release: existing.and_then(|binding| text(binding, "/spec/releaseName")),
            configs: configs(existing),
            rest,
            state: if undeployed { State::Undeploy } else { State::Active },
            restarted_at: existing.and_then(|binding| annotation(binding, names::RESTARTED_AT)).map(str::to_owned),
            existing,
            action,
        }
    }

    /// The same with the release, the values and the state of a record.
    pub(crate) fn restored(self, record: &'a Record) -> Self {
        let mut rest = record.config.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        let configs = rest.remove(CONFIGS).and_then(|configs| configs.as_object().cloned()).unwrap_or_default();
        let undeployed = record.state.as_deref() == Some("Undeploy");
        let state = if undeployed { State::Undeploy } else { State::Active };
        Self { release: record.release.as_deref(), configs, rest, state, ..self }
    }

    /// The complete intent, as server-side apply needs it: what is left out here would be removed.
    pub(crate) fn intent(&self, write: &Write) -> Value {
        let mut annotations = said(write);
        annotations.insert(names::ACTION.into(), self.action.as_str().into());
        annotations.insert(names::EXPECTED_REVISION.into(), self.seen_revision().into());
        if write.bypass {
            annotations.insert(names::BYPASS.into(), next_revision(self.existing).to_string().into());
        }
        annotations
            .extend(self.restarted_at.as_ref().map(|at| (names::RESTARTED_AT.to_owned(), Value::from(at.as_str()))));
        let mut spec = self.rest.clone();
        spec.insert("owner".into(), json!(self.owner));
        spec.insert("environment".into(), self.environment.into());
        spec.extend(self.release.map(|release| ("releaseName".to_owned(), release.into())));
        spec.insert("state".into(), json!(self.state));
        // Leaving out what somebody else has set would leave it there: none is said in so many words.
        let stands = self.existing.is_some_and(|binding| binding["spec"].get(CONFIGS).is_some());
        if !self.configs.is_empty() || stands {
            spec.insert(CONFIGS.into(), Value::Object(self.configs.clone()));
        }
        let mut metadata = json!({ "name": self.name, "namespace": self.namespace });
        metadata["annotations"] = Value::Object(annotations);
        json!({ "apiVersion": names::API_VERSION, "kind": Kind::ReleaseBinding.as_str(), "metadata": metadata, "spec": spec })
    }

    /// The revision that this plan is based on; 0 = there is none.
    fn seen_revision(&self) -> String {
        self.existing.and_then(|binding| annotation(binding, names::REVISION)).unwrap_or("0").to_owned()
    }

    /// The binding as it would be after the write.
    pub(crate) fn after(&self, intent: &Value) -> Value {
        let Some(existing) = self.existing else { return intent.clone() };
        let mut after = existing.clone();
        after["spec"] = intent["spec"].clone();
        for (key, value) in intent["metadata"]["annotations"].as_object().into_iter().flatten() {
            after["metadata"]["annotations"][key] = value.clone();
        }
        after
    }

    /// The fields of the spec that are not to be there any more, and that an apply would leave there, since others than the plugin have
    /// set them.
    pub(crate) fn left_by_others(&self, intent: &Value) -> Vec<String> {
        let Some(existing) = self.existing else { return Vec::new() };
        let mut gone = Vec::new();
        removed(&existing["spec"], &intent["spec"], ".spec", &mut gone);
        gone.retain(|field| !managers_of(existing, field).is_empty());
        gone
    }

    /// The same intent as a merge patch, which takes everything away that is not in it.
    pub(crate) fn patch(&self, intent: &Value) -> Value {
        let before = self.existing.map_or(&Value::Null, |existing| &existing["spec"]);
        let metadata = json!({ "annotations": intent["metadata"]["annotations"] });
        json!({ "metadata": metadata, "spec": merge_patch(before, &intent["spec"]) })
    }

    /// Whether the cluster already has it so.
    pub(crate) fn is_there(&self, intent: &Value) -> bool {
        self.existing.is_some() && !content_changed(Kind::ReleaseBinding, &self.after(intent), self.existing)
    }
}

/// The leaves that `before` has and `after` does not, each with its path. What is below a value that changes goes with it.
fn removed(before: &Value, after: &Value, path: &str, gone: &mut Vec<String>) {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return };
    for (key, value) in before {
        let path = format!("{path}.{key}");
        match (after.get(key), value.as_object()) {
            (Some(after), _) => removed(value, after, &path, gone),
            (None, Some(below)) if !below.is_empty() => removed(value, &json!({}), &path, gone),
            (None, _) => gone.push(path),
        }
    }
}

/// What leads from one value to another. (RFC 7396)
fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else { return after.clone() };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let changed =
        changed.map(|(key, value)| (key.clone(), old.get(key).map_or(value.clone(), |old| merge_patch(old, value))));
    Value::Object(gone.chain(changed).collect())
}

/// What the user says of a change, as annotations. What is not said is written as empty: a word that somebody else left there would
/// become this user's.
pub(crate) fn said(write: &Write) -> Map<String, Value> {
    let entries = [(names::REASON, &write.reason), (names::LINK, &write.link)];
    entries.into_iter().map(|(key, text)| (key.to_owned(), text.clone().unwrap_or_default().into())).collect()
}

/// The values that a binding has now.
pub(crate) fn configs(binding: Option<&Value>) -> Map<String, Value> {
    let configs = binding.and_then(|binding| binding.get("spec")?.get(CONFIGS)?.as_object());
    configs.cloned().unwrap_or_default()
}

/// What a release takes as values, each with its schema.
pub(crate) fn takes(release: &Value) -> Option<&Map<String, Value>> {
    release.pointer("/spec/componentType/spec/environmentConfigs/openAPIV3Schema/properties")?.as_object()
}

/// `KEY=VALUE` words as values: of the type that the release's schema has for them, else as YAML reads them. Faults begin with `place`,
/// where the words stood.
pub(crate) fn parse_configs(place: &str, words: &[String], release: &Value) -> Result<Map<String, Value>, Error> {
    let properties = takes(release).cloned().unwrap_or_default();
    let mut values = Map::new();
    for word in words {
        let (key, text) = word
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Error::Usage(format!("{place}: {word:?} is not KEY=VALUE, such as replicas=3")))?;
        if !properties.contains_key(key) {
            return Err(Error::Refused(vec![unknown_key(place, key, &properties)]));
        }
        values.insert(key.to_owned(), value(place, key, text, &properties[key])?);
    }
    Ok(values)
}

/// Says that a release has no such value, and which it has.
pub(crate) fn unknown_key(place: &str, key: &str, properties: &Map<String, Value>) -> String {
    let known: Vec<_> = properties.keys().map(String::as_str).collect();
    if known.is_empty() {
        return format!(
            "{place}: the release has no value {key:?}: nothing was lifted when it was cut (create --lift)"
        );
    }
    let nearest = schema::nearest(key, known.iter().copied()).map(|nearest| format!(" (did you mean {nearest}?)"));
    format!("{place}: the release has no value {key:?}{}; it has {}", nearest.unwrap_or_default(), known.join(", "))
}

fn value(place: &str, key: &str, text: &str, schema: &Value) -> Result<Value, Error> {
    if schema.get("type").and_then(Value::as_str) == Some("string") {
        return Ok(text.into());
    }
    let documents =
        yaml::read(text).map_err(|error| Error::Usage(format!("{place} {key}: {text:?} cannot be read: {error}")))?;
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
    use release_shared::world::World;

    use super::*;

    fn gathered(bindings: Vec<Value>) -> Gathered {
        Gathered {
            owner: Owner { project_name: "shop".into(), component_name: "web".into() },
            world: World::default(),
            bindings,
            releases: vec![],
            component_exists: true,
            now: "2026-01-02T12:00:00Z".parse().unwrap(),
        }
    }

    fn existing() -> Value {
        json!({
            "metadata": {"annotations": {names::REVISION: "3", names::REASON: "old", names::RESTARTED_AT: "then"}},
            "spec": {
                "owner": {"projectName": "shop", "componentName": "web"}, "environment": "dev", "releaseName": "web-1",
                "state": "Undeploy", "componentTypeEnvironmentConfigs": {"replicas": 2}, "workloadOverrides": {"container": {}}
            }
        })
    }

    #[test]
    fn an_intent_is_complete() {
        let gathered = gathered(vec![existing()]);
        let write = Write { reason: Some("new".into()), ..Write::default() };
        let pin = Pin::standing(&gathered, "acme", "dev", Action::Promote);
        insta::assert_json_snapshot!(Pin { release: Some("web-2"), ..pin }.intent(&write));
    }

    #[test]
    fn a_bypass_is_asked_for_the_revision_that_is_made() {
        let [some, none] = [gathered(vec![existing()]), gathered(vec![])];
        let asked = |gathered: &Gathered, bypass: bool| {
            let write = Write { bypass, ..Write::default() };
            Pin::standing(gathered, "acme", "dev", Action::Rollback).intent(&write)["metadata"]["annotations"]
                [names::BYPASS]
                .clone()
        };
        assert_eq!(asked(&some, true), "4");
        assert_eq!(asked(&none, true), "1");
        assert_eq!(asked(&some, false), Value::Null);
    }

    #[test]
    fn a_record_brings_release_values_and_state_and_a_restart_stays() {
        let gathered = gathered(vec![existing()]);
        let record = json!({
            "revision": 1, "action": "deploy", "release": "web-0", "state": "Active", "content": "c", "by": "dana", "at": "then",
            "config": {"traitEnvironmentConfigs": {"a": {}}}
        });
        let record: Record = serde_json::from_value(record).unwrap();
        let pin = Pin::standing(&gathered, "acme", "dev", Action::Rollback).restored(&record);
        insta::assert_json_snapshot!(pin.intent(&Write::default()));
    }

    #[test]
    fn what_is_there_needs_no_write() {
        let nothing = gathered(vec![]);
        let new = Pin { release: Some("web-2"), ..Pin::standing(&nothing, "acme", "dev", Action::Promote) };
        let first = new.intent(&Write::default());
        assert!(!new.is_there(&first));
        let gathered = gathered(vec![first]);
        let again = Pin::standing(&gathered, "acme", "dev", Action::Promote);
        assert!(again.is_there(&again.intent(&Write::default())));
        let mut bare = gathered.bindings[0].clone();
        bare["metadata"] = json!({ "name": "web-dev" });
        let gathered = super::tests::gathered(vec![bare]);
        let pin = Pin::standing(&gathered, "acme", "dev", Action::Restart);
        let restarted = Pin { restarted_at: Some("now".into()), ..pin };
        assert!(!restarted.is_there(&restarted.intent(&Write::default())), "also where there are no annotations yet");
    }

    #[test]
    fn what_others_have_set_is_taken_away_by_a_patch() {
        let mut binding = existing();
        binding["spec"]["traitEnvironmentConfigs"] = json!({"a": {"b": 1, "c": [2]}, "d": {}});
        let owned = json!({"f:spec": {"f:traitEnvironmentConfigs": {"f:a": {"f:b": {}}}, "f:releaseName": {}}});
        binding["metadata"]["managedFields"] =
            json!([{"manager": "kubectl-patch", "operation": "Update", "fieldsV1": owned}]);
        let gathered = gathered(vec![binding]);
        let pin = Pin::standing(&gathered, "acme", "dev", Action::Rollback);
        assert_eq!(pin.left_by_others(&pin.intent(&Write::default())), Vec::<String>::new());
        let rest =
            json!({"traitEnvironmentConfigs": {"a": {"c": [2]}}, "workloadOverrides": {"container": {"env": []}}});
        let pin = Pin { rest: rest.as_object().cloned().unwrap(), release: Some("web-0"), configs: Map::new(), ..pin };
        let intent = pin.intent(&Write::default());
        assert_eq!(pin.left_by_others(&intent), [".spec.traitEnvironmentConfigs.a.b"]);
        let patch = pin.patch(&intent);
        assert_eq!(
            patch["spec"],
            json!({
                "releaseName": "web-0", "componentTypeEnvironmentConfigs": {"replicas": null},
                "traitEnvironmentConfigs": {"a": {"b": null}, "d": null}, "workloadOverrides": {"container": {"env": []}}
            })
        );
        assert_eq!(patch["metadata"]["annotations"][names::ACTION], "rollback");
    }

    #[test]
    fn values_have_the_type_of_the_schema() {
        let release = json!({"spec": {"componentType": {"spec": {"environmentConfigs": {"openAPIV3Schema": {"properties": {
            "replicas": {"type": "integer"}, "tag": {"type": "string"}, "debug": {"type": "boolean"}
        }}}}}}});
        let words: Vec<String> = ["replicas=5", "tag=1.0", "debug=true"].map(str::to_owned).to_vec();
        assert_eq!(
            Value::Object(parse_configs("--config", &words, &release).unwrap()),
            json!({"replicas": 5, "tag": "1.0", "debug": true})
        );
        let wrong = parse_configs("--config", &["replica=5".into()], &release).unwrap_err().to_string();
        assert!(wrong.contains("did you mean replicas?"), "{wrong}");
        assert!(parse_configs("--config", &["replicas".into()], &release).is_err());
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
