use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::render::{self, Input};
use crate::yaml;

const SHOP: &str = "\
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: shop
    namespace: prod
    uid: 1f
    creationTimestamp: null
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: '{}'
  spec:
    replicas: 3
    template:
      spec:
        initContainers:
        - {name: wait, image: 'busybox:1'}
        containers:
        - name: proxy
          image: envoy:v1
        - name: shop
          image: registry:5000/shop:v1@sha256:0f
          command: [/bin/sh, -c]
          args: ['echo ${HOME}']
          env: [{name: PORT, value: '8080'}]
  status: {replicas: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data:
  run.sh: 'echo ${HOME} ${\"$\"}{ $'
  ${key}: x
";

fn manifests(file: &str, text: &str) -> Vec<Manifest> {
    let documents = yaml::read(text).unwrap();
    documents.into_iter().map(|document| Manifest { file: file.to_owned(), document }).collect()
}

fn request(manifests: &[Manifest]) -> Request<'_> {
    Request {
        project: "web",
        component: "shop",
        version: None,
        manifests,
        lifts: &[],
        images: &[],
        skips: &[],
        keep_namespace: false,
    }
}

fn rendered(cut: &Cut) -> Vec<Value> {
    let input = Input {
        release: &cut.release["spec"],
        configs: &Value::Null,
        project: "web",
        component: "shop",
        environment: "staging",
        namespace: None,
    };
    render::render(&input).unwrap().into_iter().map(|resource| resource.object).collect()
}

fn problems(text: &str, arguments: Request<'_>) -> Vec<String> {
    let manifests = manifests("a.yaml", text);
    cut(&Request { manifests: &manifests, ..arguments })
        .unwrap_err()
        .problems
        .iter()
        .map(|p| format!("{} {p}", p.violation.code))
        .collect()
}

