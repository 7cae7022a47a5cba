//! The program's settings: flags, each with a variable of the environment.

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use release_edge::log;
use release_edge::program::duration;
use release_shared::names;

use crate::lease::Timing;

/// Turns a pinned release into live objects, watches their health, cleans up.
///
/// Several replicas may run: the one that holds the Lease `release-controller` works, the others wait. The connection to the API server is
/// the usual one: the account of the pod, or KUBECONFIG.
#[derive(Debug, Parser)]
#[command(name = "release-controller", version)]
pub(crate) struct Args {
    /// The namespace that this program runs in and keeps its Lease in
    #[arg(long, env = "RELEASE_CONTROLLER_NAMESPACE", default_value = names::SYSTEM_NAMESPACE, value_name = "NAME")]
    pub(crate) namespace: String,

    /// Where /livez, /readyz and /metrics are answered (plain HTTP)
    #[arg(long, env = "RELEASE_CONTROLLER_HEALTH_LISTEN", default_value = "[::]:8081", value_name = "ADDRESS")]
    pub(crate) health_listen: SocketAddr,

    /// Who this replica is in the Lease; no other may be the same [default: $POD_NAME, else the host's name]
    #[arg(long, env = "RELEASE_CONTROLLER_IDENTITY", value_name = "NAME")]
    pub(crate) identity: Option<String>,

    /// How long the other replicas let the Lease be after it was last renewed
    #[arg(long, env = "RELEASE_CONTROLLER_LEASE_DURATION", default_value = "15s", value_parser = duration, value_name = "DURATION")]
    pub(crate) lease_duration: Duration,

    /// How long this replica works on when it cannot renew the Lease; it renews at half of that
    #[arg(long, env = "RELEASE_CONTROLLER_RENEW_DEADLINE", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) renew_deadline: Duration,

    /// How often a replica that waits looks at the Lease, and how soon a renewal that failed is tried again
    #[arg(long, env = "RELEASE_CONTROLLER_RETRY_PERIOD", default_value = "2s", value_parser = duration, value_name = "DURATION")]
    pub(crate) retry_period: Duration,

    /// How many objects are worked on at once
    #[arg(long, env = "RELEASE_CONTROLLER_WORKERS", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=64), value_name = "NUMBER")]
    pub(crate) workers: u16,

    /// Apply nothing in an environment that names no service account to act as
    #[arg(long, env = "RELEASE_CONTROLLER_REQUIRE_SERVICE_ACCOUNT")]
    pub(crate) require_service_account: bool,

    /// What is logged, as `level` or `target=level`, comma-separated
    #[arg(long, env = "RELEASE_CONTROLLER_LOG", default_value = "info,kube_runtime=error", value_parser = log::filter, value_name = "FILTER")]
    pub(crate) log: log::Filter,
}

impl Args {
    /// Who this replica is. A pod's name stays when its container starts anew, and no other pod has it.
    pub(crate) fn identity(&self) -> anyhow::Result<String> {
        let given = self.identity.clone().or_else(|| env::var("POD_NAME").ok()).filter(|name| !name.is_empty());
        match given {
            Some(name) => Ok(name),
            None => {
                let name = hostname::get().context("failed to read the host's name: set --identity")?;
                Ok(name.to_string_lossy().into_owned())
            }
        }
    }

    /// The Lease's times.
    pub(crate) fn timing(&self) -> anyhow::Result<Timing> {
        let timing = Timing {
            lease_duration: self.lease_duration,
            renew_deadline: self.renew_deadline,
            retry_period: self.retry_period,
        };
        timing.fault().map_or(Ok(timing), |fault| Err(anyhow::Error::msg(fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["release-controller"], words].concat())
    }

    #[test]
    fn the_defaults_fit_together() {
        assert!(args(&[]).unwrap().timing().is_ok());
    }

    #[test]
    fn times_that_do_not_fit_together_are_refused() {
        let fits = |words| args(words).unwrap().timing().is_ok();
        assert!(fits(&["--lease-duration=3s", "--renew-deadline=2s", "--retry-period=500ms"]));
        assert!(!fits(&["--lease-duration=10s"]), "the next holder would begin before the last one stops");
        assert!(!fits(&["--renew-deadline=4s"]), "no second try");
        assert!(!fits(&["--retry-period=0s"]), "without a pause");
    }

    #[test]
    fn a_replica_is_who_it_is_told_to_be_or_its_host() {
        assert_eq!(args(&["--identity=pod-a"]).unwrap().identity().unwrap(), "pod-a");
        assert!(!args(&["--identity="]).unwrap().identity().unwrap().is_empty());
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_refused() {
        assert!(args(&["--lease-duration", "15 seconds"]).is_err());
        assert!(args(&["--workers", "0"]).is_err());
    }
}
