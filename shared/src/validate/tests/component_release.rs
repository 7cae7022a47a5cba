use serde_json::{Map, json};

use super::*;

#[test]
fn what_an_object_is_cannot_be_a_reference() {
    let template = json!({
        "apiVersion": "v1", "kind": "${environmentConfigs.kind}", "metadata": {"name": "s", "${environmentConfigs.a}": "b"},
        "${environmentConfigs.data}": {"a": "b"}
    });
    let release = json!({"spec": {
        "owner": {"projectName": "shop", "componentName": "web"},
        "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {
            "workloadType": "proxy", "resources": [{"id": "s", "template": template}],
            "environmentConfigs": {"openAPIV3Schema": {"properties": {"kind": {}, "a": {}, "data": {}}}}
        }},
        "workload": {"container": {"image": "none"}}
    }});
    let found = codes(Kind::ComponentRelease, "web-first", &release, None);
    assert_eq!(found.iter().filter(|(_, code)| *code == "TemplateIdentity").count(), 3, "{found:?}");
}

#[test]
fn component_releases() {
    let template = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}});
    let release = |resources: Value| {
        json!({
            "metadata": {"annotations": {"openchoreo.dev/version": "v1"}},
            "spec": {
                "owner": {"projectName": "shop", "componentName": "web"},
                "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {"workloadType": "proxy", "resources": resources}},
                "workload": {"container": {"image": "none"}}
            }
        })
    };
    let good = release(json!([{"id": "configmap-web", "template": template}]));
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &good, None), []);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}});
    let inline = release(json!([{"id": "secret-s", "template": secret}]));
    let place = "spec.componentType.spec.resources[0].template.data".to_owned();
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &inline, None), [(place, "SecretInline")]);
    let mut changed = good.clone();
    changed["spec"]["workload"]["container"]["image"] = "other".into();
    changed["metadata"]["annotations"]["openchoreo.dev/version"] = "v2".into();
    assert_eq!(
        codes(Kind::ComponentRelease, "web-first", &changed, Some(&good)),
        [("spec".into(), "Immutable"), ("metadata.annotations[openchoreo.dev/version]".into(), "VersionImmutable")]
    );
    let mut profiled = good.clone();
    profiled["spec"]["componentProfile"] = json!({});
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &profiled, Some(&good)), [("spec".into(), "Immutable")]);
}

#[test]
fn what_no_pin_could_be_judged_by_is_refused_when_it_is_cut() {
    let release = |values: usize, namespaced: usize| {
        let properties: Map<String, Value> = (0..values)
            .map(|at| (format!("value{at}"), json!({"type": "string", "description": "x".repeat(1000)})))
            .collect();
        let elsewhere = |at| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x".repeat(200), "namespace": format!("n{at}")}});
        let resources: Vec<_> =
            (0..namespaced).map(|at| json!({"id": format!("r{at}"), "template": elsewhere(at)})).collect();
        json!({"metadata": {"name": "web-first"}, "spec": {
            "owner": {"projectName": "shop", "componentName": "web"},
            "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {
                "workloadType": "proxy", "resources": resources,
                "environmentConfigs": {"openAPIV3Schema": {"type": "object", "properties": properties}}
            }},
            "workload": {"container": {"image": "none"}}
        }})
    };
    let place = || [("spec.componentType.spec".to_owned(), "TooLarge")];
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &release(480, 0), None), []);
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &release(540, 0), None), place());
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &release(460, 200), None), place(), "both count");
    let old = release(540, 0);
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(
        codes(Kind::ComponentRelease, "web-first", &labelled, Some(&old)),
        [],
        "one that is there stays writable"
    );
}

#[test]
fn the_schema_of_the_values_is_one() {
    let release = json!({"spec": {
        "owner": {"projectName": "shop", "componentName": "web"},
        "componentType": {"kind": "ComponentType", "name": "proxy/web", "spec": {
            "workloadType": "proxy", "resources": [],
            "environmentConfigs": {"openAPIV3Schema": {"properties": {"size": {"type": "strin"}}}}
        }},
        "workload": {"container": {"image": "none"}}
    }});
    let place = "spec.componentType.spec.environmentConfigs.openAPIV3Schema.properties.size.type".to_owned();
    assert_eq!(codes(Kind::ComponentRelease, "web-first", &release, None), [(place, "InvalidSchema")]);
}

#[test]
fn a_version_is_one_release() {
    let mut world = world("warn");
    let release = json!({
        "metadata": {"annotations": {"openchoreo.dev/version": "v1"}},
        "spec": {"owner": {"projectName": "shop", "componentName": "web"}}
    });
    world.put(Kind::ComponentRelease, "web-1", Some(&release));
    let change = Change {
        kind: Kind::ComponentRelease,
        name: "web-2",
        new: &release,
        old: None,
        user: None,
        manager: None,
        now: None,
    };
    let codes: Vec<_> = validate(&change, Some(&world)).violations.iter().map(|violation| violation.code).collect();
    assert_eq!(codes, ["VersionTaken"]);
}
