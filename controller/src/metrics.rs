//! What is counted and measured. In Prometheus every name begins with `release_controller_`, and that of a counter ends in `_total`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use release_edge::metrics::{Registry, Requests};
use release_shared::kinds::{Health, Kind};

/// Upper bounds of how long a reconcile takes, in seconds: one without a request, one with a few, one that is told to wait.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconciled {
    /// Nothing was to be done, or it was done.
    Done,
    /// It is tried again later.
    Failed,
}

impl Reconciled {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// The program's figures.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// What is sent to the API server.
    pub(crate) requests: Requests,
    /// 1 while this replica holds the lease.
    pub(crate) lease_held: Gauge,
    reconciles: Family<KindAndResult, Counter>,
    durations: Family<OfKind, Histogram>,
    queued: Family<OfKind, Gauge>,
    watch_restarts: Family<OfKind, Counter>,
    outcomes: Family<OfHealth, Counter>,
    releases: Family<OfHealth, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindAndResult {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHealth {
    health: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Requests::default(),
            lease_held: Gauge::default(),
            reconciles: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            queued: Family::default(),
            watch_restarts: Family::default(),
            outcomes: Family::default(),
            releases: Family::default(),
        }
    }
}

impl Metrics {
    /// A reconcile of an object of a kind has ended.
    pub(crate) fn reconciled(&self, kind: Kind, result: Reconciled, took: Duration) {
        let (kind, result) = (kind.as_str(), result.as_str());
        self.reconciles.get_or_create(&KindAndResult { kind, result }).inc();
        self.durations.get_or_create(&OfKind { kind: kind.to_owned() }).observe(took.as_secs_f64());
    }

    /// So many objects of a kind wait to be reconciled.
    pub(crate) fn set_queued(&self, kind: Kind, depth: usize) {
        self.queued.get_or_create(&OfKind { kind: kind.to_string() }).set(number(depth));
    }

    /// A watch failed and began anew. `kind` may be any kind of the cluster.
    pub(crate) fn watch_restarted(&self, kind: &str) {
        self.watch_restarts.get_or_create(&OfKind { kind: kind.to_owned() }).inc();
    }

    /// A health was written into the outcome of a revision.
    pub(crate) fn outcome(&self, health: Health) {
        self.outcomes.get_or_create(&OfHealth { health: health.to_string() }).inc();
    }

    /// So many releases are of this health.
    pub(crate) fn set_releases(&self, health: Health, count: usize) {
        self.releases.get_or_create(&OfHealth { health: health.to_string() }).set(number(count));
    }

    /// All of them in a registry.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("release_controller");
        self.requests.register(&mut registry);
        registry.register("lease_held", "1 while this replica holds the lease", self.lease_held.clone());
        registry.register("reconciles", "Reconciles that ended, by kind and result", self.reconciles.clone());
        registry.register("reconcile_seconds", "How long reconciles took", self.durations.clone());
        registry.register("queue_depth", "Objects that wait to be reconciled", self.queued.clone());
        registry.register("watch_restarts", "Watches that failed and began anew", self.watch_restarts.clone());
        registry.register("outcomes", "Outcomes that were written, by health", self.outcomes.clone());
        registry.register("releases", "Releases by health", self.releases.clone());
        registry
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use release_edge::metrics::text;

    use super::*;

    #[test]
    fn every_figure_is_told() {
        let metrics = Metrics::default();
        metrics.lease_held.set(1);
        metrics.reconciled(Kind::Release, Reconciled::Done, Duration::from_millis(7));
        metrics.reconciled(Kind::Release, Reconciled::Failed, Duration::from_secs(60));
        metrics.set_queued(Kind::ReleaseBinding, 3);
        metrics.watch_restarted("Pod");
        metrics.outcome(Health::Degraded);
        metrics.set_releases(Health::Healthy, 50);
        let text = text(&metrics.registry()).unwrap();
        for line in [
            "# TYPE release_controller_reconciles counter",
            "release_controller_lease_held 1",
            r#"release_controller_reconciles_total{kind="Release",result="done"} 1"#,
            r#"release_controller_reconciles_total{kind="Release",result="failed"} 1"#,
            r#"release_controller_reconcile_seconds_bucket{le="0.01",kind="Release"} 1"#,
            r#"release_controller_reconcile_seconds_bucket{le="+Inf",kind="Release"} 2"#,
            r#"release_controller_queue_depth{kind="ReleaseBinding"} 3"#,
            r#"release_controller_watch_restarts_total{kind="Pod"} 1"#,
            r#"release_controller_outcomes_total{health="Degraded"} 1"#,
            r#"release_controller_releases{health="Healthy"} 50"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "no line {line}\n{text}");
        }
    }
}
