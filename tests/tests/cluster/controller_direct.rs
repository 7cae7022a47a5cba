//! A Release that somebody writes by hand: the API as it is documented.

use anyhow::ensure;
use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::live::{
    LIMIT, condition, config_map, deployment, direct, generated, inventory, is_absent, namespace as named, said,
    service, until_condition, until_gone, until_live, until_ready, within,
};
use super::objects::{Shop, annotated, binding, created, environment, object, records, with};

trials! {
    the_documented_release_goes_live_and_goes,
    the_time_of_an_observation_moves_with_what_was_observed,
    nothing_of_a_secret_is_told,
    a_release_is_known_by_its_history_like_any_other,
    what_holds_a_release_is_put_back,
}

/// The namespace that the documentation names.
const PLACE: &str = "prod-data-plane";

fn customer_service() -> Value {
    let labels = json!({ "app": "customer-service" });
    let container = json!({ "name": "main", "image": "customer-service:1.0" });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "customer-service", "namespace": PLACE, "labels": labels },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "customer-service", "namespace": PLACE },
        "spec": { "selector": labels, "ports": [{ "port": 8080, "targetPort": 8080 }] },
    });
    let release = object(
        Kind::Release,
        "customer-service-prod-release",
        json!({
            "owner": { "projectName": "my-project", "componentName": "customer-service" },
            "environmentName": "production",
            "interval": "5m",
            "progressingInterval": "10s",
            "resources": [{ "id": "deployment", "object": deployment }, { "id": "service", "object": service }],
        }),
    );
    let words =
        [(names::DISPLAY_NAME, "Customer Service Production Release"), (names::DESCRIPTION, "Serves customers")];
    annotated(&release, &words)
}

fn the_documented_release_goes_live_and_goes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    let release = created(&shop.jane, &customer_service());
    let told = until_condition(&shop.jane, &release, "Ready", "ProjectNotFound")?;
    assert_eq!((inventory(&told), &told["metadata"]["finalizers"]), (vec![], &json!([names::FINALIZER])));
    created(&shop.pat, &object(Kind::Project, "my-project", json!({ "deploymentPipelineRef": { "name": "main" } })));
    created(&shop.pat, &environment("production", &[("namespaces", PLACE)]));

    let is_up = |release: &Value| release["status"]["resources"][0]["status"]["readyReplicas"] == 3;
    until_ready(&shop.jane, &release)?;
    let told = until_live(&shop.jane, &release, is_up)?;
    let [live, exposed] = [0, 1].map(|at| shop.admin.get(&release["spec"]["resources"][at]["object"]).unwrap());
    assert_eq!((&live["spec"]["replicas"], &exposed["spec"]["ports"][0]["port"]), (&json!(3), &json!(8080)));
    let timeless = |id: &str| {
        let mut said = said(&told, id).clone();
        let time = said.as_object_mut().and_then(|said| said.remove("lastObservedTime"));
        let time = time.as_ref().and_then(Value::as_str).and_then(|time| time.parse::<Timestamp>().ok());
        assert!(time.is_some_and(|time| time <= Timestamp::now()), "{told:#}");
        said
    };
    let name = "customer-service";
    assert_eq!(
        [timeless("deployment"), timeless("service")],
        [
            json!({
                "id": "deployment", "group": "apps", "version": "v1", "kind": "Deployment", "name": name, "namespace": PLACE,
                "status": live["status"], "healthStatus": "Healthy",
            }),
            json!({
                "id": "service", "version": "v1", "kind": "Service", "name": name, "namespace": PLACE,
                "status": exposed["status"], "healthStatus": "Healthy",
            }),
        ]
    );
    assert_eq!(told["spec"], release["spec"]);
    for (key, value) in customer_service()["metadata"]["annotations"].as_object().unwrap() {
        assert_eq!(&told["metadata"]["annotations"][key], value);
    }

    // Its end waits for what it has made, and says for what.
    shop.admin.merge(&exposed, &json!({ "metadata": { "finalizers": ["tests/held"] } })).unwrap();
    shop.jane.delete(&release).unwrap();
    let waits = format!("waits until they are gone: Service {PLACE}/customer-service (held by tests/held)");
    let is_told = |release: &Value| condition(release, "Finalizing") == ["True", "CleanupInProgress", &waits];
    let told = until_live(&shop.jane, &release, is_told)?;
    assert_eq!(condition(&told, "Ready")[..2], ["False", "Finalizing"]);
    assert!(is_absent(&shop.admin.get(&live)));
    shop.admin.merge(&exposed, &json!({ "metadata": { "finalizers": null } })).unwrap();
    until_gone(&shop.jane, &release)?;
    assert!(is_absent(&shop.admin.get(&exposed)));
    // There may be something else in it.
    assert!(!is_absent(&shop.admin.get(&named(PLACE))));
    Ok(())
}

