//! The person behind an account that may speak for others, such as that of a GitOps controller.

use anyhow::ensure;
use release_shared::names;
use release_tests::install::SPEAKER;
use release_tests::{Namespace, fixture, trials};
use serde_json::{Value, json};

use super::objects::{Shop, annotated, annotation, binding, created, records};
use super::person::{Person, refused};

trials! {
    admission:
    both_names_are_recorded_and_shown,
    from_anybody_else_it_says_nothing,
    a_person_is_named_anew_with_each_change,
}

fn speaker<'a>(namespace: &'a Namespace<'a>) -> anyhow::Result<Person<'a>> {
    Ok(Person::with_role(namespace, SPEAKER, "release-developer")?.managing_as("argocd-controller"))
}

fn for_whom(person: &str, release: &str) -> Value {
    annotated(&binding("web", "dev", release), &[(names::ON_BEHALF_OF, person)])
}

fn both_names_are_recorded_and_shown(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let argo = speaker(namespace)?;
    let pin = argo.apply(&for_whom("jane@acme.example", "web-1")).unwrap();
    let record = records(&pin).pop().unwrap();
    assert_eq!((record.by.as_str(), record.on_behalf_of.as_deref()), (SPEAKER, Some("jane@acme.example")));
    assert_eq!(annotation(&pin, names::CHANGED_BY), Some(SPEAKER));

    let both = format!("jane@acme.example (via {SPEAKER})");
    shop.omar.release(["history", "web"]).run().expect_code(0).expect_stdout(&both);
    shop.omar.release(["status", "web"]).run().expect_code(0).expect_stdout(&both);
    for name in ["jane@acme.example", SPEAKER] {
        let found: Value =
            shop.omar.release(["history", "web", "--by", name, "-o", "json"]).run().expect_code(0).json();
        assert_eq!(
            (&found["items"][0]["by"], &found["items"][0]["onBehalfOf"]),
            (&json!(SPEAKER), &json!("jane@acme.example"))
        );
    }
    Ok(())
}

fn from_anybody_else_it_says_nothing(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let told = shop.omar.kubectl_on(&["create", "-f", "-"], &for_whom("jane", "web-1"));
    assert_eq!(
        told.stderr(),
        "Warning: metadata.annotations[release.openchoreo.dev/on-behalf-of]: \"jane\" is not recorded: omar is no account that may speak \
         for others; the platform names those accounts to the webhook (--on-behalf-of)\n"
    );
    let pin = shop.omar.get(&binding("web", "dev", "web-1")).unwrap();
    assert_eq!((records(&pin)[0].by.as_str(), records(&pin)[0].on_behalf_of.as_deref()), ("omar", None));
    assert_eq!(annotation(&pin, names::ON_BEHALF_OF), Some("jane"), "what a client writes stays");
    // It is said once. What is inert need not be well-formed either.
    let patch = r#"{"spec":{"state":"Undeploy"}}"#;
    let told =
        shop.omar.kubectl(["patch", "releasebinding", "web-dev", "--type=merge", "-p", patch]).run().expect_code(0);
    assert_eq!(told.stderr(), "");
    created(&shop.omar, &annotated(&binding("web", "staging", "web-1"), &[(names::ON_BEHALF_OF, &"x".repeat(600))]));
    Ok(())
}

fn a_person_is_named_anew_with_each_change(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installation = fixture::admission()?;
    let shop = Shop::open(namespace, "warn")?;
    let argo = speaker(namespace)?;
    argo.apply(&for_whom("jane", "web-1")).unwrap();
    argo.apply(&for_whom("jane", "web-2")).unwrap();
    let pin = argo.apply(&for_whom("omar", "web-1")).unwrap();
    let people = |pin: &Value| records(pin).into_iter().map(|record| record.on_behalf_of).collect::<Vec<_>>();
    assert_eq!(people(&pin), [Some("jane".to_owned()), None, Some("omar".to_owned())], "a stale name is nobody's");
    // The plugin says each time what it says, and never speaks for others.
    let plugin = argo.managing_as(names::PLUGIN_MANAGER);
    let pin = plugin.merge(&pin, &json!({ "spec": { "state": "Undeploy" } })).unwrap();
    assert_eq!(people(&pin)[3], None);
    let field = "metadata.annotations[release.openchoreo.dev/on-behalf-of]";
    for (name, code) in [("x".repeat(513), "TooLong"), ("jane\nomar".to_owned(), "ControlCharacter")] {
        refused(&argo.apply(&for_whom(&name, "web-2")), 422, &[(field, code)]);
    }
    ensure!(people(&shop.jane.get(&pin).unwrap()).len() == 4);
    Ok(())
}
