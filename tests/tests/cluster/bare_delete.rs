//! A history ends with a record of who deletes the object and why, or it is told elsewhere who took it away.

use std::time::Duration;

use anyhow::{Context, ensure};
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::Action;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::objects::{Shop, binding, created, environment, name, records, release, with};
use super::person::{Person, refused_by_the_server};
use super::project::Project;
use super::webhook_connections::{review, trusted};
use super::wire::{Wire, post};

trials! {
    admission:
    a_bare_deletion_is_named,
    the_plugin_records_before_it_deletes,
    nothing_is_told_in_a_dry_run,
    a_whole_collection_is_named_one_by_one,
    what_somebody_else_keeps_is_not_called_deleted,
    what_somebody_made_up_is_not_told,
    a_namespace_goes_without_a_word,
}

const LIMIT: Duration = Duration::from_secs(60);

/// The Events of this namespace about deletions: of what, in the order of names.
fn told(admin: &Person<'_>) -> Vec<Value> {
    let events: Value = admin.kubectl(["get", "events.events.k8s.io", "-o", "json"]).run().expect_code(0).json();
    let ours =
        events["items"].as_array().into_iter().flatten().filter(|event| event["reason"] == "DeletedWithoutRecord");
    let mut ours: Vec<_> = ours.cloned().collect();
    ours.sort_by_key(|event| event["regarding"]["name"].to_string());
    ours
}

fn of_whom(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["regarding"]["name"].as_str()).collect()
}

fn until_told(admin: &Person<'_>, names: &[&str]) -> anyhow::Result<Vec<Value>> {
    wait::until("the Events are there", LIMIT, || Ok(Some(told(admin)).filter(|events| of_whom(events) == names)))
}

/// Who deleted something without a record of it, as the audit log has it.
fn named(namespace: &Namespace<'_>) -> anyhow::Result<Vec<String>> {
    let found = audit::annotations(namespace, "delete.release.openchoreo.dev/bare")?;
    Ok(found.into_iter().map(|(by, _, value)| format!("{by} {value}")).collect())
}

fn a_bare_deletion_is_named(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let pin = created(&shop.jane, &binding("web", "dev", "web-1"));
    let pin = shop.jane.merge(&pin, &json!({ "spec": { "releaseName": "web-2" } })).unwrap();
    shop.omar.kubectl(["delete", "releasebinding", "web-dev"]).run().expect_code(0);
    let events = until_told(&shop.admin, &["web-dev"])?;
    let event = &events[0];
    let regarding = json!({
        "apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "namespace": namespace.name(), "name": "web-dev",
        "uid": pin["metadata"]["uid"],
    });
    assert_eq!((&event["regarding"], &event["type"]), (&regarding, &json!("Warning")));
    assert_eq!(
        event["note"],
        "omar deleted this at revision 2 without a record, and its history with it: `kubectl release delete` records first who \
         deletes it and why"
    );
    wait::until("the audit log has it", LIMIT, || Ok((named(namespace)? == ["omar omar"]).then_some(())))?;
    let revisions = audit::annotations(namespace, "delete.release.openchoreo.dev/deleted-revision")?;
    assert_eq!(
        revisions.iter().map(|(by, _, value)| (by.as_str(), value.as_str())).collect::<Vec<_>>(),
        [("omar", "2")]
    );

    // Who holds it with a finalizer and deletes it twice has deleted it once. Of other kinds no deletion could be recorded.
    let held = with(&release("by-hand"), |r| r["metadata"]["finalizers"] = json!(["tests/held"]));
    let held = created(&shop.jane, &held);
    shop.jane.delete(&held).unwrap();
    shop.omar.delete(&held).unwrap();
    let events = until_told(&shop.admin, &["by-hand", "web-dev"])?;
    assert_eq!(
        (&events[0]["type"], events[0]["note"].as_str().map(|note| note.starts_with("jane "))),
        (&json!("Normal"), Some(true))
    );
    shop.jane.merge(&held, &json!({ "metadata": { "finalizers": null } })).unwrap();
    // A ComponentRelease has no history.
    shop.jane.kubectl(["delete", "componentrelease", "web-1"]).run().expect_code(0);
    assert_eq!(named(namespace)?.len(), 2);
    Ok(())
}

