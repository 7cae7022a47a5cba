//! `configure`, `restart`, `undeploy`, `redeploy` and `delete`: what is recorded, what is refused, and what is left.

use std::time::Duration;

use anyhow::Context;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::record::{Action, Record};
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::audit;
use super::objects::{annotation, records, release, with};
use super::plugin_controller::Controller;
use crate::cluster::project::{MANIFESTS, Project};

trials! {
    admission:
    each_change_is_a_record_of_its_own,
    what_stands_already_is_not_written_again,
    what_does_not_fit_is_refused,
    a_dry_run_of_a_change_leaves_nothing,
    a_deletion_is_recorded_before_the_pin_goes,
    who_may_not_delete_records_nothing,
    a_deletion_waits_for_what_is_live,
    a_whole_component_is_deleted,
    a_refused_deletion_names_the_reasons_of_every_pin,
    a_deletion_that_got_stuck_goes_on,
}

const LIMIT: Duration = Duration::from_secs(20);

fn actions(project: &Project<'_>, place: &str) -> Vec<Value> {
    let history: Value = project.dana(&format!("history {place} -o json")).run().expect_code(0).json();
    let items = history["items"].as_array().into_iter().flatten();
    items.map(|item| item["action"].clone()).collect()
}

fn each_change_is_a_record_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let told = |line: &str, said: &str| {
        project.dana(line).run().expect_code(0).expect_stdout(said);
    };
    told("configure web dev replicas=5 --reason load", " has replicas=5 in dev as revision 2, by dana@acme.example");
    assert_eq!(controller.binding("web-dev")["spec"]["componentTypeEnvironmentConfigs"], json!({ "replicas": 5 }));
    told("configure web dev replicas-", " has no value for replicas in dev as revision 3");
    assert_eq!(controller.binding("web-dev")["spec"]["componentTypeEnvironmentConfigs"], json!({}));
    told("restart web dev", " is restarted in dev as revision 4");
    assert!(annotation(&controller.binding("web-dev"), names::RESTARTED_AT).is_some_and(|at| at.ends_with('Z')));
    told("undeploy web dev --reason holidays", " is undeployed in dev as revision 5");
    project.dana("list").run().expect_code(0).expect_stdout("Undeployed");
    told("redeploy web dev", " is deployed in dev again as revision 6");
    let expected = ["redeploy", "undeploy", "restart", "configure", "configure", "deploy"];
    assert_eq!(actions(&project, "web dev"), expected);
    let history = project.dana("history web dev --verify").run().expect_code(0);
    history.expect_stdout("web-dev: the records hold together");
    Ok(())
}

fn what_stands_already_is_not_written_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let same = |line: &str, said: &str| {
        let told = project.dana(line).run().expect_code(0);
        told.expect_stdout("web-dev unchanged").expect_stdout("nothing changes: ").expect_stdout(said);
    };
    same("configure web dev replicas-", "has no value for replicas in dev already");
    same("redeploy web dev", "is deployed in dev already");
    project.dana("configure web dev replicas=3").run().expect_code(0);
    same("configure web dev replicas=3 --reason again", "has replicas=3 in dev already");
    project.dana("undeploy web dev").run().expect_code(0);
    same("undeploy web dev", "is undeployed in dev already");
    // What is pinned where nothing runs is told so.
    let told = project.dana("configure web dev replicas=4").run().expect_code(0);
    told.expect_stderr(
        "dev is undeployed and nothing runs there: bring it back with `kubectl release redeploy web dev`",
    );
    assert_eq!(actions(&project, "web dev"), ["configure", "undeploy", "configure", "deploy"]);
    Ok(())
}

