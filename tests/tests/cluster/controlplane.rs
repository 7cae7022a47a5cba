//! The control plane itself: what every other test relies on.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use kube::{Api, Error};
use release_tests::controlplane::client;
use release_tests::process::Recorded;
use release_tests::testbed::State;
use release_tests::{ControlPlane, Namespace, Options, programs, trials, wait};
use serde_json::{Value, json};

trials! {
    a_deployment_becomes_ready_on_fake_nodes,
    a_pod_fails_by_the_name_of_its_image,
    a_claim_gets_a_volume,
    the_api_server_goes_away_and_comes_back,
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

/// For the scheduler and kwok.
const LIMIT: Duration = Duration::from_secs(30);

fn pod(name: &str, restart_policy: &str, images: &[&str]) -> Value {
    let container = |(at, image): (usize, &&str)| json!({ "name": format!("main-{at}"), "image": image });
    let containers: Vec<Value> = images.iter().enumerate().map(container).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "restartPolicy": restart_policy, "containers": containers },
    })
}

/// Its phase, and of each container whether it is ready and what it does.
fn looks(pod: &Value) -> String {
    let look = |status: &Value| {
        let state = ["waiting", "terminated"].into_iter().find_map(|state| status["state"][state]["reason"].as_str());
        format!("{} {}", if status["ready"] == true { "ready" } else { "unready" }, state.unwrap_or("Running"))
    };
    let containers: Vec<_> = pod["status"]["containerStatuses"].as_array().into_iter().flatten().map(look).collect();
    format!("{}: {}", pod["status"]["phase"].as_str().unwrap_or_default(), containers.join(", "))
}

fn a_pod_fails_by_the_name_of_its_image(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let cases: [(&str, &str, &[&str], &str); 7] = [
        ("fine", "Always", &["shop:1", "proxy:2"], "Running: ready Running, ready Running"),
        ("pull", "Always", &["does-not-exist/shop:1", "proxy:2"], "Pending: unready ImagePullBackOff, ready Running"),
        ("pull-tag", "Never", &["shop:1-cannot-be-pulled"], "Pending: unready ImagePullBackOff"),
        ("loop", "Always", &["shop:1", "proxy:2-crashes"], "Running: ready Running, unready CrashLoopBackOff"),
        ("loop-on-failure", "OnFailure", &["shop:1-crashes"], "Running: unready CrashLoopBackOff"),
        ("once", "Never", &["shop:1-crashes", "proxy:2"], "Failed: unready Error, unready Completed"),
        ("unready", "Always", &["shop:1-never-ready", "proxy:2"], "Running: unready Running, ready Running"),
    ];
    for (name, restart_policy, images, ..) in cases {
        let pod = pod(name, restart_policy, images).to_string();
        namespace.kubectl(["create", "-f", "-"]).stdin(pod).run().expect_code(0);
    }
    let get =
        |name: &str| -> Value { namespace.kubectl(["get", "pod", name, "-o", "json"]).run().expect_code(0).json() };
    for (name, _, _, expected) in cases {
        let is_played = |pod: &Value| pod["status"]["containerStatuses"].is_array();
        let seen = wait::until("a pod is played", LIMIT, || Ok(Some(get(name)).filter(is_played)))?;
        assert_eq!(looks(&seen), expected, "{name}: {:#}", seen["status"]);
        let condition = seen["status"]["conditions"].as_array().into_iter().flatten().find(|of| of["type"] == "Ready");
        let is_ready = condition.is_some_and(|condition| condition["status"] == "True");
        assert_eq!(is_ready, name == "fine", "{name}: {:#}", seen["status"]);
    }
    let said = &get("pull")["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
    let expected = "Back-off pulling image \"does-not-exist/shop:1\": ErrImagePull: ";
    ensure!(said.as_str().is_some_and(|said| said.starts_with(expected)), "not what the kubelet says: {said}");
    let last = &get("loop")["status"]["containerStatuses"][1];
    assert_eq!((&last["lastState"]["terminated"]["exitCode"], &last["restartCount"]), (&json!(3), &json!(4)));

    // They rest: nobody writes them again and again.
    let versions = || -> Vec<String> {
        cases.iter().map(|(name, ..)| get(name)["metadata"]["resourceVersion"].to_string()).collect()
    };
    let before = versions();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(versions(), before);

    let warnings = ["get", "events", "--field-selector=type=Warning", "-o", "jsonpath={.items[*].reason}"];
    let warnings = namespace.kubectl(warnings).run().expect_code(0);
    for reason in ["Failed", "BackOff", "Unhealthy"] {
        ensure!(warnings.stdout().split(' ').any(|said| said == reason), "no event {reason}: {warnings}");
    }
    Ok(())
}

fn a_claim_gets_a_volume(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let example = programs::repository().join("examples/shop/database.yaml");
    namespace.kubectl(["apply", "--server-side", "-f"]).args([&example]).run().expect_code(0);
    namespace.kubectl(["rollout", "status", "statefulset/shop-database", "--timeout=60s"]).run().expect_code(0);
    let phases = ["get", "pvc", "-o", "jsonpath={.items[*].status.phase}"];
    assert_eq!(namespace.kubectl(phases).run().expect_code(0).stdout(), "Bound Bound");

    // What was claimed can be claimed again.
    let name = ["get", "pvc/shop-dumps", "-o", "jsonpath={.spec.volumeName}"];
    let volume = namespace.kubectl(name).run().expect_code(0).stdout().to_owned();
    namespace.kubectl(["delete", "statefulset,pvc,cronjob", "--all"]).run().expect_code(0);
    let phase = ["get", "pv", &volume, "-o", "jsonpath={.status.phase}"];
    wait::until("the volume is free again", LIMIT, || {
        Ok((namespace.kubectl(phase).run().expect_code(0).stdout() == "Available").then_some(()))
    })
}

/// In a control plane of its own: no other test can do without the API server.
fn the_api_server_goes_away_and_comes_back(_: &Namespace<'_>) -> anyhow::Result<()> {
    let own = ControlPlane::start(&Options::default())?;
    let namespace = Namespace::create(&own, "away")?;
    let get = || namespace.kubectl(["get", "deployments", "-o", "name"]).run();
    namespace.kubectl(["create", "deployment", "before", "--image=shop:1"]).run().expect_code(0);
    own.stop_api_server();
    own.stop_api_server();
    ensure!(get().expect_code(1).stderr().contains("connection refused"), "the API server answers");
    own.start_api_server()?;
    own.start_api_server()?;
    assert_eq!(get().expect_code(0).stdout(), "deployment.apps/before\n");
    ensure!(own.processes().iter().all(Recorded::is_running), "a server did not stand it: {:?}", own.processes());
    // Controller manager, scheduler and kwok have all found it again.
    namespace.kubectl(["create", "deployment", "after", "--image=shop:1"]).run().expect_code(0);
    namespace.kubectl(["rollout", "status", "deployment/after", "--timeout=60s"]).run().expect_code(0);
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
