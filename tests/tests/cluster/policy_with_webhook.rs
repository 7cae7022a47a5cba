//! What is installed at another time than the rest. All policies beside the webhook: it records as it does without them. And when it is gone, what it has recorded stays as it was until it
//! is back.

use std::time::Duration;

use anyhow::ensure;
use release_shared::kinds::Kind;
use release_shared::{crd, names};
use release_tests::install::policies::{self, Which};
use release_tests::{ControlPlane, Installation, Namespace, Options, programs, trials, wait};
use serde_json::{Value, json};

use super::forgery::with_forged_stamps;
use super::objects::{Shop, annotation, author, authors, bare, binding, created, pipeline, records, release, with};
use super::person::{Person, refused_by_the_server, until_accepted};
use super::webhook_certificates::system::System;

trials! { policies: policies_and_webhook_do_each_others_work, what_is_older_than_a_rule_of_the_schema_stays_editable }

/// Until the API server knows that hooks are there, or gone.
const LIMIT: Duration = Duration::from_secs(60);

/// In a control plane of its own, since the hooks go.
fn policies_and_webhook_do_each_others_work(_: &Namespace<'_>) -> anyhow::Result<()> {
    let own = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let installation = Installation::without_controller(&own)?;
    install_in_order(&own)?;
    let namespace = Namespace::create(&own, "policies")?;
    let shop = Shop::people(&namespace)?;
    for person in ["jane", "omar"] {
        namespace.user(person, &["release-releaser"])?;
    }
    let pin = binding("web", "dev", "web-1");
    until_accepted("the roles are known", || shop.omar.in_dry_run().create(&pin))?;
    until_accepted("the roles are known", || shop.jane.in_dry_run().create(&pin))?;
    shop.furnish("warn", &[("drift", "warn")]);

    let stamped = with_the_webhook(&shop, &namespace)?;
    changed_hooks_are_put_back(&namespace)?;
    take_the_webhook_away(&installation, &shop)?;
    without_the_webhook(&shop, &stamped);
    bring_the_webhook_back(&installation, &shop)?;

    let last = shop.omar.managing_as("tests").merge(&stamped, &json!({ "spec": { "releaseName": "web-1" } })).unwrap();
    let before = authors(&stamped);
    assert_eq!(authors(&last), [before, vec![author("omar", "tests")]].concat());
    Ok(())
}

/// As docs/policies.md says: the validating ones, a write in a dry run, and then the mutating one.
fn install_in_order(own: &ControlPlane) -> anyhow::Result<()> {
    policies::add(own, Which::Validating)?;
    let probe = programs::repository().join("deploy/policies/probe.yaml");
    let dry_run = ["create", "--dry-run=server", "--namespace=default", "--filename"];
    release_tests::Cli::new(own, "kubectl").args(dry_run).args([probe]).run().expect_code(0);
    policies::add(own, Which::All)
}

/// Everything that a forger sends is answered by the record, as it is without policies. Returns a binding with a history.
fn with_the_webhook(shop: &Shop<'_>, namespace: &Namespace<'_>) -> anyhow::Result<Value> {
    let pin = binding("web", "dev", "web-1");
    let made = created(&shop.jane.managing_as("tests"), &with_forged_stamps(&pin));
    assert_eq!(authors(&made), [author("jane", "tests")]);
    // Stamps that are sent with a change, stamps that are sent alone, and none at all.
    let changed =
        with(&with_forged_stamps(&shop.omar.get(&pin).unwrap()), |pin| pin["spec"]["releaseName"] = "web-2".into());
    let changed = shop.omar.managing_as("tests").replace(&changed).unwrap();
    let both = [author("jane", "tests"), author("omar", "tests")];
    assert_eq!(authors(&changed), both);
    let untouched = shop.jane.replace(&with_forged_stamps(&changed)).unwrap();
    assert_eq!(authors(&untouched), both);
    shop.jane.kubectl_on(&["replace", "-f", "-"], &bare(&changed));
    shop.jane
        .kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &with_forged_stamps(&bare(&changed)));
    shop.jane.kubectl_on(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &bare(&changed));
    let kept = shop.jane.get(&pin).unwrap();
    assert_eq!(records(&kept).len(), 2, "{kept:#}");

    // A policy of an environment, a status, and somebody who may not.
    let environment = super::objects::environment("dev", &[]);
    let enforce = json!({ "metadata": { "annotations": { names::DRIFT: "enforce" } } });
    let recorded = shop.pat.managing_as("tests").merge(&environment, &enforce).unwrap();
    assert_eq!(authors(&recorded).last(), Some(&author("pat", "tests")));
    let controller =
        Person::of(namespace, namespace.control_plane().service_account("release-system", "release-controller")?)?;
    controller.merge_status(&pin, &json!({ "observedGeneration": 1 })).unwrap();
    refused_by_the_server(&shop.jane.merge_status(&pin, &json!({})), 403, "");
    refused_by_the_server(&shop.pat.merge(&pin, &json!({ "spec": { "releaseName": "web-1" } })), 403, "");
    Ok(shop.jane.get(&pin).unwrap())
}

