//! For each code an object that it is said of, and its neighbour that it is not said of.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::violation::CODES;

/// A kind, a name and an object to begin with.
pub(super) type Base = (Kind, &'static str, Value);

/// Makes something of an object.
type Edit = fn(&mut Value);

/// An object of which a code is said, and one of which it is not; of an update also what both were before.
struct Twin {
    code: &'static str,
    kind: Kind,
    old: Option<Value>,
    told: (&'static str, Value),
    fine: (&'static str, Value),
}

fn twin(code: &'static str, (kind, name, base): Base, told: Edit, fine: Edit) -> Twin {
    let edited = |edit: Edit| {
        let mut object = base.clone();
        edit(&mut object);
        (name, object)
    };
    Twin { code, kind, old: None, told: edited(told), fine: edited(fine) }
}

/// Both are updates of what they are made from.
fn update(code: &'static str, base: Base, told: Edit, fine: Edit) -> Twin {
    let old = Some(base.2.clone());
    Twin { old, ..twin(code, base, told, fine) }
}

/// Only the names differ.
fn named(code: &'static str, (kind, told, base): Base, fine: &'static str) -> Twin {
    Twin { code, kind, old: None, told: (told, base.clone()), fine: (fine, base) }
}

fn same(_: &mut Value) {}

fn direct() -> Base {
    (Kind::Release, "web-dev", release(|_| {}))
}

fn pin(release: &str) -> Base {
    (Kind::ReleaseBinding, "web-dev", binding("web", "dev", release))
}

fn pin_in(name: &'static str, environment: &str) -> Base {
    (Kind::ReleaseBinding, name, binding("web", environment, "web-1"))
}

/// A release with values that may differ, as `web-2` of [`place`] is.
fn snapshot() -> Value {
    let properties = json!({
        "size": {"type": "string", "default": "s", "maxLength": 3, "pattern": "^[a-z]*$"},
        "count": {"type": "integer", "maximum": 5}, "mode": {"enum": ["a", "b"]}
    });
    let template = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"size": "${environmentConfigs.size}"}
    });
    json!({
        "metadata": {"name": "web-2", "annotations": {names::VERSION_ANNOTATION: "v2"}},
        "spec": {
            "owner": {"projectName": "shop", "componentName": "web"},
            "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {
                "workloadType": "proxy", "resources": [{"id": "c", "template": template}],
                "environmentConfigs": {"openAPIV3Schema": {"properties": properties}}
            }},
            "workload": {"container": {"image": "none"}}
        }
    })
}

fn cut() -> Base {
    let mut release = snapshot();
    release["metadata"]["annotations"][names::VERSION_ANNOTATION] = "v7".into();
    release["spec"]["workload"]["container"]["image"] = "another".into();
    (Kind::ComponentRelease, "web-first", release)
}

fn pipeline() -> Base {
    let step =
        |from: &str, to: &str| json!({"sourceEnvironmentRef": {"name": from}, "targetEnvironmentRefs": [{"name": to}]});
    let paths = json!([step("dev", "staging"), step("staging", "production")]);
    (Kind::DeploymentPipeline, "other", json!({"spec": {"promotionPaths": paths}}))
}

fn environment() -> Base {
    (Kind::Environment, "other", json!({"spec": {"dataPlaneRef": {"name": "east"}}}))
}

/// The world of the tables, enforcing, with a release `web-1` that is healthy in dev, `web-2` with values, `web-3` with one that is required,
/// and the environments `pinned`, `strict` and `cold`.
pub(super) fn place() -> World {
    let mut world = world("enforce");
    let mut dev = binding("web", "dev", "web-1");
    dev["status"] = json!({"outcomes": [{"revision": 1, "release": "web-1", "firstHealthyAt": "then"}]});
    world.put(Kind::ReleaseBinding, "web-dev", Some(&dev));
    world.put(Kind::ReleaseBinding, "web-pinned", Some(&binding("web", "pinned", "web-1")));
    world.put(Kind::ComponentRelease, "web-2", Some(&snapshot()));
    let mut demanding = snapshot();
    demanding["spec"]["componentType"]["spec"]["environmentConfigs"]["openAPIV3Schema"] = json!({"required": ["needed"], "properties": {"needed": {}, "token": {"type": "string", "format": "password"}}});
    world.put(Kind::ComponentRelease, "web-3", Some(&demanding));
    let policy = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
    world.put(Kind::Environment, "pinned", Some(&json!({})));
    world.put(Kind::Environment, "strict", Some(&policy(names::REQUIRE_REASON, "^OPS-")));
    world.put(Kind::Environment, "cold", Some(&policy(names::FROZEN, "2026-02-01T00:00:00Z; audit")));
    world.put(Kind::DataPlane, "east", Some(&json!({})));
    world
}

