//! `get`, `diff` and `tree`: what a pin renders to, what differs from it, and what is below it. The controller is played by the
//! admin, who applies and reports as it does.

use std::path::PathBuf;
use std::time::Duration;

use release_shared::names;
use release_tests::{Cli, Namespace, Outcome, fixture, trials, wait};
use serde_json::{Value, json};

use crate::cluster::objects::{name, owned_release, with};
use crate::cluster::person::Person;
use crate::cluster::project::{LIFT, MANIFESTS, Project, repository};

trials! {
    admission:
    a_revision_is_rendered_as_it_was,
    what_cannot_be_rendered_is_told,
    files_that_somebody_else_wrote_are_kept,
    kinds_of_the_cluster_have_the_scope_that_it_says,
    what_was_applied_is_no_difference,
    what_somebody_changed_is_found_with_their_name,
    what_is_rendered_is_compared_without_any_right_to_it,
    the_values_of_a_secret_are_never_shown,
    a_diff_has_exit_codes_of_its_own,
    a_tree_leads_down_to_the_pods,
    a_tree_without_rights_or_release_says_so,
    a_release_by_itself_is_looked_at_by_its_name,
}

/// Until the cluster's own controllers have done their part.
const LIMIT: Duration = Duration::from_secs(60);

/// A project whose environment `dev` has a namespace of its own, where somebody may look.
struct Scene<'a> {
    project: Project<'a>,
    /// Where the project is.
    namespace: &'a Namespace<'a>,
    /// Where its objects go.
    live: &'a Namespace<'a>,
    /// Sees releases and, in `live`, what the cluster's role `view` shows: no Secrets.
    vera: PathBuf,
}

impl<'a> Scene<'a> {
    fn open(namespace: &'a Namespace<'a>, live: &'a Namespace<'a>) -> anyhow::Result<Self> {
        let project = Project::open(namespace)?;
        let admin = |line: &str| namespace.kubectl(line.split(' ')).run().expect_code(0);
        admin(&format!("annotate --overwrite environment dev {}={}", names::NAMESPACES, live.name()));
        let name = format!("vera@{}.example", namespace.name());
        let vera = namespace.user(&name, &["release-viewer"])?;
        live.user(&name, &["view"])?;
        let scene = Self { project, namespace, live, vera };
        let seen = ["list releasebindings.openchoreo.dev", "list pods"];
        for (place, right) in [namespace, live].into_iter().zip(seen) {
            wait::until("a new role is known to the API server", LIMIT, || {
                let asked = place.kubectl(["auth", "can-i"]).args(right.split(' ')).user(&scene.vera).output()?;
                Ok((asked.code() == Some(0)).then_some(()))
            })?;
        }
        Ok(scene)
    }

    /// A command of the plugin by somebody who may look.
    fn vera(&self, line: &str) -> Outcome {
        self.namespace.release(line.split(' ')).user(&self.vera).run()
    }

    /// A release of these manifests in dev, with these flags.
    fn release(&self, manifests: &str, flags: &[&str]) {
        self.project.dana("create web -f -").args(flags).stdin(manifests).run().expect_code(0);
    }

    /// What the controller does with what is pinned in dev.
    fn apply(&self) {
        let rendered = self.vera("get web dev").expect_code(0);
        self.controller(rendered.stdout()).run().expect_code(0);
    }

    fn controller(&self, manifests: &str) -> Cli<'a> {
        let apply = ["apply", "--server-side", "--field-manager=release-controller", "-f", "-"];
        self.namespace.kubectl(apply).stdin(manifests)
    }

    fn admin(&self, line: &str) -> Outcome {
        self.live.kubectl(line.split(' ')).run().expect_code(0)
    }

    /// What `diff` says as JSON, by the ids of the resources.
    fn differences(&self, line: &str) -> Vec<(String, Value)> {
        let list: Value = self.vera(&format!("{line} -o json")).expect_code(1).json();
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().map(|item| (item["id"].as_str().unwrap_or_default().to_owned(), item)).collect()
    }
}