fn what_does_not_fit_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let refused = |line: &str, code: i32, why: &str| {
        project.dana(line).run().expect_code(code).expect_stderr(why);
    };
    refused(
        "configure web dev replica=3",
        3,
        "configure: the release has no value \"replica\" (did you mean replicas?)",
    );
    refused("configure web dev replica-", 3, "did you mean replicas?");
    refused("configure web dev replicas", 1, "is not KEY=VALUE");
    refused("configure web dev replicas=many", 3, "spec.componentTypeEnvironmentConfigs.replicas");
    refused("restart web staging", 3, "web is not pinned in staging; it is pinned in dev");
    refused("undeploy ghost dev", 3, "there is no Component \"ghost\"");
    refused("delete web staging", 3, "web is not pinned in staging");
    refused("delete web", 1, "and there is no terminal to ask on: add --yes");
    project.dana("undeploy web dev").run().expect_code(0);
    refused("restart web dev", 3, "so there is nothing to restart: bring it back with");
    assert_eq!(actions(&project, "web dev"), ["undeploy", "deploy"]);
    Ok(())
}

fn a_dry_run_of_a_change_leaves_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let all =
        || project.dana_kubectl("get components,componentreleases,releasebindings -o json").run().stdout().to_owned();
    let before = all();
    for where_ in ["client", "server"] {
        for (line, said) in [
            ("configure web dev replicas=5", "would have replicas=5 in dev"),
            ("restart web dev", "would be restarted in dev"),
            ("undeploy web dev", "would be undeployed in dev"),
            ("delete web dev", "would be deleted from dev, with its history"),
            ("delete web", "web would be deleted with 1 pin and 1 release"),
        ] {
            let told = project.dana(&format!("{line} --dry-run={where_} --wait")).run().expect_code(0);
            told.expect_stdout("dry run)").expect_stdout(said);
        }
    }
    let shown = project.dana("undeploy web dev --diff --dry-run").run().expect_code(0);
    shown.expect_stdout("-kind: Deployment").expect_stdout("--- before/dev/deployment");
    assert_eq!(all(), before);
    Ok(())
}

/// What stands in the audit log of a deletion, which is all that is left of it: the hash of its record.
fn deleted(namespace: &Namespace<'_>, project: &Project<'_>, line: &str) -> anyhow::Result<Record> {
    let gone: Value = project.dana(&format!("{line} -o json")).run().expect_code(0).json();
    let last = records(&gone).pop().context("no record")?;
    let hash = last.hash.clone().unwrap_or_default();
    wait::until("the record is in the audit log", LIMIT, || {
        let logged = audit::annotations(namespace, "/record-")?;
        Ok(logged.iter().any(|(user, _, value)| *user == last.by && *value == hash).then_some(()))
    })?;
    Ok(last)
}

fn a_deletion_is_recorded_before_the_pin_goes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    project.dana("promote web --to production").run().expect_code(0);
    project.dana("undeploy web staging").run().expect_code(0);
    let record = deleted(namespace, &project, "delete web dev --reason moved")?;
    assert_eq!((record.revision, record.action, record.reason.as_deref()), (2, Action::Delete, Some("moved")));
    // What is undeployed already is recorded, too.
    let record = deleted(namespace, &project, "delete web staging")?;
    assert_eq!((record.revision, record.action), (3, Action::Delete));
    let told = project.dana("delete web production --wait=60s").run().expect_code(0);
    told.expect_stdout("is deleted from production; its last record was revision 2, by dana@acme.example")
        .expect_stderr("production: it is gone");
    for name in ["web-dev", "web-staging", "web-production"] {
        assert!(!controller.has(Kind::ReleaseBinding, name), "{name}");
    }
    Ok(())
}

/// Who may change pins and not delete them.
fn who_may_not_delete_records_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let role = ["create", "role", "changer", "--verb=patch", "--resource=releasebindings.openchoreo.dev"];
    namespace.kubectl(role).run().expect_code(0);
    let bind = "create rolebinding changer --role=changer --user=carl@acme.example";
    namespace.kubectl(bind.split(' ')).run().expect_code(0);
    let carl = namespace.user("carl@acme.example", &["release-viewer"])?;
    wait::until("the new role is known to the API server", LIMIT, || {
        let asked = "auth can-i patch releasebindings.openchoreo.dev".split(' ');
        Ok((namespace.kubectl(asked).user(&carl).run().code() == Some(0)).then_some(()))
    })?;
    let refused = namespace.release("delete web dev".split(' ')).user(&carl).run().expect_code(3);
    refused.expect_stderr("cannot delete resource \"releasebindings\"");
    assert_eq!(actions(&project, "web dev"), ["deploy"]);
    Ok(())
}

