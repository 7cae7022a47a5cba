//! `list`, `status`, `history` and `lint`: what is shown, and for how many calls.

use std::time::Duration;

use anyhow::Context;
use release_shared::names;
use release_tests::{Namespace, fixture, trials, wait};
use serde_json::{Value, json};

use super::objects::{release, with};
use super::plugin_controller::Controller;
use crate::cluster::project::{MANIFESTS, Project, repository};

trials! {
    admission:
    one_call_a_kind_is_enough_for_what_is_asked_most,
    the_history_is_filtered_and_printed,
    a_list_says_what_is_pinned_where,
    a_list_picks_problems_and_counts,
    a_status_shows_objects_and_what_is_wrong,
    a_release_by_hand_is_shown,
    a_reader_needs_no_more_than_the_viewers_role,
    a_closed_pipe_is_no_error,
    lint_needs_no_cluster,
    the_plugin_is_the_same_by_way_of_kubectl,
    bad_connections_are_told_in_one_sentence,
}

/// Until the API server has written its audit log.
const LIMIT: Duration = Duration::from_secs(20);

fn one_call_a_kind_is_enough_for_what_is_asked_most(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let lines = [
        ("list", 2),
        ("history web", 1),
        ("history web dev", 1),
        ("history --all", 1),
        ("status web", 2),
        ("status web dev", 2),
    ];
    for (number, (line, expected)) in lines.into_iter().enumerate() {
        let name = format!("reader-{number}@{}.example", namespace.name());
        let reader = namespace.user(&name, &["release-viewer"])?;
        wait::until("the reader has their role", LIMIT, || {
            let asked =
                namespace.kubectl("auth can-i list releasebindings.openchoreo.dev".split(' ')).user(&reader).run();
            Ok((asked.code() == Some(0)).then_some(()))
        })?;
        namespace.release(line.split(' ')).user(&reader).run().expect_code(0);
        let log = namespace.control_plane().audit_log();
        let calls = wait::until("the call is in the audit log", LIMIT, || {
            let calls = calls(&std::fs::read_to_string(&log).context("reading the audit log")?, &name);
            Ok((calls.len() >= expected).then_some(calls))
        })?;
        assert_eq!(calls.len(), expected, "{line}: {calls:?}");
    }
    Ok(())
}

/// The calls of a user by way of the plugin.
fn calls(log: &str, user: &str) -> Vec<String> {
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let theirs = events.filter(|event| event["user"]["username"] == user && event["stage"] == "ResponseComplete");
    let by_plugin =
        theirs.filter(|event| event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("kubectl-release/")));
    by_plugin.filter_map(|event| event["requestURI"].as_str().map(str::to_owned)).collect()
}

fn the_history_is_filtered_and_printed(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    project.dana("promote web --to staging --reason tested --link https://tickets.example/7").run().expect_code(0);
    let items = |line: &str| {
        let list: Value = project.dana(&format!("{line} -o json")).run().expect_code(0).json();
        list["items"].as_array().cloned().unwrap_or_default()
    };
    let all = items("history web");
    let places: Vec<_> = all.iter().map(|item| (item["environment"].clone(), item["action"].clone())).collect();
    assert_eq!(places, [(json!("staging"), json!("promote")), (json!("dev"), json!("deploy"))], "newest first");
    assert_eq!(
        (&all[0]["reason"], &all[0]["link"], &all[0]["from"]),
        (&json!("tested"), &json!("https://tickets.example/7"), &json!("dev"))
    );
    assert_eq!(all[0]["version"], "v1");
    assert_eq!(items("history web --limit 1").len(), 1);
    assert_eq!(items("history web staging").len(), 1);
    assert_eq!(items("history web --by nobody").len(), 0);
    assert_eq!(items("history web --by dana@acme.example --since 1h").len(), 2);
    assert_eq!(items("history --all").len(), 2);
    assert_eq!(items("history project/shop")[0]["by"], "petra@acme.example");
    project.dana("history web dev --revision 1").run().expect_code(0).expect_stdout("reason: first");
    project.dana("history web -o name").run().expect_code(0).expect_stdout("releasebinding.openchoreo.dev/web-dev@1");
    project.dana("history ghost").run().expect_code(1).expect_stderr("ghost is not pinned in namespace");
    project.dana("history nonsense/web").run().expect_code(1).expect_stderr("is no kind with a history");
    project.dana("history web --since yesterday").run().expect_code(1).expect_stderr("--since");
    Ok(())
}