#[test]
fn a_release_holds_templates_schema_and_the_primary_workload() {
    let manifests = manifests("shop.yaml", SHOP);
    let lifts = [
        "replicas=Deployment/shop:/spec/replicas".parse().unwrap(),
        "run=ConfigMap/shop:/data/run.sh".parse().unwrap(),
        "port=deployment.apps/shop:/spec/template/spec/containers/1/env/0/value".parse().unwrap(),
    ];
    let images = ["registry:5000/shop=*:v2".parse().unwrap(), "busybox=mirror/busybox".parse().unwrap()];
    let request = Request { version: Some("v2"), lifts: &lifts, images: &images, ..request(&manifests) };
    let cut = cut(&request).unwrap();
    insta::assert_snapshot!(yaml::write(&cut.release), @r#"
apiVersion: openchoreo.dev/v1alpha1
kind: ComponentRelease
metadata:
  annotations:
    openchoreo.dev/version: v2
  labels:
    openchoreo.dev/component: shop
    openchoreo.dev/project: web
  name: shop-cmvj5rlgwdqzkepc
spec:
  componentType:
    kind: ComponentType
    name: deployment/shop
    spec:
      environmentConfigs:
        openAPIV3Schema:
          properties:
            port:
              default: "8080"
              type: string
            replicas:
              default: 3
              type: integer
            run:
              default: echo ${HOME} ${"$"}{ $
              type: string
          type: object
      resources:
      - id: configmap-shop
        template:
          apiVersion: v1
          data:
            ${"$"}{key}: x
            run.sh: ${environmentConfigs.run}
          kind: ConfigMap
          metadata:
            name: shop
      - id: deployment
        template:
          apiVersion: apps/v1
          kind: Deployment
          metadata:
            name: shop
          spec:
            replicas: ${environmentConfigs.replicas}
            template:
              spec:
                containers:
                - image: envoy:v1
                  name: proxy
                - args:
                  - echo ${"$"}{HOME}
                  command:
                  - /bin/sh
                  - -c
                  env:
                  - name: PORT
                    value: ${environmentConfigs.port}
                  image: registry:5000/shop:v2
                  name: shop
                initContainers:
                - image: mirror/busybox:1
                  name: wait
      workloadType: deployment
  owner:
    componentName: shop
    projectName: web
  workload:
    container:
      args:
      - echo ${HOME}
      command:
      - /bin/sh
      - -c
      image: registry:5000/shop:v2
"#);
    let expected = [
        "shop.yaml:8: Deployment/shop: its namespace `prod` is left out, so that it goes to the environment's own (--keep-namespace keeps it)",
        "shop.yaml:12: Deployment/shop: its annotation `kubectl.kubernetes.io/last-applied-configuration` is left out: it holds an older version of the object",
    ];
    assert_eq!(cut.warnings, expected);
    assert_eq!(rendered(&cut)[1]["spec"]["replicas"], json!(3));
    assert_eq!(rendered(&cut)[0]["data"]["run.sh"], json!("echo ${HOME} ${\"$\"}{ $"));
    assert_eq!(rendered(&cut)[0]["data"]["${key}"], json!("x"));
}

#[test]
fn a_path_in_the_release_leads_back_to_file_and_line() {
    let manifests = manifests("shop.yaml", SHOP);
    let cut = cut(&request(&manifests)).unwrap();
    let line = |path: &str| {
        cut.locate(&FieldPath::root(&format!("spec.componentType.spec.resources{path}"))).map(|l| l.to_string())
    };
    assert_eq!(line("[1].template.spec.replicas").as_deref(), Some("shop.yaml:14"));
    assert_eq!(line("[1].template.spec.template.spec.containers[1].image").as_deref(), Some("shop.yaml:23"));
    assert_eq!(line("[1].id").as_deref(), Some("shop.yaml:4"));
    assert_eq!(line("[0].template.data[run.sh]").as_deref(), Some("shop.yaml:33"));
    assert_eq!(line("[0].template.data.nothing").as_deref(), Some("shop.yaml:32"));
    assert_eq!(line("[2].template"), None);
    assert_eq!(cut.locate(&FieldPath::root("spec.owner")), None);
    let origins: Vec<String> = cut.origins().map(|(id, location)| format!("{id} {location}")).collect();
    assert_eq!(origins, ["configmap-shop shop.yaml:29", "deployment shop.yaml:4"]);
}

#[test]
fn ids_are_the_workload_type_or_kind_and_name() {
    let table = [
        ("v1 ConfigMap a", "proxy: configmap-a"),
        ("apps/v1 Deployment b, apps/v1 Deployment shop", "deployment: deployment deployment-b"),
        ("apps/v1 Deployment b, apps/v1 Deployment a", "deployment: deployment deployment-b"),
        ("apps/v1 Deployment b, batch/v1 Job shop", "job: deployment-b job"),
        ("batch/v1 Job b, batch/v1 CronJob c", "cronjob: cronjob job-b"),
        ("example.com/v1 Job shop", "proxy: job-shop"),
        ("rbac.authorization.k8s.io/v1 Role system:x", "proxy: role-system-x-wxjev5ps"),
    ];
    for (objects, expected) in table {
        let text: Vec<String> = objects
            .split(", ")
            .map(|object| {
                let [api, kind, name] = object.split(' ').collect::<Vec<_>>()[..] else { panic!("{object}") };
                format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: '{name}'}}}}")
            })
            .collect();
        let manifests = manifests("a.yaml", &text.join("\n---\n"));
        let cut = cut(&request(&manifests)).unwrap();
        let workload_type = cut.release["spec"]["componentType"]["spec"]["workloadType"].as_str().unwrap();
        let ids: Vec<&str> = cut.origins().map(|(id, _)| id).collect();
        assert_eq!(format!("{workload_type}: {}", ids.join(" ")), expected);
    }
}

#[test]
fn objects_that_share_kind_and_name_are_told_apart() {
    let text = "{apiVersion: a.io/v1, kind: Gateway, metadata: {name: x}}\n---\n{apiVersion: b.io/v1, kind: Gateway, metadata: {name: x}}\n";
    let manifests = manifests("a.yaml", text);
    let cut = cut(&request(&manifests)).unwrap();
    let ids: Vec<&str> = cut.origins().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.starts_with("gateway-x-") && id.len() == "gateway-x-".len() + 8), "{ids:?}");
}

