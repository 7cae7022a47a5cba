//! `--wait`, `--atomic` and `status -w`: one engine, its words and its exit codes.

use std::thread;
use std::time::Duration;

use release_shared::names;
use release_tests::{Namespace, Outcome, fixture, trials};
use serde_json::{Value, json};

use super::objects::annotation;
use super::plugin_controller::Controller;
use crate::cluster::project::{LIFT, MANIFESTS, Project};

trials! {
    admission:
    it_waits_until_its_own_revision_is_healthy,
    it_ends_at_once_when_it_does_not_get_better,
    it_says_that_nobody_answers_and_how_it_stood_in_the_end,
    it_says_who_was_faster,
    a_restart_is_not_healthy_because_the_revision_before_was,
    an_undeployment_is_over_when_its_release_is_gone,
    an_atomic_promotion_takes_itself_back,
    an_atomic_promotion_without_a_way_back_stays,
    a_status_follows_until_it_is_settled,
}

/// Until a command that waits has seen how something stands.
const SEEN: Duration = Duration::from_secs(3);

/// Runs a command beside what happens meanwhile.
fn beside<'a>(
    project: &Project<'a>,
    line: &str,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    thread::scope(|scope| {
        let running = scope.spawn(|| project.dana(line).run());
        let happened = meanwhile();
        let outcome = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        happened.map(|()| outcome)
    })
}

fn objects(healthy: bool) -> Value {
    let object = |kind: &str, health: &str| json!({ "id": kind, "version": "v1", "kind": kind, "name": "web", "healthStatus": health });
    json!([object("Service", "Healthy"), object("Deployment", if healthy { "Healthy" } else { "Progressing" })])
}

fn it_waits_until_its_own_revision_is_healthy(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    controller.tells("web-dev", &[(1, "Healthy", None)]);
    let told = beside(&project, "promote web --to staging --wait=60s", || {
        let binding = controller.until_revision("web-staging", 1)?;
        controller.tells("web-staging", &[(1, "", None)]);
        thread::sleep(SEEN);
        controller.renders(&binding, &json!({ "health": "Progressing", "resources": objects(false) }));
        controller.tells("web-staging", &[(1, "Progressing", None)]);
        thread::sleep(SEEN);
        controller.tells("web-staging", &[(1, "Healthy", None)]);
        Ok(())
    })?;
    let told = told.expect_code(0).expect_stdout("is pinned in staging as revision 1");
    let progress: Vec<_> = told.stderr().lines().filter(|line| line.starts_with("staging: ")).collect();
    assert_eq!(progress.last(), Some(&"staging: revision 1 is Healthy"), "{told}");
    assert!(progress.contains(&"staging: revision 1 is on its way"), "{told}");
    assert!(progress.contains(&"staging: revision 1 is Progressing: 1 of 2 objects are healthy"), "{told}");
    // The same again waits for what is there already.
    let again = project.dana("promote web --to staging --wait=60s").run().expect_code(0);
    again.expect_stdout("nothing changes").expect_stderr("staging: revision 1 is Healthy");
    Ok(())
}

