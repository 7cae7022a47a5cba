//! `diff`: what differs, by object and field. One side is what a pin renders to, the other what is live, or what another environment
//! or another revision renders to.

use futures::future::try_join;
use release_shared::object::text;
use serde_json::{Map, Value, json};

use crate::args::{Against, Diff, PlainFormat};
use crate::cluster::Cluster;
use crate::diff::{Difference, Pair, fold, live, pairs};
use crate::error::Error;
use crate::objects::{Discovery, reference};
use crate::pinned::{Pinned, Rendered, Subject};
use crate::print::{line, list, note, raw, reference_name, structured};

/// Two sides, and what became of each object from one to the other.
struct Comparison {
    from: String,
    to: String,
    pairs: Vec<Pair>,
}

pub(super) async fn run(cluster: &Cluster, args: &Diff) -> Result<(), Error> {
    let mut comparison = compare(cluster, args).await?;
    let count = comparison.pairs.len();
    comparison.pairs.retain(Pair::differs);
    match print(&comparison, args.output) {
        // Whoever has read enough of the difference has still been told that there is one.
        Ok(()) | Err(Error::ClosedPipe) if !comparison.pairs.is_empty() => Err(Error::Differs),
        Ok(()) => {
            let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
            note(&format!("{} and {} are the same ({objects})", comparison.from, comparison.to));
            Ok(())
        }
        result => result,
    }
}

async fn compare(cluster: &Cluster, args: &Diff) -> Result<Comparison, Error> {
    match (Subject::parse(&args.component, args.environment.as_deref())?, &args.against) {
        (Subject::Release(name), Against::Live) if args.revision.is_none() => {
            with_live(cluster, Rendered::of_release(cluster, name).await?).await
        }
        (Subject::Release(name), _) => Err(Error::Usage(format!(
            "Release {name} has the objects of today only, which are compared with what is live: leave --revision and --against out"
        ))),
        (Subject::Pin { component, environment }, Against::Live) => {
            let pinned = Pinned::read(cluster, component, environment).await?;
            with_live(cluster, pinned.render(cluster, args.revision).await?).await
        }
        (Subject::Pin { component, environment }, Against::Revision(other)) => {
            let pinned = Pinned::read(cluster, component, environment).await?;
            let sides = try_join(pinned.render(cluster, args.revision), pinned.render(cluster, Some(*other)));
            Ok(rendered(sides.await?))
        }
        (Subject::Pin { component, environment }, Against::Environment(other)) => {
            let read = |environment| Pinned::read(cluster, component, environment);
            let (here, there) = try_join(read(environment), read(other)).await?;
            let sides = try_join(here.render(cluster, args.revision), there.render(cluster, None));
            Ok(rendered(sides.await?))
        }
    }
}

/// Rendered against rendered, each as its release says it: namespaces that nobody wrote down are no difference.
fn rendered((from, to): (Rendered, Rendered)) -> Comparison {
    let objects = |side: Rendered| if side.undeployed { Vec::new() } else { side.objects };
    Comparison { from: from.label.clone(), to: to.label.clone(), pairs: pairs(objects(from), objects(to)) }
}

/// Rendered against live, which is read with the user's own rights.
async fn with_live(cluster: &Cluster, mut from: Rendered) -> Result<Comparison, Error> {
    from.place.note_data_plane();
    let discovery = Discovery::read(cluster, from.api_versions()).await?;
    from.fill_namespaces(&discovery);
    let references: Vec<_> = from.objects.iter().map(|resource| reference(&resource.object)).collect();
    let found = discovery.get_all(cluster, &references).await.inspect_err(|error| {
        if matches!(error, Error::MissingRights(_)) {
            note("Comparing with what is live needs the right to read it; --against with an environment or a revision does not.");
        }
    })?;
    let both = from.objects.into_iter().zip(found);
    let pairs = both.map(|(resource, live)| against_live(resource.id, resource.object, live.as_ref(), from.undeployed));
    Ok(Comparison { from: from.label, to: "live".into(), pairs: pairs.collect() })
}

