use serde_json::json;

use super::*;

#[test]
fn bindings() {
    let good = binding("web", "dev", "web-1");
    assert_eq!(codes(Kind::ReleaseBinding, "web-dev", &good, None), []);
    assert_eq!(codes(Kind::ReleaseBinding, "pin", &good, None), [("metadata.name".into(), "BindingName")]);
    let hashed = names::binding_name_hashed("web", "dev");
    assert_eq!(codes(Kind::ReleaseBinding, &hashed, &good, None), [("metadata.name".into(), "BindingName")]);
    let other = binding("web", "dev", "api-1");
    assert_eq!(codes(Kind::ReleaseBinding, "web-dev", &other, None), [("spec.releaseName".into(), "OtherOwner")]);
    let moved = binding("web", "staging", "web-1");
    assert_eq!(
        codes(Kind::ReleaseBinding, "web-dev", &moved, Some(&good)),
        [("metadata.name".into(), "BindingName"), ("spec.environment".into(), "Immutable")]
    );
    let mut values = good.clone();
    values["spec"]["componentTypeEnvironmentConfigs"] = json!({"replicas": 3});
    assert_eq!(
        codes(Kind::ReleaseBinding, "web-dev", &values, None),
        [("spec.componentTypeEnvironmentConfigs.replicas".into(), "ConfigUnknown")]
    );
}

#[test]
fn the_hashed_name_is_for_pairs_whose_plain_one_is_taken() {
    let mut world = world("warn");
    let mut other = binding("web", "dev", "web-1");
    other["spec"]["owner"]["componentName"] = "we".into();
    other["spec"]["environment"] = "b-dev".into();
    world.put(Kind::ReleaseBinding, "web-dev", Some(&other));
    let new = binding("web", "dev", "web-1");
    let hashed = names::binding_name_hashed("web", "dev");
    let judge = |name: &str, world: &World| {
        let change =
            Change { kind: Kind::ReleaseBinding, name, new: &new, old: None, user: None, manager: None, now: None };
        validate(&change, Some(world)).violations.iter().map(|violation| violation.code).collect::<Vec<_>>()
    };
    assert_eq!(judge(&hashed, &world), Vec::<&str>::new());
    world.put(Kind::ReleaseBinding, &hashed, Some(&new));
    assert_eq!(judge("web-dev", &world), ["BindingExists"]);
}

#[test]
fn what_is_missing_is_told_apart_from_what_is_wrong() {
    let mut nowhere = binding("ghost", "moon", "ghost-1");
    nowhere["spec"]["owner"]["projectName"] = "none".into();
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "ghost-moon",
        new: &nowhere,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let findings = validate(&change, Some(&world("warn")));
    assert_eq!(findings.violations, []);
    let codes: Vec<_> = findings.missing.iter().map(|missing| missing.code).collect();
    assert_eq!(codes, ["ProjectNotFound", "ComponentNotFound", "EnvironmentNotFound", "ReleaseNotFound"]);
    assert_eq!(findings.strict().violations.len(), 4);
    let again = Change { old: Some(&nowhere), ..change };
    assert_eq!(validate(&again, Some(&world("warn"))).missing, [], "it was told when the reference was made");
}

#[test]
fn the_pipeline_warns_or_refuses() {
    let new = binding("web", "production", "web-1");
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-production",
        new: &new,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let warned = validate(&change, Some(&world("warn")));
    assert_eq!((warned.violations.len(), warned.warnings.len()), (0, 1));
    let refused = validate(&change, Some(&world("enforce")));
    assert_eq!(refused.class(), Some(Class::Policy));
    insta::assert_snapshot!(refused, @"spec.releaseName: web-1 cannot go to production yet: pipeline main wants it to have run healthily in staging first (nothing is pinned in staging); begin with `kubectl release promote web --to dev --release web-1`");
    let same = Change { old: Some(&new), ..change };
    assert_eq!(validate(&same, Some(&world("enforce"))).violations, [], "a pin that stands is not judged again");
    let root = binding("web", "dev", "web-1");
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-dev",
        new: &root,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    assert_eq!(validate(&change, Some(&world("enforce"))).violations, []);
}

/// Where more may have run healthily than is kept, it is looked up before anybody is warned.
#[test]
fn what_has_run_is_looked_up_where_it_is_not_kept() {
    let outcome = |at: usize| json!({"revision": at, "release": format!("web-{at}"), "firstHealthyAt": "then"});
    let mut staging = binding("web", "staging", "web-2");
    staging["status"] = json!({"outcomes": (0..1000).map(outcome).collect::<Vec<_>>()});
    let new = binding("web", "production", "web-1");
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "web-production",
        new: &new,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let mut kept = world("warn");
    kept.put_view("web-staging", View::read(Kind::ReleaseBinding, &staging).trimmed());
    let findings = validate(&change, Some(&kept));
    assert_eq!((findings.warnings.len(), findings.open), (1, vec![RestsOn::HealthyRun]));
    kept.put(Kind::ReleaseBinding, "web-staging", Some(&staging));
    let findings = validate(&change, Some(&kept));
    assert_eq!((findings.warnings, findings.open), (vec![], vec![]));

    let mut enforcing = world("enforce");
    enforcing.put_view("web-staging", View::read(Kind::ReleaseBinding, &staging).trimmed());
    let [refused] = &validate(&change, Some(&enforcing)).violations[..] else { panic!("it is refused") };
    assert_eq!(refused.rests_on, Some(RestsOn::HealthyRun));
}

#[test]
fn another_project_is_no_way_round_an_enforcing_pipeline() {
    let mut elsewhere = release(|r| r["spec"]["owner"]["projectName"] = "ghost".into());
    elsewhere["spec"]["environmentName"] = "production".into();
    let change = Change {
        kind: Kind::Release,
        name: "web-production",
        new: &elsewhere,
        old: None,
        user: Some("jane"),
        manager: None,
        now: None,
    };
    let codes = |change: &Change<'_>| {
        let findings = validate(change, Some(&world("enforce")));
        findings.violations.iter().map(|violation| (violation.code, violation.rests_on.clone())).collect::<Vec<_>>()
    };
    assert!(codes(&change).contains(&("DirectRelease", None)));
    let mut pin = binding("ghost", "production", "ghost-1");
    pin["spec"]["owner"]["projectName"] = "ghost".into();
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: "ghost-production",
        new: &pin,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let project = RestsOn::Object(Kind::Project, "ghost".into());
    assert_eq!(codes(&change), [("NoPipeline", Some(project))]);
}
