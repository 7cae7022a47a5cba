//! The questions: what the API server asked of real Releases, seen by a hook that only watches.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use release_load::{Target, send};
use release_shared::kinds::Kind;
use release_tests::wait;
use serde_json::Value;

use super::place::Place;
use super::routes::{self, COMPONENT, ENVIRONMENT, Namespaces};
use super::servers::{Servers, Who};
use crate::objects;

/// Until the API server asks a hook that was configured.
const LIMIT: Duration = Duration::from_secs(30);

/// How large the object is that is reviewed, in bytes of JSON, as its author sends it.
pub(crate) const SIZES: [usize; 4] = [2_000, 10_000, 100_000, 1_000_000];

/// The largest object that is written, in bytes. A little more would fit into the store: etcd takes requests of 1.5 MiB
/// (`--max-request-bytes`), of which ours wants some left.
pub(crate) const FITTING: usize = 1_000_000;

/// What is done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    Create,
    Update,
}

/// The two hooks.
pub(crate) const HOOKS: [&str; 2] = ["mutate", "validate"];

/// Who knows what the API server asks.
pub(crate) struct Reviews<'a> {
    place: &'a Place<'a>,
    api_server: Target,
    namespace: &'a str,
    /// Where the hook keeps what it was asked, as `mutate` and `validate`.
    seen: PathBuf,
    asked: AtomicUsize,
}

/// The files with what each hook was asked about one write.
pub(crate) struct Asked([PathBuf; 2]);

impl Asked {
    pub(crate) fn of(&self, hook: &str) -> PathBuf {
        let [mutate, validate] = &self.0;
        if hook == "mutate" { mutate.clone() } else { validate.clone() }
    }
}

impl<'a> Reviews<'a> {
    /// Starts a hook that watches, and waits until it is asked.
    pub(crate) fn new(servers: &Servers<'a>, namespaces: &'a Namespaces<'_>) -> anyhow::Result<Self> {
        let place = servers.place;
        let seen = place.folder("seen")?;
        let (target, mut command) = servers.prepare(Who::Floor)?;
        place.control_plane.serve("witness", command.arg("--keep").arg(&seen))?;
        routes::witness(place.control_plane, namespaces, &target)?;
        let namespace = namespaces.witnessed.name();
        let reviews = Self { place, api_server: place.api_server()?, namespace, seen, asked: AtomicUsize::new(0) };
        wait::until("a hook sees what is asked", LIMIT, || {
            reviews.write("POST", "", &release(&format!("probe-{}", reviews.number()), 2_000))?;
            Ok(HOOKS.iter().all(|hook| reviews.seen.join(hook).is_file()).then_some(()))
        })?;
        Ok(reviews)
    }

    /// Creates a Release, or creates and changes one. What `/validate` is asked, our webhook has stamped just now: it refuses a stamp
    /// that is older than a minute, so ask again for every measurement. What does not fit into the
    /// store ours refuses in `/mutate` already, so of that there is one question for both hooks.
    pub(crate) fn ask(&self, size: usize, operation: Operation) -> anyhow::Result<Asked> {
        let number = self.number();
        let name = format!("asked-{number}");
        let stored = if operation == Operation::Update { size.min(FITTING) } else { size };
        let mut created = self.write("POST", "", &release(&name, stored))?;
        if operation == Operation::Update {
            // One letter of the object that fills it up, and what it is to be larger.
            let content = &mut created["spec"]["resources"][0]["object"]["data"]["content"];
            let kept = content.as_str().and_then(|content| content.get(1..)).unwrap_or_default();
            *content = format!("y{kept}{}", "x".repeat(size - stored)).into();
            if size > stored {
                return self.ask_too_much(&name, &created);
            }
            self.write("PUT", &format!("/{name}"), &created)?;
        }
        let [mutate, validate] = HOOKS;
        Ok(Asked([self.keep(mutate, &name)?, self.keep(validate, &name)?]))
    }

    /// Changes a Release to one that is refused.
    fn ask_too_much(&self, name: &str, changed: &Value) -> anyhow::Result<Asked> {
        // What was asked when it was created.
        for hook in HOOKS {
            self.keep(hook, &format!("{name}-created"))?;
        }
        ensure!(self.write("PUT", &format!("/{name}"), changed).is_err(), "what is too large is not refused");
        let asked = self.keep(HOOKS[0], name)?;
        Ok(Asked([asked.clone(), asked]))
    }

    /// Keeps what a hook was asked last.
    fn keep(&self, hook: &str, name: &str) -> anyhow::Result<PathBuf> {
        let file = self.seen.join(format!("{hook}-{name}"));
        fs::rename(self.seen.join(hook), &file).with_context(|| format!("nothing was asked of /{hook}"))?;
        Ok(file)
    }

    fn number(&self) -> usize {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns what is stored then.
    fn write(&self, method: &str, path: &str, object: &Value) -> anyhow::Result<Value> {
        let answer = self.place.file("answer.json", "")?;
        let job = send::Job {
            target: self.api_server.clone(),
            method: method.to_owned(),
            path: format!("{}{path}", objects::collection(self.namespace, Kind::Release)),
            body: self.place.file("written.json", object.to_string())?,
            answer: answer.clone(),
        };
        self.place.load::<()>("send", &job).context("writing a Release")?;
        Ok(serde_json::from_slice(&fs::read(answer).context("reading what was stored")?)?)
    }
}

/// A Release that leaves its intervals to the defaults.
pub(crate) fn release(name: &str, bytes: usize) -> Value {
    let mut release = objects::release(name, COMPONENT, ENVIRONMENT, bytes);
    if let Some(spec) = release["spec"].as_object_mut() {
        spec.remove("interval");
        spec.remove("progressingInterval");
    }
    release
}
