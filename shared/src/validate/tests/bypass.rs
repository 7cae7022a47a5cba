use super::*;
use crate::violation::Permission;

/// A world in which `production` is frozen and an enforcing pipeline leads to it.
fn closed() -> World {
    let mut world = world("enforce");
    let environment = json!({"metadata": {"annotations": {names::FROZEN: "2026-01-02T13:00:00Z; inventory"}}});
    world.put(Kind::Environment, "production", Some(&environment));
    world
}

fn pin(annotations: &Value) -> Value {
    let mut pin = binding("web", "production", "web-1");
    pin["metadata"]["annotations"] = annotations.clone();
    pin
}

fn permissions() -> [Permission; 2] {
    [Permission::on(Kind::DeploymentPipeline, "main"), Permission::on(Kind::Environment, "production")]
}

fn judged(new: &Value, old: Option<&Value>, verdicts: &Verdicts) -> (Findings, Bypass) {
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-production",
        new,
        old,
        user: Some("jane"),
        manager: None,
        now: NOON.parse().ok(),
    };
    let mut findings = validate(&change, Some(&closed()));
    let bypass = bypass(&change, &mut findings, verdicts);
    (findings, bypass)
}

fn codes_of(violations: &[Violation]) -> Vec<&str> {
    violations.iter().map(|violation| violation.code).collect()
}

#[test]
fn who_asks_in_this_write_and_says_why_is_looked_up() {
    let both = ["NotPromoted", "Frozen"];
    let before = |revision: &str, bypass: &str| {
        let mut old = pin(&json!({names::REVISION: revision, names::BYPASS: bypass}));
        old["spec"]["releaseName"] = Value::Null;
        Some(old)
    };
    for (what, said, old, asks) in [
        ("says nothing", json!({}), None, false),
        ("a reason alone", json!({names::REASON: "fire"}), None, false),
        ("asks", json!({names::BYPASS: "1", names::REASON: "fire"}), None, true),
        ("another number", json!({names::BYPASS: "2", names::REASON: "fire"}), None, false),
        ("no number", json!({names::BYPASS: "true", names::REASON: "fire"}), None, false),
        ("a number in another form", json!({names::BYPASS: "01", names::REASON: "fire"}), None, false),
        (
            "asks for a later one",
            json!({names::REVISION: "3", names::BYPASS: "4", names::REASON: "fire"}),
            before("3", "2"),
            true,
        ),
        (
            "it stood there before",
            json!({names::REVISION: "3", names::BYPASS: "4", names::REASON: "fire"}),
            before("3", "4"),
            false,
        ),
    ] {
        let (findings, bypass) = judged(&pin(&said), old.as_ref(), &Verdicts::new());
        assert_eq!(codes_of(&findings.violations), both, "{what}");
        let expected = if asks { permissions().to_vec() } else { vec![] };
        assert_eq!((bypass.unasked, bypass.past.len()), (expected, 0), "{what}");
    }
}

#[test]
fn without_a_reason_nobody_is_asked() {
    for said in [json!({names::BYPASS: "1"}), json!({names::BYPASS: "1", names::REASON: ""})] {
        let (findings, bypass) = judged(&pin(&said), None, &Verdicts::new());
        assert_eq!(codes_of(&findings.violations), ["NotPromoted", "Frozen", "BypassReason"]);
        assert_eq!(findings.class(), Some(Class::Policy));
        assert_eq!(bypass, Bypass::default());
    }
}

#[test]
fn what_is_permitted_is_a_warning_and_the_rest_stays() {
    let asking = pin(&json!({names::BYPASS: "1", names::REASON: "fire"}));
    let [pipeline, environment] = permissions();
    let all = Verdicts::from([(pipeline.clone(), Verdict::Permitted), (environment.clone(), Verdict::Permitted)]);
    let (findings, bypass) = judged(&asking, None, &all);
    assert_eq!(findings.violations, []);
    assert_eq!(bypass, Bypass { past: vec!["NotPromoted", "Frozen"], unasked: vec![] });
    insta::assert_snapshot!(findings.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));

    let some = Verdicts::from([(pipeline.clone(), Verdict::Permitted), (environment.clone(), Verdict::Refused)]);
    let (findings, _) = judged(&asking, None, &some);
    assert_eq!((codes_of(&findings.violations), codes_of(&findings.warnings)), (vec!["Frozen"], vec!["NotPromoted"]));
    insta::assert_snapshot!(findings.violations[0].message);

    let unknown = Verdicts::from([(pipeline, Verdict::Unknown), (environment, Verdict::Permitted)]);
    let (findings, _) = judged(&asking, None, &unknown);
    assert_eq!(codes_of(&findings.violations), ["NotPromoted"]);
    assert!(findings.violations[0].message.ends_with("whether you may could not be found out: try again)"));
}

#[test]
fn where_no_rule_is_in_the_way_nothing_is_gone_past() {
    let mut asking = binding("web", "dev", "web-1");
    asking["metadata"]["annotations"] = json!({names::BYPASS: "1"});
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-dev",
        new: &asking,
        old: None,
        user: None,
        manager: None,
        now: NOON.parse().ok(),
    };
    let mut findings = validate(&change, Some(&closed()));
    assert_eq!(bypass(&change, &mut findings, &Verdicts::new()), Bypass::default());
    assert_eq!(findings.violations, []);
    // A fault of the object is nobody's to permit.
    let mut faulty = asking.clone();
    faulty["spec"]["state"] = "Gone".into();
    let all: Verdicts = permissions().map(|permission| (permission, Verdict::Permitted)).into();
    let mut findings = validate(&Change { new: &faulty, ..change }, Some(&closed()));
    bypass(&Change { new: &faulty, ..change }, &mut findings, &all);
    assert_eq!(codes_of(&findings.violations), ["UnknownState"]);
}

#[test]
fn every_rule_of_a_pipeline_can_be_gone_past() {
    let direct = release(|release| release["spec"]["environmentName"] = "production".into());
    let change =
        Change { kind: Kind::Release, name: "by-hand", new: &direct, old: None, user: None, manager: None, now: None };
    let found = validate(&change, Some(&closed())).violations;
    assert_eq!(codes_of(&found), ["DirectRelease"]);
    assert_eq!(found[0].permission, Some(Permission::on(Kind::DeploymentPipeline, "main")));

    let stray = binding("web", "production", "web-1");
    let mut world = closed();
    world.put(Kind::Project, "shop", None);
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-production",
        new: &stray,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let found = validate(&change, Some(&world)).violations;
    assert_eq!(codes_of(&found), ["NoPipeline"]);
    assert_eq!(found[0].permission, Some(Permission::on(Kind::DeploymentPipeline, "main")));
}