fn it_ends_at_once_when_it_does_not_get_better(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    let line = format!("create web -f - --version v1 --lift {LIFT} --wait=60s");
    let told = thread::scope(|scope| {
        let running = scope.spawn(|| project.dana(&line).stdin(MANIFESTS).run());
        let binding = controller.until_revision("web-dev", 1)?;
        controller.renders(&binding, &json!({ "health": "Degraded" }));
        controller.tells("web-dev", &[(1, "Degraded", Some("deployment: the image cannot be pulled"))]);
        anyhow::Ok(running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let told = told.expect_code(6).expect_stdout("is pinned in dev as revision 1");
    told.expect_stderr("error: web in dev: revision 1 is Degraded: deployment: the image cannot be pulled");
    let json = project.dana("configure web dev replicas- --wait=60s -o json").run().expect_code(6);
    assert_eq!(json.json::<Value>()["kind"], "ReleaseBinding", "what is there already does not get better either");
    Ok(())
}

fn it_says_that_nobody_answers_and_how_it_stood_in_the_end(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let told = project.dana("configure web dev replicas=3 --wait=12s").run().expect_code(5);
    let note = "No controller has looked at web in dev yet: without one nothing is applied, and outcomes stay Unknown";
    let told = told.expect_stderr(note);
    assert_eq!(told.stderr().matches("No controller").count(), 1, "{told}");
    told.expect_stderr("error: timed out after 12s: web in dev: revision 2 waits for a controller");

    controller.tells("web-dev", &[(1, "Healthy", None), (2, "Progressing", Some("deployment: 1 of 3 replicas"))]);
    let told = project.dana("configure web dev replicas=3 --wait=8s").run().expect_code(5);
    told.expect_stderr("timed out after 8s: web in dev: revision 2 is Progressing: deployment: 1 of 3 replicas");
    Ok(())
}

fn it_says_who_was_faster(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let omar = namespace.user("omar@acme.example", &["release-developer"])?;
    let told = beside(&project, "configure web dev replicas=3 --wait=60s", || {
        controller.until_revision("web-dev", 2)?;
        controller.tells("web-dev", &[(2, "Progressing", None)]);
        let faster = "configure web dev replicas=4".split(' ');
        namespace.release(faster).user(&omar).run().expect_code(0);
        Ok(())
    })?;
    let told = told.expect_code(4);
    told.expect_stderr("web in dev: omar@acme.example put revision 3 in its place at 20")
        .expect_stderr("before revision 2 was settled");
    let told = beside(&project, "restart web dev --wait=60s", || {
        controller.until_revision("web-dev", 4)?;
        project.dana_kubectl("delete releasebinding web-dev").run().expect_code(0);
        Ok(())
    })?;
    told.expect_code(4).expect_stderr("it was deleted before revision 4 was settled");
    Ok(())
}

fn a_restart_is_not_healthy_because_the_revision_before_was(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let first = controller.binding("web-dev");
    controller.renders(&first, &json!({ "health": "Healthy" }));
    controller.tells("web-dev", &[(1, "Healthy", None)]);
    let told = project.dana("restart web dev --wait=8s").run().expect_code(5);
    told.expect_stderr("revision 2 waits for a controller");
    let second = controller.binding("web-dev");
    assert_eq!(
        second["metadata"]["generation"], first["metadata"]["generation"],
        "an annotation changes no generation"
    );
    let told = beside(&project, "restart web dev --wait=60s", || {
        controller.until_revision("web-dev", 3)?;
        controller.tells("web-dev", &[(3, "Healthy", None)]);
        Ok(())
    })?;
    told.expect_code(0).expect_stderr("dev: revision 3 is Healthy");
    Ok(())
}

fn an_undeployment_is_over_when_its_release_is_gone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let inventory = json!([{ "version": "v1", "kind": "Service", "name": "web" }]);
    let live =
        controller.renders(&controller.binding("web-dev"), &json!({ "health": "Healthy", "inventory": inventory }));
    let told = beside(&project, "undeploy web dev --wait=60s", || {
        let binding = controller.until_revision("web-dev", 2)?;
        let now = "2026-01-02T12:00:00Z";
        let ready = json!([{
            "type": "Ready", "status": "False", "reason": "ResourcesUndeployed", "message": "", "lastTransitionTime": now
        }]);
        controller
            .status(&binding, &json!({ "observedGeneration": binding["metadata"]["generation"], "conditions": ready }));
        thread::sleep(SEEN);
        controller.removes(&live);
        Ok(())
    })?;
    told.expect_code(0)
        .expect_stderr("dev: revision 2 removes what is live: 1 object may still be there")
        .expect_stderr("dev: revision 2 is undeployed, its objects are gone");
    Ok(())
}

fn an_atomic_promotion_takes_itself_back(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    project.dana("promote web --to staging --config replicas=4").run().expect_code(0);
    let second = MANIFESTS.replace("web:1", "web:2");
    project.dana(&format!("create web -f - --version v2 --lift {LIFT}")).stdin(second).run().expect_code(0);
    let told = beside(&project, "promote web --to staging --config replicas=9 --atomic", || {
        controller.until_revision("web-staging", 2)?;
        controller.tells("web-staging", &[(1, "Healthy", None), (2, "Degraded", Some("crash, exit code 1"))]);
        Ok(())
    })?;
    let told = told.expect_code(6).expect_stderr("error: web in staging: revision 2 is Degraded: crash, exit code 1");
    told.expect_stdout("back to revision 1 (web v1), the last healthy one").expect_stdout("as revision 3");
    let history: Value = project.dana("history web staging -o json").run().expect_code(0).json();
    let last = &history["items"][0];
    let found = ["action", "version", "reason"].map(|key| last[key].clone());
    let reason = "atomic: revision 2 is Degraded: crash, exit code 1";
    assert_eq!(found, [json!("rollback"), json!("v1"), json!(reason)]);
    assert_eq!(last["config"]["componentTypeEnvironmentConfigs"]["replicas"], 4);

    // As JSON there is one result on stdout.
    let told = beside(&project, "promote web --to staging --atomic --wait=60s -o json", || {
        controller.until_revision("web-staging", 4)?;
        controller.tells("web-staging", &[(3, "Healthy", None), (4, "Degraded", None)]);
        Ok(())
    })?;
    let told = told.expect_code(6).expect_stderr("back to revision 3 (web v1)");
    assert_eq!(told.json::<Value>()["metadata"]["name"], "web-staging");
    assert_eq!(annotation(&controller.binding("web-staging"), names::REVISION), Some("5"));
    Ok(())
}

fn an_atomic_promotion_without_a_way_back_stays(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let told = project.dana("promote web --to staging --atomic --wait=8s").run().expect_code(5);
    told.expect_stderr("it stays as it is, since there is no way back")
        .expect_stderr("timed out after 8s: web in staging: revision 1 waits for a controller");
    // Nothing was changed, so nothing is taken back.
    controller.tells("web-staging", &[(1, "Degraded", Some("crash"))]);
    let told = project.dana("promote web --to staging --atomic").run().expect_code(6);
    assert!(!told.stderr().contains("way back"), "{told}");
    Ok(())
}

fn a_status_follows_until_it_is_settled(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.dana("status web -w").run().expect_code(1).expect_stderr("web is not pinned");
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    controller.tells("web-dev", &[(1, "Healthy", None)]);
    let told = project.dana("status web -w --timeout 8s").run().expect_code(5);
    told.expect_stdout("staging       v1").expect_stderr("timed out after 8s: web in staging: revision 1 waits");
    let vera = namespace.user("vera@acme.example", &["release-viewer"])?;
    namespace
        .release("status web dev -w".split(' '))
        .user(&vera)
        .run()
        .expect_code(0)
        .expect_stderr("dev: revision 1 is Healthy");
    let told = beside(&project, "status web -w", || {
        thread::sleep(SEEN);
        // A later revision is followed as well: nobody waits for a certain one.
        project.dana("configure web staging replicas=3").run().expect_code(0);
        controller.tells("web-staging", &[(2, "Degraded", Some("crash"))]);
        Ok(())
    })?;
    let told = told.expect_code(6).expect_stderr("error: web in staging: revision 2 is Degraded: crash");
    told.expect_stdout("Degraded   2").expect_stdout("staging: crash");
    Ok(())
}
