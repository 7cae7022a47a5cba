//! What the API server itself says of its calls: `apiserver_admission_webhook_admission_duration_seconds`. (k8s.io/apiserver,
//! `pkg/admission/metrics`) It counts for as long as it runs, so this is looked at before and after.

use std::collections::BTreeMap;

use anyhow::Context;
use http::Request;
use kube::Client;
use release_tests::block_on;
use serde::Serialize;

use super::grid;
use super::reviews::HOOKS;
use super::servers::Who;

const METRIC: &str = "apiserver_admission_webhook_admission_duration_seconds";

/// The first of its buckets: 5 ms.
const SOON: &str = "0.005";

/// A hook by its name and by whether it mutates (`admit`) or validates (`validating`).
type Hook = (String, String);

/// Calls for creates, by hook.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<Hook, Count>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    all: u64,
    soon: u64,
}

/// How many calls of one hook were answered soon.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) who: Who,
    pub(crate) hook: &'static str,
    pub(crate) calls: u64,
    /// Within 5 ms.
    pub(crate) soon: u64,
}

impl Told {
    /// Which part took longer; not a number where there was no call.
    pub(crate) fn late(&self) -> f64 {
        (self.calls - self.soon) as f64 / self.calls as f64
    }
}

impl Counts {
    pub(crate) fn look(client: &Client) -> anyhow::Result<Self> {
        let request = Request::get("/metrics").body(Vec::new())?;
        let text = block_on(client.request_text(request)).context("reading the API server's metrics")?;
        Ok(Self::read(&text))
    }

    fn read(text: &str) -> Self {
        let mut counts = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.strip_prefix(METRIC).and_then(|rest| rest.rsplit_once(' ')) else {
                continue;
            };
            let label = |key: &str| {
                let (_, rest) = series.split_once(&format!("{key}=\""))?;
                rest.split('"').next()
            };
            let (Some(name), Some(kind), Some("CREATE")) = (label("{name"), label(",type"), label(",operation")) else {
                continue;
            };
            let count = counts.0.entry((name.to_owned(), kind.to_owned())).or_default();
            let value: u64 = value.parse().unwrap_or_default();
            // By whether they were refused, there are several series.
            if series.starts_with("_count") {
                count.all += value;
            } else if series.starts_with("_bucket") && label(",le") == Some(SOON) {
                count.soon += value;
            }
        }
        counts
    }

    /// What came of everybody's calls since `before`.
    pub(crate) fn since(&self, before: &Self) -> Vec<Told> {
        let told = |who: Who, at: usize| {
            let end = if who == Who::Ours {
                "release.openchoreo.dev"
            } else {
                &format!("load-{}.release.example", who.name())
            };
            let of = |counts: &Self| {
                let hooks = counts
                    .0
                    .iter()
                    .filter(|((name, kind), _)| name.ends_with(end) && kind == ["admit", "validating"][at]);
                hooks.fold(Count::default(), |sum, (_, count)| Count {
                    all: sum.all + count.all,
                    soon: sum.soon + count.soon,
                })
            };
            let (before, after) = (of(before), of(self));
            Told { who, hook: HOOKS[at], calls: after.all - before.all, soon: after.soon - before.soon }
        };
        Who::ALL.into_iter().flat_map(|who| [told(who, 0), told(who, 1)]).collect()
    }
}

pub(crate) fn text(told: &[Told]) -> String {
    let lines = told.iter().map(|told| {
        let who = format!("{} /{}", told.who.name(), told.hook);
        [who, percent(1.0 - told.late()), (told.calls - told.soon).to_string(), told.calls.to_string()]
    });
    grid::text(["THE API SERVER'S OWN METRIC, CREATE OF 10 KB", "WITHIN 5 ms", "LATER", "CALLS"], 1, lines)
}

pub(crate) fn percent(part: f64) -> String {
    if part.is_nan() { "-".to_owned() } else { format!("{:.2} %", part * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# TYPE apiserver_admission_webhook_admission_duration_seconds histogram
apiserver_admission_webhook_admission_duration_seconds_bucket{name="mutate.release.openchoreo.dev",operation="CREATE",rejected="false",type="admit",le="0.005"} 90
apiserver_admission_webhook_admission_duration_seconds_bucket{name="mutate.release.openchoreo.dev",operation="CREATE",rejected="false",type="admit",le="0.025"} 99
apiserver_admission_webhook_admission_duration_seconds_sum{name="mutate.release.openchoreo.dev",operation="CREATE",rejected="false",type="admit"} 0.5
apiserver_admission_webhook_admission_duration_seconds_count{name="mutate.release.openchoreo.dev",operation="CREATE",rejected="false",type="admit"} 100
apiserver_admission_webhook_admission_duration_seconds_bucket{name="mutate.release.openchoreo.dev",operation="CREATE",rejected="true",type="admit",le="0.005"} 2
apiserver_admission_webhook_admission_duration_seconds_count{name="mutate.release.openchoreo.dev",operation="CREATE",rejected="true",type="admit"} 2
apiserver_admission_webhook_admission_duration_seconds_count{name="mutate.release.openchoreo.dev",operation="UPDATE",rejected="false",type="admit"} 7
apiserver_admission_webhook_admission_duration_seconds_count{name="load-peer.release.example",operation="CREATE",rejected="false",type="validating"} 5
"#;

    #[test]
    fn calls_are_counted_by_hook_since_some_moment() {
        let told = Counts::read(TEXT).since(&Counts::default());
        let of = |who: Who, hook: &str| {
            let told = told.iter().find(|told| told.who == who && told.hook == hook).unwrap();
            (told.calls, told.soon)
        };
        assert_eq!((of(Who::Ours, "mutate"), of(Who::Ours, "validate")), ((102, 92), (0, 0)));
        assert_eq!((of(Who::Peer, "validate"), of(Who::Peer, "mutate")), ((5, 0), (0, 0)));
        assert_eq!(Counts::read(TEXT).since(&Counts::read(TEXT))[0].calls, 0);
        let lines: Vec<String> =
            text(&told).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(lines.contains(&"ours /mutate 90.20 % 10 102".to_owned()), "{lines:#?}");
    }
}
