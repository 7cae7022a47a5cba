//! What a measurement comes to.

use release_load::calls::Report;
use serde::Serialize;

use crate::duel::median_of;

/// Of one server under one load. In seconds and bytes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// Good answers in a second.
    pub(crate) throughput: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// User and system time of the server for each call.
    pub(crate) cpu: f64,
    pub(crate) peak: f64,
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    pub(crate) unsent: usize,
    pub(crate) sample: Option<String>,
}

impl Figures {
    /// Of one round.
    pub(crate) fn of(mut report: Report) -> Self {
        report.latencies.sort_unstable();
        let calls = report.latencies.len() + report.failed;
        Self {
            throughput: report.latencies.len() as f64 / report.seconds,
            p50: quantile(&report.latencies, 0.5),
            p99: quantile(&report.latencies, 0.99),
            p999: quantile(&report.latencies, 0.999),
            cpu: report.cpu / calls as f64,
            peak: report.peak,
            calls,
            failed: report.failed,
            unsent: report.unsent,
            sample: report.sample,
        }
    }

    /// Of several rounds: medians, sums of calls, and the highest peak.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        // What one round could not tell, all of them cannot.
        let of = |field: fn(&Self) -> f64| {
            let unknown = rounds.iter().map(field).any(f64::is_nan);
            if unknown { f64::NAN } else { median_of(rounds.iter().map(field)) }
        };
        let sum = |field: fn(&Self) -> usize| rounds.iter().map(field).sum();
        Self {
            throughput: of(|round| round.throughput),
            p50: of(|round| round.p50),
            p99: of(|round| round.p99),
            p999: of(|round| round.p999),
            cpu: of(|round| round.cpu),
            peak: rounds.iter().map(|round| round.peak).fold(0.0, f64::max),
            calls: sum(|round| round.calls),
            failed: sum(|round| round.failed),
            unsent: sum(|round| round.unsent),
            sample: rounds.iter().find_map(|round| round.sample.clone()),
        }
    }
}

/// The value that this part of all does not exceed, in seconds. Nearest rank, of sorted nanoseconds; not a number where there are so few
/// that it would be the largest of all, whatever that is: of 99 calls none is the slowest of a hundred.
pub(crate) fn quantile(sorted: &[u64], part: f64) -> f64 {
    if (sorted.len() as f64 * (1.0 - part)).round() < 1.0 {
        return f64::NAN;
    }
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |&nanoseconds| nanoseconds as f64 / 1e9)
}

/// Three digits and a unit.
pub(crate) fn seconds(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "-".to_owned(),
        size if size < 0.000_999_5 => format!("{:.0} µs", value * 1e6),
        size if size < 0.009_995 => format!("{:.2} ms", value * 1e3),
        size if size < 0.099_95 => format!("{:.1} ms", value * 1e3),
        size if size < 0.999_5 => format!("{:.0} ms", value * 1e3),
        _ => format!("{value:.2} s"),
    }
}

pub(crate) fn bytes(value: f64) -> String {
    format!("{:.1} MB", value / 1e6)
}

/// Of an object.
pub(crate) fn size(bytes: usize) -> String {
    if bytes < 1_000_000 { format!("{} KB", bytes / 1_000) } else { format!("{:.0} MB", bytes as f64 / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let sorted: Vec<u64> = (1..=1000).map(|value| value * 1_000_000_000).collect();
        let parts = [0.5, 0.99, 0.999].map(|part| quantile(&sorted, part));
        assert_eq!(parts, [500.0, 990.0, 999.0]);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_quantile_of_too_few_is_not_told() {
        let told = |calls: usize, part: f64| !quantile(&vec![1; calls], part).is_nan();
        assert!(told(1000, 0.999) && told(100, 0.99) && told(2, 0.5));
        assert!(!told(400, 0.999) && !told(40, 0.99) && !told(0, 0.5));
        let round = |calls: usize| Figures::of(Report { latencies: vec![1; calls], ..Report::default() });
        assert!(Figures::median(&[round(2000), round(40), round(2000)]).p99.is_nan());
    }

    #[test]
    fn failed_calls_take_time_and_are_no_throughput() {
        let report = Report { latencies: vec![3, 1], failed: 2, seconds: 2.0, cpu: 8.0, ..Report::default() };
        let figures = Figures::of(report);
        assert_eq!((figures.throughput, figures.cpu, figures.calls), (1.0, 2.0, 4));
    }
}
