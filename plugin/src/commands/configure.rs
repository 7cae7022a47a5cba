//! `configure`: sets or removes configuration values of an environment.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::Action;
use serde_json::{Map, Value};

use super::pin::{self, Words};
use crate::args::Configure;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::{Missing, gather};
use crate::plan::{self, Pin, parse_configs, takes, unknown_key};

pub(super) async fn run(cluster: &Cluster, args: &Configure) -> Result<(), Error> {
    let environment = &args.place.environment;
    let mut gathered = gather(cluster, &args.place.component, Missing::Refused).await?;
    let name = text(gathered.pinned(environment)?, "/spec/releaseName").unwrap_or_default().to_owned();
    let Some(release) = cluster.get(Kind::ComponentRelease, &name).await? else {
        return Err(Error::Refused(vec![format!(
            "{environment} pins {name:?}, and there is no such ComponentRelease that says which values it takes: pin another first"
        )]));
    };
    gathered.world.put(Kind::ComponentRelease, &name, Some(&release));
    let configs = configured(plan::configs(gathered.binding(environment)), &args.values, &release)?;
    let standing = Pin::standing(&gathered, &cluster.namespace, environment, Action::Configure);
    let pin = Pin { configs, ..standing };
    let called = super::called(&args.place.component, annotation(&release, names::VERSION_ANNOTATION), &name);
    let words = words(&called, environment, &args.values);
    pin::carry_out(cluster, &gathered, &pin, Some(&release), (&args.write, &args.waiting), &words).await
}

/// Values after what was typed: `KEY=VALUE` sets one, `KEY-` removes it.
fn configured(mut configs: Map<String, Value>, words: &[String], release: &Value) -> Result<Map<String, Value>, Error> {
    let (removed, set): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| removed_key(word).is_some());
    let set = parse_configs("configure", &set, release)?;
    for key in removed.iter().filter_map(|word| removed_key(word)) {
        if set.contains_key(key) {
            return Err(Error::Usage(format!("configure: {key} is set and removed at once")));
        }
        let known = takes(release).is_some_and(|takes| takes.contains_key(key));
        if configs.remove(key).is_none() && !known {
            let all = takes(release).cloned().unwrap_or_default();
            return Err(Error::Refused(vec![unknown_key("configure", key, &all)]));
        }
    }
    configs.extend(set);
    Ok(configs)
}

/// The key of `KEY-`.
fn removed_key(word: &str) -> Option<&str> {
    word.strip_suffix('-').filter(|key| !key.is_empty() && !key.contains('='))
}

fn words(called: &str, environment: &str, values: &[String]) -> Words {
    let changes: Vec<_> = values
        .iter()
        .map(|word| removed_key(word).map_or_else(|| word.clone(), |key| format!("no value for {key}")))
        .collect();
    let changes = changes.join(", ");
    Words {
        done: format!("{called} has {changes} in {environment}"),
        would: format!("{called} would have {changes} in {environment}"),
        stands: format!("{called} has {changes} in {environment} already"),
        ask: format!("Change the values of {called} in {environment}?"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_set_and_removed() {
        let properties = json!({"replicas": {"type": "integer"}, "tag": {"type": "string"}});
        let release = json!({"spec": {"componentType": {"spec": {"environmentConfigs": {"openAPIV3Schema": {
            "properties": properties
        }}}}}});
        let before = json!({"replicas": 2, "old": true});
        let after = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let configs = before.as_object().cloned().unwrap();
            configured(configs, &words, &release).map(Value::Object).map_err(|error| error.to_string())
        };
        assert_eq!(after(&["replicas=5", "tag=1-"]), Ok(json!({"replicas": 5, "tag": "1-", "old": true})));
        assert_eq!(after(&["replicas-", "tag=x"]), Ok(json!({"tag": "x", "old": true})));
        assert_eq!(after(&["tag-"]), Ok(before.clone()), "what is not set is removed already");
        assert_eq!(after(&["old-"]), Ok(json!({"replicas": 2})), "what the release does not take can go");
        for (words, why) in [
            (&["replicas=1", "replicas-"][..], "replicas is set and removed at once"),
            (&["replica-"], "configure: the release has no value \"replica\" (did you mean replicas?)"),
            (&["replica=1"], "configure: the release has no value \"replica\" (did you mean replicas?)"),
            (&["replicas"], "is not KEY=VALUE"),
            (&["-"], "is not KEY=VALUE"),
        ] {
            let error = after(words).unwrap_err();
            assert!(error.contains(why), "{words:?}: {error}");
        }
    }

    #[test]
    fn what_is_said() {
        let words = words("web v1 (web-a)", "dev", &["replicas=5".into(), "tag-".into()]);
        assert_eq!(words.done, "web v1 (web-a) has replicas=5, no value for tag in dev");
    }
}