fn live<'a>(namespace: &Namespace<'a>) -> anyhow::Result<Namespace<'a>> {
    Namespace::create(namespace.control_plane(), "live")
}

fn items(outcome: Outcome) -> Vec<Value> {
    let list: Value = outcome.expect_code(0).json();
    list["items"].as_array().cloned().unwrap_or_default()
}

fn a_revision_is_rendered_as_it_was(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    scene.release(MANIFESTS, &["--lift", LIFT, "--version", "v1"]);
    scene.project.dana("promote web --to staging --config replicas=3").run().expect_code(0);
    scene.release(&MANIFESTS.replace("web:1", "web:2"), &["--lift", LIFT, "--version", "v2"]);
    scene.project.dana("promote web --to staging --config replicas=5").run().expect_code(0);

    let rendered = |line: &str| {
        let items = items(scene.vera(&format!("{line} -o json")));
        let deployment = items.iter().find(|item| item["kind"] == "Deployment").cloned().unwrap_or_default();
        let spec = &deployment["spec"];
        let namespace = deployment["metadata"]["namespace"].clone();
        (spec["replicas"].clone(), spec["template"]["spec"]["containers"][0]["image"].clone(), namespace)
    };
    let (replicas, image, somewhere) = rendered("get web staging");
    assert_eq!((replicas, image), (json!(5), json!("registry.example/web:2")));
    let (replicas, image, _) = rendered("get web staging --revision 1");
    assert_eq!((replicas, image), (json!(3), json!("registry.example/web:1")));
    assert!(somewhere.as_str().is_some_and(|name| name.contains("shop-staging")), "{somewhere}");
    assert_eq!(rendered("get web dev").2, live.name());

    let names = scene.vera("get web dev -o name").expect_code(0);
    assert_eq!(names.stdout(), "configmap/web\ndeployment.apps/web\n");
    let manifests = scene.vera("get web dev").expect_code(0);
    namespace.kubectl(["apply", "-f", "-"]).stdin(manifests.stdout()).run().expect_code(0);
    let script = scene.admin("get configmap web -o jsonpath={.data.run\\.sh}");
    assert_eq!(script.stdout(), "echo ${HOME} ${metadata.name}", "an application's own ${{…}} comes out unchanged");
    Ok(())
}

fn what_cannot_be_rendered_is_told(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let refused = |line: &str, why: &str| {
        project.dana(line).run().expect_code(1).expect_stderr(why);
    };
    refused("get web dev", "web is not pinned in dev in namespace");
    refused("get web", "name one of web's environments");
    project.release();
    refused("get web dev --revision 9", "web in dev has no revision 9: its history has 1");
    refused("get project/shop", "\"project\" is no kind with objects of its own");
    refused("get release/ghost", "there is no Release \"ghost\"");
    refused("get release/web --revision 1", "leave --revision out");
    let patch = r#"{"spec":{"releaseName":"web-gone"}}"#;
    project.dana_kubectl("patch releasebinding web-dev --type=merge -p").args([patch]).run().expect_code(0);
    refused("get web dev", "the ComponentRelease web-gone of dev@2 does not exist any more");
    project.dana("get web dev --revision 1").run().expect_code(0).expect_stdout("registry.example/web:1");
    let undeploy = r#"{"spec":{"releaseName":null,"state":"Undeploy"}}"#;
    project.dana_kubectl("patch releasebinding web-dev --type=merge -p").args([undeploy]).run().expect_code(0);
    refused("get web dev", "web pins no release in dev@3");
    Ok(())
}

fn files_that_somebody_else_wrote_are_kept(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("out/dev");
    let get = || project.dana("get web dev --output-dir").args([&target]);
    let written = get().run().expect_code(0);
    let [deployment, map] = ["deployment.yaml", "configmap-web.yaml"].map(|name| target.join(name));
    assert_eq!(written.stdout(), format!("wrote {}\nwrote {}\n", map.display(), deployment.display()));
    let text = std::fs::read_to_string(&deployment)?;
    assert!(text.starts_with("# kubectl release get: dev@1\napiVersion: apps/v1\n"), "{text}");

    // What this command wrote itself is written anew; what is left of another release is told.
    std::fs::copy(&deployment, target.join("service-old.yaml"))?;
    get().run().expect_code(0).expect_stderr("service-old.yaml is left from an earlier call");
    std::fs::write(&map, "kind: ConfigMap # mine\n")?;
    std::fs::remove_file(&deployment)?;
    get()
        .run()
        .expect_code(1)
        .expect_stderr("nothing was written: ")
        .expect_stderr("configmap-web.yaml was not written");
    assert!(!deployment.exists() && std::fs::read_to_string(&map)?.contains("mine"));
    Ok(())
}

