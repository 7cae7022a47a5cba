//! What happens to certificates, told in the log and by Events in the system namespace.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use release_shared::names;
use release_shared::status::cut;

use super::plan::Step;
use super::secret;
use crate::run::instance;

/// The longest note. (`events.k8s.io/v1`: 1 kB)
const MAX_NOTE: usize = 1000;
/// How long the same is not told again by an Event.
const PAUSE: Duration = Duration::from_secs(60);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    /// Somebody should look.
    is_warning: bool,
    reason: &'static str,
    note: String,
    about: About,
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Secret,
    Deployment,
}

impl News {
    /// What a step means to people.
    pub(super) fn of_step(step: Step) -> Self {
        let routine = |reason, note: String| Self { is_warning: false, reason, note, about: About::Secret };
        let restored = |note: &str| Self {
            is_warning: true,
            reason: "CertificateRestored",
            note: note.to_owned(),
            about: About::Secret,
        };
        match step {
            Step::Restore => restored("The Secret was deleted or emptied; what it held is written back"),
            Step::Remember => restored("The Secret was replaced; the authority of what is served stays trusted until that has expired"),
            Step::Make => routine("AuthorityIssued", "Made an authority and a certificate: there was none that could be used".to_owned()),
            Step::Begin(why) => routine("AuthorityAdded", format!("Made another authority, to be trusted before it signs: {}", why.as_str())),
            Step::Discard => routine("AuthorityDiscarded", "Gave up the authority that was to be the next one: it cannot sign".to_owned()),
            Step::Switch => routine("AuthorityChanged", "The next authority signs from now on; the one before stays trusted until its last certificate has expired".to_owned()),
            Step::Renew(why) => routine("CertificateIssued", format!("Made another certificate: {}", why.as_str())),
            Step::Drop => routine("AuthorityRemoved", "The last certificate of an authority before has expired; it is not trusted any more".to_owned()),
        }
    }

    /// Somebody took our authority out of a configuration, or put another one in.
    pub(super) fn authority_restored(kinds: &[&str]) -> Self {
        let note = format!("Somebody changed caBundle of {} {}; it is as it was", kinds.join(" and "), names::WEBHOOK);
        Self { is_warning: true, reason: "AuthorityRestored", note, about: About::Deployment }
    }

    /// The hooks are not as installed, or are again.
    pub(super) fn configuration(deviations: &[String]) -> Self {
        let note = match deviations {
            [] => "The webhook configurations are as installed again".to_owned(),
            _ => format!("The webhook configurations are not as installed: {}", deviations.join("; ")),
        };
        Self { is_warning: !deviations.is_empty(), reason: "ConfigurationChanged", note, about: About::Deployment }
    }

    /// Whom the hooks should trust could not be written, or could be in the end.
    pub(super) fn authorities(refusal: Option<&str>) -> Self {
        let (reason, note) = match refusal {
            Some(refusal) => ("AuthorityRefused", refusal),
            None => {
                ("AuthorityAccepted", "The configurations have the authorities now that could not be written before")
            }
        };
        Self { is_warning: refusal.is_some(), reason, note: note.to_owned(), about: About::Deployment }
    }

    /// Mounted files that are not served.
    pub(super) fn files(problem: String) -> Self {
        Self { is_warning: true, reason: "CertificateRefused", note: problem, about: About::Deployment }
    }
}

/// Tells it.
pub(super) struct Teller {
    events: Api<Event>,
    namespace: String,
    instance: String,
    told: Told,
}

/// For each reason what an Event was last written about, and when.
#[derive(Default)]
struct Told(HashMap<&'static str, (String, Instant)>);

impl Told {
    /// Whether to tell this now by an Event.
    fn is_due(&mut self, news: &News, now: Instant) -> bool {
        let last = self.0.get(news.reason);
        if last.is_some_and(|(note, at)| *note == news.note && now.saturating_duration_since(*at) < PAUSE) {
            return false;
        }
        self.0.insert(news.reason, (news.note.clone(), now));
        true
    }
}

impl Teller {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self {
            events: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            instance: instance(),
            told: Told::default(),
        }
    }

    /// Nobody waits for the Event: one that is lost is only an Event. What somebody does again and again is one Event a minute.
    pub(super) fn tell(&mut self, news: &News) {
        if news.is_warning {
            tracing::warn!(reason = news.reason, "{}", news.note);
        } else {
            tracing::info!(reason = news.reason, "{}", news.note);
        }
        if !self.told.is_due(news, Instant::now()) {
            return;
        }
        let (events, event) = (self.events.clone(), self.event(news));
        tokio::spawn(async move {
            if let Err(error) = events.create(&PostParams::default(), &event).await {
                tracing::debug!(error = %error, "an event was not written");
            }
        });
    }

    fn event(&self, news: &News) -> Event {
        let (version, kind, name) = match news.about {
            About::Secret => ("v1", "Secret", secret::NAME),
            About::Deployment => ("apps/v1", "Deployment", names::WEBHOOK),
        };
        let namespace = Some(self.namespace.clone());
        Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", names::WEBHOOK)),
                namespace: namespace.clone(),
                ..ObjectMeta::default()
            },
            regarding: Some(ObjectReference {
                api_version: Some(version.to_owned()),
                kind: Some(kind.to_owned()),
                namespace,
                name: Some(name.to_owned()),
                ..ObjectReference::default()
            }),
            type_: Some(if news.is_warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(news.reason.to_owned()),
            note: Some(cut(&news.note, MAX_NOTE)),
            action: Some("Certify".to_owned()),
            event_time: Some(MicroTime(Timestamp::now())),
            reporting_controller: Some(names::WEBHOOK.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_a_minute_and_another_thing_at_once() {
        let (mut told, start) = (Told::default(), Instant::now());
        let (one, other) = (News::files("one".to_owned()), News::files("other".to_owned()));
        let restored = News::authority_restored(&["MutatingWebhookConfiguration"]);
        let mut is_due = |news: &News, seconds| told.is_due(news, start + Duration::from_secs(seconds));
        assert!(is_due(&one, 0) && is_due(&restored, 0));
        assert!(!is_due(&one, 59) && !is_due(&restored, 59));
        assert!(is_due(&one, 60) && is_due(&other, 60) && is_due(&one, 60));
    }
}
