//! Promise 5: the webhook is never the reason a cluster stands still.

use std::time::Duration;

use anyhow::ensure;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Cli, Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::objects::{
    Shop, annotation, binding, component, component_release, created, name, object, owned_release, records, release,
    with,
};
use super::person::{Person, refused, refused_by_the_server, until_accepted, until_refused};

trials! {
    admission:
    status_is_written_without_a_record,
    many_are_deleted_at_once,
    a_namespace_full_of_releases_is_deleted,
    without_the_webhook_nothing_changes_and_everything_is_deleted,
    what_a_new_rule_would_refuse_is_not_locked,
    the_schema_keeps_what_is_immutable_without_the_webhook,
    an_orphaned_release_stays,
}

/// For the namespace controller, which looks again after eight seconds where finalizers hold something.
const LIMIT: Duration = Duration::from_secs(60);
const FINALIZER: &str = "tests/held";

fn status_is_written_without_a_record(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    let written = shop.admin.merge_status(&pin, &json!({ "health": "Healthy", "observedGeneration": 1 })).unwrap();
    assert_eq!((records(&written).len(), &written["status"]["health"]), (1, &json!("Healthy")));
    // Nothing but status goes in by that way, a stamp neither.
    let forged = with(&written, |b| {
        b["metadata"]["annotations"][names::CHANGED_BY] = "eve".into();
        b["spec"]["releaseName"] = "web-2".into();
        b["status"]["health"] = "Degraded".into();
    });
    let written = shop.admin.replace_status(&forged).unwrap();
    assert_eq!(written["status"]["health"], "Degraded");
    assert_eq!((records(&written)[0].by.as_str(), &written["spec"]["releaseName"]), ("jane", &json!("web-1")));
    refused_by_the_server(
        &shop.jane.merge_status(&pin, &json!({ "health": "Healthy" })),
        403,
        "releasebindings/status",
    );
    Ok(())
}

/// Releases and bindings that something holds, as the controller will.
fn fill(shop: &Shop<'_>) -> Vec<Value> {
    let held = |object: &Value| with(object, |object| object["metadata"]["finalizers"] = json!([FINALIZER]));
    // By hand and outside of the pipeline, which may be an enforcing one.
    let by_hand = |name: &str| with(&release(name), |release| release["spec"]["environmentName"] = "elsewhere".into());
    let objects = (0..10).flat_map(|at| {
        let component = format!("web{at}");
        [held(&by_hand(&component)), held(&binding(&component, "dev", &format!("{component}-1")))]
    });
    objects.map(|object| created(&shop.jane, &object)).collect()
}

/// Deletes the namespace, lets go of what is held in it, and waits for its end.
pub(crate) fn delete_namespace(namespace: &Namespace<'_>, admin: &Person<'_>, held: &[Value]) -> anyhow::Result<()> {
    admin.kubectl(["delete", "namespace", "--wait=false", namespace.name()]).run().expect_code(0);
    for object in held {
        wait::until("an object is being deleted", LIMIT, || {
            let object = admin.get(object).unwrap();
            Ok(object["metadata"]["deletionTimestamp"].as_str().map(str::to_owned))
        })?;
        admin.merge(object, &json!({ "metadata": { "finalizers": null } })).unwrap();
    }
    wait::until("the namespace is gone", LIMIT, || {
        let told = admin.kubectl(["get", "namespace", namespace.name(), "--ignore-not-found", "-o", "name"]).run();
        Ok(told.expect_code(0).stdout().is_empty().then_some(()))
    })
}

fn many_are_deleted_at_once(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    for component in ["web", "api"] {
        created(&shop.jane, &binding(component, "dev", &format!("{component}-1")));
    }
    let args = ["delete", "releasebindings,componentreleases,components", "--all", "--timeout=30s"];
    shop.jane.kubectl(args).run().expect_code(0);
    let left = shop.jane.kubectl(["get", "releasebindings,componentreleases,components", "-o", "name"]).run();
    assert_eq!(left.expect_code(0).stdout(), "");
    Ok(())
}

