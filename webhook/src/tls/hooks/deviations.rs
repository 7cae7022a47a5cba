//! What of the installed hooks is not as this version comes: a weakened hook lets changes go past the record, one that calls somebody else
//! takes the webhook out of the path, and nobody would see either.

use std::sync::LazyLock;

use release_shared::yaml;
use serde_json::Value;

use super::hooks_of;

/// As this version comes.
static INSTALLED: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let documents = yaml::read(include_str!("../../../../deploy/webhook/configurations.yaml")).unwrap_or_default();
    documents.into_iter().map(|document| document.value).collect()
});

/// Where the server is may differ from cluster to cluster, and has rules of its own.
pub(super) const FREE: [&str; 2] = ["clientConfig", "name"];
/// The port of a Service where none is given. (`admissionregistration.k8s.io/v1`, `ServiceReference`)
const PORT: u64 = 443;
/// What nothing is installed with, and what would let objects go past us.
pub(super) const SELECTORS: [&str; 2] = ["namespaceSelector", "objectSelector"];

/// The configuration of this kind, as it comes.
pub(super) fn installed(kind: &str) -> Option<&'static Value> {
    INSTALLED.iter().find(|installed| installed["kind"] == kind)
}

/// One sentence for each field that differs, for each hook that is missing, and for each that is not ours. `held` are the configurations
/// that are there, with their kinds; `names` are those that the certificate is for.
pub(super) fn of<'a>(held: impl Iterator<Item = (&'a str, &'a Value)>, names: &[String]) -> Vec<String> {
    let pairs = held.filter_map(|(kind, held)| Some((installed(kind)?, held)));
    pairs.flat_map(|(installed, held)| of_configuration(installed, held, names)).collect()
}

fn of_configuration(installed: &Value, held: &Value, names: &[String]) -> Vec<String> {
    let name = |hook: &Value| hook["name"].as_str().unwrap_or_default().to_owned();
    let told = hooks_of(installed).flat_map(|hook| match hooks_of(held).find(|held| held["name"] == hook["name"]) {
        None => vec![format!("the hook {} is missing: install deploy/webhook/configurations.yaml again", name(hook))],
        Some(held) => of_hook(&name(hook), hook, held, names),
    });
    let strange = hooks_of(held).filter(|held| hooks_of(installed).all(|hook| hook["name"] != held["name"]));
    let strange = strange.map(|hook| format!("the hook {} is not part of what is installed", name(hook)));
    told.chain(strange).collect()
}

fn of_hook(name: &str, installed: &Value, held: &Value, names: &[String]) -> Vec<String> {
    let fields = installed.as_object().into_iter().flatten().filter(|(field, _)| !FREE.contains(&field.as_str()));
    let changed = fields.filter(|(field, value)| held.get(field.as_str()) != Some(value));
    let changed = changed.map(|(field, value)| match (value, &held[field.as_str()]) {
        (Value::String(value), Value::String(held)) => format!("{field} is {held} and not {value}"),
        (Value::Number(value), Value::Number(held)) => format!("{field} is {held} and not {value}"),
        _ => format!("{field} is not as installed"),
    });
    let narrowed = SELECTORS.iter().filter(|field| held[**field].as_object().is_some_and(|held| !held.is_empty()));
    let narrowed = narrowed.map(|field| format!("{field} lets objects go past it"));
    let elsewhere = elsewhere(&installed["clientConfig"]["service"], &held["clientConfig"], names);
    changed.chain(narrowed).chain(elsewhere).map(|what| format!("the hook {name}: {what}")).collect()
}

/// What of the place that a hook calls is not ours: another server than the names of the certificate say, another path, or another port of
/// the Service. Behind which port of a URL we are is not known here.
pub(super) fn elsewhere(installed: &Value, held: &Value, names: &[String]) -> Vec<String> {
    let is_ours = |host: &str| names.iter().any(|name| name.eq_ignore_ascii_case(host));
    let path_is = |field: &str, path: &str| {
        let wanted = installed["path"].as_str().unwrap_or_default();
        (path != wanted).then(|| format!("{field} is {path:?} and not {wanted:?}: it calls something else"))
    };
    if let Some(url) = held["url"].as_str() {
        let (host, path) = parts(url);
        let host = (!is_ours(host)).then(|| format!("clientConfig.url calls {host}, which is no name of this webhook"));
        return host.into_iter().chain(path_is("the path of clientConfig.url", path)).collect();
    }
    let service = &held["service"];
    let text = |field: &str| service[field].as_str().unwrap_or_default();
    let host = format!("{}.{}.svc", text("name"), text("namespace"));
    let host = (!is_ours(&host)).then(|| format!("clientConfig.service is {host}, which is no name of this webhook"));
    let port = service["port"].as_u64().unwrap_or(PORT);
    let port = (Some(port) != installed["port"].as_u64())
        .then(|| format!("clientConfig.service.port is {port} and not {}", installed["port"]));
    host.into_iter().chain(port).chain(path_is("clientConfig.service.path", text("path"))).collect()
}