fn the_plugin_records_before_it_deletes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let (dana, admin) = (project.person()?, Person::admin(namespace));
    let pin = binding("web", "dev", "");
    admin.merge(&pin, &json!({ "metadata": { "finalizers": ["tests/held"] } })).unwrap();
    let link = "https://tickets.example/7";
    project.dana(&format!("delete web dev --yes --reason over --link {link}")).run().expect_code(0);
    let left = dana.get(&pin).unwrap();
    ensure!(left["metadata"]["deletionTimestamp"].is_string() && left["spec"]["state"] == "Undeploy", "{left:#}");
    let last = records(&left).pop().unwrap();
    assert_eq!(
        (last.action, last.by.as_str(), last.reason.as_deref(), last.link.as_deref(), last.state.as_deref()),
        (Action::Delete, "dana@acme.example", Some("over"), Some(link), Some("Undeploy"))
    );
    admin.merge(&pin, &json!({ "metadata": { "finalizers": null } })).unwrap();
    // The component's own deletion is told of, and the pin's is not.
    project.dana("delete web --yes").run().expect_code(0);
    let events = until_told(&admin, &["web"])?;
    assert_eq!(events[0]["regarding"]["kind"], "Component");
    assert_eq!(named(namespace)?, ["dana@acme.example dana@acme.example"]);
    Ok(())
}

fn nothing_is_told_in_a_dry_run(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let [dry, wet] = ["dev", "staging"].map(|environment| created(&shop.jane, &binding("web", environment, "web-1")));
    shop.jane.in_dry_run().delete(&dry).unwrap();
    shop.jane.kubectl(["delete", "releasebinding", name(&dry), "--dry-run=server"]).run().expect_code(0);
    shop.jane.delete(&wet).unwrap();
    until_told(&shop.admin, &["web-staging"])?;
    wait::until("the audit log has it", LIMIT, || Ok((named(namespace)? == ["jane jane"]).then_some(())))
}

fn a_whole_collection_is_named_one_by_one(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    for environment in ["dev", "production", "staging"] {
        created(&shop.jane, &binding("web", environment, "web-1"));
    }
    shop.admin.delete_all(Kind::ReleaseBinding).unwrap();
    let events = until_told(&shop.admin, &["web-dev", "web-production", "web-staging"])?;
    let admin = events[0]["note"].as_str().and_then(|note| note.split(' ').next()).unwrap_or_default().to_owned();
    ensure!(
        !admin.is_empty()
            && events.iter().all(|event| event["note"].as_str().is_some_and(|note| note.starts_with(&admin))),
        "{events:#?}"
    );
    // It is one request: the API server keeps one of the three notes.
    wait::until("the audit log has it", LIMIT, || Ok((named(namespace)? == [format!("{admin} {admin}")]).then_some(())))
}

/// Another webhook refuses the deletion after ours has let it through.
fn what_somebody_else_keeps_is_not_called_deleted(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let [kept, gone] = ["dev", "staging"].map(|environment| created(&shop.jane, &binding("web", environment, "web-1")));
    let keeper = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": namespace.name() },
        "webhooks": [{
            "name": "keeper.tests.example", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            // Nobody listens there.
            "clientConfig": { "url": "https://127.0.0.1:1/" },
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace.name() } },
            "matchConditions": [{ "name": "only-dev", "expression": "oldObject.metadata.name == 'web-dev'" }],
            "rules": [{
                "apiGroups": [names::GROUP], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["releasebindings"],
            }],
        }],
    });
    shop.admin.kubectl_on(&["create", "-f", "-"], &keeper);
    let configuration = ["delete", "validatingwebhookconfiguration", namespace.name()];
    let refused =
        wait::until("the API server asks the other webhook", LIMIT, || Ok(shop.jane.in_dry_run().delete(&kept).err()));
    let told = refused.map(|_| shop.jane.delete(&kept));
    let after = shop.jane.delete(&gone);
    shop.admin.kubectl(configuration).run().expect_code(0);
    refused_by_the_server(&told?, 500, "keeper.tests.example");
    after.unwrap();
    until_told(&shop.admin, &["web-staging"])?;
    wait::until("ours had let both through", LIMIT, || Ok((named(namespace)?.len() == 2).then_some(())))
}

