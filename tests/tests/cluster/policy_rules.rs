//! What schemas and the policy `release-rules` refuse without the webhook, and that they take what is right.

use release_shared::names;
use release_tests::{Namespace, trials};
use serde_json::{Value, json};

use super::objects::{
    annotated, binding, component, component_release, created, environment, pipeline, project, release, with,
};
use super::person::{Person, accepts, refused_by_the_server};

trials! {
    policies and oldest:
    what_is_right_is_taken,
    a_schema_refuses_what_it_can_see,
    a_policy_refuses_what_a_schema_cannot_see,
    a_policy_of_an_environment_is_a_known_word,
    what_was_wrong_before_is_no_reason_now,
    a_large_object_is_judged_within_the_budget,
}

/// What is changed, how, and a part of what is said.
type Row = (&'static str, fn(&mut Value), &'static str);

fn release_row((what, change, said): Row) -> (&'static str, Value, &'static str) {
    (what, with(&release("direct"), change), said)
}

fn snapshot_row((what, change, said): Row) -> (&'static str, Value, &'static str) {
    (what, with(&component_release("web", "web-1", "1.0"), change), said)
}

#[track_caller]
fn rejected(person: &Person<'_>, what: &str, object: &Value, said: &str) {
    let told = person.in_dry_run().create(object);
    assert!(told.is_err(), "{what} is taken: {told:?}");
    refused_by_the_server(&told, 422, said);
}

fn object(release: &mut Value) -> &mut Value {
    &mut release["spec"]["resources"][0]["object"]
}

fn template(release: &mut Value) -> &mut Value {
    &mut release["spec"]["componentType"]["spec"]["resources"][0]["template"]
}

fn what_is_right_is_taken(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let policies = [
        ("namespaces", "shop-dev, {project}-more"),
        ("allowed-cluster-kinds", "Namespace, ClusterRole.rbac.authorization.k8s.io"),
        ("allow-inline-secrets", "true"),
        ("service-account", "shop-dev/deployer"),
        ("frozen", "2026-12-24T02:00:00+02:00 ;  end of year; see CHG-7"),
        ("require-reason", "CHG-[0-9]+"),
        ("history-records", "500"),
        ("history-bytes", "4096"),
        ("drift", "enforce"),
        ("orphan-on-delete", "false"),
    ];
    let long = "a".repeat(63);
    let hashed = names::binding_name(&long, "production");
    let objects = [
        project(),
        environment("dev", &policies),
        pipeline("enforce", &[("dev", &["staging", "test"]), ("staging", &["production"]), ("alone", &[])]),
        component("web"),
        component_release("web", "web-1", "1.0"),
        binding("web", "dev", "web-1"),
        with(&binding(&long, "production", "x"), |pin| pin["metadata"]["name"] = hashed.as_str().into()),
        with(&binding("web", "dev", "x"), |pin| {
            pin["metadata"]["name"] = names::binding_name_hashed("web", "dev").into();
        }),
        release("direct"),
        annotated(&release("direct"), &[(names::REASON, &"ä".repeat(256)), (names::LINK, "https://acme.example/1")]),
        with(&release("direct"), |r| r["spec"]["interval"] = "0s".into()),
        with(&release("direct"), |r| r["spec"]["interval"] = "1.5h0.5m".into()),
        with(&release("direct"), |r| object(r)["metadata"]["labels"] = json!({ "a": "b" })),
        with(&component_release("web", "web-1", "1.0"), |r| {
            template(r)["metadata"]["name"] = "${environmentConfigs.size}".into();
        }),
    ];
    objects.iter().for_each(|object| accepts(&admin, object));
    Ok(())
}