fn a_list_says_what_is_pinned_where(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.dana("list").run().expect_code(0).expect_stderr("Nothing is pinned in namespace");
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    project.dana("list").run().expect_code(0).expect_stdout("COMPONENT   ENVIRONMENT   VERSION   HEALTH    AGE\n");
    assert_eq!(project.dana("list --skew").run().expect_code(0).stdout(), "");
    let second = MANIFESTS.replace("web:1", "web:2");
    project.dana("create web -f - --version v2").stdin(second).run().expect_code(0);
    let skewed: Value = project.dana("list --skew -o json").run().expect_code(0).json();
    let versions: Vec<_> =
        skewed["items"].as_array().into_iter().flatten().map(|item| item["version"].clone()).collect();
    assert_eq!(versions, [json!("v2"), json!("v1")]);
    let first = &skewed["items"][0];
    assert_eq!((&first["revision"], &first["by"]), (&json!(2), &json!("dana@acme.example")));
    assert!(first["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{first}");
    project.dana("list -o wide").run().expect_code(0).expect_stdout("dana@acme.example");
    let status: Value = project.dana("status web staging -o json").run().expect_code(0).json();
    assert_eq!(status["items"][0]["by"], "dana@acme.example");
    Ok(())
}

fn a_list_picks_problems_and_counts(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    project.dana("promote web --to staging").run().expect_code(0);
    project.dana("promote web --to production").run().expect_code(0);
    controller.tells("web-dev", &[(1, "Healthy", None)]);
    controller.tells("web-staging", &[(1, "Degraded", Some("deployment: crash"))]);
    project.dana("undeploy web production").run().expect_code(0);
    let problems = project.dana("list --problems").run().expect_code(0);
    let lines: Vec<_> = problems.stdout().lines().collect();
    assert!(lines.len() == 2 && lines[0].ends_with("CAUSE"), "{problems}");
    assert!(lines[1].contains("staging") && lines[1].ends_with("deployment: crash"), "{problems}");
    let summary: Value = project.dana("list --summary -o json").run().expect_code(0).json();
    assert_eq!(summary["health"], json!({ "Degraded": 1, "Healthy": 1, "Undeployed": 1 }));
    let versions = json!([{ "namespace": namespace.name(), "component": "web", "version": "v1", "count": 3 }]);
    assert_eq!((&summary["count"], &summary["versions"]), (&json!(3), &versions));
    controller.tells("web-staging", &[(1, "Healthy", None)]);
    project.dana("list --problems").run().expect_code(0).expect_stderr("Nothing that is not healthy is pinned");
    Ok(())
}

fn a_status_shows_objects_and_what_is_wrong(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let now = "2026-01-02T12:00:00Z";
    let deployment = json!({
        "id": "deployment", "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop-dev", "name": "web",
        "healthStatus": "Degraded", "cause": "the image cannot be pulled", "lastObservedTime": now,
        "status": { "replicas": 2 },
    });
    let failed = json!([{
        "type": "ResourcesApplied", "status": "False", "reason": "ApplyFailed", "message": "service: quota",
        "lastTransitionTime": now,
    }]);
    let status = json!({ "health": "Degraded", "resources": [deployment], "conditions": failed });
    controller.renders(&controller.binding("web-dev"), &status);
    controller.tells("web-dev", &[(1, "Degraded", Some("deployment: the image cannot be pulled"))]);
    let names = ["openchoreo.dev/display-name=Web shop", "openchoreo.dev/description=sells books"];
    project.dana_kubectl("annotate releasebinding web-dev").args(names).run().expect_code(0);
    let told = project.dana("status web").run().expect_code(0);
    told.expect_stdout("dev: Web shop, sells books\n")
        .expect_stdout("dev: deployment: the image cannot be pulled\n")
        .expect_stdout("dev: not everything is applied: service: quota\n")
        .expect_stdout("dev           Deployment   shop-dev/web   Degraded   the image cannot be pulled\n");
    let item = &project.dana("status web dev -o json").run().expect_code(0).json::<Value>()["items"][0];
    assert_eq!(item["objects"][0]["health"], "Degraded");
    assert_eq!(item["objects"][0]["status"], Value::Null, "a live status is long and nobody asked for it");
    assert_eq!((&item["displayName"], &item["kind"]), (&json!("Web shop"), &json!("ReleaseBinding")));
    let history = project.dana("history web dev").run().expect_code(0);
    history.expect_stdout("Degraded: deployment: the image cannot be pulled");
    project.dana("list -o wide").run().expect_code(0).expect_stdout("Web shop");
    Ok(())
}

fn a_release_by_hand_is_shown(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let controller = Controller::open(namespace)?;
    project.release();
    let by_hand = with(&release("by-hand"), |release| {
        release["spec"]["environmentName"] = "production".into();
        release["metadata"]["annotations"] =
            json!({ names::DISPLAY_NAME: "Customers", names::DESCRIPTION: "who they are" });
    });
    let by_hand = project.person()?.create(&by_hand).unwrap();
    // What is rendered from a binding is shown with its binding.
    controller.renders(&controller.binding("web-dev"), &json!({ "health": "Healthy" }));
    let told = project.dana("list").run().expect_code(0);
    assert_eq!(told.stdout().lines().count(), 3, "{told}");
    told.expect_stdout("web         production    release/by-hand   Unknown");
    project.dana("list -o name").run().expect_code(0).expect_stdout("release.openchoreo.dev/by-hand\n");
    project.dana("list -o wide").run().expect_code(0).expect_stdout("Customers      who they are");
    let list: Value = project.dana("list -o json --project shop").run().expect_code(0).json();
    let item = &list["items"][1];
    let found = ["kind", "name", "displayName", "description", "by"].map(|key| item[key].clone());
    assert_eq!(found, ["Release", "by-hand", "Customers", "who they are", "dana@acme.example"]);

    project.dana("status web").run().expect_code(0).expect_stdout("release/by-hand: Customers, who they are");
    let waiting = project.dana("status release/by-hand -w --timeout=8s").run().expect_code(5);
    waiting.expect_stderr("timed out after 8s: release/by-hand: revision 1 waits for a controller");
    controller.status(&by_hand, &json!({ "observedGeneration": 1, "health": "Degraded", "cause": "no endpoints" }));
    let told = project.dana("status release/by-hand -w").run().expect_code(6);
    told.expect_stdout("release/by-hand   Degraded   1")
        .expect_stderr("error: release/by-hand: revision 1 is Degraded: no endpoints");
    project.dana("status release/web-dev -o json").run().expect_code(0).expect_stdout("\"health\": \"Healthy\"");
    project.dana("status release/none").run().expect_code(1).expect_stderr("there is no release/none in namespace");
    project.dana("status release/by-hand dev").run().expect_code(1).expect_stderr("is one object: leave \"dev\" out");
    project.dana("status project/shop").run().expect_code(1).expect_stderr("name a component, or release/NAME");
    Ok(())
}

fn a_reader_needs_no_more_than_the_viewers_role(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let viewer = namespace.user("vera@acme.example", &["release-viewer"])?;
    for line in ["list", "status web", "history web", "history deploymentpipeline/shop"] {
        namespace.release(line.split(' ')).user(&viewer).run().expect_code(0);
    }
    let stranger = namespace.user("stranger@acme.example", &[])?;
    let refused = namespace.release(["list"]).user(&stranger).run().expect_code(3);
    refused.expect_stderr("cannot list resource \"releasebindings\"");
    Ok(())
}

fn a_closed_pipe_is_no_error(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let script = "set -o pipefail; kubectl-release history web -o json | true";
    namespace.cli("bash").args(["-c", script]).run().expect_code(0);
    Ok(())
}

fn lint_needs_no_cluster(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let lint = |path: &str| namespace.release(["lint", "-f", &repository(path)]).env("KUBECONFIG", "/nowhere").run();
    lint("examples/shop").expect_code(0).expect_stdout("no violations");
    let broken = lint("tests/broken").expect_code(1);
    for (file, why) in [
        ("tab.yaml:", "a tab is used for indentation"),
        ("secret.yaml:", "apply the Secret beside the release"),
        ("release.yaml:", "apply it beside the release"),
    ] {
        assert!(
            broken.stdout().lines().any(|line| line.contains(file) && line.contains(why)),
            "{file} {why}\n{broken}"
        );
    }
    let typo = "apiVersion: openchoreo.dev/v1alpha1\nkind: Release\nmetadata: {name: a}\nspec: {intervall: 5m}\n";
    let typo = namespace.release(["lint", "-f", "-"]).stdin(typo).run().expect_code(1);
    typo.expect_stdout("spec.intervall").expect_stdout("interval");
    Ok(())
}

fn the_plugin_is_the_same_by_way_of_kubectl(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let alone = namespace.release(["version", "-o", "json"]).run().expect_code(0);
    let by_kubectl = namespace.kubectl(["release", "version", "-o", "json"]).run().expect_code(0);
    assert_eq!(alone.stdout(), by_kubectl.stdout());
    namespace.kubectl(["release", "list", "--nonsense"]).run().expect_code(1);
    namespace.kubectl(["release", "--help"]).run().expect_code(0).expect_stdout("Usage: kubectl release");
    Ok(())
}

fn bad_connections_are_told_in_one_sentence(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let refused = |line: &str, why: &str| {
        let told = namespace.release(line.split(' ')).run().expect_code(1);
        assert!(told.stderr().contains(why) && told.stderr().lines().count() == 1, "{told}");
    };
    refused("list --server https://127.0.0.1:1", "cannot be reached");
    refused("list --context nope", "the kubeconfig cannot be used");
    refused("list --user nope", "it has no user \"nope\"");
    refused("list --kubeconfig /nowhere", "the kubeconfig cannot be used");
    refused("list --request-timeout soon", "is no duration");
    Ok(())
}
