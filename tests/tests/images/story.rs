//! The main job, by what is in the images.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, ensure};
use release_tests::install::Installation;
use release_tests::{ControlPlane, Options, demo, programs};

use super::archive::{self, Image, NAMES};

/// Everything that the demo shows; webhook and controller have what a pod has, and nothing else.
pub(crate) fn told() -> anyhow::Result<()> {
    let folder = archive::folder()?.join("programs");
    let is_used = programs::folder()? == folder;
    ensure!(is_used, "RELEASE_BIN_DIR is not {}, which is written anew: use `make images-test`", folder.display());
    prepare(&folder)?;
    let control_plane = ControlPlane::start(&Options::default())?;
    let installation = Installation::install(&control_plane)?;
    for pid in [installation.webhook_pid(), installation.controller_pid()] {
        is_confined(pid.context("a server does not run")?)?;
    }
    demo::tell(&control_plane, |_| Ok(()))
}

/// A folder of programs, of which the servers run as containers.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let testbed = programs::testbed()?;
    let plugin = testbed.with_file_name("kubectl-release");
    symlink(&plugin, folder.join("kubectl-release")).with_context(|| format!("linking {}", plugin.display()))?;
    for name in NAMES {
        let image = Image::open(name)?;
        let root = folder.join("roots").join(name);
        image.unpack(&root)?;
        let config = &image.config["config"];
        let user = config["User"].as_str().and_then(|user| user.split(':').next()).context("no user")?;
        let entry = config["Entrypoint"][0].as_str().context("no entry point")?;
        let script = format!(
            "#!/bin/sh\nexec '{}' container --root='{}' --user={user} -- {entry} \"$@\"\n",
            testbed.display(),
            root.display()
        );
        let path = folder.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// That a process is what it was meant to be: else the story would show nothing.
fn is_confined(pid: i32) -> anyhow::Result<()> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let says = |line: &str| status.lines().any(|one| one.split_whitespace().eq(line.split_whitespace()));
    for line in [
        "Uid: 65532 65532 65532 65532",
        "Groups:",
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "NoNewPrivs: 1",
    ] {
        ensure!(says(line), "process {pid} is not {line:?}:\n{status}");
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
    let mut fields = mounts.lines().map(|mount| mount.split(' ').skip(4).take(2).collect::<Vec<_>>());
    let is_read_only = |mount: &Vec<&str>| mount[0] == "/" && mount[1].split(',').any(|option| option == "ro");
    ensure!(fields.any(|mount| is_read_only(&mount)), "process {pid} may write:\n{mounts}");
    Ok(())
}