fn object(release: &mut Value) -> &mut Value {
    &mut release["spec"]["resources"][0]["object"]
}

fn template(release: &mut Value) -> &mut Value {
    &mut release["spec"]["componentType"]["spec"]["resources"][0]["template"]
}

fn size(release: &mut Value) -> &mut Value {
    &mut release["spec"]["componentType"]["spec"]["environmentConfigs"]["openAPIV3Schema"]["properties"]["size"]
}

fn note(object: &mut Value, key: &str, value: &str) {
    object["metadata"]["annotations"][key] = value.into();
}

fn values(binding: &mut Value, values: Value) {
    binding["spec"]["componentTypeEnvironmentConfigs"] = values;
}

/// An object of each kind that nothing is wrong with.
pub(super) fn bases() -> Vec<Base> {
    let project = json!({"metadata": {}, "spec": {"deploymentPipelineRef": {"name": "main"}}});
    let component = json!({
        "metadata": {"annotations": {}}, "spec": {"owner": {"projectName": "shop"}, "componentType": {"name": "deployment/web"}}
    });
    let mut configured = pin("web-2");
    values(&mut configured.2, json!({"size": "xs", "count": 5}));
    vec![
        direct(),
        cut(),
        pin("web-1"),
        configured,
        pipeline(),
        environment(),
        (Kind::Project, "blog", project),
        (Kind::Component, "c", component),
        (Kind::DataPlane, "west", json!({"metadata": {}, "spec": {}})),
    ]
}

/// So many objects in each other.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({"a": inner}))
}

fn of_metadata() -> Vec<Twin> {
    vec![
        named("InvalidName", (Kind::Project, "Shop", json!({})), "shop"),
        named("InvalidName", (Kind::DataPlane, "a.b", json!({})), "a-b"),
        named("Required", (Kind::Component, "", json!({"spec": {"owner": {"projectName": "shop"}}})), "web"),
        named("GenerateName", (Kind::Environment, "", json!({"metadata": {"generateName": "e-"}})), "e"),
        twin(
            "TooLong",
            direct(),
            |r| note(r, names::LINK, &"x".repeat(513)),
            |r| note(r, names::LINK, &"x".repeat(512)),
        ),
        twin("ControlCharacter", direct(), |r| note(r, names::REASON, "a\nb"), |r| note(r, names::REASON, "a b")),
    ]
}

fn of_objects() -> Vec<Twin> {
    let list: Edit =
        |r| *object(r) = json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"name": "a"}, "items": []});
    vec![
        twin("NotAnObject", direct(), |r| *object(r) = json!([]), same),
        twin("Required", direct(), |r| object(r)["metadata"]["name"] = "".into(), same),
        twin("GenerateName", direct(), |r| object(r)["metadata"]["generateName"] = "w-".into(), same),
        // A kind of somebody's may be called so.
        twin("ListObject", direct(), list, |r| object(r)["kind"] = "PlayList".into()),
        twin(
            "OwnKind",
            direct(),
            |r| *object(r) = json!({"apiVersion": names::API_VERSION, "kind": "Release"}),
            |r| {
                *object(r) = json!({"apiVersion": "other.example/v1", "kind": "Release"});
            },
        ),
        twin(
            "ReservedLabel",
            direct(),
            |r| object(r)["metadata"]["labels"] = json!({names::RELEASE_UID_LABEL: "u"}),
            |r| object(r)["metadata"]["labels"] = json!({"app": "u"}),
        ),
        twin(
            "SecretInline",
            direct(),
            |r| {
                *object(r) =
                    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}})
            },
            |r| *object(r) = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {}}),
        ),
        twin("TooDeep", direct(), |r| object(r)["a"] = nested(MAX_DEPTH), |r| object(r)["a"] = nested(MAX_DEPTH - 1)),
        twin(
            "NumberOutOfRange",
            direct(),
            |r| object(r)["n"] = json!([1_u64 << 63]),
            |r| {
                object(r)["n"] = json!([i64::MAX, i64::MIN, 1e300]);
            },
        ),
        // The API server hands on u64::MAX like this.
        twin(
            "NumberOutOfRange",
            direct(),
            |r| object(r)["n"] = json!(18_446_744_073_709_552_000.0),
            |r| object(r)["n"] = json!(1e21),
        ),
        twin("NumberOutOfRange", pin("web-2"), |b| values(b, json!({"n": u64::MAX})), |b| values(b, json!({"n": -1}))),
        twin(
            "NumberOutOfRange",
            cut(),
            |r| r["spec"]["workload"]["n"] = u64::MAX.into(),
            |r| {
                // Those of the objects are told at the objects.
                r["spec"]["workload"]["n"] = i64::MAX.into();
            },
        ),
        twin(
            "TooLarge",
            direct(),
            |r| object(r)["a"] = "x".repeat(MAX_SIZE).into(),
            |r| {
                object(r)["a"] = "x".repeat(MAX_SIZE - 1000).into();
            },
        ),
        twin(
            "OutsideNamespace",
            direct(),
            |r| object(r)["metadata"]["namespace"] = "elsewhere".into(),
            |r| {
                object(r)["metadata"]["namespace"] = crate::fence::generated_namespace("acme", "shop", "dev").into();
            },
        ),
        twin(
            "ClusterKind",
            direct(),
            |r| *object(r) = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}),
            same,
        ),
    ]
}

