//! Manifests and what `create` is told about them.

use release_shared::kinds::Kind;
use release_shared::render::{Input, RenderedResource, render};
use release_shared::schema;
use release_shared::snapshot::{Cut, Manifest, Request, cut};
use release_shared::validate::{Change, validate};
use release_shared::violation::{FieldPath, Violation};
use release_shared::yaml;
use serde_json::Value;

/// Any text as a file of manifests. Its lines `#lift ARGUMENT`, `#image ARGUMENT`, `#skip ARGUMENT` and `#keep-namespace` are what
/// `create` is told.
pub fn snapshot(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(documents) = yaml::read(text) else { return };
    for document in &documents {
        check_written(&document.value);
    }
    let manifests: Vec<_> =
        documents.into_iter().map(|document| Manifest { file: "a.yaml".into(), document }).collect();
    let request = Request {
        project: "shop",
        component: "web",
        version: Some("1.0.0"),
        manifests: &manifests,
        lifts: &told(text, "#lift "),
        images: &told(text, "#image "),
        skips: &told(text, "#skip "),
        keep_namespace: text.lines().any(|line| line == "#keep-namespace"),
    };
    match cut(&request) {
        Ok(cut) => check_cut(&cut),
        Err(rejected) => {
            assert!(!rejected.problems.is_empty());
            rejected.problems.iter().for_each(|problem| drop(problem.to_string()));
            if let Some(partial) = &rejected.partial {
                locate_all(partial, &violations(&partial.release));
            }
        }
    }
}

fn told<T: std::str::FromStr>(text: &str, flag: &str) -> Vec<T> {
    text.lines().filter_map(|line| line.strip_prefix(flag)?.trim().parse().ok()).collect()
}

/// What is written of a document is read as the same.
fn check_written(value: &Value) {
    let written = yaml::write(value);
    let read = yaml::read(&written).map(|documents| documents.into_iter().map(|document| document.value).collect());
    assert_eq!(read, Ok(vec![value.clone()]), "{written}");
}

fn violations(release: &Value) -> Vec<Violation> {
    let name = release.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let change =
        Change { kind: Kind::ComponentRelease, name, new: release, old: None, user: None, manager: None, now: None };
    validate(&change, None).violations
}

fn locate_all(cut: &Cut, violations: &[Violation]) {
    for violation in violations {
        drop(cut.locate(&violation.path));
    }
    drop(cut.origins().map(|(id, location)| format!("{id} {location}")).collect::<Vec<_>>());
    drop(cut.locate(&FieldPath::root("spec")));
}

/// A release that is accepted is the same after a round trip through JSON, and so are the rules' words about it. What the rules have
/// nothing against renders, with the values that were lifted out of the manifests, and is cut from what it renders to again.
fn check_cut(cut: &Cut) {
    let said = violations(&cut.release);
    locate_all(cut, &said);
    let text = cut.release.to_string();
    let again: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again, cut.release, "another release after a round trip");
    assert_eq!(violations(&again), said);
    if !said.is_empty() {
        return;
    }
    let objects = rendered(&again["spec"]);
    assert_eq!(objects.len(), cut.origins().count());
    if again.pointer("/spec/componentType/spec/environmentConfigs").is_none() {
        check_cut_again(&again, &objects);
    }
}

fn rendered(spec: &Value) -> Vec<RenderedResource> {
    let configs = spec.pointer("/componentType/spec/environmentConfigs/openAPIV3Schema");
    let configs = configs.map(|schema| schema::apply_defaults(schema, &serde_json::json!({}))).unwrap_or_default();
    let input = Input {
        release: spec,
        configs: &configs,
        project: "shop",
        component: "web",
        environment: "dev",
        namespace: Some("shop-dev"),
    };
    render(&input).unwrap_or_else(|found| panic!("what the rules accept does not render: {found:?}"))
}

fn check_cut_again(release: &Value, objects: &[RenderedResource]) {
    let text: String = objects.iter().map(|resource| format!("---\n{}", yaml::write(&resource.object))).collect();
    let documents = yaml::read(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let manifests: Vec<_> =
        documents.into_iter().map(|document| Manifest { file: "b.yaml".into(), document }).collect();
    let request = Request {
        project: "shop",
        component: "web",
        version: Some("1.0.0"),
        manifests: &manifests,
        lifts: &[],
        images: &[],
        skips: &[],
        keep_namespace: true,
    };
    let again = cut(&request).unwrap_or_else(|rejected| panic!("{:?}: {text}", rejected.problems));
    assert_eq!(again.release["metadata"]["name"], release["metadata"]["name"], "{text}");
}