fn a_deletion_waits_for_what_is_live(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let live = controller.renders(&controller.binding("web-dev"), &json!({ "health": "Healthy" }));
    controller.holds(&live);
    let told = project.dana("delete web dev --wait=8s").run().expect_code(5);
    told.expect_stdout("web-dev deleted")
        .expect_stderr("dev: its live objects are being removed")
        .expect_stderr("timed out after 8s: web in dev: its live objects are being removed");
    controller.removes(&live);
    Ok(())
}

fn a_refused_deletion_names_the_reasons_of_every_pin(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    let annotate = |environment, policy: String| {
        namespace.kubectl(["annotate", "environment", environment, "--overwrite", &policy]).run().expect_code(0);
    };
    let told = |first: &str, second: &str| {
        wait::until("both reasons are told", LIMIT, || {
            let told = project.dana("delete web --yes --reason tidy").run();
            Ok((told.stderr().contains(first) && told.stderr().contains(second)).then_some(()))
        })
    };
    for environment in ["dev", "staging"] {
        annotate(environment, format!("{}=2999-01-01T00:00:00Z; audit", names::FROZEN));
    }
    told("dev is frozen until", "staging is frozen until")?;
    annotate("dev", format!("{}=^OPS-", names::REQUIRE_REASON));
    annotate("staging", format!("{}=^CHG-", names::REQUIRE_REASON));
    told("^OPS-", "^CHG-")?;
    project.dana("list -o name").run().expect_code(0).expect_stdout("web-dev").expect_stdout("web-staging");
    Ok(())
}

fn a_whole_component_is_deleted(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    let second = MANIFESTS.replace("web:1", "web:2");
    project.dana("create web -f - --version v2").stdin(second).run().expect_code(0);
    let by_hand = with(&release("by-hand"), |release| release["spec"]["environmentName"] = "production".into());
    project.person()?.create(&by_hand).unwrap();
    controller.renders(&controller.binding("web-dev"), &json!({ "health": "Healthy" }));
    let told = project.dana("delete web --yes --reason moved").run().expect_code(0);
    let lines: Vec<_> = told.stdout().lines().collect();
    assert_eq!(lines[0], "releasebinding.openchoreo.dev/web-dev deleted", "{told}");
    assert_eq!(lines[1], "releasebinding.openchoreo.dev/web-staging deleted", "{told}");
    assert!(lines[2..4].iter().all(|line| line.starts_with("componentrelease.openchoreo.dev/web-")), "{told}");
    assert_eq!(
        lines[4..],
        ["component.openchoreo.dev/web deleted", "web is deleted with 2 pins and 2 releases"],
        "{told}"
    );
    told.expect_stderr(
        "what was written by hand stays: delete it with `kubectl delete releases.openchoreo.dev by-hand`",
    );
    for (kind, name) in [(Kind::Component, "web"), (Kind::ReleaseBinding, "web-dev"), (Kind::Release, "web-dev")] {
        assert!(!controller.has(kind, name), "{kind} {name}");
    }
    assert!(controller.has(Kind::Release, "by-hand"));
    project.dana("delete web --yes").run().expect_code(3).expect_stderr("there is no Component \"web\"");
    Ok(())
}

fn a_deletion_that_got_stuck_goes_on(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let live = controller.renders(&controller.binding("web-dev"), &json!({ "health": "Healthy" }));
    controller.holds(&live);
    let stuck = project.dana("delete web --yes --wait=8s").run().expect_code(5);
    stuck
        .expect_stderr("timed out after 8s: web in dev: its live objects are being removed")
        .expect_stderr("Done before that: releasebinding.openchoreo.dev/web-dev. The same command goes on from there.");
    let again = project.dana("delete web --yes --wait=8s").run().expect_code(5);
    again.expect_stderr("web-dev: its live objects are being removed");
    controller.removes(&live);
    project.dana("delete web --yes -o json").run().expect_code(0).expect_stdout("\"kind\": \"Component\"");
    assert!(!controller.has(Kind::Component, "web"));
    Ok(())
}
