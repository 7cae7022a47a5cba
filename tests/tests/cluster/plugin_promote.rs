//! `promote`: steps, values, other people's fields, and races.

use std::thread;

use release_tests::{Namespace, Outcome, fixture, trials};
use serde_json::Value;

use crate::cluster::never_in_the_way::Away;
use crate::cluster::project::{LIFT, MANIFESTS, Project};

trials! {
    admission:
    the_step_and_the_values_are_checked_before_anything_is_sent,
    the_targets_own_values_stay_unless_reset,
    what_a_person_set_by_hand_is_taken_over_and_that_is_said,
    what_a_controller_owns_stays_its_own,
    nobody_speaks_with_words_that_somebody_else_left_there,
    of_many_at_once_each_revision_has_one_author,
    a_diff_asks_before_it_goes_on,
    without_the_webhook_it_works_and_says_that_nothing_is_recorded,
}

fn the_step_and_the_values_are_checked_before_anything_is_sent(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let refused = |line: &str, code: i32, why: &str| {
        project.dana(line).run().expect_code(code).expect_stderr(why);
    };
    refused("promote web --to staging", 3, "there is no Component");
    project.release();
    refused("promote web --to production", 3, "nothing can go to production yet");
    refused("promote web --from dev --to production", 3, "there is no step from dev to production");
    refused("promote web --to moon", 3, "the pipeline has no environment \"moon\"");
    refused("promote web --to staging --config replica=3", 3, "did you mean replicas?");
    refused("promote web --to staging --config replicas=many", 3, "spec.componentTypeEnvironmentConfigs.replicas");
    refused("promote web --to staging --release v9", 3, "has no release with name or version \"v9\"");
    project
        .dana("promote web")
        .run()
        .expect_code(0)
        .expect_stdout("web v1")
        .expect_stdout("is pinned in staging as revision 1");
    project
        .dana("promote web --to staging --release v1")
        .run()
        .expect_code(0)
        .expect_stdout("nothing changes: staging runs web v1");
    Ok(())
}

fn the_targets_own_values_stay_unless_reset(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project.dana("promote web --to staging --config replicas=3").run().expect_code(0);
    let second = MANIFESTS.replace("web:1", "web:2");
    project.dana(&format!("create web -f - --version v2 --lift {LIFT}")).stdin(second).run().expect_code(0);
    let replicas = || {
        let binding: Value = project.dana_kubectl("get releasebinding web-staging -o json").run().expect_code(0).json();
        binding["spec"]["componentTypeEnvironmentConfigs"]["replicas"].clone()
    };
    project.dana("promote web --to staging").run().expect_code(0).expect_stdout("web v2");
    assert_eq!(replicas(), 3);
    project.dana("promote web --to staging --release v1 --reset-config").run().expect_code(0);
    assert_eq!(replicas(), Value::Null, "the values are none");
    Ok(())
}

fn what_a_person_set_by_hand_is_taken_over_and_that_is_said(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project.dana("promote web --to staging --config replicas=3").run().expect_code(0);
    let patch = r#"{"spec":{"componentTypeEnvironmentConfigs":{"replicas":4}}}"#;
    project.dana_kubectl("patch releasebinding web-staging --type=merge -p").args([patch]).run().expect_code(0);
    let promoted = project.dana("promote web --to staging --config replicas=5").run().expect_code(0);
    promoted.expect_stderr("Taking over").expect_stdout("as revision 3");
    project.dana_kubectl("patch releasebinding web-staging --type=merge -p").args([patch]).run().expect_code(0);
    project.dana("promote web --to staging --reset-config").run().expect_code(0).expect_stdout("as revision 5");
    let binding: Value = project.dana_kubectl("get releasebinding web-staging -o json").run().expect_code(0).json();
    assert_eq!(
        binding["spec"]["componentTypeEnvironmentConfigs"],
        serde_json::json!({}),
        "what was set by hand is gone too"
    );
    Ok(())
}