fn kinds_of_the_cluster_have_the_scope_that_it_says(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    let group = format!("{}.example", namespace.name());
    for (kind, plural, scope) in [("Widget", "widgets", "Namespaced"), ("Planet", "planets", "Cluster")] {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group, "scope": scope,
                "names": { "kind": kind, "plural": plural, "singular": plural.trim_end_matches('s') },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }],
            },
        });
        namespace.kubectl(["create", "-f", "-"]).stdin(definition.to_string()).run().expect_code(0);
        scene.admin(&format!("wait --for=condition=Established crd/{plural}.{group}"));
    }
    let object = |version: &str, kind: &str| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web" }, "spec": { "paused": false } });
    let known = format!("{group}/v1");
    let manifests = [object(&known, "Widget"), object(&known, "Planet"), object(&format!("un{known}"), "Riddle")];
    scene.release(&manifests.map(|object| object.to_string()).join("\n---\n"), &[]);
    let got = scene.vera("get web dev -o json").expect_stderr("Note: Riddle web names no namespace");
    let namespaces: Vec<_> = items(got).iter().map(|item| item["metadata"]["namespace"].clone()).collect();
    assert_eq!(namespaces, [Value::Null, Value::Null, json!(live.name())], "in the order of planet, riddle, widget");

    // A kind that the cluster does not know has no live object.
    namespace
        .kubectl(["create", "-n", live.name(), "-f", "-"])
        .stdin(manifests_of(&scene, "Widget"))
        .run()
        .expect_code(0);
    namespace.kubectl(["create", "-f", "-"]).stdin(manifests_of(&scene, "Planet")).run().expect_code(0);
    let diff = namespace.release(["diff", "web", "dev", "-o", "name"]).run().expect_code(1);
    assert_eq!(diff.stdout(), format!("riddle.un{group}/web\n"));
    diff.expect_stderr(&format!("Note: the cluster does not know the kind Riddle.un{group} of v1"));
    Ok(())
}

fn manifests_of(scene: &Scene<'_>, kind: &str) -> String {
    let items = items(scene.vera("get web dev -o json"));
    items.into_iter().find(|item| item["kind"] == kind).unwrap_or_default().to_string()
}

/// A real application: every default and every other form that the API server gives a value would show up here.
fn what_was_applied_is_no_difference(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    let shop = repository("examples/shop");
    scene.project.dana(&format!("create web -f {shop}")).run().expect_code(0);
    scene.apply();
    let same = scene.vera("diff web dev").expect_code(0);
    assert_eq!(same.stdout(), "");
    same.expect_stderr("dev@1 and live are the same (");
    // Without the controller's entry in managedFields what is said is compared all the same.
    let owners = r#"[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]"#;
    for object in scene.vera("get web dev -o name").stdout().lines() {
        live.kubectl(["patch", object, "--type=json", "-p", owners]).run().expect_code(0);
    }
    scene.vera("diff web dev").expect_code(0);
    Ok(())
}

