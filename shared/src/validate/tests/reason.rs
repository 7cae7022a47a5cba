use super::*;

fn requiring(policy: &str) -> World {
    let mut world = world("warn");
    let environment = json!({"metadata": {"annotations": {names::REQUIRE_REASON: policy}}});
    world.put(Kind::Environment, "dev", Some(&environment));
    world
}

fn pin(reason: Option<&str>, state: &str) -> Value {
    let mut pin = binding("web", "dev", "web-1");
    pin["spec"]["state"] = state.into();
    if let Some(reason) = reason {
        pin["metadata"]["annotations"] = json!({names::REASON: reason});
    }
    pin
}

fn refused(policy: &str, manager: Option<&str>, new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let change =
        Change { kind: Kind::ReleaseBinding, name: "web-dev", new, old, user: None, manager, now: NOON.parse().ok() };
    validate(&change, Some(&requiring(policy))).violations
}

#[test]
fn a_change_needs_a_reason_of_its_own() {
    let plugin = Some(names::PLUGIN_MANAGER);
    let (on, off) = ("Active", "Undeploy");
    let table = [
        ("made without", "true", None, pin(None, on), None, Some("ReasonRequired")),
        ("made with", "true", None, pin(Some("why"), on), None, None),
        ("an empty one", "true", None, pin(Some(""), on), None, Some("ReasonRequired")),
        (
            "changed with a stale one",
            "true",
            None,
            pin(Some("why"), off),
            Some(pin(Some("why"), on)),
            Some("ReasonRequired"),
        ),
        ("changed with a new one", "true", None, pin(Some("because"), off), Some(pin(Some("why"), on)), None),
        ("the plugin says it again", "true", plugin, pin(Some("why"), off), Some(pin(Some("why"), on)), None),
        (
            "the plugin says nothing",
            "true",
            plugin,
            pin(Some(""), off),
            Some(pin(Some("why"), on)),
            Some("ReasonRequired"),
        ),
        ("nothing changes", "true", None, pin(None, on), Some(pin(Some("why"), on)), None),
        ("none is wanted", "false", None, pin(None, on), None, None),
        ("what cannot be read wants none", "yes", None, pin(None, on), None, None),
        ("it matches", "^OPS-[0-9]+", None, pin(Some("OPS-12: disk"), on), None, None),
        ("it does not", "^OPS-[0-9]+", None, pin(Some("see OPS-12"), on), None, Some("ReasonPattern")),
        ("there is none to match", "^OPS-[0-9]+", None, pin(None, on), None, Some("ReasonRequired")),
        (
            "a stale one that matches",
            "^OPS-[0-9]+",
            None,
            pin(Some("OPS-1"), off),
            Some(pin(Some("OPS-1"), on)),
            Some("ReasonRequired"),
        ),
    ];
    for (what, policy, manager, new, old, code) in table {
        let found = refused(policy, manager, &new, old.as_ref());
        assert_eq!(
            found.iter().map(|violation| violation.code).collect::<Vec<_>>(),
            code.into_iter().collect::<Vec<_>>(),
            "{what}"
        );
        for violation in found {
            assert_eq!(violation.path.as_str(), "metadata.annotations[release.openchoreo.dev/reason]");
            assert_eq!((violation.class, violation.permission), (Class::Policy, None), "nobody goes past it");
            assert_eq!(violation.rests_on, Some(RestsOn::Object(Kind::Environment, "dev".into())));
        }
    }
}

#[test]
fn a_release_by_hand_needs_one_and_what_is_rendered_does_not() {
    let judged = |new: &Value, user: &str| {
        let mut world = requiring("true");
        if user == names::CONTROLLER_USER {
            world.put(Kind::ReleaseBinding, "web-dev", Some(&binding("web", "dev", "web-1")));
        }
        let change = Change {
            kind: Kind::Release,
            name: "web-dev",
            new,
            old: None,
            user: Some(user),
            manager: None,
            now: NOON.parse().ok(),
        };
        validate(&change, Some(&world)).violations.iter().map(|violation| violation.code).collect::<Vec<_>>()
    };
    assert_eq!(judged(&release(|_| {}), "jane"), ["ReasonRequired"]);
    let owned = release(|release| {
        release["metadata"]["ownerReferences"] = json!([{"apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "name": "web-dev", "uid": "u", "controller": true}]);
    });
    assert_eq!(judged(&owned, names::CONTROLLER_USER), [""; 0]);
}

#[test]
fn the_refusal_says_how_to_give_one() {
    let stale = pin(Some("OPS-1"), "Active");
    let told = [
        refused("true", None, &pin(None, "Active"), None),
        refused("true", None, &pin(Some("OPS-1"), "Undeploy"), Some(&stale)),
        refused("^OPS-[0-9]+$", None, &pin(Some("please"), "Active"), None),
        refused("^OPS-[0-9]+$", None, &pin(None, "Active"), None),
    ];
    insta::assert_snapshot!(told.iter().map(|found| found[0].to_string()).collect::<Vec<_>>().join("\n"));
}
