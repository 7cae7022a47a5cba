//! Black-box tests against one real control plane. `cargo test -p release-tests --test cluster -- FILTER`

#![expect(clippy::unwrap_used, reason = "clippy takes tests with a harness of their own for a program")]

/// One module a subject.
mod cluster {
    pub(crate) mod actions_of_a_binding;
    pub(crate) mod admit_binding;
    pub(crate) mod admit_component_release;
    pub(crate) mod admit_environment;
    pub(crate) mod admit_fence;
    pub(crate) mod admit_pipeline;
    pub(crate) mod admit_release;
    pub(crate) mod bare_delete;
    pub(crate) mod bypass;
    pub(crate) mod controller_account;
    pub(crate) mod controller_apply;
    pub(crate) mod controller_claims;
    pub(crate) mod controller_cleanup;
    pub(crate) mod controller_collect;
    pub(crate) mod controller_direct;
    pub(crate) mod controller_drift;
    pub(crate) mod controller_fence;
    pub(crate) mod controller_health;
    pub(crate) mod controller_jobs;
    pub(crate) mod controller_namespaces;
    pub(crate) mod controller_outcomes;
    pub(crate) mod controller_owned;
    pub(crate) mod controller_process;
    pub(crate) mod controller_promotes;
    pub(crate) mod controller_prune;
    pub(crate) mod controller_rights;
    pub(crate) mod controller_tells;
    pub(crate) mod controlplane;
    pub(crate) mod delete_in_use;
    pub(crate) mod durations_agree;
    pub(crate) mod fault_kill;
    pub(crate) mod fault_leader;
    pub(crate) mod fault_missing_kind;
    pub(crate) mod fault_namespace;
    pub(crate) mod fault_outage;
    pub(crate) mod fault_quiet;
    pub(crate) mod fault_throttle;
    pub(crate) mod frozen;
    pub(crate) mod kinds_in_the_api;
    pub(crate) mod names_agree;
    pub(crate) mod needed_releases_stay;
    pub(crate) mod network_policy;
    pub(crate) mod never_in_the_way;
    pub(crate) mod node_drains;
    pub(crate) mod on_behalf_of;
    pub(crate) mod pipeline_is_kept;
    pub(crate) mod policy_deploy;
    pub(crate) mod policy_hooks;
    pub(crate) mod policy_rules;
    pub(crate) mod policy_stamps_mutating;
    pub(crate) mod policy_stamps_validating;
    pub(crate) mod policy_status;
    pub(crate) mod policy_with_webhook;
    pub(crate) mod reason_required;
    pub(crate) mod record_by_any_path;
    pub(crate) mod record_ends;
    pub(crate) mod record_forged;
    pub(crate) mod record_old_copies;
    pub(crate) mod record_other_webhooks;
    pub(crate) mod record_replicas;
    pub(crate) mod record_signed;
    pub(crate) mod record_what_counts;
    pub(crate) mod record_while_away;
    pub(crate) mod record_who;
    pub(crate) mod rules_agree;
    pub(crate) mod webhook_certificates;
    pub(crate) mod webhook_certificates_callers;
    pub(crate) mod webhook_certificates_mounted;
    pub(crate) mod webhook_connections;
    pub(crate) mod webhook_lifecycle;
    pub(crate) mod webhook_protocol;
    pub(crate) mod webhook_replacement;
    pub(crate) mod webhook_server;
    pub(crate) mod webhook_trust;
    pub(crate) mod webhook_unheard;
    pub(crate) mod webhook_way_out;
    pub(crate) mod yaml_as_kubectl_reads_it;

    pub(crate) mod plugin_change;
    pub(crate) mod plugin_controller;
    pub(crate) mod plugin_create;
    pub(crate) mod plugin_look;
    pub(crate) mod plugin_promote;
    pub(crate) mod plugin_rollback;
    pub(crate) mod plugin_see;
    pub(crate) mod plugin_wait;
    pub(crate) mod readme;
    pub(crate) mod story;
    pub(crate) mod who_answers;