fn what_a_controller_owns_stays_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let binding: Value = project.dana_kubectl("get releasebinding web-dev -o json").run().expect_code(0).json();
    let mut synced = serde_json::json!({"apiVersion": binding["apiVersion"], "kind": binding["kind"], "metadata": {"name": "web-staging"}});
    synced["spec"] = binding["spec"].clone();
    synced["spec"]["environment"] = "staging".into();
    let sync =
        project.dana_kubectl("apply --server-side --field-manager=argocd-controller -f -").stdin(synced.to_string());
    sync.run().expect_code(0);
    let second = MANIFESTS.replace("web:1", "web:2");
    project.dana("create web -f - --version v2").stdin(second).run().expect_code(0);
    let refused = project.dana("promote web --to staging").run().expect_code(4);
    refused.expect_stderr("belongs to argocd-controller").expect_stderr("--force-conflicts");
    project.dana("promote web --to staging --force-conflicts").run().expect_code(0).expect_stdout("as revision 2");
    Ok(())
}

fn nobody_speaks_with_words_that_somebody_else_left_there(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project.dana("promote web --to staging --reason tested").run().expect_code(0);
    let omar = namespace.user("omar@acme.example", &["release-developer"])?;
    let annotate =
        ["annotate", "--overwrite", "releasebinding/web-staging", "release.openchoreo.dev/reason=approved by the CEO"];
    namespace.kubectl(annotate).user(&omar).run().expect_code(0);
    let promoted = project.dana("promote web --to staging --config replicas=3").run().expect_code(0);
    promoted.expect_stderr(
        "Taking over .metadata.annotations.release.openchoreo.dev/reason, which was set with kubectl-annotate",
    );
    let history: Value = project.dana("history web staging -o json").run().expect_code(0).json();
    assert_eq!(
        (&history["items"][0]["by"], &history["items"][0]["reason"]),
        (&"dana@acme.example".into(), &Value::Null)
    );
    Ok(())
}

/// Whoever loses is told who was first; nothing is lost and nothing is recorded twice.
fn of_many_at_once_each_revision_has_one_author(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project.dana("promote web --to staging --config replicas=1").run().expect_code(0);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let promote =
            |replicas: u32| project.dana(&format!("promote web --to staging --config replicas={replicas}")).run();
        let running: Vec<_> = (2..8).map(|replicas| scope.spawn(move || promote(replicas))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Outcome::is_success);
    assert!(!won.is_empty());
    for outcome in lost {
        outcome.expect_code(4).expect_stderr("dana@acme.example was first: revision");
    }
    let history: Value = project.dana("history web staging -o json").run().expect_code(0).json();
    assert_eq!(history["items"].as_array().map(Vec::len), Some(1 + won.len()), "{history:#}");
    project.dana("history web staging --verify").run().expect_code(0);
    Ok(())
}

fn a_diff_asks_before_it_goes_on(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project
        .dana("promote web --to staging --diff")
        .run()
        .expect_code(1)
        .expect_stderr("there is no terminal to ask on");
    project
        .dana("promote web --to staging --diff --dry-run")
        .run()
        .expect_code(0)
        .expect_stdout("+++ after/staging/deployment");
    project.dana("promote web --to staging --diff --yes").run().expect_code(0).expect_stdout("as revision 1");
    let changed = project.dana("promote web --to staging --diff --yes --config replicas=9").run().expect_code(0);
    changed.expect_stdout("-  replicas: 2\n+  replicas: 9");
    Ok(())
}

fn without_the_webhook_it_works_and_says_that_nothing_is_recorded(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission_alone()?;
    let project = Project::open(namespace)?;
    let dana = project.person()?;
    let away = Away::take(namespace, &dana)?;
    let told = project.dana("create web -f - --reason unheard").stdin(MANIFESTS).run().expect_code(0);
    told.expect_stderr("did not record this change").expect_stdout("is pinned in dev\n");
    project.dana("status web").run().expect_code(0).expect_stderr("dev: nothing is recorded");
    project.dana("history web --verify").run().expect_code(1).expect_stdout("nothing is recorded");
    away.end(&dana)
}
