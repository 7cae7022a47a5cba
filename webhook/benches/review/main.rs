//! How much CPU time a review takes, bytes in and bytes out, beside kube's typed parse of the same bytes.
//!
//! `cases → criterion → table`: criterion measures each case in CPU time of the one thread and leaves its estimates under
//! `target/criterion`; the table holds them against the goals. A missed goal is a word in the table and no failure.

mod cases;
mod clock;
mod objects;
mod table;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode};
use kube::core::DynamicObject;
use kube::core::admission::AdmissionReview;

use cases::Case;
use clock::CpuTime;

fn main() {
    let cases = cases::all();
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    cases.iter().for_each(|case| measure(&mut criterion, case));
    criterion.final_summary();
    table::print(&cases);
}

/// The name of the peer's function in criterion's own tree.
const PEER: &str = "kube";
/// That of ours.
const OURS: &str = "ours";

fn measure(criterion: &mut Criterion<CpuTime>, case: &Case) {
    let mut group = criterion.benchmark_group(case.group());
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(BenchmarkId::from_parameter(OURS), |bencher| bencher.iter(|| black_box(case.run())));
    if let Some(body) = case.body() {
        let parse = || serde_json::from_slice::<AdmissionReview<DynamicObject>>(black_box(body));
        group.bench_function(BenchmarkId::from_parameter(PEER), |bencher| bencher.iter(|| black_box(parse())));
    }
    group.finish();
}
