use super::*;

const FREEZE: &str = "2026-01-02T13:00:00Z; inventory";

fn frozen(text: &str) -> World {
    let mut world = world("warn");
    let environment = json!({"metadata": {"annotations": {names::FROZEN: text}}});
    world.put(Kind::Environment, "dev", Some(&environment));
    world
}

/// What refuses a change in `dev` while it is frozen like that.
fn refused(text: &str, kind: Kind, new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let name = if kind == Kind::Release { "by-hand" } else { "web-dev" };
    let change = Change { kind, name, new, old, user: Some("jane"), manager: None, now: NOON.parse().ok() };
    validate(&change, Some(&frozen(text))).violations
}

fn codes_of(violations: &[Violation]) -> Vec<(&str, &str)> {
    violations.iter().map(|violation| (violation.path.as_str(), violation.code)).collect()
}

fn with(object: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = object.clone();
    change(&mut object);
    object
}

#[test]
fn nothing_that_is_recorded_changes_while_it_is_frozen() {
    let pin = binding("web", "dev", "web-1");
    let direct = release(|_| {});
    for (what, kind, new, old, path) in [
        ("a pin", Kind::ReleaseBinding, pin.clone(), None, Some("spec.environment")),
        (
            "its state",
            Kind::ReleaseBinding,
            with(&pin, |b| b["spec"]["state"] = "Undeploy".into()),
            Some(&pin),
            Some("spec.environment"),
        ),
        (
            "a restart",
            Kind::ReleaseBinding,
            with(&pin, |b| b["metadata"]["annotations"] = json!({names::RESTARTED_AT: "x"})),
            Some(&pin),
            Some("spec.environment"),
        ),
        (
            "a label",
            Kind::ReleaseBinding,
            with(&pin, |b| b["metadata"]["labels"] = json!({"a": "b"})),
            Some(&pin),
            None,
        ),
        (
            "another owner",
            Kind::ReleaseBinding,
            with(&pin, |b| {
                b["metadata"]["ownerReferences"] = json!([{"kind": "ConfigMap", "name": "none", "uid": "1"}])
            }),
            Some(&pin),
            Some("metadata.ownerReferences"),
        ),
        (
            "a reason alone",
            Kind::ReleaseBinding,
            with(&pin, |b| b["metadata"]["annotations"] = json!({names::REASON: "x"})),
            Some(&pin),
            None,
        ),
        ("a Release by hand", Kind::Release, direct.clone(), None, Some("spec.environmentName")),
        (
            "its interval",
            Kind::Release,
            with(&direct, |r| r["spec"]["interval"] = "9m".into()),
            Some(&direct),
            Some("spec.environmentName"),
        ),
    ] {
        let violations = refused(FREEZE, kind, &new, old);
        let expected: Vec<_> = path.into_iter().map(|path| (path, "Frozen")).collect();
        assert_eq!(codes_of(&violations), expected, "{what}");
        assert!(violations.iter().all(|violation| violation.class == Class::Policy), "{what}");
        assert_eq!(refused("2026-01-02T12:00:00Z; over", kind, &new, old), [], "{what}");
        assert_eq!(refused("for ever", kind, &new, old), [], "what cannot be read says nothing");
    }
    let elsewhere = binding("web", "staging", "web-1");
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-staging",
        new: &elsewhere,
        old: None,
        user: None,
        manager: None,
        now: NOON.parse().ok(),
    };
    assert_eq!(validate(&change, Some(&frozen(FREEZE))).violations, []);
    // Nobody is about to write anything.
    assert_eq!(
        validate(&Change { now: None, new: &pin, name: "web-dev", ..change }, Some(&frozen(FREEZE))).violations,
        []
    );
}

#[test]
fn what_is_rendered_follows_its_pin() {
    let owned = release(|release| {
        release["metadata"]["ownerReferences"] = json!([{"apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "name": "web-dev", "uid": "u", "controller": true}]);
    });
    let mut world = frozen(FREEZE);
    world.put(Kind::ReleaseBinding, "web-dev", Some(&binding("web", "dev", "web-1")));
    let change = Change {
        kind: Kind::Release,
        name: "web-dev",
        new: &owned,
        old: None,
        user: Some(names::CONTROLLER_USER),
        manager: None,
        now: NOON.parse().ok(),
    };
    assert_eq!(validate(&change, Some(&world)).violations, []);
    let later = with(&owned, |release| release["spec"]["interval"] = "9m".into());
    assert_eq!(validate(&Change { new: &later, old: Some(&owned), ..change }, Some(&world)).violations, []);
}

#[test]
fn the_refusal_says_until_when_why_and_who_may() {
    let pin = binding("web", "dev", "web-1");
    let found = refused(FREEZE, Kind::ReleaseBinding, &pin, None);
    insta::assert_snapshot!(found[0]);
    assert_eq!(found[0].rests_on, Some(RestsOn::Object(Kind::Environment, "dev".into())));
    assert_eq!(found[0].permission.as_ref().unwrap().to_string(), "bypass on environments/dev");
}

#[test]
fn nothing_is_deleted_there_either() {
    let deleted_by = |user, kind: Kind, object: &Value, text: &str| {
        let deletion = Deletion { kind, name: "web-dev", object, user: Some(user), now: NOON.parse().unwrap() };
        validate_deletion(&deletion, &frozen(text)).violations
    };
    let deleted = |kind, object: &Value, text| deleted_by("jane", kind, object, text);
    let pin = binding("web", "dev", "web-1");
    let found = deleted(Kind::ReleaseBinding, &pin, FREEZE);
    insta::assert_snapshot!(found[0]);
    assert_eq!(codes_of(&found), [("spec.environment", "Frozen")]);
    assert_eq!(codes_of(&deleted(Kind::Release, &release(|_| {}), FREEZE)), [("spec.environmentName", "Frozen")]);
    let owned = release(|release| {
        release["metadata"]["ownerReferences"] = json!([{"apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "name": "web-dev", "uid": "u", "controller": true}]);
    });
    let leaving = with(&pin, |b| b["metadata"]["deletionTimestamp"] = NOON.into());
    assert_eq!(codes_of(&deleted(Kind::Release, &owned, FREEZE)), [("spec.environmentName", "Frozen")], "it runs");
    assert_eq!(deleted_by(names::CONTROLLER_USER, Kind::Release, &owned, FREEZE), [], "it follows its pin");
    for (what, kind, object, text) in [
        ("what is being deleted", Kind::ReleaseBinding, &leaving, FREEZE),
        ("in time", Kind::ReleaseBinding, &pin, "2026-01-02T12:00:00Z; over"),
        ("a component", Kind::Component, &json!({"spec": {"owner": {"projectName": "shop"}}}), FREEZE),
        ("the environment", Kind::Environment, &json!({}), FREEZE),
    ] {
        assert_eq!(deleted(kind, object, text), [], "{what}");
    }
}

#[test]
fn thawing_and_freezing_go_on() {
    let environment = |text: &str| json!({"metadata": {"annotations": {names::FROZEN: text}}});
    for (new, old) in
        [(json!({}), environment(FREEZE)), (environment("2026-02-02T13:00:00Z; more"), environment(FREEZE))]
    {
        let change = Change {
            kind: Kind::Environment,
            name: "dev",
            new: &new,
            old: Some(&old),
            user: None,
            manager: None,
            now: NOON.parse().ok(),
        };
        assert_eq!(validate(&change, Some(&frozen(FREEZE))).violations, []);
    }
}