fn against_live(id: String, mut desired: Value, live: Option<&Value>, undeployed: bool) -> Pair {
    fold(&mut desired);
    let after = live.map(|live| live::project(live, &desired));
    let managed = live.and_then(|live| live.pointer("/metadata/managedFields")).cloned();
    Pair::new(id, (!undeployed).then_some(desired), after).managed_by(managed.unwrap_or_default())
}

fn print(comparison: &Comparison, output: Option<PlainFormat>) -> Result<(), Error> {
    let Comparison { from, to, pairs } = comparison;
    match output {
        Some(PlainFormat::Name) => pairs.iter().try_for_each(|pair| line(&name(pair))),
        Some(format) => {
            structured(&list(&pairs.iter().map(|pair| item(pair, from, to)).collect::<Vec<_>>()), format.into())
        }
        None => {
            pairs.iter().try_for_each(|pair| raw(&pair.text(from, to)))?;
            pairs.iter().for_each(note_managers);
            Ok(())
        }
    }
}

fn name(pair: &Pair) -> String {
    let object = reference(pair.object());
    reference_name(&object.group, Some(&object.kind), Some(&object.name))
}

/// Says who set what differs.
fn note_managers(pair: &Pair) {
    for difference in pair.differences().iter().filter(|difference| !difference.managers.is_empty()) {
        let (object, managers) = (reference(pair.object()), difference.managers.join(", "));
        note(&format!("Note: {object}: {} was set by {managers}", difference.path));
    }
}

/// One object that differs, with the keys that this command's JSON has.
fn item(pair: &Pair, from: &str, to: &str) -> Value {
    let object = pair.object();
    let entries = [
        ("id", Some(pair.id.as_str())),
        ("apiVersion", text(object, "/apiVersion")),
        ("kind", text(object, "/kind")),
        ("namespace", text(object, "/metadata/namespace")),
        ("name", text(object, "/metadata/name")),
        ("from", Some(from)),
        ("to", Some(to)),
        ("change", pair.change()),
    ];
    let mut item: Map<_, _> =
        entries.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))).collect();
    let differences: Vec<_> = pair.differences().into_iter().map(place).collect();
    if !differences.is_empty() {
        item.insert("differences".into(), differences.into());
    }
    Value::Object(item)
}

fn place(difference: Difference) -> Value {
    let mut place = json!({ "path": difference.path });
    for (key, value) in [("before", difference.before), ("after", difference.after)] {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            place[key] = value;
        }
    }
    if !difference.managers.is_empty() {
        place["managers"] = difference.managers.into();
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desired() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 2}})
    }

    #[test]
    fn an_item_says_what_differs_and_who_set_it() {
        let mut live = desired();
        live["spec"] = json!({"replicas": 3, "paused": true});
        live["metadata"]["managedFields"] =
            json!([{"manager": "kubectl-scale", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        insta::assert_json_snapshot!(item(
            &against_live("deployment".into(), desired(), Some(&live), false),
            "dev@3",
            "live"
        ));
        let missing = item(&against_live("deployment".into(), desired(), None, false), "dev@3", "live");
        assert_eq!((&missing["change"], missing.get("differences")), (&json!("removed"), None));
    }

    #[test]
    fn what_is_undeployed_should_not_be_there() {
        let pair = |live: Option<&Value>| against_live("deployment".into(), desired(), live, true);
        assert!(!pair(None).differs());
        assert_eq!(pair(Some(&desired())).change(), Some("added"));
    }

    #[test]
    fn the_values_of_a_secret_are_not_shown() {
        let secret = |field: &str, value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, field: {"k": value}});
        let pair =
            against_live("secret-s".into(), secret("stringData", "hush"), Some(&secret("data", "b3RoZXI=")), false);
        let shown = format!("{}{}", pair.text("a", "b"), item(&pair, "a", "b"));
        assert!(pair.differs() && !["hush", "aHVzaA", "b3RoZXI"].iter().any(|text| shown.contains(text)), "{shown}");
        assert!(shown.contains("*** (before)") && shown.contains("*** (after)"), "{shown}");
    }
}