fn a_namespace_full_of_releases_is_deleted(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "enforce")?;
    delete_namespace(namespace, &shop.admin, &fill(&shop))?;
    assert_eq!(audit::annotations(namespace, "failed-open")?, [], "no call of the webhook failed");
    Ok(())
}

fn without_the_webhook_nothing_changes_and_everything_is_deleted(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let held = fill(&shop);
    let free = created(&shop.jane, &binding("web", "dev", "web-1"));
    installation.stop_webhook();

    let closed = "failed calling webhook \"mutate.release.openchoreo.dev\"";
    let told = shop.jane.kubectl(["create", "-f", "-"]).stdin(release("web-dev").to_string()).run().expect_code(1);
    ensure!(
        told.stderr().contains(closed) && told.stderr().contains("connection refused"),
        "not a clear message: {told}"
    );
    refused_by_the_server(&shop.jane.merge(&free, &json!({ "spec": { "releaseName": "web-2" } })), 500, closed);
    refused_by_the_server(&shop.jane.merge(&free, &json!({ "metadata": { "labels": { "a": "b" } } })), 500, closed);
    shop.admin.merge_status(&free, &json!({ "health": "Healthy" })).unwrap();

    // Deletion is never held up; that nobody judged it stands in the audit log.
    shop.jane.delete(&free).unwrap();
    let unjudged = audit::annotations(namespace, "failed-open")?;
    let (user, hook) = ("jane".to_owned(), "delete.release.openchoreo.dev".to_owned());
    ensure!(matches!(&unjudged[..], [(by, _, value)] if (by, value) == (&user, &hook)), "unexpected: {unjudged:?}");
    assert_eq!(shop.jane.get(&free).map_err(|status| status.code), Err(404));

    // Of an object that is being deleted the finalizers come off, and nothing else does.
    shop.jane.delete(&held[0]).unwrap();
    refused_by_the_server(&shop.jane.merge(&held[0], &json!({ "spec": { "interval": "1h" } })), 500, closed);
    let forged = json!({ "metadata": { "annotations": { names::CHANGED_BY: "eve" }, "finalizers": null } });
    refused_by_the_server(&shop.jane.merge(&held[0], &forged), 500, closed);
    shop.jane.merge(&held[0], &json!({ "metadata": { "finalizers": null } })).unwrap();
    assert_eq!(shop.jane.get(&held[0]).map_err(|status| status.code), Err(404));

    delete_namespace(namespace, &shop.admin, &held[1..])
}

/// Both webhook configurations taken away, and put back when this goes out of scope.
pub(crate) struct Away<'a> {
    namespace: &'a Namespace<'a>,
    configurations: Value,
}

const CONFIGURATIONS: [&str; 2] =
    ["mutatingwebhookconfiguration/release-webhook", "validatingwebhookconfiguration/release-webhook"];

impl<'a> Away<'a> {
    /// Returns once the API server calls nobody any more.
    pub(crate) fn take(namespace: &'a Namespace<'a>, jane: &Person<'_>) -> anyhow::Result<Self> {
        let admin = Person::admin(namespace);
        let get = admin.kubectl(["get", "-o", "json"].into_iter().chain(CONFIGURATIONS)).run().expect_code(0);
        let mut configurations: Value = get.json();
        for configuration in configurations["items"].as_array_mut().into_iter().flatten() {
            configuration["metadata"] = json!({ "name": configuration["metadata"]["name"] });
        }
        let away = Self { namespace, configurations };
        admin.kubectl(["delete"].into_iter().chain(CONFIGURATIONS)).run().expect_code(0);
        until_accepted("the API server calls no webhook", || jane.in_dry_run().create(&labelled()))?;
        Ok(away)
    }

    /// Puts them back and returns once the API server calls the webhook again.
    pub(crate) fn end(self, jane: &Person<'_>) -> anyhow::Result<()> {
        drop(self);
        let cause = [("spec.resources[0].object.metadata.labels[openchoreo.dev/managed-by]", "ReservedLabel")];
        until_refused("the API server calls the webhook", || jane.in_dry_run().create(&labelled()), 422, &cause)
            .map(drop)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let kubectl: Cli<'_> = self.namespace.kubectl(["create", "-f", "-"]).stdin(self.configurations.to_string());
        if let Err(error) = kubectl.output().and_then(release_tests::Outcome::success) {
            panic!("the webhook configurations are gone for good: {error:?}");
        }
    }
}