fn what_somebody_changed_is_found_with_their_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    let first = MANIFESTS.replace("replicas: 2", "replicas: 2\n  minReadySeconds: 5");
    scene.release(&first, &[]);
    scene.apply();
    scene.admin("scale deployment web --replicas=4");
    scene.admin("label deployment web theirs=yes");
    scene.admin("delete configmap web");
    let diff = scene.vera("diff web dev").expect_code(1).expect_stdout("--- dev@1/deployment\n+++ live/deployment\n");
    let diff =
        diff.expect_stdout("-  replicas: 2\n+  replicas: 4\n").expect_stdout("+++ live/configmap-web (missing)\n");
    assert!(!diff.stdout().contains("theirs"), "what a release does not say is no difference\n{diff}");
    diff.expect_stderr(&format!("Note: Deployment {}/web: /spec/replicas was set by kubectl", live.name()));
    let found = scene.differences("diff web dev");
    let [(map, removed), (deployment, changed)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((map.as_str(), deployment.as_str()), ("configmap-web", "deployment"));
    assert_eq!(
        (&removed["change"], &removed["from"], &removed["to"]),
        (&json!("removed"), &json!("dev@1"), &json!("live"))
    );
    assert_eq!(changed["change"], "changed");
    let place = &changed["differences"][0];
    assert_eq!((&place["path"], &place["before"], &place["after"]), (&json!("/spec/replicas"), &json!(2), &json!(4)));
    assert_eq!(scene.vera("diff web dev -o name").stdout(), "configmap/web\ndeployment.apps/web\n");

    // The next release leaves something out that is still applied.
    scene.release(MANIFESTS, &[]);
    let place = |line: &str| {
        let found = scene.differences(line);
        let deployment = found.into_iter().find(|(id, _)| id == "deployment").map(|(_, item)| item).unwrap_or_default();
        deployment["differences"].as_array().cloned().unwrap_or_default()
    };
    let left = json!({ "path": "/spec/minReadySeconds", "after": 5 });
    assert!(place("diff web dev").contains(&left), "{:?}", place("diff web dev"));
    assert!(!place("diff web dev --revision 1").contains(&left));
    assert_eq!(place("diff web dev --against 1"), [left]);
    Ok(())
}

fn what_is_rendered_is_compared_without_any_right_to_it(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    scene.release(MANIFESTS, &["--lift", LIFT]);
    scene.project.dana("promote web --to staging").run().expect_code(0);
    let same = scene.vera("diff web dev --against staging").expect_code(0);
    same.expect_stderr("dev@1 and staging@1 are the same (2 objects)");
    scene.project.dana("promote web --to staging --config replicas=7").run().expect_code(0);
    let diff = scene.vera("diff web dev --against environment/staging").expect_code(1);
    diff.expect_stdout("--- dev@1/deployment\n+++ staging@2/deployment\n")
        .expect_stdout("-  replicas: 2\n+  replicas: 7\n");
    scene.vera("diff web staging --against 1").expect_code(1).expect_stdout("-  replicas: 7\n+  replicas: 2\n");
    scene.vera("diff web staging --revision 1 --against 1").expect_code(0);

    // Undeployed means that nothing of it is live.
    let undeploy = r#"{"spec":{"state":"Undeploy"}}"#;
    let patch = "patch releasebinding web-dev --type=merge -p";
    scene.project.dana_kubectl(patch).args([undeploy]).run().expect_code(0);
    scene.vera("diff web dev").expect_code(0);
    scene.vera("diff web dev --against 1").expect_code(1).expect_stdout("--- dev@2/deployment (missing)\n");
    scene.vera("get web dev").expect_code(0).expect_stderr("dev@2 is undeployed");
    Ok(())
}