fn a_schema_refuses_what_it_can_see(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let releases: [Row; 16] = [
        ("a long name", |r| r["metadata"]["name"] = "a".repeat(64).into(), "may not be more than 63 bytes"),
        ("a name with a dot", |r| r["metadata"]["name"] = "a.b".into(), "metadata.name in body should match"),
        ("no owner", |r| r["spec"]["owner"] = Value::Null, "spec.owner"),
        ("an environment that is no name", |r| r["spec"]["environmentName"] = "A".into(), "spec.environmentName"),
        (
            "an interval of another form",
            |r| r["spec"]["interval"] = "5 minutes".into(),
            "spec.interval in body should match",
        ),
        (
            "an interval too short",
            |r| r["spec"]["interval"] = "999ms".into(),
            "spec.interval: Invalid value: \"999ms\": is out of bounds",
        ),
        (
            "an interval too long",
            |r| r["spec"]["interval"] = "24h0.1s".into(),
            "is out of bounds: write 0s, or between 1s and 24h",
        ),
        ("an interval beyond 64 bits", |r| r["spec"]["interval"] = "2562048h".into(), "spec.interval"),
        (
            "intervals in the wrong order",
            |r| r["spec"]["progressingInterval"] = "6m".into(),
            "progressingInterval is longer than interval",
        ),
        ("an object without a version", |r| object(r)["apiVersion"] = "".into(), "spec.resources[0].object.apiVersion"),
        ("an object without a kind", |r| object(r)["kind"] = "".into(), "spec.resources[0].object.kind"),
        (
            "an object without a name",
            |r| object(r)["metadata"] = json!({}),
            "spec.resources[0].object.metadata.name: Required value",
        ),
        (
            "an object whose name is to be made",
            |r| object(r)["metadata"]["generateName"] = "web-".into(),
            "metadata.generateName is not supported in a release",
        ),
        ("a List", |r| object(r)["kind"] = "List".into(), "a List is not an object"),
        (
            "one of our own kinds",
            |r| {
                object(r)["kind"] = "Project".into();
                object(r)["apiVersion"] = names::API_VERSION.into();
            },
            "one of our own kinds cannot be part of a release",
        ),
        ("an id twice", |r| r["spec"]["resources"][1]["id"] = "deployment".into(), "Duplicate value"),
    ];
    let snapshots: [Row; 6] = [
        (
            "an id that is no label value",
            |r| r["spec"]["componentType"]["spec"]["resources"][0]["id"] = "a/b".into(),
            "resources[0].id in body should match",
        ),
        (
            "a template without a name",
            |r| template(r)["metadata"] = json!({}),
            "template.metadata.name: Required value",
        ),
        (
            "a template whose kind differs",
            |r| template(r)["kind"] = "${environmentConfigs.size}".into(),
            "template.kind\" must not validate",
        ),
        (
            "a template whose name is to be made",
            |r| template(r)["metadata"]["generateName"] = "web-".into(),
            "metadata.generateName is not supported",
        ),
        ("a List", |r| template(r)["kind"] = "List".into(), "a List is not an object"),
        (
            "one of our own kinds",
            |r| {
                template(r)["kind"] = "Release".into();
                template(r)["apiVersion"] = "openchoreo.dev/v1".into();
            },
            "one of our own kinds",
        ),
    ];
    for (what, object, said) in releases.map(release_row).into_iter().chain(snapshots.map(snapshot_row)) {
        rejected(&admin, what, &object, said);
    }
    let misnamed = with(&binding("web", "dev", "x"), |pin| pin["metadata"]["name"] = "web-staging".into());
    rejected(&admin, "a binding of another name", &misnamed, "metadata.name must be <component>-<environment>");
    let state = with(&binding("web", "dev", "x"), |pin| pin["spec"]["state"] = "Paused".into());
    rejected(&admin, "a state that is not known", &state, "spec.state");
    rejected(
        &admin,
        "a step to itself",
        &pipeline("warn", &[("dev", &["dev"])]),
        "leads from an environment to itself",
    );
    Ok(())
}

