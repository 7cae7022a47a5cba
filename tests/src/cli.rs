//! Runs a program as a user would, and shows everything about it when an expectation fails.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use crate::controlplane::ControlPlane;
use crate::{kubeconfig, programs};

/// Long enough for any command, short enough to end a test that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Enough to read what a program said that was stopped.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// One call of a program, by default as the admin and without a namespace.
#[must_use = "nothing is called before run()"]
pub struct Cli<'a> {
    control_plane: &'a ControlPlane,
    program: PathBuf,
    args: Vec<OsString>,
    kubeconfig: PathBuf,
    namespace: Option<String>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    stdin: Vec<u8>,
    limit: Duration,
}

impl<'a> Cli<'a> {
    /// A program by its path, or by a name that is looked up among the programs under test, then kubectl, then `PATH`.
    pub fn new(control_plane: &'a ControlPlane, program: impl Into<PathBuf>) -> Self {
        Self {
            control_plane,
            program: program.into(),
            args: Vec::new(),
            kubeconfig: control_plane.admin_kubeconfig().to_owned(),
            namespace: None,
            env: Vec::new(),
            folder: None,
            stdin: Vec::new(),
            limit: LIMIT,
        }
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Who calls: the path of a kubeconfig.
    pub fn user(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = kubeconfig.to_owned();
        self
    }

    /// The default namespace, by way of the kubeconfig: `kubectl` takes no flags before the name of a plugin.
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// Sets a variable. The environment holds no more than that, `PATH`, `HOME`, `KUBECONFIG` and `TMPDIR`.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Where it runs, this process's own folder by default.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// What the program reads from its standard input, nothing by default.
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin = content.into();
        self
    }

    /// Another limit than two minutes.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, for a test.
    ///
    /// # Panics
    /// When it cannot be started or does not end in time.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.output().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time. Any exit code is an [`Outcome`].
    pub fn output(self) -> anyhow::Result<Outcome> {
        let command = self.command()?;
        let shown = self.to_string();
        let (process, mut child) = self.control_plane.spawn(&shown, &command)?;
        let mut input = child.stdin.take().context("a child without an input")?;
        let stdin = self.stdin;
        // An error means that the program does not read all of it, which is its own affair.
        thread::spawn(move || input.write_all(&stdin));

        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let in_time = receiver.recv_timeout(self.limit);
        let output = match in_time {
            Ok(output) => output.with_context(|| format!("running {shown}"))?,
            Err(_) => {
                process.stop();
                let said = receiver.recv_timeout(LAST_WORDS).ok().and_then(Result::ok);
                let said = said.map(|output| Outcome::new(shown.clone(), &output).to_string());
                bail!("it did not end within {:?}\n{}", self.limit, said.unwrap_or(shown));
            }
        };
        Ok(Outcome::new(shown, &output))
    }

    fn command(&self) -> anyhow::Result<Command> {
        let kubeconfig = match &self.namespace {
            Some(namespace) => kubeconfig::in_namespace(&self.kubeconfig, namespace)?,
            None => self.kubeconfig.clone(),
        };
        let home = self.control_plane.folder();
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        // kubectl keeps its discovery cache and its preferences (kuberc) below HOME.
        command.env("HOME", home).env("TMPDIR", env::temp_dir()).env("PATH", path(self.control_plane)?);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.env("KUBECONFIG", kubeconfig).envs(self.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// As one would type it.
impl fmt::Display for Cli<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        write!(f, "$ KUBECONFIG={}", file(&self.kubeconfig))?;
        if let Some(namespace) = &self.namespace {
            write!(f, "@{namespace}")?;
        }
        write!(f, " {}", file(&self.program))?;
        for arg in &self.args {
            let arg = arg.to_string_lossy();
            let is_plain =
                !arg.is_empty() && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c));
            if is_plain { write!(f, " {arg}")? } else { write!(f, " '{arg}'")? }
        }
        Ok(())
    }
}

/// The programs under test, then this control plane's kubectl, then whatever else there is.
fn path(control_plane: &ControlPlane) -> anyhow::Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let kubectl = control_plane.kubectl().parent().map(Path::to_owned);
    let folders = [programs::folder()?].into_iter().chain(kubectl).chain(env::split_paths(&inherited));
    env::join_paths(folders).context("joining the folders of PATH")
}

/// How a call ended and what it printed.
#[derive(Debug, Clone)]
pub struct Outcome {
    command: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn new(command: String, output: &std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { command, code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// What it wrote to its standard output.
    #[must_use]
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// What it wrote to its standard error.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Its exit code, unless a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// Whether its exit code is 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Its standard output, read as JSON.
    ///
    /// # Panics
    /// When it is something else; the message shows the whole call.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("this is not the JSON expected: {error}\n{self}"))
    }

    /// Goes on only after this exit code.
    ///
    /// # Panics
    /// After any other; the message shows the whole call.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// Goes on only when the standard output contains this.
    ///
    /// # Panics
    /// When it does not; the message shows the whole call.
    #[track_caller]
    pub fn expect_stdout(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "expected {part:?} on stdout\n{self}");
        self
    }

    /// Goes on only when the standard error contains this.
    ///
    /// # Panics
    /// When it does not; the message shows the whole call.
    #[track_caller]
    pub fn expect_stderr(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "expected {part:?} on stderr\n{self}");
        self
    }

    /// Success as a result, for code that is no test.
    ///
    /// # Errors
    /// After any exit code but 0; the message shows the whole call.
    pub fn success(self) -> anyhow::Result<Self> {
        if self.code == Some(0) { Ok(self) } else { bail!("a command failed\n{self}") }
    }
}

/// The whole call as it would look in a terminal.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        let Self { command, stdout, stderr, .. } = self;
        write!(f, "{command}\n--- {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}
