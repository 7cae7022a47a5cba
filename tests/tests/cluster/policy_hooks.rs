//! The hooks of the webhook stay as they are installed, whoever may write webhook configurations; the way out stays open for administrators.

use anyhow::ensure;
use release_tests::{Namespace, trials};
use serde_json::{Value, json};

use super::person::Person;

trials! { policies and oldest: who_may_write_configurations_cannot_touch_our_hooks }

const KINDS: [(&str, &str); 2] = [
    ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
];

/// A configuration whose hook meets nothing that there is.
fn configuration(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": name },
        "webhooks": [{
            "name": "hook.tests.example", "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 10,
            "clientConfig": { "service": { "namespace": "release-system", "name": "release-webhook", "path": "/mutate" } },
            "rules": [{ "apiGroups": ["tests.example"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"] }],
        }],
    })
}

/// A person with these verbs on all webhook configurations, and with `bypass` on ours where that is said.
fn person<'a>(namespace: &'a Namespace<'a>, user: &str, bypass: bool) -> anyhow::Result<Person<'a>> {
    let admin = Person::admin(namespace);
    let role = format!("{}-{user}", namespace.name());
    let resources = KINDS.map(|(_, plural)| plural);
    let group = ["admissionregistration.k8s.io"];
    let mut rules = vec![json!({
        "apiGroups": group, "resources": resources, "verbs": ["get", "list", "create", "update", "patch", "delete", "deletecollection"],
    })];
    if bypass {
        let ours = ["release-webhook"];
        rules.push(json!({ "apiGroups": group, "resources": resources, "resourceNames": ours, "verbs": ["bypass"] }));
    }
    let api = "rbac.authorization.k8s.io/v1";
    let object = json!({ "apiVersion": api, "kind": "ClusterRole", "metadata": { "name": role }, "rules": rules });
    admin.kubectl_on(&["create", "-f", "-"], &object);
    let object = json!({
        "apiVersion": api, "kind": "ClusterRoleBinding", "metadata": { "name": role },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
    });
    admin.kubectl_on(&["create", "-f", "-"], &object);
    Person::of(namespace, namespace.control_plane().user(user, &[])?)
}

fn who_may_write_configurations_cannot_touch_our_hooks(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let operator = person(namespace, "operator", false)?;
    let owner = person(namespace, "owner", true)?;
    for (kind, plural) in KINDS {
        operator.kubectl_on(&["create", "-f", "-"], &configuration(kind, "release-webhook"));
        operator.kubectl_on(&["create", "-f", "-"], &configuration(kind, namespace.name()));
        let patch = |person: &Person<'_>, name: &str, step: &Value| {
            let steps = json!([step]).to_string();
            let told = person.kubectl(["patch", plural, name, "--type=json", "-p", &steps]).run();
            (told.code(), told.stderr().to_owned())
        };
        let set =
            |path: &str, value: Value| json!({ "op": "add", "path": format!("/webhooks/0/{path}"), "value": value });
        let mut weaker = vec![
            set("failurePolicy", "Ignore".into()),
            set("timeoutSeconds", 1.into()),
            set("namespaceSelector", json!({ "matchLabels": { "a": "b" } })),
            set("objectSelector", json!({ "matchLabels": { "a": "b" } })),
            set("matchConditions", json!([{ "name": "never", "expression": "false" }])),
            set("matchPolicy", "Exact".into()),
            set("rules/0/operations", json!(["UPDATE"])),
            set("name", "another.tests.example".into()),
            set("sideEffects", "NoneOnDryRun".into()),
            set("clientConfig/service/namespace", "default".into()),
            set("clientConfig", json!({ "url": "https://nowhere.example/mutate" })),
            json!({ "op": "remove", "path": "/webhooks/0" }),
            json!({ "op": "add", "path": "/webhooks/-", "value": configuration(kind, "x")["webhooks"][0].as_object().map(|hook| {
                let mut hook = hook.clone();
                hook.insert("name".to_owned(), "second.tests.example".into());
                hook
            }) }),
        ];
        if kind == "MutatingWebhookConfiguration" {
            weaker.push(set("reinvocationPolicy", "IfNeeded".into()));
        }
        for step in &weaker {
            let (code, told) = patch(&operator, "release-webhook", step);
            ensure!(
                code == Some(1)
                    && told.contains(
                        "operator may not change the hooks of the release webhook: that takes the verb bypass on"
                    ),
                "{kind} {step}: {code:?} {told}"
            );
        }
        // What is the webhook's, or an injector's, and what is nobody's business.
        for step in [
            set("clientConfig/caBundle", "Q0E=".into()),
            json!({ "op": "add", "path": "/metadata/labels", "value": { "a": "b" } }),
        ] {
            assert_eq!(patch(&operator, "release-webhook", &step), (Some(0), String::new()), "{kind} {step}");
        }
        // Everybody else's are as they were before there was a policy.
        assert_eq!(patch(&operator, namespace.name(), &weaker[0]), (Some(0), String::new()), "{kind}");

        let refused = format!(
            "operator may not delete the hooks of the release webhook: that takes the verb bypass on {plural}/release-webhook"
        );
        for delete in [&["delete", plural, "release-webhook"][..], &["delete", plural, "--all"]] {
            let told = operator.kubectl(delete.iter().copied()).run().expect_code(1);
            ensure!(told.stderr().contains(&refused), "{}", told.stderr());
        }
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
        let collection = operator.kubectl(["delete", "--raw", &path]).run().expect_code(1);
        ensure!(collection.stderr().contains("may not delete the hooks"), "{}", collection.stderr());
        assert_eq!(patch(&owner, "release-webhook", &weaker[0]), (Some(0), String::new()), "{kind}");
        owner.kubectl(["delete", plural, "release-webhook"]).run().expect_code(0);
    }
    Ok(())
}
