//! What the figures were taken on.

use std::fmt;
use std::fs;
use std::thread;

use anyhow::Context;
use release_tests::{Cli, ControlPlane, programs};
use serde_json::{Value, json};

/// The machine and the versions on it.
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    load: String,
    /// Nothing where the plugin was not built.
    plugin: Option<String>,
    kubectl: String,
    server: String,
}

impl Machine {
    pub(crate) fn look(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("reading {path}"));
        let processor = read("/proc/cpuinfo")?;
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let versions = |program: &str| -> anyhow::Result<Value> {
            let outcome = Cli::new(control_plane, program).args(["version", "--output=json"]).output()?.success()?;
            serde_json::from_str(outcome.stdout()).with_context(|| format!("reading the version of {program}"))
        };
        let version = |of: &Value| of["gitVersion"].as_str().unwrap_or("unknown").to_owned();
        let plugin = programs::find("kubectl-release").is_ok().then(|| versions("kubectl-release")).transpose()?;
        let kubectl = versions("kubectl")?;
        Ok(Self {
            cores: thread::available_parallelism().context("counting the cores")?.get(),
            processor: processor.map_or("unknown", |(_, name)| name).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: read("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
            plugin: plugin.map(|plugin| version(&plugin["clientVersion"])),
            kubectl: version(&kubectl["clientVersion"]),
            server: version(&kubectl["serverVersion"]),
        })
    }

    pub(crate) fn json(&self) -> Value {
        let Self { cores, processor, kernel, load, plugin, kubectl, server } = self;
        json!({
            "cores": cores, "processor": processor, "kernel": kernel, "load": load,
            "kubectlRelease": plugin, "kubectl": kubectl, "kubeApiserver": server,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, kernel, load, plugin, kubectl, server } = self;
        writeln!(f, "machine          {cores} cores, {processor}, Linux {kernel}, load {load} at the start")?;
        if let Some(plugin) = plugin {
            writeln!(f, "kubectl-release  {plugin}")?;
        }
        writeln!(f, "kubectl          {kubectl}")?;
        writeln!(f, "kube-apiserver   {server}")
    }
}
