//! What became of an object is said by the controller's account, and by nobody else.

use release_tests::{Namespace, trials};
use serde_json::{Value, json};

use super::objects::{binding, component, created, environment, name, pipeline, project, release};
use super::person::{Person, refused_by_the_server};

trials! { policies and oldest: nobody_else_writes_a_status, the_controller_does }

fn objects() -> Vec<Value> {
    vec![
        project(),
        environment("dev", &[]),
        pipeline("warn", &[("dev", &[])]),
        component("web"),
        binding("web", "dev", "web-1"),
        release("direct"),
    ]
}

fn nobody_else_writes_a_status(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    for object in objects() {
        let object = created(&admin, &object);
        let said =
            format!("the status of a {} is written by the release controller only", object["kind"].as_str().unwrap());
        let told = admin.merge_status(&object, &json!({ "observedGeneration": 1 }));
        let status = refused_by_the_server(&told, 403, &said);
        assert!(status.message.contains("ValidatingAdmissionPolicy 'release-status'"), "{status:?}");
        refused_by_the_server(&admin.replace_status(&object), 403, &said);
        // What is not its status is nobody's business here.
        admin.merge(&object, &json!({ "metadata": { "labels": { "a": "b" } } })).unwrap();
    }
    Ok(())
}

fn the_controller_does(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let controller =
        Person::of(namespace, namespace.control_plane().service_account("release-system", "release-controller")?)?;
    for object in [binding("web", "dev", "web-1"), release("direct")] {
        let object = created(&admin, &object);
        let told = controller.merge_status(&object, &json!({ "observedGeneration": 1 })).unwrap();
        assert_eq!(told["status"]["observedGeneration"], 1, "{} {told}", name(&object));
    }
    Ok(())
}
