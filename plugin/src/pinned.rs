//! What a pin renders to, today or in one of its revisions.

mod rendered;

use futures::future::try_join;
use release_shared::kinds::{Kind, Owner};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::{History, check_object};
use release_shared::render;
use serde_json::{Map, Value};

pub(crate) use self::rendered::{Place, Rendered};
use crate::apply::is_recorded;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::of_component;
use crate::plan;

/// What `COMPONENT ENVIRONMENT` or `release/NAME` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A component in an environment.
    Pin {
        /// The component.
        component: &'a str,
        /// The environment.
        environment: &'a str,
    },
    /// A Release by its name.
    Release(&'a str),
}

impl<'a> Subject<'a> {
    /// From what was typed.
    pub(crate) fn parse(component: &'a str, environment: Option<&'a str>) -> Result<Self, Error> {
        match (component.split_once('/'), environment) {
            (None, Some(environment)) => Ok(Self::Pin { component, environment }),
            (None, None) => Err(Error::Usage(format!("name one of {component}'s environments as well"))),
            (Some(_), Some(environment)) => {
                Err(Error::Usage(format!("{component} is one object: leave {environment:?} out")))
            }
            (Some(("release" | "releases", name)), None) => Ok(Self::Release(name)),
            (Some((kind, _)), None) => Err(Error::Usage(format!(
                "{kind:?} is no kind with objects of its own: name a component and an environment, or release/NAME"
            ))),
        }
    }
}

/// The pin of a component in an environment.
pub(crate) async fn binding(cluster: &Cluster, component: &str, environment: &str) -> Result<Value, Error> {
    let mut selection = of_component(component);
    selection.fields.push(("spec.environment", environment.to_owned()));
    cluster.list(Kind::ReleaseBinding, &selection).await?.into_iter().next().ok_or_else(|| {
        Error::Failed(format!(
            "{component} is not pinned in {environment} in namespace {}: look at `kubectl release list`",
            cluster.namespace
        ))
    })
}

/// A Release by its name.
pub(crate) async fn release(cluster: &Cluster, name: &str) -> Result<Value, Error> {
    let found = cluster.get(Kind::Release, name).await?;
    found.ok_or_else(|| Error::Failed(format!("there is no Release {name:?} in namespace {}", cluster.namespace)))
}

fn owner(object: &Value) -> Owner {
    let name = |pointer| text(object, pointer).unwrap_or_default().to_owned();
    Owner { project_name: name("/spec/owner/projectName"), component_name: name("/spec/owner/componentName") }
}

/// A pin with all its revisions.
#[derive(Debug)]
pub(crate) struct Pinned {
    binding: Value,
    owner: Owner,
    place: Place,
}

/// One revision of a pin, or what it is now.
#[derive(Debug, Clone, PartialEq)]
struct Revision {
    label: String,
    release: String,
    configs: Map<String, Value>,
    undeployed: bool,
}

impl Pinned {
    /// Reads the pin and its environment.
    pub(crate) async fn read(cluster: &Cluster, component: &str, environment: &str) -> Result<Self, Error> {
        let (binding, found) =
            try_join(binding(cluster, component, environment), cluster.get(Kind::Environment, environment)).await?;
        let found = found.ok_or_else(|| Place::missing(cluster, environment))?;
        let owner = owner(&binding);
        let place = Place::new(&found, &cluster.namespace, &owner, environment);
        Ok(Self { binding, owner, place })
    }

    /// The objects of a revision, or of what is pinned now: from the ComponentRelease and the values that the record names.
    pub(crate) async fn render(&self, cluster: &Cluster, revision: Option<u64>) -> Result<Rendered, Error> {
        if revision.is_some() {
            for fault in check_object(Kind::ReleaseBinding, &self.binding) {
                cluster.note_once(&format!("Warning: {}: {fault}", self.place.environment));
            }
        }
        let revision = revision.map_or_else(|| self.current(), |number| self.recorded(number))?;
        let Some(release) = cluster.get(Kind::ComponentRelease, &revision.release).await? else {
            return Err(Error::Failed(format!(
                "the ComponentRelease {} of {} does not exist any more, so nobody can say what it was",
                revision.release, revision.label
            )));
        };
        let configs = Value::Object(revision.configs);
        let input = render::Input {
            release: &release["spec"],
            configs: &configs,
            project: &self.owner.project_name,
            component: &self.owner.component_name,
            environment: &self.place.environment,
            namespace: Some(self.place.fence.default_namespace()),
        };
        let objects = render::render(&input).map_err(|violations| {
            let faults: Vec<_> = violations.iter().map(ToString::to_string).collect();
            Error::Failed(format!("{} cannot be rendered: {}", revision.label, faults.join("; ")))
        })?;
        Ok(Rendered { label: revision.label, place: self.place.clone(), objects, undeployed: revision.undeployed })
    }