    pub(crate) mod audit;
    pub(crate) mod fault_audit;
    pub(crate) mod fault_lookout;
    pub(crate) mod fault_proxy;
    pub(crate) mod fault_replica;
    pub(crate) mod fault_storm;
    pub(crate) mod fault_truth;
    pub(crate) mod fault_witness;
    pub(crate) mod fault_world;
    pub(crate) mod fleet;
    pub(crate) mod forgery;
    pub(crate) mod generated;
    pub(crate) mod line;
    pub(crate) mod live;
    pub(crate) mod load;
    pub(crate) mod meddler;
    pub(crate) mod objects;
    pub(crate) mod person;
    pub(crate) mod project;
    pub(crate) mod recorded;
    pub(crate) mod replica;
    pub(crate) mod subject;
    pub(crate) mod wire;
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
        cluster::controller_drift::trials(),
        cluster::controller_jobs::trials(),
        cluster::controller_prune::trials(),
        cluster::controller_claims::trials(),
        cluster::controller_fence::trials(),
        cluster::controller_namespaces::trials(),
        cluster::controller_account::trials(),
        cluster::controller_direct::trials(),
        cluster::controller_owned::trials(),
        cluster::controller_outcomes::trials(),
        cluster::controller_promotes::trials(),
        cluster::controller_cleanup::trials(),
        cluster::controller_collect::trials(),
        cluster::controller_tells::trials(),
        cluster::controller_health::trials(),
        cluster::controller_process::trials(),
        cluster::controller_apply::trials(),
        cluster::controller_rights::trials(),
        cluster::admit_release::trials(),
        cluster::admit_component_release::trials(),
        cluster::admit_binding::trials(),
        cluster::admit_pipeline::trials(),
        cluster::admit_environment::trials(),
        cluster::admit_fence::trials(),
        cluster::record_signed::trials(),
        cluster::record_by_any_path::trials(),
        cluster::record_what_counts::trials(),
        cluster::record_who::trials(),
        cluster::record_forged::trials(),
        cluster::record_old_copies::trials(),
        cluster::record_ends::trials(),
        cluster::record_other_webhooks::trials(),
        cluster::record_replicas::trials(),
        cluster::record_while_away::trials(),
        cluster::actions_of_a_binding::trials(),
        cluster::pipeline_is_kept::trials(),
        cluster::frozen::trials(),
        cluster::bypass::trials(),
        cluster::reason_required::trials(),
        cluster::on_behalf_of::trials(),
        cluster::network_policy::trials(),
        cluster::node_drains::trials(),
        cluster::never_in_the_way::trials(),
        cluster::needed_releases_stay::trials(),
        cluster::policy_deploy::trials(),
        cluster::policy_hooks::trials(),
        cluster::policy_rules::trials(),
        cluster::policy_stamps_mutating::trials(),
        cluster::policy_stamps_validating::trials(),
        cluster::delete_in_use::trials(),
        cluster::bare_delete::trials(),
        cluster::names_agree::trials(),
        cluster::durations_agree::trials(),
        cluster::policy_status::trials(),
        cluster::policy_with_webhook::trials(),
        cluster::rules_agree::trials(),
        cluster::webhook_certificates::trials(),
        cluster::webhook_certificates_callers::trials(),
        cluster::webhook_certificates_mounted::trials(),
        cluster::webhook_connections::trials(),
        cluster::webhook_lifecycle::trials(),
        cluster::webhook_protocol::trials(),
        cluster::webhook_replacement::trials(),
        cluster::webhook_server::trials(),
        cluster::webhook_trust::trials(),
        cluster::webhook_unheard::trials(),
        cluster::webhook_way_out::trials(),
        cluster::kinds_in_the_api::trials(),
        cluster::yaml_as_kubectl_reads_it::trials(),
        cluster::plugin_create::trials(),
        cluster::plugin_look::trials(),
        cluster::plugin_promote::trials(),
        cluster::plugin_rollback::trials(),
        cluster::plugin_change::trials(),
        cluster::plugin_wait::trials(),
        cluster::plugin_see::trials(),
        cluster::readme::trials(),
        cluster::story::trials(),
        cluster::who_answers::trials(),
        cluster::fault_kill::trials(),
        cluster::fault_leader::trials(),
        cluster::fault_missing_kind::trials(),
        cluster::fault_namespace::trials(),
        cluster::fault_outage::trials(),
        cluster::fault_quiet::trials(),
        cluster::fault_throttle::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    fixture::stop();
    conclusion.exit_code()
}
