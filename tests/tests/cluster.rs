//! Black-box tests against one real control plane. `cargo test -p release-tests --test cluster -- FILTER`

#![expect(clippy::unwrap_used, reason = "clippy takes tests with a harness of their own for a program")]

/// One module a subject.
mod cluster {
    pub(crate) mod actions_of_a_binding;
    pub(crate) mod admit_binding;
    pub(crate) mod admit_component_release;
    pub(crate) mod admit_pipeline;
    pub(crate) mod admit_release;
    pub(crate) mod controlplane;
    pub(crate) mod forged_stamps;
    pub(crate) mod kinds_in_the_api;
    pub(crate) mod never_in_the_way;
    pub(crate) mod pipeline_is_kept;
    pub(crate) mod recorded_by_any_path;
    pub(crate) mod webhook_server;
    pub(crate) mod yaml_as_kubectl_reads_it;

    pub(crate) mod plugin_create;
    pub(crate) mod plugin_promote;
    pub(crate) mod plugin_see;
    pub(crate) mod readme;
    pub(crate) mod story;
    pub(crate) mod who_answers;

    pub(crate) mod audit;
    pub(crate) mod objects;
    pub(crate) mod person;
    pub(crate) mod project;
}

use std::process::ExitCode;

use libtest_mimic::Arguments;
use release_tests::fixture;

/// What one API server takes side by side without making tests wait for each other.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let trials = [
        cluster::controlplane::trials(),
        cluster::admit_release::trials(),
        cluster::admit_component_release::trials(),
        cluster::admit_binding::trials(),
        cluster::admit_pipeline::trials(),
        cluster::recorded_by_any_path::trials(),
        cluster::forged_stamps::trials(),
        cluster::actions_of_a_binding::trials(),
        cluster::pipeline_is_kept::trials(),
        cluster::never_in_the_way::trials(),
        cluster::webhook_server::trials(),
        cluster::kinds_in_the_api::trials(),
        cluster::yaml_as_kubectl_reads_it::trials(),
        cluster::plugin_create::trials(),
        cluster::plugin_promote::trials(),
        cluster::plugin_see::trials(),
        cluster::readme::trials(),
        cluster::story::trials(),
        cluster::who_answers::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    fixture::stop();
    conclusion.exit_code()
}
