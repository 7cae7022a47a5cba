use serde_json::json;

use super::*;

/// A ComponentRelease of a component.
fn snapshot(component: &str) -> Value {
    json!({"spec": {"owner": {"projectName": "shop", "componentName": component}}})
}

/// `web` pins `web-2` in dev after `web-1`, and `web-1` in staging, where it has run.
fn pinned() -> World {
    let mut world = world("warn");
    let mut dev = binding("web", "dev", "web-2");
    let record = |revision: u64, release: &str| json!({"revision": revision, "action": "deploy", "release": release, "content": "c", "by": "jane", "at": "then"});
    let history = json!([record(1, "web-1"), record(2, "web-2")]);
    dev["metadata"]["annotations"] = json!({names::HISTORY: history.to_string()});
    world.put(Kind::ReleaseBinding, "web-dev", Some(&dev));
    let mut staging = binding("web", "staging", "web-1");
    staging["status"] = json!({"outcomes": [{"revision": 1, "release": "web-0"}]});
    world.put(Kind::ReleaseBinding, "web-staging", Some(&staging));
    world
}

fn deletion(kind: Kind, name: &str, object: &Value, world: &World) -> Findings {
    validate_deletion(&Deletion { kind, name, object, user: Some("jane"), now: NOON.parse().unwrap() }, world)
}

