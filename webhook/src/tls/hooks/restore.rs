//! The hooks as they were installed: what somebody changes in them is put back, as long as the configuration says that this version keeps it.

use release_shared::names;
use release_shared::object::annotation;
use serde_json::{Value, json};

use super::deviations::{FREE, SELECTORS, elsewhere, installed};
use super::hooks_of;

/// What a configuration says that this version keeps.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The configuration with its hooks as installed; nothing where they are. Nothing either where it does not say that this version keeps it
/// ([`names::KEPT_AS`]): another version has other hooks, and whoever takes that off wants others. Hooks of somebody else stay. `serving`
/// are the names that the certificate is for.
pub(super) fn restored(held: &Value, serving: &[String]) -> Option<Value> {
    annotation(held, names::KEPT_AS).filter(|version| *version == VERSION)?;
    let installed = installed(held["kind"].as_str()?)?;
    let mut wanted = held.clone();
    if !wanted["webhooks"].is_array() {
        wanted["webhooks"] = json!([]);
    }
    let hooks = wanted["webhooks"].as_array_mut()?;
    let sibling = sibling(hooks, installed, serving);
    for hook in hooks_of(installed) {
        match hooks.iter_mut().find(|held| held["name"] == hook["name"]) {
            Some(held) => put_back(held, hook, &sibling, serving),
            None => hooks.push(with_place(hook, &sibling, serving)),
        }
    }
    (wanted != *held).then_some(wanted)
}

/// How a hook calls us that still does.
fn sibling(hooks: &[Value], installed: &Value, serving: &[String]) -> Value {
    let place = |hook: &Value| hooks.iter().find(|held| held["name"] == hook["name"]).map(|held| &held["clientConfig"]);
    let good = hooks_of(installed).find_map(|hook| place(hook).filter(|place| is_here(place, hook, serving)));
    good.cloned().unwrap_or_default()
}

fn put_back(held: &mut Value, installed: &Value, sibling: &Value, serving: &[String]) {
    for (field, value) in installed.as_object().into_iter().flatten() {
        if !FREE.contains(&field.as_str()) && held[field.as_str()] != *value {
            held[field.as_str()] = value.clone();
        }
    }
    for field in SELECTORS {
        if held[field].as_object().is_some_and(|selector| !selector.is_empty()) {
            held[field] = json!({});
        }
    }
    if is_here(&held["clientConfig"], installed, serving) {
        return;
    }
    let places = [&held["clientConfig"], sibling].map(|other| place(installed, other, serving));
    // Where we are called may not be known: that is told, and stays.
    if let Some(place) = places.into_iter().find(|place| is_here(place, installed, serving)) {
        held["clientConfig"] = place;
    }
}

fn with_place(installed: &Value, sibling: &Value, serving: &[String]) -> Value {
    let mut hook = installed.clone();
    hook["clientConfig"] = place(installed, sibling, serving);
    hook
}

fn is_here(place: &Value, installed: &Value, serving: &[String]) -> bool {
    elsewhere(&installed["clientConfig"]["service"], place, serving).is_empty()
}

