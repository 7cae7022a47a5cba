//! Without the webhook: nothing that it alone writes can be made up. What becomes of stamps that are there is part of
//! `policy_with_webhook`, as they have to come from somewhere.

use release_shared::names;
use release_tests::{Namespace, trials};

use super::forgery::with_forged_stamps;
use super::objects::{
    annotated, annotation, binding, component, component_release, created, environment, pipeline, project, release,
};
use super::person::Person;

trials! { policies: what_is_made_up_does_not_survive_creation, who_sends_none_is_left_alone }

fn what_is_made_up_does_not_survive_creation(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let objects = [
        project(),
        environment("dev", &[("drift", "warn")]),
        pipeline("warn", &[]),
        component("web"),
        component_release("web", "web-1", "1.0"),
        binding("web", "dev", "web-1"),
        release("direct"),
    ];
    for object in objects {
        let made = created(&admin, &annotated(&with_forged_stamps(&object), &[("tests/mine", "stays")]));
        for key in names::WEBHOOK_KEYS {
            assert_eq!(annotation(&made, key), None, "{made:#}");
        }
        assert_eq!(annotation(&made, "tests/mine"), Some("stays"));
        assert_eq!(made["spec"], admin.get(&made).unwrap()["spec"]);
        // Nor later, one by one or all together, as the stored object has none.
        for key in names::WEBHOOK_KEYS {
            let later = admin.merge(&made, &annotated(&serde_json::json!({}), &[(key, "eve")])).unwrap();
            assert_eq!(annotation(&later, key), None, "{later:#}");
        }
        let later =
            admin.managing_as("tests").with_parameter("force=true").apply(&with_forged_stamps(&object)).unwrap();
        assert!(names::WEBHOOK_KEYS.iter().all(|key| annotation(&later, key).is_none()), "{later:#}");
    }
    Ok(())
}

fn who_sends_none_is_left_alone(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let admin = Person::admin(namespace);
    let made = created(&admin, &binding("web", "dev", "web-1"));
    assert_eq!(made["metadata"]["annotations"], serde_json::Value::Null, "{made:#}");
    let made = created(&admin, &annotated(&release("direct"), &[("tests/mine", "stays")]));
    assert_eq!(made["metadata"]["annotations"], serde_json::json!({ "tests/mine": "stays" }), "{made:#}");
    Ok(())
}