/// A Release that the schema takes and a rule does not.
fn labelled() -> Value {
    with(&release("web-labelled"), |r| {
        r["spec"]["environmentName"] = "staging".into();
        r["spec"]["resources"][0]["object"]["metadata"]["labels"] = json!({ names::MANAGED_BY_LABEL: "me" });
    })
}

fn what_a_new_rule_would_refuse_is_not_locked(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let away = Away::take(namespace, &shop.jane)?;
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "a": "b" } });
    let bad = with(&labelled(), |r| {
        r["metadata"]["finalizers"] = json!([FINALIZER]);
        r["spec"]["resources"][1] = json!({ "id": "secret", "object": secret });
    });
    let bad = created(&shop.jane, &bad);
    assert_eq!(annotation(&bad, names::HISTORY), None);
    away.end(&shop.jane)?;
    installation.start_webhook()?;

    // What is not recorded is free, and leaves an object without a stamp as it is.
    let omar = shop.omar.managing_as("tests");
    omar.merge(&bad, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
    omar.merge(&bad, &json!({ "metadata": { "finalizers": [FINALIZER, "tests/another"] } })).unwrap();
    let free = omar.merge(&bad, &json!({ "metadata": { "finalizers": [FINALIZER] } })).unwrap();
    assert_eq!(annotation(&free, names::HISTORY), None);
    omar.merge_status(&bad, &json!({})).expect_err("a developer writes no status");

    // A change that makes nothing worse goes through with a warning, also where the old fault moves to another place.
    let patch = r#"{"spec":{"progressingInterval":"20s"}}"#;
    let told = omar.kubectl(["patch", "release", "web-labelled", "--type=merge", "-p", patch]).run().expect_code(0);
    let warnings: Vec<_> = told.stderr().lines().collect();
    ensure!(
        warnings.len() == 2 && warnings.iter().all(|line| line.starts_with("Warning: spec.")),
        "unexpected: {told}"
    );
    let moved = with(&omar.get(&bad).unwrap(), |r| r["spec"]["resources"].as_array_mut().unwrap().reverse());
    let moved = omar.replace(&moved).unwrap();
    assert_eq!(records(&moved).iter().map(|record| record.by.as_str()).collect::<Vec<_>>(), ["omar", "omar"]);

    // A new fault is refused, and it alone is told.
    refused(
        &omar.merge(&bad, &json!({ "spec": { "progressingInterval": "200h" } })),
        422,
        &[("spec.progressingInterval", "IntervalBounds")],
    );
    // What was mended stays mended.
    let labels = "/spec/resources/1/object/metadata/labels";
    omar.json_patch(&bad, &json!([{ "op": "remove", "path": labels }])).unwrap();
    let again = json!([{ "op": "add", "path": labels, "value": { names::MANAGED_BY_LABEL: "me" } }]);
    let path = "spec.resources[1].object.metadata.labels[openchoreo.dev/managed-by]";
    refused(&omar.json_patch(&bad, &again), 422, &[(path, "ReservedLabel")]);

    omar.delete(&bad).unwrap();
    omar.merge(&bad, &json!({ "metadata": { "finalizers": null } })).unwrap();
    assert_eq!(omar.get(&bad).map_err(|status| status.code), Err(404));
    Ok(())
}

