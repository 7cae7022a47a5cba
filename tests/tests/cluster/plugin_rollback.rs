//! `rollback`: which revision, what comes back with it, and what is said where there is no way back.

use release_shared::names;
use release_shared::record::Action;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::never_in_the_way::Away;
use super::objects::{annotation, records};
use super::plugin_controller::Controller;
use crate::cluster::project::{LIFT, MANIFESTS, Project};

trials! {
    admission:
    the_last_healthy_revision_comes_back_with_its_values,
    without_a_controller_the_revision_is_asked_for,
    a_restart_stays_and_it_is_a_rollback_all_the_same,
    what_was_undeployed_is_live_again,
    what_somebody_else_has_set_goes_too,
    an_enforcing_pipeline_lets_back_what_ran_there,
    a_release_that_is_gone_is_told,
    a_viewer_goes_nowhere,
}

/// Revision 1 is v1, revision 2 has another value, revision 3 is v2.
fn three_revisions(project: &Project<'_>) {
    project.release();
    project.dana("configure web dev replicas=3").run().expect_code(0);
    second(project, "create web -f - --version v2");
}

/// Cuts another release.
fn second(project: &Project<'_>, line: &str) {
    let manifests = MANIFESTS.replace("web:1", "web:2");
    project.dana(&format!("{line} --lift {LIFT}")).stdin(manifests).run().expect_code(0);
}

fn newest(project: &Project<'_>, place: &str) -> Value {
    let history: Value = project.dana(&format!("history {place} -o json --limit 1")).run().expect_code(0).json();
    history["items"][0].clone()
}

fn the_last_healthy_revision_comes_back_with_its_values(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    three_revisions(&project);
    project.dana("configure web dev replicas=9").run().expect_code(0);
    let bad = Some("no image");
    controller
        .tells("web-dev", &[(1, "Healthy", None), (2, "Healthy", None), (3, "Degraded", bad), (4, "Degraded", bad)]);
    let shown = project.dana("rollback web dev --diff --dry-run=server").run().expect_code(0);
    shown
        .expect_stdout("-      - image: registry.example/web:2\n+      - image: registry.example/web:1")
        .expect_stdout("-  replicas: 9\n+  replicas: 3")
        .expect_stdout("dev would go back to revision 2 (web v1), the last healthy one");
    assert_eq!(newest(&project, "web dev")["revision"], 4, "nothing was written");

    let told = project.dana("rollback web dev --reason orders").run().expect_code(0);
    told.expect_stdout("releasebinding.openchoreo.dev/web-dev configured")
        .expect_stdout("back to revision 2 (web v1), the last healthy one, which was pinned by dana@acme.example on 20")
        .expect_stdout(": dev has it as revision 5, by dana@acme.example");
    let record = newest(&project, "web dev");
    let found = ["action", "version", "reason", "revision"].map(|key| record[key].clone());
    assert_eq!(found, [json!("rollback"), json!("v1"), json!("orders"), json!(5)]);
    assert_eq!(record["config"], json!({ "componentTypeEnvironmentConfigs": { "replicas": 3 } }));

    // Forth and back: what is pinned is never the target.
    controller.tells("web-dev", &[(2, "Healthy", None), (4, "Healthy", None), (5, "Healthy", None)]);
    project.dana("rollback web dev").run().expect_code(0).expect_stdout("back to revision 4 (web v2)");
    project
        .dana("rollback web dev --to-revision 4")
        .run()
        .expect_code(0)
        .expect_stdout("nothing changes: dev is as revision 4 left it");
    Ok(())
}

fn without_a_controller_the_revision_is_asked_for(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.dana("rollback web dev").run().expect_code(3).expect_stderr("there is no Component \"web\"");
    three_revisions(&project);
    project
        .dana("rollback web dev")
        .run()
        .expect_code(3)
        .expect_stderr("nobody knows which was healthy; choose one with --to-revision")
        .expect_stderr("* revision 2 (web v1): nobody has reported its health");
    project
        .dana("rollback web staging")
        .run()
        .expect_code(3)
        .expect_stderr("not pinned in staging; it is pinned in dev");
    project.dana("rollback web dev --to-revision 9").run().expect_code(3).expect_stderr("has no revision 9");
    let told = project.dana("rollback web dev --to-revision 1").run().expect_code(0);
    told.expect_stdout("back to revision 1 (web v1), as asked, which was pinned by dana@acme.example on");
    let record = newest(&project, "web dev");
    assert_eq!((&record["action"], &record["version"]), (&json!("rollback"), &json!("v1")));
    let binding: Value = project.dana_kubectl("get releasebinding web-dev -o json").run().expect_code(0).json();
    assert_eq!(binding["spec"]["componentTypeEnvironmentConfigs"], json!({}), "it had no values then");
    Ok(())
}

