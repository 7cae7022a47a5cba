//! Commands that read: `version`, `list` and `history`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use release_tests::{Namespace, programs};

use crate::contestant::Contestant;
use crate::duel::Duel;
use crate::fleet;
use crate::row::{Goal, Row};
use crate::run::say;
use crate::stage::{Stage, User};

/// How often each command runs.
const ROUNDS: usize = 15;

/// Of kubectl's CPU time, and in API calls.
const CPU: Option<Goal> = Some(Goal::Part(0.1));
const CALLS: Option<Goal> = Some(Goal::Most(1.0));

pub(crate) fn version(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    say("measuring version")?;
    let namespace = Namespace::create(stage.control_plane, "version")?;
    let duel = duel(stage, &namespace, ["version"], "version", (["version", "--client"], "kubectl version --client"))?;
    Ok(duel.run()?.rows(CPU))
}

/// `list` and `history` beside kubectl's own list of the bindings, with so many components.
pub(crate) fn with_bindings(stage: &Stage<'_>, components: usize) -> anyhow::Result<Vec<Row>> {
    let bindings = components * fleet::ENVIRONMENTS.len();
    say(&format!("writing {bindings} bindings"))?;
    let namespace = fleet::fill(stage, components)?;
    say(&format!("measuring list and history with {bindings} bindings"))?;
    let get = || (["get", "releasebindings"], "kubectl get releasebindings, its discovery cached");
    let component = fleet::name(components / 2);
    let list = duel(stage, &namespace, ["list"], &format!("list, {bindings} bindings"), get())?;
    let history =
        duel(stage, &namespace, ["history", &component], &format!("history COMPONENT, {bindings} bindings"), get())?;
    let mut rows = Vec::new();
    for duel in [list, history] {
        let compared = duel.run()?;
        rows.extend(compared.rows(CPU));
        rows.push(compared.calls(CALLS));
    }
    Ok(rows)
}

/// The plugin beside kubectl, each with the same arguments in every round.
fn duel<'a, const N: usize, const M: usize>(
    stage: &Stage<'a>,
    namespace: &'a Namespace<'a>,
    ours: [&str; N],
    name: &str,
    (theirs, their_name): ([&str; M], &str),
) -> anyhow::Result<Duel<'a>> {
    let contestant = |side: &str, name: &str, program: PathBuf, args: &[&str]| -> anyhow::Result<Contestant<'a>> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let user = User::with_role(namespace, side, "release-viewer")?;
        Ok(Contestant { name: name.to_owned(), namespace, user, program, args: Box::new(move |_| args.clone()) })
    };
    let kubectl = stage.control_plane.kubectl().to_owned();
    Ok(Duel {
        ours: contestant(&format!("{}-reader", ours[0]), name, programs::find("kubectl-release")?, &ours)?,
        peer: contestant(&format!("{}-kubectl", ours[0]), their_name, kubectl, &theirs)?,
        rounds: ROUNDS,
        pause: Duration::ZERO,
    })
}
