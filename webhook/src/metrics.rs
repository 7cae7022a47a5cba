//! What is counted and measured. In Prometheus every name begins with `release_webhook_`, and that of a counter ends in `_total`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use release_edge::log;
use release_edge::metrics::{Registry, Requests};
use release_shared::kinds::Kind;
use release_shared::validate::schema_codes;
use release_shared::violation::CODES;

use crate::cache::WATCHED;
use crate::review::{self, Mode, Reply};
use crate::tls::Certificates;

/// Upper bounds of how long an answer takes, in seconds: most take a fraction of a millisecond, the largest objects some milliseconds, and
/// what has to ask the API server up to a second. The API server's own lowest bound is 5 ms.
const SECONDS: [f64; 12] = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// Writes an enum of reasons, and all of them in one list: a reason that is new is told from the start.
macro_rules! reasons {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $reason:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$what])* $reason,)*
        }

        impl $name {
            const ALL: &[Self] = &[$(Self::$reason),*];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// Why a call was not answered with a review.
    Unanswered {
        /// The caches are not filled yet.
        NotReady = "not-ready",
        /// Too much is under way: the API server tries again.
        Shed = "shed",
        /// Its body did not come in time.
        Slow = "slow",
        /// It is none that the API server makes.
        Malformed = "malformed",
        /// By a fault of this program.
        Failed = "failed",
    }
}

reasons! {
    /// Why the API server was not asked, or what it said is worth nothing.
    Unasked {
        /// Too many ask already.
        Busy = "busy",
        /// It did not answer in time.
        Slow = "slow",
        /// It answered with a failure, or nobody did.
        Failed = "failed",
    }
}

/// The program's figures.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// What is sent to the API server.
    pub(crate) requests: Requests,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Connections that gave way to others.
    pub(crate) connections_evicted: Counter,
    /// Connections that were turned away, as none gave way.
    pub(crate) connections_refused: Counter,
    /// Handshakes that came to nothing.
    pub(crate) handshakes_failed: Counter,
    /// Calls that are being answered.
    pub(crate) in_flight: Gauge,
    /// Reviews that wait for what the API server says.
    pub(crate) looking: Gauge,
    reviews: Family<Review, Counter>,
    refusals: Family<OfCode, Counter>,
    durations: Family<OfHook, Histogram>,
    unanswered: Family<OfReason, Counter>,
    cache_heard: Family<OfKind, Gauge>,
    cache_interruptions: Family<OfKind, Counter>,
    unasked: Family<OfReason, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Review {
    hook: &'static str,
    kind: &'static str,
    operation: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHook {
    hook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            requests: Requests::default(),
            connections: Gauge::default(),
            connections_evicted: Counter::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
            in_flight: Gauge::default(),
            looking: Gauge::default(),
            reviews: Family::default(),
            refusals: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            unanswered: Family::default(),
            cache_heard: Family::default(),
            cache_interruptions: Family::default(),
            unasked: Family::default(),
        };
        metrics.begin();
        metrics
    }
}

impl Metrics {
    /// What is known to come is told as 0 before it does: else the first of it is no change to whoever looks at rates.
    fn begin(&self) {
        for why in Unanswered::ALL {
            drop(self.unanswered.get_or_create(&OfReason { reason: why.as_str() }));
        }
        for mode in [Mode::Mutate, Mode::Validate] {
            drop(self.durations.get_or_create(&OfHook { hook: mode.as_str() }));
        }
        for code in codes() {
            drop(self.refusals.get_or_create(&OfCode { code }));
        }
        for why in Unasked::ALL {
            drop(self.unasked.get_or_create(&OfReason { reason: why.as_str() }));
        }
        for kind in WATCHED {
            drop(self.cache_interruptions.get_or_create(&OfKind { kind: kind.as_str() }));
        }
    }

    /// Something was not looked up, or in vain.
    pub(crate) fn unasked(&self, why: Unasked) {
        self.unasked.get_or_create(&OfReason { reason: why.as_str() }).inc();
    }

    /// A review was answered.
    pub(crate) fn answered(&self, mode: Mode, reply: &Reply, took: Duration) {
        let (hook, facts) = (mode.as_str(), reply.facts());
        // A hostile client may write anything there: only what is known becomes a label.
        let kind = Kind::parse(&facts.kind).map_or("other", Kind::as_str);
        let operation = ["CREATE", "UPDATE", "DELETE"].into_iter().find(|known| *known == facts.operation);
        let verdict = if reply.is_allowed() { "allowed" } else { "denied" };
        self.reviews.get_or_create(&Review { hook, kind, operation: operation.unwrap_or("other"), verdict }).inc();
        for code in reply.refusal_codes() {
            debug_assert!(codes().any(|known| known == code), "{code} was not told as 0 before");
            self.refusals.get_or_create(&OfCode { code }).inc();
        }
        self.durations.get_or_create(&OfHook { hook }).observe(took.as_secs_f64());
    }

    /// A call was not answered with a review.
    pub(crate) fn unanswered(&self, why: Unanswered) {
        self.unanswered.get_or_create(&OfReason { reason: why.as_str() }).inc();
    }

    /// The watch of a kind failed and is tried again; until then nothing new is seen of it.
    pub(crate) fn interrupted(&self, kind: Kind) {
        self.cache_interruptions.get_or_create(&OfKind { kind: kind.as_str() }).inc();
    }

    /// The API server told of a kind.
    pub(crate) fn heard(&self, kind: Kind, now: Timestamp) {
        self.cache_heard.get_or_create(&OfKind { kind: kind.as_str() }).set(now.as_second());
    }

