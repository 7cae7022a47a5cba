//! What the tests of a run share: one control plane, started by the first test, and the project installed in it, by the
//! first test that asks for it.

use std::io::{self, IsTerminal, Write};
use std::ops::Deref;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::anyhow;

use crate::controlplane::{ControlPlane, Options};
use crate::install::Installation;
use crate::namespace;

/// An error is kept as its text: every test that needs the fixture fails with it.
type Shared<T> = OnceLock<Result<T, String>>;

static CONTROL_PLANE: Shared<ControlPlane> = OnceLock::new();
static INSTALLATION: Shared<RwLock<Installation<'static>>> = OnceLock::new();

/// The control plane of this run.
///
/// # Errors
/// When it did not come up.
pub fn control_plane() -> anyhow::Result<&'static ControlPlane> {
    get(&CONTROL_PLANE, || ControlPlane::start(&Options::default()))
}

/// The project, installed and its webhook running, which stays so while the guard is held. Ask once a test: who holds
/// one guard and asks for another waits for a test that waits for the first.
///
/// # Errors
/// When it could not be installed.
pub fn installation() -> anyhow::Result<RwLockReadGuard<'static, Installation<'static>>> {
    Ok(installed()?.read().unwrap_or_else(PoisonError::into_inner))
}

/// The project for one test alone, which may stop the webhook: no other test that uses the installation runs meanwhile.
///
/// # Errors
/// When it could not be installed.
pub fn installation_alone() -> anyhow::Result<Alone> {
    Ok(Alone { guard: installed()?.write().unwrap_or_else(PoisonError::into_inner) })
}

/// Stops what was started, at the end of a run. With `RELEASE_TEST_KEEP=1` on a terminal it waits for somebody who
/// wants to look at what the tests left.
pub fn stop() {
    let Some(Ok(control_plane)) = CONTROL_PLANE.get() else { return };
    if namespace::keep() && io::stdin().is_terminal() {
        let kubeconfig = control_plane.admin_kubeconfig().display();
        let _ = writeln!(io::stderr(), "kept, Enter stops it:\n  export KUBECONFIG={kubeconfig}");
        let _ = io::stdin().read_line(&mut String::new());
    }
    control_plane.stop();
}

/// See [`installation_alone`]. The webhook is started again in the end, for the next test.
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
        if let Err(error) = self.guard.start_webhook() {
            let _ = writeln!(io::stderr(), "the webhook does not start again after a test: {error:?}");
        }
    }
}

fn installed() -> anyhow::Result<&'static RwLock<Installation<'static>>> {
    let control_plane = control_plane()?;
    get(&INSTALLATION, || Installation::install(control_plane).map(RwLock::new))
}

fn get<T>(shared: &'static Shared<T>, make: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&'static T> {
    let made = shared.get_or_init(|| make().map_err(|error| format!("{error:?}")));
    made.as_ref().map_err(|error| anyhow!("{error}"))
}
