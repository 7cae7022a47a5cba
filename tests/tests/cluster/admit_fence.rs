//! What an Environment lets in: into which namespaces, and of which kinds.

use anyhow::ensure;
use release_shared::fence::{self, Scope};
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, binding, component_release, created, environment, object, release, with};
use super::person::{Person, accepts, refused, until_refused};
use super::project::{MANIFESTS, Project};

trials! {
    admission:
    a_release_goes_into_the_namespaces_that_its_environment_lists,
    what_concerns_the_whole_cluster_or_gives_rights_is_let_in_by_name,
    a_pin_is_refused_for_what_its_release_brings,
    what_was_let_in_once_stays_editable,
    the_plugin_refuses_before_anything_is_sent,
    init_gives_each_project_namespaces_of_its_own,
    the_built_in_kinds_are_those_of_the_api_server,
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const NAMESPACE_FIELD: &str = "spec.resources[0].object.metadata.namespace";
const KIND_FIELD: &str = "spec.resources[0].object.kind";

/// The Release that the API's documentation shows: two objects with an explicit namespace.
fn customer_service() -> Value {
    let mut release = object(
        Kind::Release,
        "customer-service-prod-release",
        json!({
            "owner": { "projectName": "my-project", "componentName": "customer-service" },
            "environmentName": "production", "interval": "5m", "progressingInterval": "10s",
            "resources": [
                { "id": "deployment", "object": {
                    "apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": { "name": "customer-service", "namespace": "prod-data-plane" }, "spec": { "replicas": 3 },
                }},
                { "id": "service", "object": {
                    "apiVersion": "v1", "kind": "Service",
                    "metadata": { "name": "customer-service", "namespace": "prod-data-plane" },
                }},
            ],
        }),
    );
    release["metadata"]["annotations"] = json!({ names::DISPLAY_NAME: "Customer service" });
    release
}

/// A Release of `web` in an environment with one object.
fn of(environment: &str, version: &str, kind: &str, in_namespace: Option<&str>) -> Value {
    with(&release("web-direct"), |r| {
        r["spec"]["environmentName"] = environment.into();
        r["spec"]["resources"] =
            json!([{ "id": "x", "object": { "apiVersion": version, "kind": kind, "metadata": { "name": "x" } } }]);
        if let Some(namespace) = in_namespace {
            r["spec"]["resources"][0]["object"]["metadata"]["namespace"] = namespace.into();
        }
    })
}

/// Goes on only when creating that is refused by policy, for this.
#[track_caller]
fn forbids(person: &Person<'_>, object: &Value, expected: &[(&str, &str)]) {
    refused(&person.in_dry_run().create(object), 403, expected);
}

fn a_release_goes_into_the_namespaces_that_its_environment_lists(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    // Before there is an Environment nobody knows what it lets in.
    accepts(&shop.jane, &customer_service());
    let production = created(&shop.pat, &environment("production", &[("namespaces", "{project}-production")]));
    let outside = |at: usize| format!("spec.resources[{at}].object.metadata.namespace");
    let [first, second] = [outside(0), outside(1)];
    let both = [(first.as_str(), "OutsideNamespace"), (second.as_str(), "OutsideNamespace")];
    // No waiting: what the cache does not know yet is looked up.
    let told = shop.jane.in_dry_run().create(&customer_service());
    let status = refused(&told, 403, &both);
    ensure!(status.message.contains("its own are my-project-production"), "{status:?}");

    let listed =
        json!({ "metadata": { "annotations": { names::NAMESPACES: "{project}-production,prod-data-plane" } } });
    shop.pat.merge(&production, &listed).expect("a platform engineer may");
    created(&shop.jane, &customer_service());
    accepts(&shop.jane, &of("production", "v1", "ConfigMap", Some("shop-production")));
    for forbidden in ["kube-system", "default", "release-system", namespace.name()] {
        let release = of("production", "v1", "ConfigMap", Some(forbidden));
        forbids(&shop.jane, &release, &[(NAMESPACE_FIELD, "OutsideNamespace")]);
    }
    // One that lists none has a namespace of its own, which is named after all three.
    created(&shop.pat, &environment("dev", &[]));
    let own = fence::generated_namespace(namespace.name(), "shop", "dev");
    let cause = [(NAMESPACE_FIELD, "OutsideNamespace")];
    forbids(&shop.jane, &of("dev", "v1", "ConfigMap", Some("shop-dev")), &cause);
    accepts(&shop.jane, &of("dev", "v1", "ConfigMap", Some(&own)));
    accepts(&shop.jane, &of("dev", "v1", "ConfigMap", None));
    // Also what no built-in table knows is judged by the namespace that it names.
    accepts(&shop.jane, &of("dev", "example.org/v1", "Widget", None));
    forbids(&shop.jane, &of("dev", "example.org/v1", "Widget", Some("elsewhere")), &cause);
    Ok(())
}

fn what_concerns_the_whole_cluster_or_gives_rights_is_let_in_by_name(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let dev = created(&shop.pat, &environment("dev", &[]));
    let kinds = [
        (RBAC, "ClusterRoleBinding", "ClusterRoleBinding.rbac.authorization.k8s.io"),
        (RBAC, "RoleBinding", "RoleBinding.rbac.authorization.k8s.io"),
        ("v1", "Namespace", "Namespace"),
        ("v1", "PersistentVolume", "PersistentVolume"),
        ("storage.k8s.io/v1", "VolumeAttributesClass", "VolumeAttributesClass.storage.k8s.io"),
    ];
    let cause = [(KIND_FIELD, "ClusterKind")];
    for (version, kind, _) in kinds {
        forbids(&shop.jane, &of("dev", version, kind, None), &cause);
    }
    let all: Vec<_> = kinds.iter().map(|(_, _, name)| *name).collect();
    let listed = json!({ "metadata": { "annotations": { names::ALLOWED_CLUSTER_KINDS: all.join(", ") } } });
    shop.pat.merge(&dev, &listed).expect("a platform engineer may");
    for (version, kind, _) in kinds {
        accepts(&shop.jane, &of("dev", version, kind, None));
    }
    forbids(&shop.jane, &of("dev", RBAC, "ClusterRole", None), &cause);
    Ok(())
}

fn a_pin_is_refused_for_what_its_release_brings(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let template = |version: &str, kind: &str, namespace: &str| {
        json!({
            "apiVersion": version, "kind": kind, "metadata": { "name": "x", "namespace": namespace },
        })
    };
    let brings = with(&component_release("web", "web-3", "3.0"), |r| {
        r["spec"]["componentType"]["spec"]["resources"] = json!([
            { "id": "here", "template": template("v1", "ConfigMap", "${metadata.namespace}") },
            { "id": "there", "template": template("v1", "ConfigMap", "prod-data-plane") },
            { "id": "rights", "template": template(RBAC, "RoleBinding", "prod-data-plane") },
        ]);
    });
    created(&shop.jane, &brings);
    let pin = binding("web", "dev", "web-3");
    let place = "spec.releaseName";
    let told = shop.jane.in_dry_run().create(&pin);
    let status = refused(&told, 403, &[(place, "OutsideNamespace"), (place, "ClusterKind")]);
    for part in ["resource there of web-3 (ConfigMap x)", "resource rights of web-3 (RoleBinding x)"] {
        ensure!(status.message.contains(part), "{status:?}");
    }
    let dev = environment("dev", &[]);
    let policy = json!({
        names::NAMESPACES: "{project}-dev,prod-data-plane",
        names::ALLOWED_CLUSTER_KINDS: "RoleBinding.rbac.authorization.k8s.io",
    });
    shop.pat.merge(&dev, &json!({ "metadata": { "annotations": policy } })).expect("a platform engineer may");
    let pin = created(&shop.jane, &pin);

    // What was let in once may be configured, also when it would not be let in any more; it is not let in anew.
    let none =
        json!({ "metadata": { "annotations": { names::NAMESPACES: null, names::ALLOWED_CLUSTER_KINDS: null } } });
    shop.pat.merge(&dev, &none).expect("a platform engineer may");
    let again = with(&brings, |r| {
        r["metadata"]["name"] = "web-4".into();
        r["spec"]["componentType"]["spec"]["resources"][0]["template"]["data"] = json!({ "a": "b" });
        r["metadata"]["annotations"][names::VERSION_ANNOTATION] = "4.0".into();
    });
    created(&shop.jane, &again);
    let next = json!({ "spec": { "releaseName": "web-4" } });
    let causes = [(place, "OutsideNamespace"), (place, "ClusterKind")];
    until_refused("the webhook has seen it", || shop.jane.in_dry_run().merge(&pin, &next), 403, &causes)?;
    shop.jane.merge(&pin, &json!({ "metadata": { "labels": { "a": "b" } } })).expect("nothing recorded changes");
    shop.jane.merge(&pin, &json!({ "spec": { "state": "Undeploy" } })).expect("the fault is an old one");
    Ok(())
}

fn what_was_let_in_once_stays_editable(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::people(namespace)?;
    let direct = of("dev", "v1", "ConfigMap", Some("elsewhere"));
    let direct = created(&shop.jane, &direct);
    created(&shop.pat, &environment("dev", &[]));
    let other = with(&direct, |r| r["metadata"] = json!({ "name": "other" }));
    let cause = [(NAMESPACE_FIELD, "OutsideNamespace")];
    forbids(&shop.jane, &other, &cause);

    shop.jane
        .merge(&direct, &json!({ "metadata": { "finalizers": ["tests/held"] } }))
        .expect("nothing recorded changes");
    shop.jane.merge(&direct, &json!({ "metadata": { "finalizers": null } })).expect("nothing recorded changes");
    shop.jane.merge(&direct, &json!({ "spec": { "interval": "7m" } })).expect("the fault is an old one");
    let moved = with(&shop.jane.get(&direct).unwrap(), |r| {
        r["spec"]["resources"][0]["object"]["metadata"]["name"] = "y".into();
    });
    refused(&shop.jane.replace(&moved), 403, &cause);
    Ok(())
}

fn the_plugin_refuses_before_anything_is_sent(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let elsewhere = MANIFESTS.replacen("name: web\n", "name: web\n  namespace: elsewhere\n", 1);
    let kept = project.dana("create web -f - --keep-namespace").stdin(elsewhere.as_str()).run().expect_code(3);
    kept.expect_stderr("resource deployment of web-")
        .expect_stderr("dev does not let objects into namespace elsewhere; its own are shop-dev");
    project.dana("create web -f -").stdin(elsewhere).run().expect_code(0);
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: web}\nrules: []\n";
    let role = format!("{MANIFESTS}---\n{role}");
    let refused = project.dana("create web -f -").stdin(role.as_str()).run().expect_code(3);
    refused.expect_stderr("dev does not take a ClusterRole, which concerns the whole cluster");

    // What the first environment takes the next one need not.
    let dev = environment("dev", &[]);
    let kinds = json!({ names::ALLOWED_CLUSTER_KINDS: "ClusterRole.rbac.authorization.k8s.io" });
    Person::admin(namespace).merge(&dev, &json!({ "metadata": { "annotations": kinds } })).expect("the admin may");
    project.dana("create web -f -").stdin(role).run().expect_code(0);
    let refused = project.dana("promote web --to staging").run().expect_code(3);
    refused.expect_stderr("refused, and nothing was sent").expect_stderr("staging does not take a ClusterRole");
    Ok(())
}