/// Whoever reaches the webhook's port may send it the review of a deletion that nobody asked for, in anybody's name.
fn what_somebody_made_up_is_not_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let [kept, gone] = ["dev", "staging"].map(|environment| created(&shop.jane, &binding("web", environment, "web-1")));
    let url = installation.webhook_url().context("the webhook was never started")?;
    let address = url.trim_start_matches("https://").parse()?;
    let trusted = trusted(namespace)?;
    let accuse = |old: &Value| -> anyhow::Result<Value> {
        let review = review(|request| {
            request["kind"]["kind"] = "ReleaseBinding".into();
            request["operation"] = "DELETE".into();
            request["userInfo"]["username"] = "omar".into();
            request["name"] = old["metadata"]["name"].clone();
            request["namespace"] = namespace.name().into();
            request["object"] = Value::Null;
            request["oldObject"] = old.clone();
        });
        let call = post("/validate?timeout=2s", &["Content-Type: application/json"], review.as_bytes());
        Wire::open(&trusted, address)?.ask(&call)?.review()
    };
    let invented = with(&kept, |kept| kept["metadata"]["name"] = "web-production".into());
    let of_another_life = with(&gone, |gone| gone["metadata"]["uid"] = "invented".into());
    for old in [&invented, &kept, &of_another_life] {
        let reply = accuse(old)?;
        assert_eq!((&reply["allowed"], &reply["auditAnnotations"]["bare"]), (&json!(true), &json!("omar")), "{reply}");
    }
    shop.jane.delete(&gone).unwrap();
    // A review of a deletion that is over.
    accuse(&gone)?;
    let events = until_told(&shop.admin, &["web-staging"])?;
    ensure!(events[0]["note"].as_str().is_some_and(|note| note.starts_with("jane deleted")), "{events:#?}");
    Ok(())
}

fn a_namespace_goes_without_a_word(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    for at in 0..20 {
        created(&shop.jane, &binding(&format!("c{at}"), "dev", "c-1"));
    }
    let held = with(&environment("held", &[]), |e| e["metadata"]["finalizers"] = json!(["tests/held"]));
    let held = created(&shop.pat, &held);
    let mark = audit::now();
    shop.admin.kubectl(["delete", "namespace", "--wait=false", namespace.name()]).run().expect_code(0);
    // Somebody helps. The API server takes no Event any more, and nobody minds.
    shop.jane.kubectl(["delete", "releasebinding", "c0-dev", "c1-dev"]).run().expect_code(0);
    wait::until("the namespace holds only what is held", LIMIT, || {
        Ok(shop.admin.get(&held).unwrap()["metadata"]["deletionTimestamp"].as_str().map(str::to_owned))
    })?;
    shop.admin.merge(&held, &json!({ "metadata": { "finalizers": null } })).unwrap();
    wait::until("the namespace is gone", LIMIT, || {
        let told = shop.admin.kubectl(["get", "namespace", namespace.name(), "--ignore-not-found", "-o", "name"]).run();
        Ok(told.expect_code(0).stdout().is_empty().then_some(()))
    })?;
    assert_eq!(named(namespace)?, ["jane jane", "jane jane"]);
    let tried = audit::requests(namespace, &mark, "events")?;
    ensure!(
        tried.iter().all(|code| *code == 403) && tried.len() <= 2,
        "more Events than deletions by people: {tried:?}"
    );
    Ok(())
}