/// By the webhook, which the policy lets through.
fn changed_hooks_are_put_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let system = System(namespace);
    system.annotate(&format!("{}={}", names::KEPT_AS, env!("CARGO_PKG_VERSION")));
    system.patch_one(0, &[json!({ "op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore" })]);
    wait::until("the hook is as installed", LIMIT, || {
        Ok((system.field(0, "{.webhooks[0].failurePolicy}")? == "Fail").then_some(()))
    })
}

fn take_the_webhook_away(installation: &Installation<'_>, shop: &Shop<'_>) -> anyhow::Result<()> {
    installation.stop_webhook();
    let kinds = ["delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "release-webhook"];
    shop.admin.kubectl(kinds).run().expect_code(0);
    until_accepted("nobody asks the webhook", || shop.admin.in_dry_run().create(&super::objects::component("probe")))
        .map(drop)
}

/// Honest changes go through beside the old stamp, and nobody moves it.
fn without_the_webhook(shop: &Shop<'_>, stamped: &Value) {
    let stamp = |object: &Value| names::WEBHOOK_KEYS.map(|key| annotation(object, key).map(str::to_owned));
    let as_it_was = |what: &str, told: super::person::Told| {
        let after = told.unwrap();
        assert_eq!(stamp(&after), stamp(stamped), "{what}");
        after
    };
    let now = || shop.jane.get(stamped).unwrap();
    as_it_was("forged alone", shop.jane.replace(&with_forged_stamps(&now())));
    as_it_was("taken away", shop.jane.merge(stamped, &json!({ "metadata": { "annotations": null } })));
    as_it_was("taken away by PUT", shop.jane.replace(&with(&now(), |pin| pin["metadata"]["annotations"] = json!({}))));
    for key in names::WEBHOOK_KEYS {
        as_it_was(key, shop.jane.merge(stamped, &json!({ "metadata": { "annotations": { key: "jane" } } })));
        as_it_was(key, shop.jane.merge(stamped, &json!({ "metadata": { "annotations": { key: null } } })));
    }
    let own_name =
        json!({ "metadata": { "annotations": { names::CHANGED_BY: "jane" } }, "spec": { "state": "Undeploy" } });
    let after = as_it_was("own name with a change", shop.jane.merge(stamped, &own_name));
    assert_eq!(after["spec"]["state"], "Undeploy");
    let honest = json!({ "spec": { "state": "Active", "releaseName": "web-2" } });
    as_it_was("an honest change", shop.jane.merge(stamped, &honest));
    let applied = shop
        .jane
        .managing_as("flux")
        .with_parameter("force=true")
        .apply(&with_forged_stamps(&binding("web", "dev", "web-2")));
    as_it_was("applied with old stamps", applied);
    let applied = shop.jane.managing_as("flux").with_parameter("force=true").apply(&binding("web", "dev", "web-2"));
    as_it_was("applied without them again", applied);
    let new = created(&shop.jane, &with_forged_stamps(&binding("api", "dev", "api-1")));
    assert_eq!(stamp(&new), [const { None::<String> }; 5]);
}

fn bring_the_webhook_back(installation: &Installation<'_>, shop: &Shop<'_>) -> anyhow::Result<()> {
    let configurations = programs::repository().join("deploy/webhook/configurations.yaml");
    let apply = shop.admin.kubectl(["apply", "--server-side", "--filename"]).args([configurations]);
    apply.run().expect_code(0);
    installation.start_webhook()?;
    let probe = super::objects::component("probe");
    wait::until("the API server asks the webhook again", LIMIT, || {
        let made = shop.jane.in_dry_run().create(&probe);
        Ok(made.ok().filter(|made| annotation(made, names::CHANGED_BY).is_some()).map(drop))
    })?;
    ensure!(annotation(&shop.jane.in_dry_run().create(&probe).unwrap(), names::CHANGED_BY) == Some("jane"));
    Ok(())
}

/// The definition of a kind as if nobody had thought of rules yet.
fn without_rules(kind: Kind) -> Value {
    let mut definition = serde_json::to_value(crd::definition(kind)).unwrap();
    let mut places = vec![&mut definition];
    while let Some(place) = places.pop() {
        if let Some(fields) = place.as_object_mut() {
            for rule in ["x-kubernetes-validations", "pattern", "not", "minLength", "maxLength"] {
                fields.remove(rule);
            }
        }
        match place {
            Value::Object(fields) => places.extend(fields.values_mut()),
            Value::Array(entries) => places.extend(entries),
            _ => {}
        }
    }
    definition
}

/// In a control plane of its own, whose definitions change.
fn what_is_older_than_a_rule_of_the_schema_stays_editable(_: &Namespace<'_>) -> anyhow::Result<()> {
    let own = ControlPlane::start(&Options { nodes: 0, ..Options::default() })?;
    let namespace = Namespace::create(&own, "older")?;
    let admin = Person::admin(&namespace);
    for kind in [Kind::Release, Kind::ReleaseBinding, Kind::DeploymentPipeline] {
        admin.kubectl_on(&["apply", "--server-side", "-f", "-"], &without_rules(kind));
    }
    namespace.kubectl(["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]).run().expect_code(0);
    let old = |object: Value| with(&object, |object| object["metadata"]["finalizers"] = json!(["tests/held"]));
    let old = [
        old(with(&binding("web", "dev", "x"), |pin| pin["metadata"]["name"] = "another.name".into())),
        old(with(&release("direct"), |release| {
            release["spec"]["interval"] = "5s".into();
            release["spec"]["progressingInterval"] = "48h".into();
            release["spec"]["resources"][0]["object"]["kind"] = "List".into();
        })),
        old(pipeline("warn", &[("dev", &["dev"])])),
    ];
    let old = old.map(|object| created(&admin, &object));

    let crds = programs::repository().join("deploy/crds");
    let apply = admin.kubectl(["apply", "--server-side", "--force-conflicts", "--filename"]).args([crds]);
    apply.run().expect_code(0);
    wait::until("the rules are kept", LIMIT, || {
        let mut again = old.iter().map(|object| {
            let again = with(&bare(object), |again| {
                again["metadata"]["name"] = format!("{}-2", super::objects::name(object)).into()
            });
            admin.in_dry_run().create(&again)
        });
        Ok(again.all(|told| told.is_err_and(|status| status.code == 422)).then_some(()))
    })?;
    for object in &old {
        admin.merge(object, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
        admin.merge_status(object, &json!({ "conditions": [] })).unwrap();
        admin.replace(&admin.get(object).unwrap()).unwrap();
    }
    admin.merge(&old[0], &json!({ "spec": { "releaseName": "y" } })).unwrap();
    let rest = json!([{ "op": "replace", "path": "/spec/resources/1/object/metadata/name", "value": "api" },
        { "op": "remove", "path": "/spec/progressingInterval" }]);
    admin.json_patch(&old[1], &rest).unwrap();
    for object in &old {
        admin.delete(object).unwrap();
        admin.merge(object, &json!({ "metadata": { "finalizers": null } })).unwrap();
        refused_by_the_server(&admin.get(object), 404, "");
    }
    Ok(())
}