#[test]
fn every_problem_is_told_with_file_and_line() {
    let text = "\
kind: ConfigMap
metadata:
  generateName: a-
---
- a
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: b
  label: {a: b}
  clusterName: x
  ownerReferences: []
  deletionTimestamp: x
data:
  list:
  - 18446744073709551615
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: b
  namespace: other
";
    let images = ["nginx=x".parse().unwrap()];
    let skips = ["Secret/db".parse().unwrap()];
    let found = problems(text, Request { images: &images, skips: &skips, ..request(&[]) });
    insta::assert_snapshot!(found.join("\n"), @r#"
Required a.yaml:1: apiVersion: `apiVersion` is missing: this is no Kubernetes object; add it, or leave the file out
Required a.yaml:2: metadata.name: `metadata.name` is missing, and a release must know every object by its name; replace `generateName` by it
NotAnObject a.yaml:5: a manifest must be an object with `apiVersion` and `kind`; correct or remove it
UnmatchedSkip `--skip Secret/db` matches no object of the manifests; there are ConfigMap/b
UnknownMetadata a.yaml:12: metadata.clusterName: Kubernetes knows no `metadata.clusterName`; remove it, or move it to where it belongs
UnknownMetadata a.yaml:14: metadata.deletionTimestamp: `deletionTimestamp` says that this is a copy of an object that is being deleted; remove it
UnknownMetadata a.yaml:11: metadata.label: Kubernetes knows no `metadata.label`; did you mean `labels`?
UnknownMetadata a.yaml:13: metadata.ownerReferences: an owner is known by a uid that exists in one cluster only; remove `ownerReferences`
IntegerRange a.yaml:17: data.list[0]: 18446744073709551615 does not fit a signed 64-bit integer; use a smaller number, or a string
UnmatchedImage `--image nginx=x` matches no image of the manifests; there are none
DuplicateObject a.yaml:19: ConfigMap/b stands in a.yaml:7 too; remove one (objects that differ only in their namespace need --keep-namespace)
"#);
}

#[test]
fn a_lift_that_does_not_fit_says_what_is_there() {
    let lifts = [
        "replicas=Deployment/shop:/spec/replica",
        "image=Deployment/shop:/spec/template/spec/containers/7/image",
        "x=Deployment/shop:/spec/replicas/y",
        "x=Deployment/shop:/kind",
        "x=Service/shop:/spec",
        "ok=Deployment/shop:/spec/replicas",
        "ok=Deployment/shop:/spec/replicas",
        "again=Deployment/shop:/spec/replicas",
        "whole=Deployment/shop:/spec",
        "ok=ConfigMap/shop:/data",
    ]
    .map(|text| text.parse::<Lift>().unwrap());
    insta::assert_snapshot!(problems(SHOP, Request { lifts: &lifts, ..request(&[]) }).join("\n"), @r#"
UnmatchedLift `--lift replicas=Deployment/shop:/spec/replica`: there is no `replica` there; in a.yaml:13 `/spec` has the keys `replicas`, `template`
UnmatchedLift `--lift image=Deployment/shop:/spec/template/spec/containers/7/image`: there is no `7` there; in a.yaml:19 `/spec/template/spec/containers` is a list with 2 entries, counted from 0
UnmatchedLift `--lift x=Deployment/shop:/spec/replicas/y`: there is no `y` there; in a.yaml:14 `/spec/replicas` is a single value
LiftIdentity `--lift x=Deployment/shop:/kind`: this identifies the object and must be the same everywhere; lift a place below `/spec` or `/data`
UnmatchedLift `--lift x=Service/shop:/spec`: there is no such object; there are ConfigMap/shop, Deployment/shop
LiftConflict `--lift again=Deployment/shop:/spec/replicas`: the place overlaps with that of `--lift ok=Deployment/shop:/spec/replicas`; lift one of them
LiftConflict `--lift whole=Deployment/shop:/spec`: the place overlaps with that of `--lift ok=Deployment/shop:/spec/replicas`; lift one of them
LiftConflict `--lift ok=ConfigMap/shop:/data`: `ok` is lifted from another place with another value; choose another key
"#);
}

#[test]
fn a_secret_is_left_out_or_at_least_not_lifted() {
    let text = "{apiVersion: v1, kind: Secret, metadata: {name: db, foo: bar}, stringData: {password: hunter2}}";
    let lifts = ["password=Secret/db:/stringData/password".parse().unwrap()];
    let found = problems(text, Request { lifts: &lifts, ..request(&[]) });
    assert!(found.iter().any(|problem| problem.starts_with("SecretInline")), "{found:?}");
    assert!(!found.join("").contains("hunter2"));
    let skips = ["Secret/db".parse().unwrap()];
    assert_eq!(
        problems(text, Request { skips: &skips, ..request(&[]) }),
        ["NoObjects the manifests hold no objects to release; name files that do"]
    );
}

#[test]
fn what_is_rejected_can_still_be_looked_at() {
    let manifests = manifests("a.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, foo: b}}");
    let rejected = cut(&request(&manifests)).unwrap_err();
    assert_eq!(rejected.problems.len(), 1);
    assert_eq!(rejected.partial.unwrap().origins().count(), 1);
}

#[test]
fn a_name_made_from_content_is_known_by_its_form() {
    let spec = json!({"a": 1});
    let name = release_name("shop", &spec);
    assert_eq!(name.len(), "shop-".len() + 16);
    assert!(is_content_name("shop", &name));
    let long = "a".repeat(63);
    assert!(is_content_name(&long, &release_name(&long, &spec)));
    for other in ["shop", "shop-v1", "shop-0123456789abcdef", "store-abcdefghabcdefgh", "shop-ABCDEFGHABCDEFGH"] {
        assert!(!is_content_name("shop", other), "{other}");
    }
    assert_ne!(name, release_name("shop", &json!({"a": 2})));
}

/// Objects with distinct identities, in two orders.
fn any_objects() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let api = prop::sample::select(vec!["v1", "apps/v1", "batch/v1", "example.com/v1"]);
    let kind = prop::sample::select(vec!["ConfigMap", "Deployment", "Job", "Widget", "WIDGET"]);
    let name = prop::sample::select(vec!["a", "shop", "x:y", "b.c"]);
    let object = (api, kind, name, yaml::tests::any_value(), yaml::tests::any_value()).prop_map(|(api, kind, name, data, spec)| {
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": {"a": "${b}"}}, "data": data, "spec": spec})
    });
    prop::collection::vec(object, 1..6).prop_flat_map(|mut objects| {
        let identity =
            |object: &Value| format!("{}{}{}", object["apiVersion"], object["kind"], object["metadata"]["name"]);
        objects.sort_by_key(identity);
        objects.dedup_by_key(|object| identity(object));
        (Just(objects.clone()), Just(objects).prop_shuffle())
    })
}

fn from_values(values: &[Value]) -> Vec<Manifest> {
    values.iter().flat_map(|value| manifests("a.yaml", &yaml::write(value))).collect()
}

proptest! {
    #[test]
    fn what_is_cut_renders_back_to_the_same_objects_in_any_order((objects, shuffled) in any_objects()) {
        let (one, two) = (from_values(&objects), from_values(&shuffled));
        let (one, two) = (cut(&request(&one)).unwrap(), cut(&request(&two)).unwrap());
        prop_assert_eq!(&one.release, &two.release);
        let sorted = |mut objects: Vec<Value>| {
            objects.sort_by_key(Value::to_string);
            objects
        };
        prop_assert_eq!(sorted(rendered(&one)), sorted(objects));
        let schema = None;
        for resource in one.release.pointer("/spec/componentType/spec/resources").unwrap().as_array().unwrap() {
            prop_assert_eq!(render::check_templates(&FieldPath::empty(), &resource["template"], schema), vec![]);
        }
    }
}