fn a_policy_refuses_what_a_schema_cannot_see(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let releases: [Row; 7] = [
        (
            "a reserved label",
            |r| object(r)["metadata"]["labels"] = json!({ names::RELEASE_UID_LABEL: "x" }),
            "spec.resources[0].object.metadata.labels: the object of resource deployment has a label that is reserved",
        ),
        (
            "a list of some kind",
            |r| {
                object(r)["kind"] = "PodList".into();
                object(r)["items"] = json!([]);
            },
            "spec.resources[0].object.kind: the object of resource deployment is a list",
        ),
        (
            "an object twice",
            |r| r["spec"]["resources"][1]["object"] = object(r).clone(),
            "spec.resources[1].object: Deployment web stands here twice",
        ),
        (
            "a long reason",
            |r| r["metadata"]["annotations"][names::REASON] = "ä".repeat(257).into(),
            "metadata.annotations[release.openchoreo.dev/reason] has more than 512 bytes",
        ),
        (
            "a reason of two lines",
            |r| r["metadata"]["annotations"][names::REASON] = "a\nb".into(),
            "another control character",
        ),
        (
            "a link with a control character",
            |r| r["metadata"]["annotations"][names::LINK] = "a\u{85}".into(),
            "metadata.annotations[release.openchoreo.dev/link]",
        ),
        (
            "a name that is to be made",
            |r| r["metadata"] = json!({ "generateName": "web-" }),
            "metadata.generateName is not supported: a release is known by its name",
        ),
    ];
    let snapshots: [Row; 2] = [
        (
            "a template with a key that differs",
            |r| template(r)["metadata"]["${environmentConfigs.size}"] = "x".into(),
            "spec.componentType.spec.resources[0].template: apiVersion, kind and keys of resource configmap-web must be written out",
        ),
        (
            "a reserved label",
            |r| template(r)["metadata"]["labels"] = json!({ names::MANAGED_BY_LABEL: "me" }),
            "spec.componentType.spec.resources[0].template.metadata.labels: the object of resource configmap-web has a label",
        ),
    ];
    for (what, object, said) in releases.map(release_row).into_iter().chain(snapshots.map(snapshot_row)) {
        rejected(&admin, what, &object, said);
    }
    let again = "a step from here stands in the pipeline a second time";
    for (steps, at) in [
        (&[("dev", &["staging", "staging"][..])][..], 0),
        (&[("dev", &["staging"][..]), ("dev", &["staging"][..])][..], 1),
    ] {
        let said = format!("spec.promotionPaths[{at}]: {again}");
        rejected(&admin, "a step twice", &pipeline("warn", steps), &said);
    }
    refuses_a_circle(&admin);
    rejected(
        &admin,
        "enforcement",
        &pipeline("on", &[]),
        "[release.openchoreo.dev/enforcement]: \"on\" is not known: write warn or enforce",
    );
    let cut = created(&admin, &component_release("web", "web-1", "1.0"));
    let again = json!({ "metadata": { "annotations": { names::VERSION_ANNOTATION: "2.0" } } });
    refused_by_the_server(
        &admin.merge(&cut, &again),
        422,
        "cannot be changed: a release gets its version when it is cut",
    );
    Ok(())
}

/// A circle of any length up to twelve paths is found, and a line of as many is none.
fn refuses_a_circle(admin: &Person<'_>) {
    let names: Vec<String> = (0..=12).map(|at| format!("stage-{at}")).collect();
    for length in [2, 7, 12] {
        let next = |at: usize| [names[(at + 1) % length].as_str()];
        let targets: Vec<_> = (0..length).map(next).collect();
        let steps: Vec<_> = targets.iter().zip(&names).map(|(to, from)| (from.as_str(), to.as_slice())).collect();
        rejected(
            admin,
            "a circle",
            &pipeline("warn", &steps),
            "spec.promotionPaths: go in a circle (by stage-0, stage-1",
        );
    }
    let targets: Vec<_> = names[1..].iter().map(|name| [name.as_str()]).collect();
    let steps: Vec<_> = targets.iter().zip(&names).map(|(to, from)| (from.as_str(), to.as_slice())).collect();
    accepts(admin, &pipeline("warn", &steps));
}

