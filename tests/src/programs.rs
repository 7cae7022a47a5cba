//! Where the programs under test are, and the folders around them.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The folder with the programs: `RELEASE_BIN_DIR`, or cargo's profile folder from which this process was started.
///
/// # Errors
/// When this process does not know its own path.
pub fn folder() -> anyhow::Result<PathBuf> {
    match env::var_os("RELEASE_BIN_DIR") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => profile_folder(),
    }
}

/// The path of one of the programs under test.
///
/// # Errors
/// When it has not been built.
pub fn find(name: &str) -> anyhow::Result<PathBuf> {
    let folder = folder()?;
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "there is no {name} in {}: run `cargo build --workspace` first, or name another folder in RELEASE_BIN_DIR",
        folder.display()
    );
    Ok(path)
}

/// The harness's own program, whose hidden subcommands watch over processes.
///
/// # Errors
/// When it has not been built.
pub fn testbed() -> anyhow::Result<PathBuf> {
    let path = profile_folder()?.join("release-testbed");
    ensure!(path.is_file(), "there is no {}: run `cargo build -p release-tests` first", path.display());
    Ok(path)
}

/// Cargo's target folder, for whatever a run writes.
///
/// # Errors
/// When this process does not know its own path.
pub fn target_folder() -> anyhow::Result<PathBuf> {
    let profile = profile_folder()?;
    Ok(profile.parent().map_or_else(|| profile.clone(), Path::to_owned))
}

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    const TESTS: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(TESTS).parent().unwrap_or(Path::new(TESTS))
}

/// `target/debug`, `target/release` or the like: programs are in it, test binaries in `deps` below it.
fn profile_folder() -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("finding this program's own path")?;
    let folder = own.parent().context("this program has no folder")?;
    Ok(match folder.parent() {
        Some(profile) if folder.ends_with("deps") || folder.ends_with("examples") => profile.to_owned(),
        _ => folder.to_owned(),
    })
}