fn a_restart_stays_and_it_is_a_rollback_all_the_same(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    second(&project, "create web -f - --version v2");
    project.dana("restart web dev").run().expect_code(0);
    let restarted = controller.binding("web-dev");
    let restarted = annotation(&restarted, names::RESTARTED_AT).map(str::to_owned);
    assert!(restarted.is_some());
    controller.tells("web-dev", &[(1, "Healthy", None), (2, "Degraded", None), (3, "Degraded", None)]);
    project.dana("rollback web dev").run().expect_code(0).expect_stdout("back to revision 1 (web v1)");
    let record = newest(&project, "web dev");
    assert_eq!((&record["action"], &record["version"]), (&json!("rollback"), &json!("v1")));
    let back = controller.binding("web-dev");
    assert_eq!(annotation(&back, names::RESTARTED_AT), restarted.as_deref());
    Ok(())
}

fn what_was_undeployed_is_live_again(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    project.dana("undeploy web dev").run().expect_code(0);
    controller.tells("web-dev", &[(1, "Healthy", None), (2, "Suspended", None)]);
    project.dana("rollback web dev").run().expect_code(0).expect_stdout("back to revision 1 (web v1)");
    assert_eq!(controller.binding("web-dev")["spec"]["state"], "Active");
    let told = project.dana("rollback web dev --to-revision 2").run().expect_code(0);
    told.expect_stdout("dev has it and is undeployed as revision 4");
    assert_eq!(controller.binding("web-dev")["spec"]["state"], "Undeploy");
    Ok(())
}

fn what_somebody_else_has_set_goes_too(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let patch = |value: &str, manager: &str| {
        let patch = format!(r#"{{"spec":{{"traitEnvironmentConfigs":{value}}}}}"#);
        let line = format!("patch releasebinding web-dev --type=merge --field-manager={manager} -p");
        project.dana_kubectl(&line).args([patch]).run().expect_code(0);
    };
    patch(r#"{"a":{"b":1}}"#, "kubectl-patch");
    let told = project.dana("rollback web dev --to-revision 1").run().expect_code(0);
    let told = told.expect_stdout("dev has it as revision 3, by dana@acme.example");
    told.expect_stderr("Taking over .spec.traitEnvironmentConfigs.a.b, which was set with kubectl-patch");
    let binding = controller.binding("web-dev");
    assert_eq!(binding["spec"]["traitEnvironmentConfigs"], Value::Null);
    let found = records(&binding).pop().map(|record| (record.action, record.manager));
    assert_eq!(found, Some((Action::Rollback, Some("kubectl-release".to_owned()))));
    // What comes after that is an apply as ever.
    project.dana("configure web dev replicas=3").run().expect_code(0).expect_stdout("as revision 4");

    patch(r#"{"a":{"b":2}}"#, "flux");
    let refused = project.dana("rollback web dev --to-revision 1").run().expect_code(4);
    refused.expect_stderr(".spec.traitEnvironmentConfigs.a.b belongs to flux, which would set it back");
    project.dana("rollback web dev --to-revision 1 --force-conflicts").run().expect_code(0);
    assert_eq!(controller.binding("web-dev")["spec"]["traitEnvironmentConfigs"], Value::Null);
    Ok(())
}

fn an_enforcing_pipeline_lets_back_what_ran_there(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    second(&project, "create web -f - --version v2");
    project.dana("promote web --to staging").run().expect_code(0);
    controller.tells("web-staging", &[(1, "Healthy", None), (2, "Degraded", Some("crash"))]);
    let enforce = ["annotate", "deploymentpipeline", "shop", "release.openchoreo.dev/enforcement=enforce"];
    namespace.kubectl(enforce).run().expect_code(0);
    // v1 never ran healthily in dev, as far as anybody said.
    project.dana("rollback web staging").run().expect_code(0).expect_stdout("back to revision 1 (web v1)");
    let refused = project.dana("promote web --to staging").run().expect_code(3);
    refused.expect_stderr("wants it to have run healthily in dev first");
    Ok(())
}

/// The webhook is away, as it may guard what a rollback needs.
fn a_release_that_is_gone_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission_alone()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let first = controller.binding("web-dev")["spec"]["releaseName"].clone();
    second(&project, "create web -f - --version v2");
    controller.tells("web-dev", &[(1, "Healthy", None)]);
    let dana = project.person()?;
    let away = Away::take(namespace, &dana)?;
    let first = first.as_str().unwrap_or_default();
    project.dana_kubectl(&format!("delete componentrelease {first}")).run().expect_code(0);
    away.end(&dana)?;
    let told = project.dana("rollback web dev").run().expect_code(3);
    told.expect_stderr(&format!("revision 1 pins {first}, and that ComponentRelease does not exist any more"));
    Ok(())
}

fn a_viewer_goes_nowhere(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    three_revisions(&project);
    let vera = namespace.user("vera@acme.example", &["release-viewer"])?;
    for line in
        ["rollback web dev --to-revision 1", "configure web dev replicas=9", "restart web dev", "undeploy web dev"]
    {
        let refused = namespace.release(line.split(' ')).user(&vera).run().expect_code(3);
        refused.expect_stderr("cannot patch resource \"releasebindings\"");
    }
    let refused = namespace.release("delete web dev".split(' ')).user(&vera).run().expect_code(3);
    refused.expect_stderr("cannot patch resource \"releasebindings\"");
    assert_eq!(newest(&project, "web dev")["revision"], 3);
    Ok(())
}
