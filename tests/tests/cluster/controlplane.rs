//! The control plane itself: what every other test relies on.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use kube::{Api, Error};
use release_tests::controlplane::client;
use release_tests::process::Recorded;
use release_tests::testbed::State;
use release_tests::{Namespace, programs, trials, wait};
use serde_json::json;

trials! {
    a_deployment_becomes_ready_on_fake_nodes,
    a_service_account_acts_under_its_own_name,
    a_failed_call_is_shown_as_a_whole,
    nothing_outlives_a_killed_owner;
    async a_user_without_roles_is_refused,
}

fn a_deployment_becomes_ready_on_fake_nodes(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    namespace.kubectl(["create", "deployment", "shop", "--image=shop:1", "--replicas=2"]).run().expect_code(0);
    namespace.kubectl(["rollout", "status", "deployment/shop", "--timeout=60s"]).run().expect_code(0);
    let ready = ["get", "deployment/shop", "-o", "jsonpath={.status.readyReplicas}"];
    assert_eq!(namespace.kubectl(ready).run().expect_code(0).stdout(), "2");
    Ok(())
}

async fn a_user_without_roles_is_refused(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let nobody = client(&namespace.control_plane().user("nobody", &["strangers"])?)?;
    let maps: Api<ConfigMap> = Api::namespaced(nobody, namespace.name());
    let Err(Error::Api(status)) = maps.list(&ListParams::default()).await else {
        anyhow::bail!("a user without roles may list");
    };
    assert_eq!(status.code, 403);

    let reader = client(&namespace.user("reader", &["view"])?)?;
    let maps: Api<ConfigMap> = Api::namespaced(reader, namespace.name());
    maps.list(&ListParams::default()).await.context("a reader may list")?;
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "shop" } }))?;
    let refused = maps.create(&PostParams::default(), &map).await;
    ensure!(matches!(refused, Err(Error::Api(status)) if status.code == 403), "a reader may write");
    Ok(())
}

fn a_service_account_acts_under_its_own_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let account = namespace.service_account("default")?;
    let name = format!("system:serviceaccount:{}:default", namespace.name());
    let whoami = namespace.kubectl(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).user(&account);
    assert_eq!(whoami.run().expect_code(0).stdout(), name);
    Ok(())
}

fn a_failed_call_is_shown_as_a_whole(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let outcome = namespace.kubectl(["create", "-f", "-"]).stdin("kind: Nothing").run().expect_code(1);
    let shown = outcome.to_string();
    let command = format!("$ KUBECONFIG=admin.kubeconfig@{} kubectl create -f -\n", namespace.name());
    ensure!(shown.starts_with(&command), "the command line is not shown:\n{shown}");
    ensure!(shown.contains("--- exit code 1\n") && shown.ends_with(outcome.stderr()), "not all is shown:\n{shown}");
    Ok(())
}

/// A second control plane in a process of its own, which is then killed: no handler of it runs.
fn nothing_outlives_a_killed_owner(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let state = namespace.control_plane().folder().join("second.json");
    let mut command = Command::new(programs::testbed()?);
    command.args(["hold", "--bare", "--state"]).arg(&state);
    command.envs(std::env::vars_os().filter(|(name, _)| name != "RELEASE_TEST_KEEP"));
    let (owner, mut child) = namespace.control_plane().spawn("a second owner", &command)?;
    let state = wait::until("a second control plane is ready", Duration::from_secs(120), || {
        ensure!(owner.is_running(), "the owner of the second control plane ended");
        State::read(&state)
    })?;
    let names: Vec<&str> = state.processes.iter().map(|process| process.name.as_str()).collect();
    let servers = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];
    assert_eq!(names, [&["release-testbed", "watchdog"], &servers[..]].concat());
    assert!(state.processes.iter().all(Recorded::is_running) && state.folder.is_dir());

    child.kill().context("killing the owner")?;
    child.wait().context("reaping the owner")?;
    let all_gone = || !state.processes.iter().any(Recorded::is_running) && !state.folder.exists();
    ensure!(wait::holds(Duration::from_secs(60), all_gone), "processes or files outlived their owner: {state:?}");
    Ok(())
}