fn the_schema_keeps_what_is_immutable_without_the_webhook(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let placed = object(Kind::Environment, "placed", json!({ "dataPlaneRef": { "name": "here" } }));
    for (person, object) in
        [(&shop.jane, release("web-dev")), (&shop.jane, binding("web", "dev", "web-1")), (&shop.pat, placed.clone())]
    {
        created(person, &object);
    }
    let targeted = with(&release("web-staging"), |r| {
        r["spec"]["environmentName"] = "staging".into();
        r["spec"]["targetPlane"] = "dataplane".into();
    });
    created(&shop.jane, &targeted);
    let away = Away::take(namespace, &shop.jane)?;
    let owner = json!({ "owner": { "componentName": "other" } });
    for (object, patch, message) in [
        (release("web-dev"), owner.clone(), "spec.owner is immutable"),
        (release("web-dev"), json!({ "environmentName": "staging" }), "spec.environmentName is immutable"),
        (release("web-dev"), json!({ "targetPlane": "dataplane" }), "spec.targetPlane is immutable"),
        (targeted.clone(), json!({ "targetPlane": "observabilityplane" }), "spec.targetPlane is immutable"),
        (targeted.clone(), json!({ "targetPlane": null }), "spec.targetPlane is immutable"),
        (binding("web", "dev", "web-1"), owner, "spec.owner is immutable"),
        (binding("web", "dev", "web-1"), json!({ "environment": "staging" }), "spec.environment is immutable"),
        (
            component_release("web", "web-1", "1.0"),
            json!({ "componentProfile": { "parameters": {} } }),
            "spec is immutable",
        ),
        (
            component_release("web", "web-1", "1.0"),
            json!({ "workload": { "container": { "image": "x" } } }),
            "spec is immutable",
        ),
        (component("web"), json!({ "owner": { "projectName": "other" } }), "spec.owner is immutable"),
        (component("web"), json!({ "componentType": { "name": "job/x" } }), "componentType cannot be changed"),
        (placed.clone(), json!({ "dataPlaneRef": { "name": "there" } }), "dataPlaneRef is immutable once set"),
        (placed, json!({ "dataPlaneRef": null }), "dataPlaneRef is immutable once set"),
    ] {
        let told = shop.admin.merge(&object, &json!({ "spec": patch }));
        refused_by_the_server(&told, 422, message);
    }
    // The rest may be changed, and is recorded as soon as the webhook sees it again.
    shop.jane.merge(&targeted, &json!({ "spec": { "interval": "7m" } })).unwrap();
    away.end(&shop.jane)?;
    installation.start_webhook()?;
    let after = shop.omar.merge(&targeted, &json!({ "spec": { "interval": "8m" } })).unwrap();
    assert_eq!(
        records(&after).iter().map(|record| (record.revision, record.by.as_str())).collect::<Vec<_>>(),
        [(1, "jane"), (2, "omar")]
    );
    Ok(())
}

/// The garbage collector takes the ownerReference off the Release that nobody else may touch.
fn an_orphaned_release_stays(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let controller = shop.controller(namespace)?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    let owned = created(&controller, &owned_release(&pin));
    // The collector learns of new kinds every 30 seconds, and orphans what it has seen. Once it has collected another
    // Release, it knows this one too.
    let other = created(&shop.jane, &binding("api", "dev", "api-1"));
    let collected = created(&controller, &owned_release(&other));
    shop.jane.delete(&other).unwrap();
    wait::until("the garbage collector has seen our kinds", LIMIT, || Ok(shop.admin.get(&collected).err()))?;

    let orphan = ["delete", "releasebinding", name(&pin), "--cascade=orphan", "--timeout=60s"];
    shop.jane.kubectl(orphan).run().expect_code(0);
    let left = shop.jane.get(&owned).unwrap();
    ensure!(left["metadata"]["ownerReferences"].is_null(), "still owned: {left:#}");
    assert_eq!(annotation(&left, names::CHANGED_BY), annotation(&owned, names::CHANGED_BY));
    // From now on it is a Release like any other. Its history begins here; what was before is in the binding's.
    let change = json!({ "spec": { "interval": "7m" } });
    let after = until_accepted("the webhook has seen the binding go", || shop.jane.merge(&left, &change))?;
    assert_eq!([names::REVISION, names::CHANGED_BY].map(|key| annotation(&after, key)), [Some("2"), Some("jane")]);
    ensure!(annotation(&after, names::HISTORY).is_some(), "no history: {after:#}");
    Ok(())
}