fn the_values_of_a_secret_are_never_shown(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    namespace
        .kubectl(["annotate", "--overwrite", "environment", "dev", &format!("{}=true", names::ALLOW_INLINE_SECRETS)])
        .run()
        .expect_code(0);
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {token: hush-one, same: hush-same}\n";
    scene.release(secret, &[]);
    scene.apply();
    let admin = |line: &str| namespace.release(line.split(' ')).run();
    admin("diff web dev").expect_code(0);
    live.kubectl(["patch", "secret", "web", "-p", r#"{"stringData":{"token":"hush-two"}}"#]).run().expect_code(0);
    scene.release(&secret.replace("hush-one", "hush-three"), &[]);
    for line in ["diff web dev", "diff web dev -o json", "diff web dev --against 1", "diff web dev --against 1 -o yaml"]
    {
        let diff = admin(line).expect_code(1).expect_stdout("*** (before)").expect_stdout("*** (after)");
        assert!(!diff.to_string().contains("hush") && !diff.to_string().contains("aHVzaC"), "{diff}");
    }
    let line = "create web -f - --diff --dry-run=server";
    let asked = namespace.release(line.split(' ')).stdin(secret).run().expect_code(0).expect_stdout("*** (after)");
    assert!(!asked.stdout().contains("hush"), "{asked}");

    // The role `view` does not show Secrets.
    let denied = scene.vera("diff web dev").expect_code(3);
    assert_eq!(denied.stdout(), "");
    denied
        .expect_stderr(&format!("you may not get secrets in namespace {}", live.name()))
        .expect_stderr("--against with an environment or a revision does not");
    Ok(())
}

fn a_diff_has_exit_codes_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    project.release();
    for (line, code) in [
        ("diff web dev --nonsense", 2),
        ("diff web dev --help", 0),
        ("diff web", 2),
        ("diff ghost dev", 2),
        ("diff web dev --against 9", 2),
        ("diff web dev --against moon", 2),
        ("diff release/web --against 1", 2),
        ("diff web dev --server https://127.0.0.1:1", 2),
        ("diff web dev --context nope", 2),
        ("diff web dev --against 1", 0),
        ("get diff --nonsense", 1),
    ] {
        project.dana(line).run().expect_code(code);
    }
    let stranger = namespace.user("stranger@acme.example", &[])?;
    namespace.release(["diff", "web", "dev"]).user(&stranger).run().expect_code(3);
    // The first object that is missing is told from the right that is.
    let denied = project
        .dana("diff web dev")
        .run()
        .expect_code(3)
        .expect_stderr("you may not get deployments.apps in namespace");
    denied.expect_stderr("you may not get configmaps in namespace");
    let script = "kubectl-release diff web dev | true; exit ${PIPESTATUS[0]}";
    namespace.cli("bash").args(["-c", script]).run().expect_code(1);
    Ok(())
}

/// The Release of the binding in dev, with what the controller reports of a Deployment and a ConfigMap.
fn report(scene: &Scene<'_>, revision: &str) -> anyhow::Result<()> {
    let (namespace, live) = (scene.namespace, scene.live.name());
    let binding: Value =
        namespace.kubectl(["get", "releasebinding", "web-dev", "-o", "json"]).run().expect_code(0).json();
    let account = "system:serviceaccount:release-system:release-controller";
    let controller = Person::with_role(namespace, account, "release-developer")?;
    let release = with(&owned_release(&binding), |release| {
        release["spec"]["resources"] = json!([
            { "id": "deployment", "object": { "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" } } },
            { "id": "configmap-web", "object": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" } } },
            { "id": "late", "object": { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "late" } } },
        ]);
    });
    controller.create(&release).unwrap_or_else(|status| panic!("not created: {status:?}"));
    let resource = |id: &str, group: &str, kind: &str, health: &str| json!({ "id": id, "group": group, "version": "v1", "kind": kind, "name": "web", "namespace": live, "healthStatus": health });
    let mut deployment = resource("deployment", "apps", "Deployment", "Progressing");
    deployment["cause"] = "1 of 2 pods are ready".into();
    let uid = binding["metadata"]["uid"].as_str().unwrap_or_default();
    let status = json!({
        "health": "Progressing", "cause": "Deployment web: 1 of 2 pods are ready", "renderedFrom": format!("{uid}/{revision}"),
        "resources": [deployment, resource("configmap-web", "", "ConfigMap", "Healthy")],
    });
    Person::admin(namespace).merge_status(&release, &status).unwrap_or_else(|status| panic!("{status:?}"));
    assert_eq!(name(&release), "web-dev");
    Ok(())
}

