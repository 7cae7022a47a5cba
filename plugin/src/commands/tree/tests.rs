use super::below::kinds;
use super::*;

fn release() -> Value {
    json!({
        "apiVersion": names::API_VERSION, "kind": "Release", "metadata": {"name": "web-dev", "namespace": "acme"},
        "spec": {"resources": [
            {"id": "deployment", "object": {}},
            {"id": "ingress-web", "object": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}}}
        ]},
        "status": {"health": "Degraded", "cause": "Deployment web: it crashes", "renderedFrom": "uid/3", "resources": [
            {"id": "deployment", "group": "apps", "version": "v1", "kind": "Deployment", "name": "web", "namespace": "shop",
             "healthStatus": "Degraded", "cause": "it crashes\u{1b}[2J"},
            {"id": "cronjob-tidy", "group": "batch", "version": "v1", "kind": "CronJob", "name": "tidy", "namespace": "shop",
             "healthStatus": "Healthy"},
            {"id": "configmap-web", "version": "v1", "kind": "ConfigMap", "name": "web", "namespace": "shop", "healthStatus": "Healthy"},
            {"id": "clusterrole-web", "group": "rbac.authorization.k8s.io", "version": "v1", "kind": "ClusterRole", "name": "web"}
        ]}
    })
}

fn below(kind: &str, name: &str, owner: (&str, &str, &str), at: &str, more: &Value) -> Below {
    let all: Vec<_> = ["Deployment", "CronJob"]
        .into_iter()
        .flat_map(|kind| {
            let group = if kind == "CronJob" { "batch" } else { "apps" };
            kinds(&crate::objects::reference(&json!({"apiVersion": format!("{group}/v1"), "kind": kind})))
        })
        .collect();
    let listed = all.into_iter().find(|listed| listed.kind == kind).unwrap();
    let mut object = json!({"metadata": {
        "name": name, "namespace": "shop", "creationTimestamp": at,
        "ownerReferences": [{"apiVersion": owner.0, "kind": owner.1, "name": owner.2, "controller": true}]
    }});
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        object[key] = value;
    }
    Below::read(listed, &object, Timestamp::UNIX_EPOCH)
}

fn tree() -> Node {
    let deployment = ("apps/v1", "Deployment", "web");
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let pending = json!({"status": {"phase": "Pending"}});
    let none = json!({"spec": {"replicas": 0}, "status": {"replicas": 0}});
    let failing = json!({"spec": {"replicas": 1}, "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}});
    let done = json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}});
    let set = |name| ("apps/v1", "ReplicaSet", name);
    let found = vec![
        below("ReplicaSet", "web-old", deployment, "2026-01-01T00:00:00Z", &none),
        below("ReplicaSet", "web-1", deployment, "2026-01-02T00:00:00Z", &json!({"spec": {"replicas": 2}})),
        below("ReplicaSet", "web-2", deployment, "2026-01-03T00:00:00Z", &failing),
        below("Pod", "web-1-b", set("web-1"), "2026-01-02T00:00:00Z", &pending),
        below("Pod", "web-1-a", set("web-1"), "2026-01-02T00:00:00Z", &running),
        below("Pod", "alien", set("another"), "2026-01-02T00:00:00Z", &running),
        below("Job", "tidy-1", ("batch/v1", "CronJob", "tidy"), "2026-01-02T00:00:00Z", &done),
        // A circle of owners, which only somebody who means harm makes.
        below("ReplicaSet", "web-1", set("web-1"), "2026-01-02T00:00:00Z", &json!({"spec": {"replicas": 0}})),
    ];
    let mut root = grow::release(&release());
    grow::attach(&mut root, found);
    root
}

#[test]
fn a_tree_leads_down_to_the_pods() {
    insta::assert_snapshot!(table(&tree()).text());
}

#[test]
fn items_say_what_they_are_below() {
    let root = tree();
    let mut nodes = Vec::new();
    flatten(&root, None, &mut nodes);
    let items: Vec<_> = nodes.iter().map(|(node, parent)| item(node, *parent)).collect();
    let pod = items.iter().find(|item| item["name"] == "web-1-b").unwrap();
    insta::assert_json_snapshot!([&items[0], &items[1], pod]);
}

#[test]
fn only_what_may_have_pods_makes_a_request() {
    let kinds = |api_version: &str, kind: &str| {
        let object = crate::objects::reference(&json!({"apiVersion": api_version, "kind": kind}));
        kinds(&object).iter().map(|listed| listed.resource).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(kinds("apps/v1", "Deployment"), "pods replicasets");
    assert_eq!(kinds("batch/v1", "CronJob"), "pods jobs");
    assert_eq!(kinds("v1", "ConfigMap"), "");
    assert_eq!(kinds("example.org/v1", "Rollout"), "pods replicasets jobs");
}

#[test]
fn a_status_of_an_earlier_revision_says_so() {
    let binding = json!({"metadata": {"uid": "uid", "annotations": {names::REVISION: "3"}}});
    assert_eq!(behind(&binding, &release()), None);
    let newer = json!({"metadata": {"uid": "uid", "annotations": {names::REVISION: "4"}}});
    let told = behind(&newer, &release()).unwrap();
    assert!(told.contains("this is revision 3; revision 4 has not been observed yet"), "{told}");
    assert!(behind(&newer, &json!({})).unwrap().contains("revision 4 has not been observed yet"));
}
