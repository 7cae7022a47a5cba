//! One promotion of an application, beside a server-side apply of the same objects.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::{Namespace, block_on};
use serde_json::json;
use tempfile::TempDir;

use super::{application, calls, follow};
use crate::audit::{AuditLog, Request};
use crate::duel::median_of;
use crate::objects::{binding, component, create, patch, snapshot};
use crate::row::{Goal, Row, Unit};
use crate::stage::{Stage, User};

/// How often each side runs, after one run that does not count: it makes what the others change.
const ROUNDS: usize = 7;

const COMPONENT: &str = "web";
const ENVIRONMENTS: [&str; 2] = ["test", "live"];

/// Of kubectl's wall time.
const WALL: Goal = Goal::Part(1.3);

/// How many writes there may be besides one for each object.
const WRITES: usize = 10;

/// What a side took, round by round.
#[derive(Default)]
struct Taken {
    wall: Vec<f64>,
    requests: Vec<Vec<Request>>,
}

impl Taken {
    fn add(&mut self, (wall, requests): (f64, Vec<Request>)) {
        self.wall.push(wall);
        self.requests.push(requests);
    }

    /// How many requests a round has that count.
    fn each(&self, counts: &dyn Fn(&Request) -> bool) -> f64 {
        self.requests.iter().flatten().filter(|&request| counts(request)).count() as f64 / ROUNDS as f64
    }
}

pub(crate) fn rows(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    let namespace = stage.project("promotion", &ENVIRONMENTS)?;
    let developer = User::with_role(&namespace, "promotes", "release-developer")?;
    let applied = Namespace::create(stage.control_plane, "applied")?;
    let applier = User::with_role(&applied, "applies", "admin")?;
    let folders = TempDir::new().context("creating a folder for manifests")?;
    block_on(create(&stage.control_plane.client(), namespace.name(), Kind::Component, &component(COMPONENT)))?;

    let (mut ours, mut theirs) = (Taken::default(), Taken::default());
    let mut lists = 0;
    for round in 0..=ROUNDS {
        prepare(stage, &namespace, round)?;
        let (taken, listed) = promote(stage, &namespace, &developer)?;
        let folder = write(folders.path(), round)?;
        let their_taken = apply(stage, &applied, &applier, &folder)?;
        if round > 0 {
            ours.add(taken);
            theirs.add(their_taken);
            lists += listed;
        }
    }
    Ok(table(&ours, &theirs, lists))
}

fn table(ours: &Taken, theirs: &Taken, lists: usize) -> Vec<Row> {
    let objects = application::large(COMPONENT, "1").len();
    let what = format!("promote of {objects} objects");
    let peer = "kubectl apply --server-side of the same objects";
    let count = |measure, counts: &dyn Fn(&Request) -> bool| {
        Row::new(&what, measure, Unit::Count, ours.each(counts)).beside(peer, theirs.each(counts))
    };
    let is_write = |request: &Request| request.is_write() && !calls::is_event(request) && !calls::is_standing(request);
    let wall = |taken: &Taken| median_of(taken.wall.iter().copied());
    let shown: Vec<String> = ours.requests.last().into_iter().flatten().map(Request::to_string).collect();
    vec![
        Row::new(&what, "wall time until all are applied", Unit::Seconds, wall(ours))
            .beside(peer, wall(theirs))
            .with_goal(Some(WALL)),
        count("API calls", &|request| !calls::is_standing(request)).showing(&shown),
        count("writes but for events", &is_write).with_goal(Some(Goal::Most((objects + WRITES) as f64))),
        count("events written", &|request| request.is_write() && calls::is_event(request)),
        Row::new(&what, "LISTs of the controller, all rounds", Unit::Count, lists as f64)
            .with_goal(Some(Goal::Most(0.0))),
    ]
}

fn version(round: usize) -> String {
    format!("1.{round}.0")
}