/// Where a hook calls us: the Service as installed, or what another one calls with a path of its own, and whom that one trusts.
fn place(installed: &Value, other: &Value, serving: &[String]) -> Value {
    let mut place = installed["clientConfig"].clone();
    if !is_here(&place, installed, serving)
        && let Some((scheme, rest)) = other["url"].as_str().and_then(|url| url.split_once("://"))
    {
        let authority = rest.split('/').next().unwrap_or(rest);
        let path = installed["clientConfig"]["service"]["path"].as_str().unwrap_or_default();
        place = json!({ "url": format!("{scheme}://{authority}{path}") });
    }
    if let Some(bundle) = other.get("caBundle") {
        place["caBundle"] = bundle.clone();
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "release-webhook.release-system.svc";

    fn held(kind: &str) -> Value {
        let mut held = installed(kind).unwrap().clone();
        for hook in held["webhooks"].as_array_mut().unwrap() {
            hook["clientConfig"]["caBundle"] = "Q0E=".into();
            // As the API server writes what is not given.
            hook["namespaceSelector"] = json!({});
            hook["objectSelector"] = json!({});
        }
        held
    }

    fn mended(held: &Value) -> Option<Value> {
        restored(held, &[SERVICE.to_owned(), "127.0.0.1".to_owned()])
    }

    #[test]
    fn what_somebody_weakened_is_as_installed_again() {
        for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            let good = held(kind);
            assert_eq!(mended(&good), None, "{kind}");
            let tricks: [fn(&mut Value); 8] = [
                |held| held["webhooks"][0]["failurePolicy"] = "Ignore".into(),
                |held| held["webhooks"][0]["timeoutSeconds"] = 1.into(),
                |held| held["webhooks"][0]["rules"] = json!([]),
                |held| held["webhooks"][0]["objectSelector"] = json!({ "matchLabels": { "a": "b" } }),
                |held| held["webhooks"][0]["matchConditions"] = json!([{ "name": "never", "expression": "false" }]),
                |held| held["webhooks"][0]["clientConfig"]["service"]["name"] = "theirs".into(),
                |held| held["webhooks"][0]["clientConfig"]["service"]["path"] = "/livez".into(),
                |held| {
                    let place = json!({ "url": "https://nowhere/mutate", "caBundle": "Q0E=" });
                    held["webhooks"][0]["clientConfig"] = place;
                },
            ];
            for (at, trick) in tricks.into_iter().enumerate() {
                let mut bad = good.clone();
                trick(&mut bad);
                assert_eq!(mended(&bad), Some(good.clone()), "{kind}, trick {at}");
            }
        }
    }

    #[test]
    fn a_hook_that_is_gone_comes_back_and_one_of_others_stays() {
        let good = held("ValidatingWebhookConfiguration");
        let mut bad = good.clone();
        bad["webhooks"].as_array_mut().unwrap().pop();
        let back = mended(&bad).unwrap();
        assert_eq!(back["webhooks"][1]["name"], "delete.release.openchoreo.dev");
        assert_eq!(back["webhooks"][1]["clientConfig"], good["webhooks"][1]["clientConfig"]);
        bad["webhooks"] = Value::Null;
        assert_eq!(mended(&bad).unwrap()["webhooks"].as_array().unwrap().len(), 2);
        bad["webhooks"] = json!([{ "name": "theirs.acme.example" }]);
        assert_eq!(mended(&bad).unwrap()["webhooks"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_url_that_is_ours_stays_one() {
        let mut bad = held("MutatingWebhookConfiguration");
        bad["webhooks"][0]["clientConfig"] = json!({ "url": "https://127.0.0.1:9443/livez", "caBundle": "Q0E=" });
        let nowhere_else = restored(&bad, &["127.0.0.1".to_owned()]).unwrap();
        let place = json!({ "url": "https://127.0.0.1:9443/mutate", "caBundle": "Q0E=" });
        assert_eq!(nowhere_else["webhooks"][0]["clientConfig"], place);
        bad["webhooks"][0]["clientConfig"] = json!({ "url": "https://nowhere/mutate" });
        assert_eq!(restored(&bad, &["127.0.0.1".to_owned()]), None, "where we are is not known");
        let mut two = held("ValidatingWebhookConfiguration");
        let ours = |path: &str| json!({ "url": format!("https://127.0.0.1:9443{path}"), "caBundle": "Q0E=" });
        two["webhooks"][0]["clientConfig"] = ours("/validate");
        two["webhooks"][1]["clientConfig"] = json!({ "url": "https://nowhere/validate", "caBundle": "Q0E=" });
        let as_the_other = restored(&two, &["127.0.0.1".to_owned()]).unwrap();
        assert_eq!(as_the_other["webhooks"][1]["clientConfig"], ours("/validate"));
    }

    #[test]
    fn what_this_version_does_not_keep_is_left_alone() {
        let mut others = held("MutatingWebhookConfiguration");
        others["webhooks"][0]["failurePolicy"] = "Ignore".into();
        others["metadata"]["annotations"][names::KEPT_AS] = "99.0.0".into();
        assert_eq!(mended(&others), None);
        others["metadata"]["annotations"] = Value::Null;
        assert_eq!(mended(&others), None);
    }
}