    /// All of them in a registry, and what the certificates say when they are asked.
    pub(crate) fn registry(&self, certificates: Arc<Certificates>) -> Registry {
        let mut registry = Registry::with_prefix("release_webhook");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program's version", build);
        self.requests.register(&mut registry);
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "connections_evicted",
            "Connections without a whole call that gave way to new ones",
            self.connections_evicted.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that were turned away as none gave way",
            self.connections_refused.clone(),
        );
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that came to nothing",
            self.handshakes_failed.clone(),
        );
        registry.register("reviews_in_flight", "Calls that are being answered", self.in_flight.clone());
        registry.register("lookups_in_flight", "Reviews that wait for what the API server says", self.looking.clone());
        registry.register("lookups_failed", "Look-ups that came to nothing, by why", self.unasked.clone());
        registry.register_collector(Box::new(Expiry(certificates)));
        registry.register_collector(Box::new(Dropped));
        registry.register("reviews", "Reviews by hook, kind, operation and verdict", self.reviews.clone());
        registry.register("refusals", "Reasons of refusals, by the code of the rule", self.refusals.clone());
        registry.register("review_duration_seconds", "How long reviews took", self.durations.clone());
        registry.register(
            "unanswered",
            "Calls that were not answered with a review, by reason",
            self.unanswered.clone(),
        );
        registry.register(
            "cache_heard_timestamp_seconds",
            "When the API server last told of a kind that rules look up",
            self.cache_heard.clone(),
        );
        registry.register(
            "cache_interruptions",
            "Watches that failed and were tried again, by kind",
            self.cache_interruptions.clone(),
        );
        registry
    }
}

/// What a refusal may be for.
fn codes() -> impl Iterator<Item = &'static str> {
    CODES.into_iter().chain(schema_codes()).chain(review::CODES)
}

/// How much of the log nobody read.
#[derive(Debug)]
struct Dropped;

impl Collector for Dropped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let dropped = ConstCounter::new(log::dropped());
        let words = "Lines of the log that were dropped, since nobody read as fast as they came";
        dropped.encode(encoder.encode_descriptor("log_lines_dropped", words, None, dropped.metric_type())?)
    }
}

/// When the certificate that is served ends; nothing before there is one.
#[derive(Debug)]
struct Expiry(Arc<Certificates>);

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(until) = self.0.until() else { return Ok(()) };
        let expiry = ConstGauge::new(until.as_second());
        let encoder = encoder.encode_descriptor(
            "certificate_expiry_timestamp_seconds",
            "When the certificate that is served ends, in seconds since 1970",
            None,
            expiry.metric_type(),
        )?;
        expiry.encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use release_edge::metrics::text;

    use super::*;

    /// Who looks at `increase()` does not see a figure that begins with 1.
    #[test]
    fn what_alerts_look_at_is_told_before_it_happens() {
        let text = text(&Metrics::default().registry(Arc::default())).unwrap();
        for line in [
            r#"release_webhook_unanswered_total{reason="not-ready"} 0"#,
            r#"release_webhook_unanswered_total{reason="shed"} 0"#,
            r#"release_webhook_unanswered_total{reason="slow"} 0"#,
            r#"release_webhook_unanswered_total{reason="malformed"} 0"#,
            r#"release_webhook_unanswered_total{reason="failed"} 0"#,
            r#"release_webhook_refusals_total{code="NotPromoted"} 0"#,
            r#"release_webhook_refusals_total{code="Unreadable"} 0"#,
            r#"release_webhook_refusals_total{code="TooLarge"} 0"#,
            r#"release_webhook_review_duration_seconds_count{hook="mutate"} 0"#,
            r#"release_webhook_review_duration_seconds_count{hook="validate"} 0"#,
            r#"release_webhook_cache_interruptions_total{kind="ReleaseBinding"} 0"#,
            "release_webhook_connections_evicted_total 0",
            "release_webhook_tls_handshake_failures_total 0",
        ] {
            assert!(text.lines().any(|told| told == line), "no line {line}\n{text}");
        }
    }

    #[test]
    fn every_figure_is_told() {
        let metrics = Metrics::default();
        let body = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"x","kind":"<b>"},"operation":"BOIL"}}"#;
        let reply = *crate::review::decode(body).unwrap_err();
        metrics.answered(Mode::Mutate, &reply, Duration::from_micros(70));
        metrics.answered(Mode::Validate, &crate::review::too_large(b"{}", 1), Duration::from_secs(9));
        metrics.unanswered(Unanswered::Shed);
        metrics.heard(Kind::Project, Timestamp::UNIX_EPOCH);
        metrics.interrupted(Kind::Project);
        metrics.in_flight.inc();
        let text = text(&metrics.registry(Arc::default())).unwrap();
        for line in [
            r#"release_webhook_reviews_total{hook="mutate",kind="other",operation="other",verdict="allowed"} 1"#,
            r#"release_webhook_reviews_total{hook="validate",kind="other",operation="other",verdict="denied"} 1"#,
            r#"release_webhook_refusals_total{code="TooLarge"} 1"#,
            r#"release_webhook_review_duration_seconds_bucket{le="0.0001",hook="mutate"} 1"#,
            r#"release_webhook_unanswered_total{reason="shed"} 1"#,
            r#"release_webhook_cache_heard_timestamp_seconds{kind="Project"} 0"#,
            r#"release_webhook_cache_interruptions_total{kind="Project"} 1"#,
            "release_webhook_reviews_in_flight 1",
            "release_webhook_lookups_in_flight 0",
            r#"release_webhook_lookups_failed_total{reason="busy"} 0"#,
            "release_webhook_log_lines_dropped_total 0",
            "release_webhook_connections 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "no line {line}\n{text}");
        }
        assert!(
            text.contains(&format!(r#"release_webhook_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION"))),
            "{text}"
        );
    }
}