/// A new release, which runs well where releases enter.
fn prepare(stage: &Stage<'_>, namespace: &Namespace<'_>, round: usize) -> anyhow::Result<()> {
    let (client, place) = (stage.control_plane.client(), namespace.name());
    let release = format!("{COMPONENT}-{round}");
    let objects = application::large(COMPONENT, &version(round));
    block_on(create(
        &client,
        place,
        Kind::ComponentRelease,
        &snapshot(COMPONENT, &release, &version(round), &objects),
    ))?;
    let first = binding(COMPONENT, ENVIRONMENTS[0], &release);
    if round == 0 {
        block_on(create(&client, place, Kind::ReleaseBinding, &first))?;
    } else {
        let name = names::binding_name(COMPONENT, ENVIRONMENTS[0]);
        let pin = json!({ "spec": { "releaseName": release } });
        block_on(patch(&client, place, Kind::ReleaseBinding, &name, &pin))?;
    }
    runs_well(stage, namespace, ENVIRONMENTS[0], &release)
}

fn runs_well(stage: &Stage<'_>, namespace: &Namespace<'_>, environment: &str, release: &str) -> anyhow::Result<()> {
    let bindings = follow::ours(&stage.control_plane.client(), namespace.name(), Kind::ReleaseBinding);
    let mut states = follow::states(bindings, &names::binding_name(COMPONENT, environment));
    let what = format!("{release} to run well in {environment}");
    let is_right = |binding: &_| follow::is_healthy(binding) && binding["spec"]["releaseName"] == release;
    block_on(follow::until(&what, &mut states, is_right)).map(drop)
}

/// Seconds from the command until the last object was applied, and all requests until its status is settled; how many of
/// them are LISTs of the controller.
fn promote(stage: &Stage<'_>, namespace: &Namespace<'_>, user: &User) -> anyhow::Result<((f64, Vec<Request>), usize)> {
    let log = AuditLog::of(stage.control_plane);
    let mark = calls::silence(stage)?;
    let start = Timestamp::now();
    let args = ["promote", COMPONENT, "--to", ENVIRONMENTS[1]];
    namespace.release(args).user(&user.kubeconfig).output()?.success()?;
    calls::silence(stage)?;
    let controller = calls::since(stage, mark)?;
    let place = target(&controller)?;
    let wall = until_last(start, &controller, |request| request.is_write() && request.namespace == place)?;
    let lists = controller.iter().filter(|request| request.verb == "list").count();
    Ok(((wall, [log.requests(mark, &user.name)?, controller].concat()), lists))
}

/// The namespace of the live objects, by what was written there.
fn target(requests: &[Request]) -> anyhow::Result<String> {
    let deployment = requests.iter().find(|request| request.is_write() && request.resource == "deployments");
    Ok(deployment.context("the controller applied no Deployment")?.namespace.clone())
}

fn apply(
    stage: &Stage<'_>,
    namespace: &Namespace<'_>,
    user: &User,
    folder: &Path,
) -> anyhow::Result<(f64, Vec<Request>)> {
    let log = AuditLog::of(stage.control_plane);
    let mark = calls::silence(stage)?;
    let start = Timestamp::now();
    namespace.kubectl(["apply", "--server-side", "-f"]).args([folder]).user(&user.kubeconfig).output()?.success()?;
    log.settled()?;
    let requests = log.requests(mark, &user.name)?;
    Ok((until_last(start, &requests, Request::is_write)?, requests))
}

fn until_last(start: Timestamp, requests: &[Request], counts: impl Fn(&Request) -> bool) -> anyhow::Result<f64> {
    let written: Vec<Timestamp> =
        requests.iter().filter(|&request| counts(request)).map(|request| request.at).collect();
    let objects = application::large(COMPONENT, "1").len();
    ensure!(written.len() >= objects, "{} objects were written instead of {objects}", written.len());
    let last = written.into_iter().max().context("nothing was written")?;
    Ok((last - start).total(jiff::Unit::Second)?)
}

/// The objects of a round as files, one each.
fn write(folders: &Path, round: usize) -> anyhow::Result<PathBuf> {
    let folder = folders.join(round.to_string());
    fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for (at, object) in application::large(COMPONENT, &version(round)).iter().enumerate() {
        let path = folder.join(format!("{at:02}.json"));
        fs::write(&path, object.to_string()).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(folder)
}