/// Host and path of a URL. The API server takes none with a user, a query or a fragment.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    (host, path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn installed() -> Vec<Value> {
        INSTALLED.clone()
    }

    const SERVICE: &str = "release-webhook.release-system.svc";

    fn told(held: &[Value]) -> Vec<String> {
        let held = held.iter().map(|held| (held["kind"].as_str().unwrap(), held));
        of(held, &[SERVICE.to_owned(), "hooks.acme.example".to_owned(), "::1".to_owned()])
    }

    /// What is told when the first hook calls that place.
    fn told_of(place: Value) -> Vec<String> {
        let mut held = installed();
        held[0]["webhooks"][0]["clientConfig"] = place;
        let told = told(&held);
        told.iter().map(|what| what.strip_prefix("the hook mutate.release.openchoreo.dev: ").unwrap().into()).collect()
    }

    #[test]
    fn what_is_as_installed_is_fine_wherever_the_server_is() {
        let mut held = installed();
        assert_eq!(held.len(), 2);
        assert_eq!(told(&held), [""; 0]);
        for hook in held.iter_mut().flat_map(|held| held["webhooks"].as_array_mut().unwrap()) {
            let path = hook["clientConfig"]["service"]["path"].as_str().unwrap().to_owned();
            let url = format!("https://Hooks.acme.example:8443{path}");
            hook["clientConfig"] = json!({ "url": url, "caBundle": "Q0E=" });
            // As the API server writes what is not given.
            hook["namespaceSelector"] = json!({});
            hook["objectSelector"] = json!({});
        }
        assert_eq!(told(&held), [""; 0]);
        assert_eq!(told(&[]), [""; 0], "nothing is installed, which is told elsewhere");
        for url in ["https://hooks.acme.example/mutate", "https://[::1]:9443/mutate", "https://[::1]/mutate"] {
            assert_eq!(told_of(json!({ "url": url })), [""; 0], "{url}");
        }
        let service = json!({ "namespace": "release-system", "name": "release-webhook", "path": "/mutate" });
        assert_eq!(told_of(json!({ "service": service })), [""; 0], "443 is the port where none is given");
    }

    #[test]
    fn a_hook_that_calls_something_else_is_told() {
        let service = |namespace: &str, port: u16, path: Option<&str>| json!({ "service": { "namespace": namespace, "name": "release-webhook", "port": port, "path": path } });
        let no_name = |host: &str| format!("{host}, which is no name of this webhook");
        let something_else = "and not \"/mutate\": it calls something else";
        for (place, expected) in [
            (
                json!({ "url": "https://nowhere:9443/mutate" }),
                vec![format!("clientConfig.url calls {}", no_name("nowhere"))],
            ),
            (
                json!({ "url": "https://hooks.acme.example/livez" }),
                vec![format!("the path of clientConfig.url is \"/livez\" {something_else}")],
            ),
            (
                json!({ "url": "https://127.0.0.1" }),
                vec![
                    format!("clientConfig.url calls {}", no_name("127.0.0.1")),
                    format!("the path of clientConfig.url is \"\" {something_else}"),
                ],
            ),
            (
                service("theirs", 443, Some("/mutate")),
                vec![format!("clientConfig.service is {}", no_name("release-webhook.theirs.svc"))],
            ),
            (
                service("release-system", 8443, None),
                vec![
                    "clientConfig.service.port is 8443 and not 443".to_owned(),
                    format!("clientConfig.service.path is \"\" {something_else}"),
                ],
            ),
            (
                service("release-system", 443, Some("/validate")),
                vec![format!("clientConfig.service.path is \"/validate\" {something_else}")],
            ),
        ] {
            assert_eq!(told_of(place.clone()), expected, "{place}");
        }
    }

    #[test]
    fn what_is_weakened_is_told() {
        let mut held = installed();
        held[0]["webhooks"][0]["failurePolicy"] = "Ignore".into();
        held[0]["webhooks"][0]["timeoutSeconds"] = 1.into();
        held[0]["webhooks"][0]["objectSelector"] = json!({ "matchLabels": { "a": "b" } });
        held[1]["webhooks"][0]["rules"][0]["operations"] = json!(["CREATE"]);
        held[1]["webhooks"].as_array_mut().unwrap().pop();
        held[1]["webhooks"].as_array_mut().unwrap().push(json!({ "name": "theirs.acme.example" }));
        assert_eq!(
            told(&held),
            [
                "the hook mutate.release.openchoreo.dev: failurePolicy is Ignore and not Fail",
                "the hook mutate.release.openchoreo.dev: timeoutSeconds is 1 and not 10",
                "the hook mutate.release.openchoreo.dev: objectSelector lets objects go past it",
                "the hook validate.release.openchoreo.dev: rules is not as installed",
                "the hook delete.release.openchoreo.dev is missing: install deploy/webhook/configurations.yaml again",
                "the hook theirs.acme.example is not part of what is installed",
            ]
        );
    }

    #[test]
    fn a_configuration_without_hooks_is_told() {
        let mut held = installed();
        held[1].as_object_mut().unwrap().remove("webhooks");
        let missing = |hook: &str| {
            format!(
                "the hook {hook}.release.openchoreo.dev is missing: install deploy/webhook/configurations.yaml again"
            )
        };
        assert_eq!(told(&held), [missing("validate"), missing("delete")]);
    }
}