fn of_releases() -> Vec<Twin> {
    vec![
        twin("InvalidType", direct(), |r| r["spec"]["resources"] = json!({}), |r| r["spec"]["resources"] = json!([])),
        twin(
            "InvalidResourceId",
            direct(),
            |r| r["spec"]["resources"][0]["id"] = "a/b".into(),
            |r| {
                r["spec"]["resources"][0]["id"] = "a.B_c".into();
            },
        ),
        twin("DuplicateResourceId", direct(), |r| r["spec"]["resources"][0]["id"] = "service".into(), same),
        twin(
            "DuplicateObject",
            direct(),
            |r| *object(r) = r["spec"]["resources"][1]["object"].clone(),
            |r| {
                *object(r) = r["spec"]["resources"][1]["object"].clone();
                object(r)["metadata"]["namespace"] = "elsewhere".into();
            },
        ),
        twin(
            "InvalidDuration",
            direct(),
            |r| r["spec"]["interval"] = "1d".into(),
            |r| r["spec"]["interval"] = "24h".into(),
        ),
        twin(
            "IntervalBounds",
            direct(),
            |r| r["spec"]["interval"] = "24h0.001ms".into(),
            |r| {
                r["spec"]["interval"] = "24h0.0000001ms".into();
            },
        ),
        twin(
            "IntervalBounds",
            direct(),
            |r| r["spec"]["progressingInterval"] = "999ms".into(),
            |r| {
                r["spec"]["progressingInterval"] = "0s".into();
            },
        ),
        twin(
            "IntervalOrder",
            direct(),
            |r| r["spec"]["progressingInterval"] = "300.1s".into(),
            |r| {
                r["spec"]["progressingInterval"] = "300s".into();
            },
        ),
        twin(
            "TooLong",
            direct(),
            |r| r["spec"]["interval"] = format!("{}5m", "0".repeat(63)).into(),
            |r| {
                r["spec"]["interval"] = format!("{}5m", "0".repeat(62)).into();
            },
        ),
        twin(
            "UnknownPlane",
            direct(),
            |r| r["spec"]["targetPlane"] = "moon".into(),
            |r| {
                r["spec"]["targetPlane"] = "observabilityplane".into();
            },
        ),
        twin(
            "UnknownPolicyValue",
            direct(),
            |r| note(r, names::ORPHAN_ON_DELETE, "yes"),
            |r| {
                note(r, names::ORPHAN_ON_DELETE, "true");
            },
        ),
        update(
            "Immutable",
            direct(),
            |r| r["spec"]["environmentName"] = "staging".into(),
            |r| r["spec"]["interval"] = "1m".into(),
        ),
        twin(
            "OwnedRelease",
            direct(),
            |r| {
                r["metadata"]["ownerReferences"] = json!([{
                    "apiVersion": names::API_VERSION, "kind": "ReleaseBinding", "name": "web-dev", "controller": true
                }]);
            },
            |r| {
                r["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "web-dev"}])
            },
        ),
        twin("DirectRelease", direct(), same, |r| r["spec"]["environmentName"] = "strict".into()),
        twin(
            "BindingExists",
            direct(),
            |r| r["spec"]["environmentName"] = "pinned".into(),
            |r| {
                r["spec"]["environmentName"] = "strict".into();
            },
        ),
        twin("OtherOwner", direct(), |r| r["spec"]["owner"]["projectName"] = "blog".into(), same),
    ]
}

fn of_snapshots() -> Vec<Twin> {
    vec![
        update("Immutable", cut(), |r| r["spec"]["workload"]["container"]["image"] = "x".into(), |r| note(r, "a", "b")),
        update(
            "VersionImmutable",
            cut(),
            |r| note(r, names::VERSION_ANNOTATION, "v8"),
            |r| note(r, names::REASON, "b"),
        ),
        twin("VersionTaken", cut(), |r| note(r, names::VERSION_ANNOTATION, "v2"), same),
        twin("KnownContent", cut(), |r| r["spec"] = snapshot()["spec"].clone(), same),
        named("ContentName", (Kind::ComponentRelease, "web-aaaabbbbccccdddd", cut().2), "web-aaaabbbbccccddd"),
        twin(
            "UnsupportedTemplate",
            cut(),
            |r| template(r)["a"] = "${1 + 1}".into(),
            |r| template(r)["a"] = "${\"$\"}{1 + 1}".into(),
        ),
        twin(
            "UnknownConfigKey",
            cut(),
            |r| template(r)["a"] = "${environmentConfigs.sise}".into(),
            |r| {
                template(r)["a"] = "${environmentConfigs.size}".into();
            },
        ),
        twin(
            "TemplateIdentity",
            cut(),
            |r| template(r)["kind"] = "X${environmentConfigs.size}".into(),
            |r| {
                template(r)["metadata"]["name"] = "${environmentConfigs.size}".into();
            },
        ),
        twin("InvalidSchema", cut(), |r| size(r)["default"] = 5.into(), |r| size(r)["default"] = "xs".into()),
        twin("InvalidSchema", cut(), |r| size(r)["type"] = "strin".into(), same),
        twin(
            "ConfigSecret",
            cut(),
            |r| size(r)["format"] = "password".into(),
            |r| {
                size(r)["format"] = "password".into();
                size(r)["default"] = Value::Null;
            },
        ),
        twin("OtherOwner", cut(), |r| r["spec"]["owner"]["projectName"] = "blog".into(), same),
    ]
}

fn of_bindings() -> Vec<Twin> {
    vec![
        named("BindingName", (Kind::ReleaseBinding, "pin", binding("web", "dev", "web-1")), "web-dev"),
        twin(
            "UnknownState",
            pin("web-1"),
            |b| b["spec"]["state"] = "Gone".into(),
            |b| b["spec"]["state"] = "Undeploy".into(),
        ),
        twin(
            "ConfigTooLarge",
            pin("web-2"),
            |b| values(b, json!({"size": "x".repeat(8192)})),
            |b| values(b, json!({"size": "x"})),
        ),
        twin("ConfigType", pin("web-2"), |b| values(b, json!({"size": 5})), |b| values(b, json!({"size": "xs"}))),
        twin("ConfigEnum", pin("web-2"), |b| values(b, json!({"mode": "c"})), |b| values(b, json!({"mode": "b"}))),
        twin("ConfigRange", pin("web-2"), |b| values(b, json!({"count": 6})), |b| values(b, json!({"count": 5}))),
        twin(
            "ConfigLength",
            pin("web-2"),
            |b| values(b, json!({"size": "xxxx"})),
            |b| values(b, json!({"size": "xxx"})),
        ),
        twin("ConfigFormat", pin("web-2"), |b| values(b, json!({"size": "XS"})), |b| values(b, json!({"size": "xs"}))),
        twin("ConfigUnknown", pin("web-2"), |b| values(b, json!({"sise": "xs"})), |b| values(b, json!({"size": "xs"}))),
        twin("ConfigUnknown", pin("web-1"), |b| values(b, json!({"size": "xs"})), |b| values(b, json!({}))),
        // Also where nothing is given at all.
        twin("ConfigRequired", pin("web-3"), same, |b| values(b, json!({"needed": "a"}))),
        twin(
            "ConfigSecret",
            pin("web-3"),
            |b| values(b, json!({"needed": 1, "token": "b"})),
            |b| values(b, json!({"needed": 1})),
        ),
        twin("OtherOwner", pin("web-1"), |b| b["spec"]["releaseName"] = "api-1".into(), same),
        update(
            "Immutable",
            pin("web-1"),
            |b| b["spec"]["owner"]["componentName"] = "api".into(),
            |b| {
                b["spec"]["releaseName"] = "web-2".into();
            },
        ),
        twin("NotPromoted", pin_in("web-staging", "staging"), |b| b["spec"]["releaseName"] = "web-2".into(), same),
        twin("NoPipeline", pin("web-1"), |b| b["spec"]["owner"]["projectName"] = "nobody".into(), same),
        twin("ProjectNotFound", pin("web-1"), |b| b["spec"]["owner"]["projectName"] = "nobody".into(), same),
        twin("ComponentNotFound", pin("web-1"), |b| b["spec"]["owner"]["componentName"] = "ghost".into(), same),
        twin("EnvironmentNotFound", pin("web-1"), |b| b["spec"]["environment"] = "moon".into(), same),
        twin("ReleaseNotFound", pin("web-1"), |b| b["spec"]["releaseName"] = "web-9".into(), same),
        twin("ReasonRequired", pin_in("web-strict", "strict"), same, |b| note(b, names::REASON, "OPS-1")),
        twin(
            "ReasonPattern",
            pin_in("web-strict", "strict"),
            |b| note(b, names::REASON, "because"),
            |b| {
                note(b, names::REASON, "OPS-1");
            },
        ),
        named("Frozen", pin_in("web-cold", "cold"), "web-cold").with_fine(pin("web-1")),
    ]
}

impl Twin {
    /// With another object for its neighbour.
    fn with_fine(self, (_, name, object): Base) -> Self {
        Self { fine: (name, object), ..self }
    }
}

fn of_platform() -> Vec<Twin> {
    vec![
        twin(
            "PipelineSelfLoop",
            pipeline(),
            |p| p["spec"]["promotionPaths"][1]["targetEnvironmentRefs"] = json!([{"name": "staging"}]),
            same,
        ),
        twin(
            "PipelineCycle",
            pipeline(),
            |p| p["spec"]["promotionPaths"][1]["targetEnvironmentRefs"] = json!([{"name": "dev"}]),
            |p| {
                // Two ways to one place are no circle, and a pipeline may have several roots.
                p["spec"]["promotionPaths"][0]["targetEnvironmentRefs"] = json!([{"name": "production"}]);
            },
        ),
        twin(
            "PipelineDuplicate",
            pipeline(),
            |p| {
                p["spec"]["promotionPaths"][1]["targetEnvironmentRefs"] =
                    json!([{"name": "production"}, {"name": "production"}])
            },
            |p| p["spec"]["promotionPaths"][1]["targetEnvironmentRefs"] = json!([]),
        ),
        twin(
            "EnvironmentNotFound",
            pipeline(),
            |p| p["spec"]["promotionPaths"][1]["targetEnvironmentRefs"] = json!([{"name": "moon"}]),
            same,
        ),
        twin(
            "UnknownPolicyValue",
            pipeline(),
            |p| note(p, names::ENFORCEMENT, "maybe"),
            |p| note(p, names::ENFORCEMENT, "warn"),
        ),
        twin(
            "UnknownPolicyValue",
            environment(),
            |e| note(e, names::DRIFT, "maybe"),
            |e| note(e, names::DRIFT, "warn"),
        ),
        twin(
            "UnknownAnnotation",
            environment(),
            |e| note(e, "release.openchoreo.dev/freeze", "2027-01-01T00:00:00Z; x"),
            |e| note(e, names::FROZEN, "2027-01-01T00:00:00Z; x"),
        ),
        twin(
            "FreezePast",
            environment(),
            |e| note(e, names::FROZEN, "2025-01-01T00:00:00Z; x"),
            |e| {
                note(e, names::FROZEN, "2027-01-01T00:00:00Z; x");
            },
        ),
        twin("DataPlaneNotFound", environment(), |e| e["spec"]["dataPlaneRef"]["name"] = "west".into(), same),
        update("Immutable", environment(), |e| e["spec"] = json!({}), |e| e["spec"]["isProduction"] = true.into()),
        twin(
            "PipelineNotFound",
            (Kind::Project, "blog", json!({"spec": {"deploymentPipelineRef": "main"}})),
            |p| {
                p["spec"]["deploymentPipelineRef"] = "none".into();
            },
            same,
        ),
        twin(
            "ProjectNotFound",
            (Kind::Component, "c", json!({"spec": {"owner": {"projectName": "shop"}}})),
            |c| {
                c["spec"]["owner"]["projectName"] = "nobody".into();
            },
            same,
        ),
    ]
}

fn all() -> Vec<Twin> {
    [of_metadata(), of_objects(), of_releases(), of_snapshots(), of_bindings(), of_platform()]
        .into_iter()
        .flatten()
        .collect()
}

/// What is said of an object, whatever follows from it.
fn said(twin: &Twin, (name, new): &(&'static str, Value)) -> Vec<&'static str> {
    let old = twin.old.as_ref();
    let change = Change { kind: twin.kind, name, new, old, user: Some("jane"), manager: None, now: NOON.parse().ok() };
    let Findings { violations, missing, warnings, .. } = validate(&change, Some(&place()));
    violations.into_iter().chain(missing).chain(warnings).map(|violation| violation.code).collect()
}

#[test]
fn each_code_is_said_of_one_and_not_of_its_neighbour() {
    for twin in all() {
        let (told, fine) = (said(&twin, &twin.told), said(&twin, &twin.fine));
        assert!(told.contains(&twin.code), "{} {}: not among {told:?}", twin.kind, twin.code);
        assert!(!fine.contains(&twin.code), "{} {}: said of its neighbour too", twin.kind, twin.code);
    }
}

/// Those of deletions and permissions have tables of their own: `deletion.rs`, `bypass.rs`.
const ELSEWHERE: [&str; 6] =
    ["BypassReason", "DataPlaneInUse", "EnvironmentInUse", "PipelineInUse", "ProjectInUse", "ReleaseInUse"];

#[test]
fn no_code_is_without_its_case() {
    let mut cased: BTreeSet<_> = all().into_iter().map(|twin| twin.code).collect();
    for code in ELSEWHERE {
        let tables = [include_str!("deletion.rs"), include_str!("bypass.rs")];
        assert!(tables.iter().any(|table| table.contains(&format!("{code:?}"))), "{code} stands in no table");
        cased.insert(code);
    }
    assert_eq!(cased, CODES.into_iter().collect());
}

/// The codes that stand in the sources of the rules, found by what a violation is made with.
#[test]
fn the_list_of_codes_is_that_of_the_rules() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut found = BTreeSet::new();
    for place in ["validate", "validate.rs", "schema", "render/admission.rs", "fence.rs", "record/said.rs"] {
        read(std::path::Path::new(source).join(place), &mut found);
    }
    assert_eq!(found, CODES.iter().map(|code| (*code).to_owned()).collect());
}

#[expect(clippy::disallowed_methods, reason = "a test compares with the tree")]
fn read(path: std::path::PathBuf, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            // What is said on behalf of the API server has a table of its own.
            let is_structure = path.file_stem().is_some_and(|stem| stem == "structure");
            if !path.ends_with("tests") && !path.ends_with("tests.rs") && !is_structure {
                read(path, found);
            }
        }
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let rules = text.split("#[cfg(test)]").next().unwrap();
    const MAKERS: [&str; 9] = [
        "Violation::fault(",
        "Violation::policy(",
        "violation(\"",
        "refusal(\"",
        "users.refuse(",
        "code: \"",
        "Some(reason)) => (",
        "None) => (",
        "None) => {",
    ];
    for maker in MAKERS {
        for (at, _) in rules.match_indices(maker) {
            // Up to the end of what is called, the first text that looks like a code.
            let opening = at + maker.trim_end_matches('"').len();
            let rest = &rules[opening..];
            let call = &rest[..rest.find(';').unwrap_or(rest.len())];
            let texts = call.split('"').skip(1).step_by(2);
            let is_code = |text: &&str| {
                text.starts_with(|c: char| c.is_ascii_uppercase())
                    && text.chars().all(|c| c.is_ascii_alphanumeric())
                    && text.len() > 3
            };
            found.extend(texts.take(3).find(is_code).map(str::to_owned));
        }
    }
}