    fn current(&self) -> Result<Revision, Error> {
        let (binding, environment) = (&self.binding, &self.place.environment);
        let number = annotation(binding, names::REVISION).filter(|_| is_recorded(binding));
        let label = number.map_or_else(|| environment.clone(), |number| format!("{environment}@{number}"));
        Ok(Revision {
            release: text(binding, "/spec/releaseName").ok_or_else(|| self.pins_nothing(&label))?.to_owned(),
            label,
            configs: plan::configs(Some(binding)),
            undeployed: text(binding, "/spec/state") == Some("Undeploy"),
        })
    }

    fn recorded(&self, number: u64) -> Result<Revision, Error> {
        let history = annotation(&self.binding, names::HISTORY).and_then(History::parse).unwrap_or_default();
        let Some(record) = history.records().find(|record| record.revision == number) else {
            return Err(Error::Failed(self.no_revision(number, &history)));
        };
        let label = format!("{}@{number}", self.place.environment);
        let configs =
            record.config.as_ref().and_then(|config| config.get("componentTypeEnvironmentConfigs")?.as_object());
        Ok(Revision {
            release: record.release.clone().ok_or_else(|| self.pins_nothing(&label))?,
            label,
            configs: configs.cloned().unwrap_or_default(),
            undeployed: record.state.as_deref() == Some("Undeploy"),
        })
    }

    fn pins_nothing(&self, label: &str) -> Error {
        let component = &self.owner.component_name;
        Error::Failed(format!("{component} pins no release in {label}, so there is nothing to render"))
    }

    fn no_revision(&self, number: u64, history: &History) -> String {
        let place = format!("{} in {}", self.owner.component_name, self.place.environment);
        let kept = runs(history.records().map(|record| record.revision));
        let was_there = history.last().is_some_and(|last| number < last.revision);
        match kept.as_str() {
            "" => format!("{place} has no recorded revisions: leave --revision out for what is pinned now"),
            kept if was_there => format!("revision {number} of {place} is not kept any more: its history has {kept}"),
            kept => format!("{place} has no revision {number}: its history has {kept}"),
        }
    }
}

/// `1, 3 to 5`.
fn runs(numbers: impl Iterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first} to {last}") };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pinned(history: &Value) -> Pinned {
        let owner = Owner { project_name: "shop".into(), component_name: "web".into() };
        let binding = json!({
            "kind": "ReleaseBinding",
            "metadata": {"annotations": {names::HISTORY: history.to_string(), names::REVISION: "9"}},
            "spec": {"releaseName": "web-3", "state": "Undeploy", "componentTypeEnvironmentConfigs": {"n": 3}}
        });
        let place = Place::new(&json!({}), "acme", &owner, "dev");
        Pinned { binding, owner, place }
    }

    fn history() -> Value {
        let record = |revision: u64, release: &str, config: Value| {
            let at = "2026-01-02T12:00:00Z";
            json!({"revision": revision, "action": "deploy", "release": release, "config": config, "content": "c", "by": "b", "at": at})
        };
        json!([
            record(1, "web-1", json!({"componentTypeEnvironmentConfigs": {"n": 1}})),
            {"dropped": {"from": 2, "to": 7}, "prev": "h1", "hash": "h7"},
            record(8, "web-2", json!({"workloadOverrides": {}})),
            record(9, "web-3", json!({})),
        ])
    }

    #[test]
    fn a_revision_is_what_its_record_says() {
        let pinned = pinned(&history());
        let revision = |label: &str, release: &str, configs: Value, undeployed| Revision {
            label: label.into(),
            release: release.into(),
            configs: configs.as_object().cloned().unwrap_or_default(),
            undeployed,
        };
        assert_eq!(pinned.recorded(1).unwrap(), revision("dev@1", "web-1", json!({"n": 1}), false));
        assert_eq!(pinned.recorded(8).unwrap(), revision("dev@8", "web-2", json!({}), false));
        // It has changed since revision 9, and that is not recorded.
        assert_eq!(pinned.current().unwrap(), revision("dev", "web-3", json!({"n": 3}), true));
    }

    #[test]
    fn a_revision_that_is_not_there_is_told_with_those_that_are() {
        for (history, number, told) in [
            (history(), 3, "revision 3 of web in dev is not kept any more: its history has 1, 8 to 9"),
            (history(), 10, "web in dev has no revision 10: its history has 1, 8 to 9"),
            (json!([]), 1, "web in dev has no recorded revisions: leave --revision out for what is pinned now"),
        ] {
            assert_eq!(pinned(&history).recorded(number).unwrap_err().to_string(), told);
        }
    }

    #[test]
    fn what_was_typed_names_a_pin_or_a_release() {
        let parse = |component, environment| Subject::parse(component, environment).map_err(|error| error.to_string());
        assert_eq!(parse("web", Some("dev")).unwrap(), Subject::Pin { component: "web", environment: "dev" });
        assert_eq!(parse("release/web", None).unwrap(), Subject::Release("web"));
        for (component, environment, why) in [
            ("web", None, "name one of web's environments"),
            ("release/web", Some("dev"), "leave \"dev\" out"),
            ("project/shop", None, "\"project\" is no kind with objects of its own"),
        ] {
            let error = parse(component, environment).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
