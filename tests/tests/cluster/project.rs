//! A small application of one component, with a project that goes through three environments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use release_tests::{Cli, Namespace, programs, wait};

use super::person::Person;

const LIMIT: Duration = Duration::from_secs(30);

/// Two objects: a Deployment whose replicas can be lifted, and a script that looks like a template.
pub(crate) const MANIFESTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'registry.example/web:1'}]
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
data:
  run.sh: echo ${HOME} ${metadata.name}
";

/// The place that `--lift` makes a value.
pub(crate) const LIFT: &str = "replicas=Deployment/web:/spec/replicas";

/// A project with its people: `petra` runs the platform, `dana` develops.
pub(crate) struct Project<'a> {
    namespace: &'a Namespace<'a>,
    petra: PathBuf,
    dana: PathBuf,
}

impl<'a> Project<'a> {
    /// Project `shop` with the environments dev, staging and production.
    pub(crate) fn open(namespace: &'a Namespace<'a>) -> anyhow::Result<Self> {
        let petra = namespace.user("petra@acme.example", &["release-platform-engineer"])?;
        let dana = namespace.user("dana@acme.example", &["release-developer"])?;
        let project = Self { namespace, petra, dana };
        project.until_allowed(&project.petra, "create projects.openchoreo.dev")?;
        project.until_allowed(&project.dana, "create components.openchoreo.dev")?;
        project.petra("init shop --environments dev,staging,production").run().expect_code(0);
        Ok(project)
    }

    /// A role that was just given takes the API server a moment.
    fn until_allowed(&self, kubeconfig: &Path, what: &str) -> anyhow::Result<()> {
        wait::until("a new role is known to the API server", LIMIT, || {
            let asked = self.namespace.kubectl(["auth", "can-i"]).args(what.split(' ')).user(kubeconfig).output()?;
            Ok((asked.code() == Some(0)).then_some(()))
        })
    }

    /// The developer, for calls without a program.
    pub(crate) fn person(&self) -> anyhow::Result<Person<'a>> {
        Person::of(self.namespace, self.dana.clone())
    }

    /// A command of the plugin by the platform's engineer; words are split at spaces.
    pub(crate) fn petra(&self, line: &str) -> Cli<'a> {
        self.namespace.release(line.split(' ')).user(&self.petra)
    }

    /// A command of the plugin by the developer; words are split at spaces.
    pub(crate) fn dana(&self, line: &str) -> Cli<'a> {
        self.namespace.release(line.split(' ')).user(&self.dana)
    }

    /// `kubectl …` by the developer; words are split at spaces.
    pub(crate) fn dana_kubectl(&self, line: &str) -> Cli<'a> {
        self.namespace.kubectl(line.split(' ')).user(&self.dana)
    }

    /// A first release of `web`, pinned in dev.
    pub(crate) fn release(&self) {
        let line = format!("create web -f - --version v1 --lift {LIFT} --reason first");
        self.dana(&line).stdin(MANIFESTS).run().expect_code(0);
    }
}

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> String {
    programs::repository().join(path).display().to_string()
}
