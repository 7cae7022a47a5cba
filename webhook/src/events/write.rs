//! The Event of a deletion that no record speaks of.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::printable;
use release_shared::status::cut;

use super::{MOST_NAMED, Objects, Unrecorded};

/// The longest note. (`events.k8s.io/v1`: 1 kB)
const MAX_NOTE: usize = 1000;
/// The longest name of a user in it, so that three of them leave room for the rest.
const MAX_USER: usize = 200;

/// Writes it; one that is lost is only an Event.
pub(super) async fn write(objects: &Objects, instance: &str, deletion: &Unrecorded, users: &[String]) {
    let events = Api::<Event>::namespaced(objects.client.clone(), &deletion.namespace);
    let (params, event) = (PostParams::default(), event(instance, deletion, users, Timestamp::now()));
    match objects.ask(events.create(&params, &event)).await {
        Ok(_) => {}
        // Another call for the same deletion was first.
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        // In a namespace that is ending nothing is made any more.
        Err(error) => tracing::debug!(error = %error, "an Event was not written"),
    }
}

/// One deletion is one Event, however often and by how many replicas it was judged: its name follows from the object's UID.
pub(super) fn event(instance: &str, deletion: &Unrecorded, users: &[String], now: Timestamp) -> Event {
    let Unrecorded { kind, namespace, name, uid, .. } = deletion;
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{}", names::short_hash(uid.as_bytes(), names::RELEASE_HASH))),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        action: Some("Delete".to_owned()),
        reason: Some("DeletedWithoutRecord".to_owned()),
        note: Some(cut(&printable(&note(deletion, users)), MAX_NOTE)),
        // Only a binding's deletion could have been recorded.
        type_: Some(if *kind == Kind::ReleaseBinding { "Warning" } else { "Normal" }.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(names::API_VERSION.to_owned()),
            kind: Some(kind.as_str().to_owned()),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(names::WEBHOOK.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

fn note(deletion: &Unrecorded, users: &[String]) -> String {
    let revision = &deletion.revision;
    let (named, more) = users.split_at(users.len().min(MOST_NAMED));
    let mut named: Vec<String> = named.iter().map(|user| cut(user, MAX_USER)).collect();
    named.extend((!more.is_empty()).then(|| "somebody else".to_owned()));
    let which = if named.len() > 1 { "; which of them it was stands in the API server's audit log" } else { "" };
    let cure = match deletion.kind {
        Kind::ReleaseBinding => ": `kubectl release delete` records first who deletes it and why",
        _ => "",
    };
    format!(
        "{} deleted this at revision {revision} without a record, and its history with it{which}{cure}",
        named.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::deletion;
    use super::*;

    #[test]
    fn an_event_says_who_and_what() {
        let now = "2026-01-02T12:00:00Z".parse().unwrap();
        let event = event("one", &deletion(Kind::ReleaseBinding, "u"), &["jane".to_owned()], now);
        insta::assert_json_snapshot!(event);
    }

    #[test]
    fn a_note_is_short_and_moves_no_cursor() {
        let now = "2026-01-02T12:00:00Z".parse().unwrap();
        let users: Vec<String> = (0..4).map(|at| format!("\u{1b}[2J{at}{}", "é".repeat(2000))).collect();
        let event = event("one", &deletion(Kind::Project, "u"), &users, now);
        let note = event.note.unwrap();
        assert!(note.len() <= 1024 && !note.contains('\u{1b}'), "{note}");
        assert!(note.contains("2J2") && !note.contains("2J3") && note.contains("or somebody else deleted"), "{note}");
        assert_eq!(event.type_.as_deref(), Some("Normal"));
    }

    /// Callers may contradict each other, and one of them may be lying: nobody is accused then.
    #[test]
    fn who_it_was_is_left_open_where_several_are_named() {
        let users = ["jane".to_owned(), "omar".to_owned()];
        assert_eq!(
            note(&deletion(Kind::Release, "u"), &users),
            "jane or omar deleted this at revision 3 without a record, and its history with it; which of them it was stands in the API \
             server's audit log"
        );
    }
}