#[test]
fn a_release_that_is_needed_stays() {
    let told = |name: &str| {
        let findings = deletion(Kind::ComponentRelease, name, &snapshot("web"), &pinned());
        assert!(findings.violations.is_empty() || findings.class() == Some(Class::Policy));
        let told = findings.violations.into_iter().map(|violation| {
            assert_eq!(violation.code, "ReleaseInUse");
            let Some(RestsOn::Object(Kind::ReleaseBinding, binding)) = violation.rests_on else {
                panic!("the binding may just have been deleted")
            };
            binding
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told("web-2"), ["web-dev"], "it is pinned");
    assert_eq!(told("web-1"), ["web-dev", "web-staging"], "one may go back to it, the other pins it");
    assert_eq!(told("web-0"), ["web-staging"], "it has an outcome");
    assert_eq!(told("web-3"), [] as [&str; 0]);
}

#[test]
fn the_cure_is_told() {
    let findings = deletion(Kind::ComponentRelease, "web-1", &snapshot("web"), &pinned());
    insta::assert_snapshot!(findings.to_string().trim(), @r"
    * metadata.name: ReleaseBinding web-dev may go back to web-1, which was pinned in dev before: it can be deleted when that binding's history names it no more, or after the binding
    * metadata.name: ReleaseBinding web-staging pins web-1 in staging: pin another release there, or delete that binding first
    ");
}

#[test]
fn nothing_else_holds_a_release() {
    let mut world = pinned();
    let in_use = |name: &str, object: &Value, world: &World| {
        deletion(Kind::ComponentRelease, name, object, world).violations.len()
    };
    assert_eq!(in_use("web-0", &snapshot("api"), &world), 0, "nobody goes back to another component's release");
    assert_eq!(in_use("web-2", &snapshot("api"), &world), 1, "a pin is a pin");
    assert_eq!(deletion(Kind::ReleaseBinding, "web-1", &json!({}), &world), Findings::none());
    let mut ending = binding("web", "dev", "web-2");
    ending["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:00Z".into();
    world.put(Kind::ReleaseBinding, "web-dev", Some(&ending));
    assert_eq!(in_use("web-2", &snapshot("web"), &world), 0, "a binding that is being deleted needs nothing");
    world.put(Kind::ReleaseBinding, "web-staging", None);
    assert_eq!(in_use("web-1", &snapshot("web"), &world), 0);
}

/// What is not kept of a binding is looked up: until then nothing of its component goes, and all else does.
#[test]
fn a_binding_that_names_more_than_is_kept_may_need_what_is_of_its_component() {
    let mut long = binding("web", "dev", "web-2");
    let outcome = |at: usize| json!({"revision": at, "release": format!("web-of-long-ago-{at}")});
    long["status"] = json!({"outcomes": (0..1000).map(outcome).collect::<Vec<_>>()});
    let mut world = pinned();
    world.put_view("web-dev", View::read(Kind::ReleaseBinding, &long).trimmed());
    assert_eq!(world.bindings["web-dev"].past, None);
    let told = |name: &str, component: &str, world: &World| {
        let found = deletion(Kind::ComponentRelease, name, &snapshot(component), world).violations;
        let told = found.into_iter().map(|violation| (violation.rests_on, violation.message));
        told.collect::<Vec<_>>()
    };
    let there = Some(RestsOn::Object(Kind::ReleaseBinding, "web-dev".into()));
    for (name, component, why) in [
        ("web-of-long-ago-1", "web", Some("it could not be looked up whether web-of-long-ago-1 is one of them")),
        ("web-3", "web", Some("it could not be looked up whether web-3 is one of them")),
        ("web-2", "api", Some("pins web-2 in dev")),
        ("web-of-long-ago-1", "api", None),
    ] {
        let told = told(name, component, &world);
        assert_eq!(told.len(), why.into_iter().len(), "{name} of {component}: {told:?}");
        assert!(told.iter().all(|(rests_on, _)| *rests_on == there), "{told:?}");
        assert!(told.iter().zip(why).all(|((_, message), why)| message.contains(why)), "{told:?}");
    }
    // It was looked up.
    world.put(Kind::ReleaseBinding, "web-dev", Some(&long));
    assert_eq!(told("web-3", "web", &world), []);
    assert!(told("web-of-long-ago-1", "web", &world)[0].1.contains("may go back to web-of-long-ago-1"));
}

/// What is said of the deletion of an object of the shop, each with the code and what it rests on.
fn told(kind: Kind, name: &str, world: &World) -> Vec<(&'static str, Option<RestsOn>)> {
    let findings = deletion(kind, name, &json!({}), world);
    assert!(findings.violations.is_empty() || findings.class() == Some(Class::Policy));
    findings.violations.into_iter().map(|violation| (violation.code, violation.rests_on)).collect()
}

fn some(kind: Kind, names: &[&str]) -> Option<RestsOn> {
    Some(RestsOn::Objects(kind, names.iter().map(|name| (*name).to_owned()).collect()))
}

/// The shop with pins, on a DataPlane of its own in `dev`, and without a Release by hand in any environment.
fn in_use() -> World {
    let mut world = pinned();
    let on = |plane: &Value| json!({"spec": {"dataPlaneRef": plane}});
    world.put(Kind::DataPlane, "east", Some(&json!({})));
    world.put(Kind::Environment, "dev", Some(&on(&json!({"kind": "DataPlane", "name": "east"}))));
    world.put(Kind::Environment, "staging", Some(&on(&json!("east"))));
    world.put(Kind::Environment, "other", Some(&on(&json!({"kind": "ClusterDataPlane", "name": "west"}))));
    for name in ["dev", "staging", "production", "other"] {
        world.by_hand.insert(name.to_owned(), None);
    }
    world
}

#[test]
fn what_is_in_use_stays() {
    let world = in_use();
    type Told = [(&'static str, Option<RestsOn>)];
    let cases: [(Kind, &str, &Told); 9] = [
        (
            Kind::Environment,
            "dev",
            &[
                ("EnvironmentInUse", some(Kind::ReleaseBinding, &["web-dev"])),
                ("EnvironmentInUse", some(Kind::DeploymentPipeline, &["main"])),
            ],
        ),
        (Kind::Environment, "production", &[("EnvironmentInUse", some(Kind::DeploymentPipeline, &["main"]))]),
        (Kind::Environment, "other", &[]),
        (Kind::DeploymentPipeline, "main", &[("PipelineInUse", some(Kind::Project, &["shop"]))]),
        (Kind::DeploymentPipeline, "other", &[]),
        (
            Kind::Project,
            "shop",
            &[
                ("ProjectInUse", some(Kind::Component, &["api", "web"])),
                ("ProjectInUse", some(Kind::ReleaseBinding, &["web-dev", "web-staging"])),
                ("ProjectInUse", some(Kind::ComponentRelease, &["api-1", "web-1"])),
            ],
        ),
        (Kind::Project, "other", &[]),
        (Kind::DataPlane, "east", &[("DataPlaneInUse", some(Kind::Environment, &["dev", "staging"]))]),
        (Kind::DataPlane, "west", &[]),
    ];
    for (kind, name, expected) in cases {
        assert_eq!(told(kind, name, &world), expected, "{kind} {name}");
    }
    for (kind, name) in [(Kind::Component, "web"), (Kind::ReleaseBinding, "web-dev"), (Kind::Release, "web-dev")] {
        assert_eq!(told(kind, name, &world), [], "{kind}: nothing is worse off without it");
    }
}

#[test]
fn the_environment_of_an_undeployed_pin_stays() {
    let mut world = World::new("acme");
    world.by_hand.insert("dev".into(), None);
    let mut pin = binding("web", "dev", "web-1");
    pin["spec"]["state"] = "Undeploy".into();
    world.put(Kind::ReleaseBinding, "web-dev", Some(&pin));
    assert_eq!(
        told(Kind::Environment, "dev", &world),
        [("EnvironmentInUse", some(Kind::ReleaseBinding, &["web-dev"]))]
    );
}

#[test]
fn releases_by_hand_are_looked_for_where_nothing_else_is_in_the_way() {
    let mut world = World::new("acme");
    let open = |world: &World| deletion(Kind::Environment, "dev", &json!({}), world).open;
    assert_eq!(open(&world), [RestsOn::ReleaseByHand("dev".into())]);
    world.by_hand.insert("dev".into(), Some("by-hand".into()));
    assert_eq!(told(Kind::Environment, "dev", &world), [("EnvironmentInUse", None)]);
    world.by_hand.insert("dev".into(), None);
    assert_eq!((told(Kind::Environment, "dev", &world), open(&world)), (vec![], vec![]));
    assert_eq!(open(&pinned()), [], "a binding is in the way already");
}

#[test]
fn what_is_being_deleted_uses_nothing_and_is_in_nobodys_way() {
    let ending = |mut object: Value| {
        object["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:00Z".into();
        object
    };
    let mut world = in_use();
    let project = json!({"spec": {"deploymentPipelineRef": {"name": "main"}}});
    world.put(Kind::Project, "shop", Some(&ending(project.clone())));
    assert_eq!(told(Kind::DeploymentPipeline, "main", &world), []);
    world.put(Kind::Project, "shop", Some(&project));
    assert_eq!(told(Kind::DeploymentPipeline, "main", &world).len(), 1, "it is as the API server says");
    world.put(Kind::ReleaseBinding, "web-dev", Some(&ending(binding("web", "dev", "web-1"))));
    assert_eq!(told(Kind::Environment, "dev", &world).len(), 1, "the pipeline is left");
    let again = deletion(Kind::Environment, "dev", &ending(json!({})), &world);
    assert_eq!(again, Findings::none(), "it is deleted already, and something else holds it");
}

#[test]
fn users_are_named_and_the_way_out_is_told() {
    let mut world = in_use();
    for number in 0..5 {
        let component = format!("c{number}");
        world.put(Kind::ReleaseBinding, &format!("{component}-dev"), Some(&binding(&component, "dev", "c-1")));
    }
    world.put(Kind::Project, "blog", Some(&json!({"spec": {"deploymentPipelineRef": "main"}})));
    let mut told = String::new();
    let all = [
        (Kind::Environment, "dev"),
        (Kind::DeploymentPipeline, "main"),
        (Kind::Project, "shop"),
        (Kind::DataPlane, "east"),
    ];
    for (kind, name) in all {
        told += &format!("{kind} {name}: {}\n", deletion(kind, name, &json!({}), &world));
    }
    world.by_hand.insert("other".into(), Some("api-other".into()));
    told += &deletion(Kind::Environment, "other", &json!({}), &world).to_string();
    insta::assert_snapshot!(told);
}

#[test]
fn a_deletion_is_recorded_where_the_last_record_says_so() {
    let with = |history: Value| json!({"metadata": {"annotations": {names::HISTORY: history.to_string()}}});
    let record = |revision: u64, action: &str| json!({"revision": revision, "action": action, "content": "c", "by": "jane", "at": "then"});
    let recorded = with(json!([record(1, "create"), record(2, "delete")]));
    let mut ending = with(json!([record(1, "create")]));
    ending["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:00Z".into();
    for (what, kind, object, unrecorded) in [
        ("a record that it goes", Kind::ReleaseBinding, recorded.clone(), false),
        ("none", Kind::ReleaseBinding, with(json!([record(1, "create")])), true),
        (
            "one that was followed by another",
            Kind::ReleaseBinding,
            with(json!([record(1, "delete"), record(2, "redeploy")])),
            true,
        ),
        (
            "a history that nobody can read",
            Kind::ReleaseBinding,
            json!({"metadata": {"annotations": {names::HISTORY: "{"}}}),
            true,
        ),
        ("an empty history", Kind::ReleaseBinding, with(json!([])), true),
        ("no history", Kind::ReleaseBinding, json!({}), false),
        ("a second deletion", Kind::ReleaseBinding, ending, false),
        ("another kind", Kind::Environment, with(json!([record(1, "update")])), true),
        ("a kind without a history", Kind::ComponentRelease, with(json!([record(1, "create")])), false),
    ] {
        assert_eq!(is_unrecorded_deletion(kind, &object), unrecorded, "{what}");
    }
}

#[test]
fn another_owner_is_asked_what_a_deletion_is_asked() {
    let world = pinned();
    let owned = |uids: &[&str]| {
        let mut object = snapshot("web");
        object["metadata"]["ownerReferences"] = uids
            .iter()
            .map(|uid| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": uid}))
            .collect();
        object
    };
    let told = |new: &Value, old: &Value, name: &str| {
        let change = Change {
            kind: Kind::ComponentRelease,
            name,
            new,
            old: Some(old),
            user: Some("jane"),
            manager: None,
            now: NOON.parse().ok(),
        };
        let found = validate(&change, Some(&world)).violations;
        assert!(found.iter().all(|violation| violation.class == Class::Policy), "{found:?}");
        found.into_iter().map(|violation| violation.to_string()).collect::<Vec<_>>()
    };
    let found = told(&owned(&["1"]), &owned(&[]), "web-2");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("metadata.ownerReferences: another owner (ConfigMap none) lets the garbage collector delete it, and that is refused: \
                              ReleaseBinding web-dev pins web-2 in dev"),
        "{found:?}"
    );
    assert_eq!(told(&owned(&["1", "2"]), &owned(&["1"]), "web-2").len(), 1);
    assert_eq!(told(&owned(&["1"]), &owned(&["2", "1"]), "web-2"), [""; 0], "one that it had already");
    assert_eq!(told(&owned(&["1"]), &owned(&[]), "web-3"), [""; 0], "nobody needs it");
}