fn a_tree_leads_down_to_the_pods(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    scene.release(MANIFESTS, &[]);
    scene.apply();
    scene.admin("rollout status deployment/web --timeout=60s");
    report(&scene, "1")?;
    // An earlier ReplicaSet without pods, and somebody else's pod.
    scene.admin("set image deployment/web web=registry.example/web:3");
    scene.admin("rollout status deployment/web --timeout=60s");
    scene.admin("run other --image=registry.example/other:1");
    let settled = wait::until("the earlier pods are gone", LIMIT, || {
        let tree = items(scene.vera("tree web dev -o json"));
        let pods = tree.iter().filter(|item| item["kind"] == "Pod" && item["health"] == "Healthy").count();
        Ok((tree.len() == 7 && pods == 2).then_some(tree))
    })?;
    let shape: Vec<_> = settled
        .iter()
        .map(|item| (item["kind"].as_str().unwrap_or_default(), item["parent"]["kind"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        shape,
        [
            ("Release", ""),
            ("Deployment", "Release"),
            ("ReplicaSet", "Deployment"),
            ("Pod", "ReplicaSet"),
            ("Pod", "ReplicaSet"),
            ("ConfigMap", "Release"),
            ("Service", "Release")
        ]
    );
    assert!(settled[3]["id"] == "deployment" && settled[3]["namespace"] == live.name(), "{}", settled[3]);
    let tree = scene.vera("tree web dev").expect_code(0);
    assert_eq!(tree.stderr(), "", "{tree}");
    tree.expect_stdout("Release web-dev")
        .expect_stdout(&format!("├── Deployment {}/web", live.name()))
        .expect_stdout("1 of 2 pods are ready")
        .expect_stdout("│   └── ReplicaSet web-")
        .expect_stdout("│       ├── Pod web-")
        .expect_stdout("└── Service late");
    scene.vera("tree web dev -o name").expect_code(0).expect_stdout("deployment.apps/web\nreplicaset.apps/web-");
    Ok(())
}

fn a_tree_without_rights_or_release_says_so(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    scene.vera("tree web dev").expect_code(1).expect_stderr("web is not pinned in dev");
    scene.release(MANIFESTS, &[]);
    let none = scene.vera("tree web dev -o json").expect_code(0);
    assert_eq!(none.json::<Value>()["items"], json!([]));
    none.expect_stderr("there is no Release web-dev. Is the controller running?");
    report(&scene, "1")?;
    let shown = scene.project.dana("tree web dev").run().expect_code(0).expect_stdout("└── Service late");
    assert_eq!(shown.stderr().lines().count(), 1, "{shown}");
    let live = live.name();
    shown.expect_stderr(&format!(
        "you may not list pods in namespace {live}; you may not list replicasets.apps in namespace {live}"
    ));
    let undeploy = r#"{"spec":{"state":"Undeploy"}}"#;
    let patch = "patch releasebinding web-dev --type=merge -p";
    scene.project.dana_kubectl(patch).args([undeploy]).run().expect_code(0);
    let left =
        scene.vera("tree web dev").expect_code(0).expect_stderr("this is revision 1; revision 2 has not been observed");
    left.expect_stderr("web is undeployed in dev: what is left of it is being removed");
    Ok(())
}

fn a_release_by_itself_is_looked_at_by_its_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let live = live(namespace)?;
    let scene = Scene::open(namespace, &live)?;
    scene.project.dana("create web -f - --no-deploy").stdin(MANIFESTS).run().expect_code(0);
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": { "a": "b" } });
    let release = json!({
        "apiVersion": names::API_VERSION, "kind": "Release", "metadata": { "name": "by-hand" },
        "spec": {
            "owner": { "projectName": "shop", "componentName": "web" }, "environmentName": "dev",
            "resources": [{ "id": "map", "object": map }],
        },
    });
    namespace.kubectl(["create", "-f", "-"]).stdin(release.to_string()).run().expect_code(0);
    scene.vera("diff release/by-hand").expect_code(1).expect_stdout("+++ live/map (missing)\n");
    let got = scene.vera("get release/by-hand").expect_code(0).expect_stdout(&format!("namespace: {}\n", live.name()));
    scene.controller(got.stdout()).run().expect_code(0);
    scene.vera("diff release/by-hand").expect_code(0);
    scene.vera("tree release/by-hand").expect_code(0).expect_stdout("└── ConfigMap web");
    Ok(())
}
