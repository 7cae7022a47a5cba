//! The controller as a process that tests stop, kill and start again.

use std::fs;

use anyhow::{Context, ensure};
use release_tests::{Namespace, fixture, trials};

trials! { it_is_stopped_killed_and_started_again }

fn it_is_stopped_killed_and_started_again(_: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let health = |path: &str| installation.controller_health(path);
    assert_eq!((health("/readyz"), health("/livez"), health("/nothing")), (Some(200), Some(200), Some(404)));
    ensure!(!installation.controller_metrics()?.is_empty(), "there are no metrics");
    let first = installation.controller_pid().context("the controller does not run")?;
    installation.start_controller()?;
    assert_eq!(installation.controller_pid(), Some(first), "it was started although it ran");

    installation.stop_controller();
    installation.stop_controller();
    assert_eq!((installation.controller_pid(), health("/readyz")), (None, None));
    ensure!(installation.controller_metrics().is_err(), "somebody else answers");
    installation.start_controller()?;
    let second = installation.controller_pid();
    ensure!(second.is_some_and(|second| second != first), "it is not another process: {second:?}");

    installation.kill_controller();
    installation.kill_controller();
    assert_eq!((installation.controller_pid(), health("/readyz")), (None, None));
    // Killed while it starts, and started again.
    installation.launch_controller()?;
    installation.kill_controller();
    installation.launch_controller()?;
    installation.start_controller()?;
    assert_eq!(health("/readyz"), Some(200));
    let log = fs::read_to_string(installation.controller_log()).context("reading the controller's log")?;
    ensure!(log.lines().count() > 1, "the log of one of its processes is gone:\n{log}");
    Ok(())
}