fn init_gives_each_project_namespaces_of_its_own(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::admission()?;
    let project = Project::open(namespace)?;
    let admin = Person::admin(namespace);
    let listed = |name: &str| {
        let environment = admin.get(&environment(name, &[])).unwrap();
        environment["metadata"]["annotations"][names::NAMESPACES].clone()
    };
    for name in ["dev", "staging", "production"] {
        assert_eq!(listed(name), format!("{{project}}-{name}"));
    }
    // What somebody else has written stays, also where init writes the environment.
    for (name, value) in [("dev", json!("shared")), ("staging", Value::Null)] {
        let list = json!({ "metadata": { "annotations": { names::NAMESPACES: value } } });
        admin.merge(&environment(name, &[]), &list).expect("the admin may");
    }
    let again = project
        .petra("init shop --environments dev,staging,production --production dev,staging")
        .run()
        .expect_code(0)
        .expect_stdout("environment.openchoreo.dev/dev configured")
        .expect_stderr("environment.openchoreo.dev/dev exists and keeps its namespaces: shared")
        .expect_stderr("environment.openchoreo.dev/staging exists and lists no namespaces");
    ensure!(!again.stderr().contains("production"), "{again}");
    assert_eq!([listed("dev"), listed("staging")], [json!("shared"), Value::Null]);
    let forbidden = project.petra("init kube --environments production").run().expect_code(3);
    forbidden.expect_stderr("project kube would go into namespace kube-production in production");
    Ok(())
}

/// The table is written down; a newer API server may serve what it does not know.
fn the_built_in_kinds_are_those_of_the_api_server(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let told = Person::admin(namespace).kubectl(["api-resources", "--no-headers"]).run().expect_code(0);
    let mut seen = 0;
    for line in told.stdout().lines() {
        let [.., version, namespaced, kind] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            anyhow::bail!("not a kind: {line}")
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        // Of somebody else's definitions nothing is known beforehand.
        if group.contains('.') && !group.ends_with(".k8s.io") {
            continue;
        }
        seen += 1;
        let scope = if namespaced == "true" { Scope::Namespaced } else { Scope::Cluster };
        assert_eq!(fence::built_in_scope(group, kind), Some(scope), "{line}");
    }
    ensure!(seen > 50, "only {seen} kinds:\n{}", told.stdout());
    Ok(())
}
