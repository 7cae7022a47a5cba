//! What the tests of a run share: four control planes, each started by the first test that asks for it. In one all of the
//! project runs. In another there is no controller: tests that look at what people and webhook do, and play the controller
//! where they need one, must not meet the real one. In the last two nothing of it runs: what kinds and policies say is for the
//! API server itself to keep, of this Kubernetes version and of the oldest one.

use std::io::{self, IsTerminal, Write};
use std::ops::Deref;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::{anyhow, bail};

use crate::controlplane::{ControlPlane, Options};
use crate::install::Installation;
use crate::install::policies::{self, Which};
use crate::namespace;

/// An error is kept as its text: every test that needs the fixture fails with it.
type Shared<T> = OnceLock<Result<T, String>>;

/// A control plane with the project in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Webhook and controller run.
    Whole,
    /// Only the webhook does.
    Admission,
    /// Neither does: kinds, roles and all policies are installed, but no hook.
    Policies,
    /// The same on an API server that behaves like [`OLDEST`], without what that does not have: mutating policies.
    Oldest,
}

/// The oldest Kubernetes version that the project is for.
pub const OLDEST: &str = "1.33";

struct Place {
    control_plane: Shared<ControlPlane>,
    installation: Shared<RwLock<Installation<'static>>>,
}

static PLACES: [Place; 4] = [const { Place { control_plane: OnceLock::new(), installation: OnceLock::new() } }; 4];

impl Stage {
    fn place(self) -> &'static Place {
        &PLACES[self as usize]
    }

    /// Its control plane. Where none of the project's programs runs, what is installed is there already.
    ///
    /// # Errors
    /// When it did not come up, or the policies of [`Self::Policies`] and [`Self::Oldest`] could not be installed.
    pub fn control_plane(self) -> anyhow::Result<&'static ControlPlane> {
        get(&self.place().control_plane, || {
            let control_plane = ControlPlane::start(&self.options())?;
            if let Some(which) = self.policies() {
                policies::alone(&control_plane, which)?;
            }
            Ok(control_plane)
        })
    }

    /// Where nothing is applied, nodes are not needed.
    fn options(self) -> Options {
        match self {
            Self::Whole | Self::Admission => Options::default(),
            Self::Policies => Options { nodes: 0, ..Options::default() },
            Self::Oldest => Options { nodes: 0, emulated_version: Some(OLDEST.to_owned()), ..Options::default() },
        }
    }

    /// The policies that are there by themselves.
    fn policies(self) -> Option<Which> {
        match self {
            Self::Whole | Self::Admission => None,
            Self::Policies => Some(Which::All),
            Self::Oldest => Some(Which::Validating),
        }
    }

    fn installed(self) -> anyhow::Result<&'static RwLock<Installation<'static>>> {
        let control_plane = self.control_plane()?;
        get(&self.place().installation, || {
            let installation = match self {
                Self::Whole => Installation::install(control_plane),
                Self::Admission => Installation::without_controller(control_plane),
                Self::Policies | Self::Oldest => bail!("no program of the project runs on the stage {self:?}"),
            };
            installation.map(RwLock::new)
        })
    }
}

/// The project, installed and its servers running, which stays so while the guard is held. Ask once a test: who holds
/// one guard and asks for another waits for a test that waits for the first.
///
/// # Errors
/// When it could not be installed.
pub fn installation() -> anyhow::Result<RwLockReadGuard<'static, Installation<'static>>> {
    Ok(Stage::Whole.installed()?.read().unwrap_or_else(PoisonError::into_inner))
}

/// The same for tests of [`Stage::Admission`].
///
/// # Errors
/// When it could not be installed.
pub fn admission() -> anyhow::Result<RwLockReadGuard<'static, Installation<'static>>> {
    Ok(Stage::Admission.installed()?.read().unwrap_or_else(PoisonError::into_inner))
}

/// The project for one test alone, which may stop its servers: no other test that uses the installation runs meanwhile.
///
/// # Errors
/// When it could not be installed.
pub fn installation_alone() -> anyhow::Result<Alone> {
    Ok(Alone { guard: Stage::Whole.installed()?.write().unwrap_or_else(PoisonError::into_inner) })
}

/// The same for tests of [`Stage::Admission`].
///
/// # Errors
/// When it could not be installed.
pub fn admission_alone() -> anyhow::Result<Alone> {
    Ok(Alone { guard: Stage::Admission.installed()?.write().unwrap_or_else(PoisonError::into_inner) })
}

/// The control plane of [`Stage::Policies`]: what its API server says comes from schemas and policies alone.
///
/// # Errors
/// When it did not come up, or the policies could not be installed.
pub fn policies() -> anyhow::Result<&'static ControlPlane> {
    Stage::Policies.control_plane()
}

/// The same for [`Stage::Oldest`].
///
/// # Errors
/// When it did not come up, or the policies could not be installed.
pub fn oldest() -> anyhow::Result<&'static ControlPlane> {
    Stage::Oldest.control_plane()
}

/// Stops what was started, at the end of a run. With `RELEASE_TEST_KEEP=1` on a terminal it waits for somebody who
/// wants to look at what the tests left.
pub fn stop() {
    let started: Vec<_> = PLACES.iter().filter_map(|place| place.control_plane.get()?.as_ref().ok()).collect();
    if namespace::keep() && io::stdin().is_terminal() && !started.is_empty() {
        let _ = writeln!(io::stderr(), "kept, Enter stops it:");
        for control_plane in &started {
            let _ = writeln!(io::stderr(), "  export KUBECONFIG={}", control_plane.admin_kubeconfig().display());
        }
        let _ = io::stdin().read_line(&mut String::new());
    }
    started.iter().for_each(|control_plane| control_plane.stop());
}

/// See [`installation_alone`]. What ran before is started again in the end, for the next test.
pub struct Alone {
    guard: RwLockWriteGuard<'static, Installation<'static>>,
}

impl Deref for Alone {
    type Target = Installation<'static>;

    fn deref(&self) -> &Self::Target {
        &self.guard
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Err(error) = self.guard.start() {
            let _ = writeln!(io::stderr(), "what a test stopped does not start again: {error:?}");
        }
    }
}

fn get<T>(shared: &'static Shared<T>, make: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&'static T> {
    let made = shared.get_or_init(|| make().map_err(|error| format!("{error:?}")));
    made.as_ref().map_err(|error| anyhow!("{error}"))
}
