//! How each revision of a binding went, in its status.

use anyhow::ensure;
use jiff::Timestamp;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::live::{
    condition, config_map, deployment, direct, generated, outcome, said, service, snapshot, until_condition,
    until_live, until_ready, within,
};
use super::never_in_the_way::Away;
use super::objects::{Shop, annotation, binding, created, records, with};

trials! {
    a_revision_is_credited_and_frozen_by_the_next,
    of_changes_in_quick_succession_each_has_an_outcome,
    a_revision_that_is_refused_was_never_healthy,
    the_status_of_a_binding_is_written_on_transitions_only,
    what_nobody_recorded_is_never_credited,
    a_history_that_goes_back_is_told_for_good,
}

fn pin(release: &str) -> Value {
    json!({ "spec": { "releaseName": release } })
}

fn outcomes(binding: &Value) -> &[Value] {
    binding["status"]["outcomes"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no time: {value}"))
}

fn a_revision_is_credited_and_frozen_by_the_next(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let written = created(&shop.jane, &binding("web", "dev", "web-1"));
    let first = until_ready(&shop.jane, &written)?;
    assert_eq!((&first["status"]["health"], &first["status"]["cause"]), (&json!("Healthy"), &Value::Null));
    let one = outcome(&first);
    let record = &records(&first)[0];
    assert_eq!(
        (&one["revision"], &one["release"], &one["content"], &one["lastHealth"], &one["endedAt"]),
        (&json!(1), &json!("web-1"), &json!(record.content), &json!("Healthy"), &Value::Null)
    );
    let healthy = time(&one["firstHealthyAt"]);
    ensure!(healthy >= record.at.parse()? && healthy <= Timestamp::now(), "{one:#}");
    assert_eq!(first["status"]["record"], json!({ "revision": 1, "hash": record.hash }));

    let second = until_ready(&shop.omar, &shop.omar.merge(&first, &pin("web-2")).unwrap())?;
    let [ended, current] = outcomes(&second) else { panic!("not two outcomes: {second:#}") };
    let record = &records(&second)[1];
    assert_eq!(
        *ended,
        with(one, |one| {
            one["endedAt"] = record.at.clone().into();
            one["endedBy"] = 2.into();
        })
    );
    assert_eq!(
        (&current["revision"], &current["release"], &current["lastHealth"]),
        (&json!(2), &json!("web-2"), &json!("Healthy"))
    );

    // Undeployed is another revision, and does nothing.
    let third = shop.jane.merge(&second, &json!({ "spec": { "state": "Undeploy" } })).unwrap();
    let is_down = |binding: &Value| outcome(binding)["lastHealth"] == "Suspended";
    let third = until_live(&shop.jane, &third, is_down)?;
    assert_eq!((outcomes(&third).len(), &outcome(&third)["revision"]), (3, &json!(3)));
    assert_eq!((&outcomes(&third)[1]["lastHealth"], &outcomes(&third)[1]["endedBy"]), (&json!("Healthy"), &json!(3)));
    assert_eq!(&outcomes(&third)[0], ended, "what is frozen has changed");
    Ok(())
}

fn of_changes_in_quick_succession_each_has_an_outcome(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let mut last = created(&shop.jane, &binding("web", "dev", "web-1"));
    for at in 2..=12 {
        last = shop.jane.merge(&last, &pin(if at % 2 == 0 { "web-2" } else { "web-1" })).unwrap();
    }
    let ready = until_ready(&shop.jane, &last)?;
    let records = records(&ready);
    assert_eq!(outcomes(&ready).len(), 12);
    for (at, (outcome, record)) in outcomes(&ready).iter().zip(&records).enumerate() {
        let next = records.get(at + 1);
        assert_eq!(
            (&outcome["revision"], &outcome["content"], &outcome["endedAt"], &outcome["endedBy"]),
            (
                &json!(record.revision),
                &json!(record.content),
                &json!(next.map(|next| &next.at)),
                &json!(next.map(|next| next.revision)),
            )
        );
    }
    assert_eq!(outcome(&ready)["lastHealth"], "Healthy");
    let live = until_live(&shop.admin, &within(&generated(namespace, "dev"), &config_map("web", "")), |_| true)?;
    assert_eq!(live["data"]["release"], "web-2");
    Ok(())
}

fn a_revision_that_is_refused_was_never_healthy(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    let broken = with(&service("web"), |service| service["spec"]["ports"][0]["port"] = 70_000.into());
    created(&shop.jane, &snapshot("web", "web-3", &[config_map("web", "small"), broken]));
    let first = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    let second = shop.jane.merge(&first, &pin("web-3")).unwrap();
    let is_told = |binding: &Value| outcome(binding)["lastHealth"] == "Degraded";
    let told = until_live(&shop.jane, &second, is_told)?;
    let worst = outcome(&told);
    assert_eq!((&worst["revision"], &worst["firstHealthyAt"]), (&json!(2), &Value::Null));
    let cause = worst["cause"].as_str().unwrap_or_default();
    ensure!(
        cause.contains("was not applied: ") && cause.contains("spec.ports[0].port: Invalid value: 70000"),
        "{cause}"
    );
    assert_eq!((&told["status"]["health"], &told["status"]["cause"]), (&json!("Degraded"), &worst["cause"]));
    assert_eq!(condition(&told, "Ready")[1], "ResourceApplyFailed");
    assert_eq!(outcomes(&told)[0]["lastHealth"], "Healthy");

    let back = until_ready(&shop.jane, &shop.jane.merge(&told, &pin("web-1")).unwrap())?;
    let healths: Vec<_> = outcomes(&back).iter().map(|outcome| outcome["lastHealth"].clone()).collect();
    assert_eq!(healths, ["Healthy", "Degraded", "Healthy"]);
    assert_eq!((&outcomes(&back)[1]["cause"], &outcome(&back)["cause"]), (&worst["cause"], &Value::Null));
    Ok(())
}

/// What goes on below it is the Release's to tell.
fn the_status_of_a_binding_is_written_on_transitions_only(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::installation()?;
    let shop = Shop::open(namespace, "warn")?;
    created(&shop.jane, &snapshot("web", "web-3", &[deployment("web")]));
    let ready = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-3")))?;
    let is_up = |live: &Value| live["status"]["readyReplicas"] == 1;
    let release = direct("web-dev", &[]);
    let told = until_live(&shop.jane, &release, |release| is_up(said(release, "deployment-web")))?;
    let before = until_ready(&shop.jane, &ready)?;
    // Something of the Deployment's own status, which health does not mind.
    let mut conditions = said(&told, "deployment-web")["status"]["conditions"].clone();
    let note = json!({ "type": "Note", "status": "True", "reason": "Noted", "message": "for the tests" });
    conditions.as_array_mut().unwrap().push(note.clone());
    let live = within(&generated(namespace, "dev"), &deployment("web"));
    shop.admin.merge_part(&live, "status", &json!({ "status": { "conditions": conditions } })).unwrap();
    let is_told = |release: &Value| {
        let conditions = said(release, "deployment-web")["status"]["conditions"].as_array();
        conditions.is_some_and(|conditions| conditions.iter().any(|condition| condition["type"] == "Note"))
    };
    until_live(&shop.jane, &release, is_told)?;
    assert_eq!(shop.jane.get(&ready).unwrap()["status"], before["status"]);
    Ok(())
}

fn what_nobody_recorded_is_never_credited(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let first = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    let away = Away::take(namespace, &shop.jane)?;
    shop.admin.merge(&first, &pin("web-2")).unwrap();
    let live = within(&generated(namespace, "dev"), &config_map("web", ""));
    until_live(&shop.admin, &live, |live| live["data"]["release"] == "web-2")?;
    let release = direct("web-dev", &[]);
    let is_told = |release: &Value| {
        release["status"]["health"] == "Healthy"
            && release["status"]["renderedFrom"] == release["metadata"]["annotations"][names::RENDERED_FROM]
    };
    let rendered = until_live(&shop.jane, &release, is_told)?;
    let from = annotation(&rendered, names::RENDERED_FROM).unwrap_or_default();
    ensure!(from.contains("/1+"), "it says that it is revision 1: {from}");
    let is_seen = |binding: &Value| binding["status"]["observedGeneration"] == binding["metadata"]["generation"];
    let unrecorded = until_live(&shop.jane, &first, is_seen)?;
    assert_eq!(outcomes(&unrecorded), outcomes(&first), "it was credited");
    assert_eq!(condition(&unrecorded, "Recorded")[..2], ["False", "ChangedSince"]);
    let listed = shop.jane.release(["list", "-o", "wide"]).run().expect_code(0);
    let warning =
        "Warning: releasebinding.openchoreo.dev/web-dev has changed since its last record, and that is not recorded";
    ensure!(listed.stderr().contains(warning), "{}", listed.stderr());
    ensure!(listed.stdout().contains("(changed since)"), "{}", listed.stdout());
    away.end(&shop.jane)?;
    installation.start_webhook()?;

    let second = shop
        .jane
        .merge(&unrecorded, &json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": "large" } } }))
        .unwrap();
    let second = until_ready(&shop.jane, &second)?;
    assert_eq!(condition(&second, "Recorded")[..2], ["True", "AsRecorded"]);
    let all: Vec<_> = outcomes(&second).iter().map(|outcome| (&outcome["revision"], &outcome["release"])).collect();
    assert_eq!(all, [(&json!(1), &json!("web-1")), (&json!(2), &json!("web-2"))]);
    Ok(())
}

fn a_history_that_goes_back_is_told_for_good(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let shop = Shop::open(namespace, "warn")?;
    let first = until_ready(&shop.jane, &created(&shop.jane, &binding("web", "dev", "web-1")))?;
    let second = until_ready(&shop.jane, &shop.jane.merge(&first, &pin("web-2")).unwrap())?;
    assert_eq!(condition(&second, "RecordTampered"), [""; 3]);
    let seen = second["status"]["record"].clone();
    let away = Away::take(namespace, &shop.jane)?;
    let annotations = |of: &Value| json!({ "metadata": { "annotations": of["metadata"]["annotations"] } });
    shop.admin.merge(&second, &with(&annotations(&first), |patch| patch["spec"] = first["spec"].clone())).unwrap();
    let told = until_condition(&shop.jane, &first, "RecordTampered", "True")?;
    let [_, reason, message] = condition(&told, "RecordTampered");
    assert_eq!(reason, "HistoryRewritten");
    ensure!(message.starts_with("the history ends before revision 2, which was seen"), "{message}");
    away.end(&shop.jane)?;
    installation.start_webhook()?;

    // Another revision 2 does not make it good.
    let again =
        shop.jane.merge(&told, &json!({ "spec": { "componentTypeEnvironmentConfigs": { "size": "large" } } })).unwrap();
    assert_eq!(annotation(&again, names::REVISION), Some("2"));
    let is_another = |binding: &Value| {
        condition(binding, "RecordTampered")[2].starts_with("revision 2 is not the record that was seen there")
    };
    let told = until_live(&shop.jane, &again, is_another)?;
    assert_eq!(told["status"]["record"], seen);
    assert_eq!(outcomes(&told)[1]["release"], "web-2", "the outcome of the first revision 2 was given away");
    let events = shop.admin.kubectl(["get", "events", "-o", "json", "--field-selector=reason=RecordTampered"]).run();
    ensure!(events.expect_code(0).stdout().contains("the history ends before revision 2"), "no event");
    Ok(())
}