fn a_policy_of_an_environment_is_a_known_word(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    for (key, values) in [
        ("drift", &["on", ""][..]),
        ("allow-inline-secrets", &["yes"]),
        ("orphan-on-delete", &["True"]),
        (
            "frozen",
            &[
                "true",
                "2026-12-24T00:00:00Z",
                "2026-13-24T00:00:00Z; why",
                "2026-12-24T00:00:00Z; a\nb",
                "2026-12-24T00:00:00Z; ",
            ],
        ),
        ("require-reason", &[""]),
        ("history-records", &["4", "501", "030", "many"]),
        ("history-bytes", &["4095", "196609", "48Ki"]),
        ("namespaces", &["", "a,", "a,a", "A", "kube-system", "default", "release-system", "kube-{project}"]),
        ("allowed-cluster-kinds", &["", "clusterrole", "A.", "A.b-"]),
        ("service-account", &["a", "kube-system/a", "a/B"]),
    ] {
        for value in values {
            rejected(&admin, value, &environment("dev", &[(key, value)]), &format!("release.openchoreo.dev/{key}]"));
        }
    }
    let elsewhere = environment("dev", &[("namespaces", "a, b"), ("service-account", "aa/x")]);
    rejected(&admin, "an account elsewhere", &elsewhere, "release.openchoreo.dev/service-account]");
    Ok(())
}

/// It stays editable, and cannot be made worse.
fn what_was_wrong_before_is_no_reason_now(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    // In a write that changes nothing recorded a reason says nothing, and is not looked at.
    let pin = created(&admin, &binding("web", "dev", "web-1"));
    let long = json!({ "metadata": { "annotations": { names::REASON: "x".repeat(600) } } });
    let pin = admin.merge(&pin, &long).unwrap();
    admin.merge(&pin, &json!({ "spec": { "releaseName": "web-2" } })).unwrap();
    let longer = json!({ "metadata": { "annotations": { names::REASON: "x".repeat(601) } }, "spec": { "releaseName": "web-3" } });
    refused_by_the_server(&admin.merge(&pin, &longer), 422, "has more than 512 bytes");
    Ok(())
}

fn a_large_object_is_judged_within_the_budget(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    for count in [200, 1000] {
        let entry = |at: usize| {
            let data = json!({ "text": "x".repeat(800) });
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("map-{at}") }, "data": data });
            json!({ "id": format!("map-{at}"), "object": object })
        };
        let large =
            with(&release(&format!("large-{count}")), |r| r["spec"]["resources"] = (0..count).map(entry).collect());
        let made = created(&admin, &large);
        let changed = with(&made, |r| r["spec"]["resources"][0]["object"]["data"]["text"] = "other".into());
        let changed = admin.replace(&changed).unwrap();
        let reserved = with(&changed, |r| object(r)["metadata"]["labels"] = json!({ names::RELEASE_UID_LABEL: "x" }));
        let told = admin.replace(&reserved);
        refused_by_the_server(&told, 422, "a label that is reserved");
    }
    let targets: Vec<String> = (0..100).map(|at| format!("environment-{at}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let sources: Vec<String> = (0..100).map(|at| format!("source-{at}")).collect();
    let steps: Vec<(&str, &[&str])> = sources.iter().map(|source| (source.as_str(), targets.as_slice())).collect();
    accepts(&admin, &pipeline("warn", &steps));
    accepts(&admin, &pipeline("warn", &[("dev", &targets[..60])]));
    // As many paths and steps as are looked at, before and after.
    let dense: Vec<(&str, &[&str])> = (0..12).map(|at| (targets[at], &targets[at + 1..at + 6])).collect();
    let made = created(&admin, &pipeline("warn", &dense));
    let turned = with(&made, |pipeline| pipeline["spec"]["promotionPaths"].as_array_mut().unwrap().reverse());
    admin.replace(&turned).unwrap();
    Ok(())
}
