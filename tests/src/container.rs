//! Runs a program as a container runtime runs it in a pod: with no file but its image's, nothing writable, as a user without a
//! name and without capabilities, and with its service account where a pod has it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use data_encoding::BASE64;
use http::Uri;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, chroot, setgid, setgroups, setuid};
use release_shared::names;

use crate::kubeconfig;

/// Where a pod has its account. ("Accessing the Kubernetes API from a Pod")
const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// What is run, and as whom.
#[derive(Debug, Args)]
pub struct Container {
    /// The folder with the image's files
    #[arg(long)]
    root: PathBuf,
    /// The number of the user and of the group
    #[arg(long)]
    user: u32,
    /// The program's path in the image, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Container {
    /// Becomes the program. Its kubeconfig, which must have a token, becomes the account of a pod.
    ///
    /// # Errors
    /// When a step fails; then nothing was run. All of them take the rights of root.
    pub fn run(self) -> anyhow::Result<()> {
        let account = account()?;
        // The user may enter all folders and read all files, whatever files are like here.
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        fs::set_permissions(&self.root, Permissions::from_mode(0o755)).context("opening the root")?;
        let folder = self.root.join(ACCOUNT);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        self.enter(&folder, &account).context("entering a container (this takes the rights of root)")?;
        let (program, args) = self.command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name.to_string_lossy().ends_with("_LOG")));
        command.env("KUBERNETES_SERVICE_HOST", &account.host).env("KUBERNETES_SERVICE_PORT", account.port.to_string());
        Err(command.exec()).with_context(|| format!("running {}", program.display()))
    }

    fn enter(&self, folder: &Path, account: &Account) -> anyhow::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS).context("a mount namespace of its own")?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("mounts of its own")?;
        mount(Some(&self.root), &self.root, none, MsFlags::MS_BIND, none).context("mounting its root")?;
        mount(none, folder, Some("tmpfs"), MsFlags::empty(), none).context("mounting its account")?;
        for (name, content) in
            [("token", account.token.as_str()), ("ca.crt", &account.authority), ("namespace", names::SYSTEM_NAMESPACE)]
        {
            fs::write(folder.join(name), content).with_context(|| format!("writing {name}"))?;
        }
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(none, folder, none, read_only, none).context("taking the right to write")?;
        mount(none, &self.root, none, read_only, none).context("taking the right to write")?;
        chroot(&self.root).context("changing the root")?;
        chdir("/").context("changing the folder")?;
        setgroups(&[]).context("leaving all groups")?;
        setgid(Gid::from_raw(self.user)).context("changing the group")?;
        setuid(Uid::from_raw(self.user)).context("changing the user")?;
        prctl::set_no_new_privs().context("giving up other rights")
    }
}

/// What a pod knows of the API server.
struct Account {
    host: String,
    port: u16,
    authority: String,
    token: String,
}

fn account() -> anyhow::Result<Account> {
    let path = PathBuf::from(env::var_os("KUBECONFIG").context("KUBECONFIG is not set")?);
    let config = kubeconfig::read(&path)?;
    let cluster = &config["clusters"][0]["cluster"];
    let (Some(server), Some(authority), Some(token)) = (
        cluster["server"].as_str(),
        cluster["certificate-authority-data"].as_str(),
        config["users"][0]["user"]["token"].as_str(),
    ) else {
        bail!("{} has no server, authority and token", path.display());
    };
    let server: Uri = server.parse().context("reading a server's address")?;
    let authority = BASE64.decode(authority.as_bytes()).context("reading an authority")?;
    Ok(Account {
        host: server.host().context("a server without a host")?.to_owned(),
        port: server.port_u16().context("a server without a port")?,
        authority: String::from_utf8(authority).context("reading an authority")?,
        token: token.to_owned(),
    })
}