fn the_time_of_an_observation_moves_with_what_was_observed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web =
        created(&shop.jane, &direct("web-direct", &[deployment("web"), service("web"), config_map("web", "small")]));
    let is_up =
        |replicas: u64| move |release: &Value| said(release, "deployment-web")["status"]["readyReplicas"] == replicas;
    let first = until_ready(&shop.jane, &web)?;
    until_live(&shop.jane, &first, is_up(1))?;
    let times = |release: &Value| {
        ["deployment-web", "service-web", "configmap-web"].map(|id| said(release, id)["lastObservedTime"].clone())
    };
    // A second later, so that another time would be another text.
    let settled = shop.jane.get(&web).unwrap();
    let latest = times(&settled).iter().filter_map(|time| time.as_str()?.parse::<Timestamp>().ok()).max().unwrap();
    wait::until(
        "the next second",
        LIMIT,
        || Ok((Timestamp::now().as_second() > latest.as_second() + 1).then_some(())),
    )?;

    let spread = shop.jane.merge(&web, &json!({ "spec": { "interval": "7m" } })).unwrap();
    let looked_at = until_ready(&shop.jane, &spread)?;
    assert_eq!(times(&looked_at)[1..], times(&settled)[1..], "a look at it is no observation of something new");
    let more = with(&looked_at, |web| web["spec"]["resources"][0]["object"]["spec"]["replicas"] = 2.into());
    let more = until_ready(&shop.jane, &shop.jane.replace(&more).unwrap())?;
    let more = until_live(&shop.jane, &more, is_up(2))?;
    assert_eq!(times(&more)[1..], times(&settled)[1..]);
    ensure!(times(&more)[0].as_str() > times(&settled)[0].as_str(), "{:?} {:?}", times(&more), times(&settled));
    Ok(())
}

/// Not in status, events or log; also where the API server refuses it and says why.
fn nothing_of_a_secret_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation()?;
    let shop = Shop::people(namespace)?;
    shop.furnish("warn", &[("allow-inline-secrets", "true")]);
    let word = format!("hunter2-{}", namespace.name());
    let secret = |name: &str, kind: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": kind,
            "stringData": { "password": word, ".dockerconfigjson": word },
        })
    };
    let objects = [secret("good", "Opaque"), secret("bad", "kubernetes.io/dockerconfigjson")];
    let web = created(&shop.jane, &direct("web-direct", &objects));
    let told = until_condition(&shop.jane, &web, "ResourcesApplied", "ApplyFailed")?;
    let told = until_condition(&shop.jane, &told, "Ready", "ResourceApplyFailed")?;
    let live = shop.admin.get(&within(&generated(namespace, "dev"), &objects[0])).unwrap();
    let encoded = live["data"]["password"].as_str().unwrap();
    assert_eq!(
        said(&told, "secret-bad")["cause"],
        "was not applied: the API server refused it; its words are left out, since they may quote the Secret"
    );
    assert_eq!(
        (&said(&told, "secret-good")["healthStatus"], &said(&told, "secret-good")["status"]),
        (&json!("Healthy"), &Value::Null)
    );
    let events = wait::until("the event is there", LIMIT, || {
        let events = shop.admin.kubectl(["get", "events", "-o", "json"]).output()?;
        Ok(events.stdout().contains("ApplyFailed").then(|| events.stdout().to_owned()))
    })?;
    let sent = audit::writes(namespace, &[&generated(namespace, "dev")], "")?;
    assert_eq!(sent.iter().filter(|write| write.to_string() == "patch secrets good").count(), 1, "{sent:#?}");
    let log = std::fs::read_to_string(installation.controller_log())?;
    for (what, text) in [("status", told["status"].to_string()), ("events", events), ("log", log)] {
        ensure!(!text.contains(&word) && !text.contains(encoded), "the Secret is in the {what}");
    }
    Ok(())
}

/// Status and finalizer are the controller's, the record is of the person's changes only.
fn a_release_is_known_by_its_history_like_any_other(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let web = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    let changed = shop.omar.merge(&web, &json!({ "spec": { "interval": "7m" } })).unwrap();
    let seen = until_ready(&shop.jane, &changed)?;
    let authors: Vec<_> = records(&seen).into_iter().map(|record| record.by).collect();
    assert_eq!(authors, ["jane", "omar"]);
    let is_anchored = |release: &Value| release["status"]["record"]["revision"] == 2;
    let anchored = until_live(&shop.jane, &web, is_anchored)?;
    assert_eq!(anchored["status"]["record"]["hash"], json!(records(&anchored)[1].hash));
    Ok(())
}

fn what_holds_a_release_is_put_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let by_hand = until_ready(&shop.jane, &created(&shop.jane, &direct("web-direct", &[config_map("web", "small")])))?;
    until_ready(&shop.jane, &created(&shop.jane, &binding("api", "dev", "api-1")))?;
    for release in [by_hand, direct("api-dev", &[])] {
        shop.jane.merge(&release, &json!({ "metadata": { "finalizers": ["tests/other"] } })).unwrap();
        let both = json!(["tests/other", names::FINALIZER]);
        until_live(&shop.jane, &release, |release| release["metadata"]["finalizers"] == both)?;
        shop.jane.merge(&release, &json!({ "metadata": { "finalizers": [names::FINALIZER] } })).unwrap();
    }
    Ok(())
}
