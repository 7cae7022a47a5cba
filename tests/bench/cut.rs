//! `create` of the example beside a server-side apply of the same files into the same API server.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use release_tests::{Namespace, programs};
use tempfile::TempDir;

use crate::contestant::Contestant;
use crate::duel::Duel;
use crate::row::Row;
use crate::run::say;
use crate::stage::{Stage, User};

const ROUNDS: usize = 9;

/// An apply makes the controllers roll a Deployment; that should not run beside the next round.
const PAUSE: Duration = Duration::from_millis(400);

/// What is changed in the example to get new content: a Deployment's image.
const IMAGE: &str = "registry.example/shop/api:1.4.0";

pub(crate) fn rows(stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    say("measuring create")?;
    let released = stage.project("create", &["development", "staging", "production"])?;
    let applied = Namespace::create(stage.control_plane, "apply")?;
    let folders = TempDir::new().context("creating a folder for manifests")?;
    let contents = contents(folders.path())?;
    let new = |round: usize| contents[round].clone();
    let same = |_| contents[0].clone();
    let mut rows = Vec::new();
    for (what, folder) in [("new content", &new as &dyn Fn(usize) -> PathBuf), ("nothing new", &same)] {
        let duel = duel(stage, [&released, &applied], what, folder)?;
        let compared = duel.run()?;
        rows.extend(compared.rows(None));
        rows.push(compared.calls(None));
    }
    Ok(rows)
}

fn duel<'a>(
    stage: &Stage<'_>,
    [released, applied]: [&'a Namespace<'a>; 2],
    what: &str,
    folder: &'a dyn Fn(usize) -> PathBuf,
) -> anyhow::Result<Duel<'a>> {
    let side = what.replace(' ', "-");
    let args = |before: &'static [&'static str]| -> Box<dyn Fn(usize) -> Vec<OsString> + 'a> {
        Box::new(move |round| before.iter().map(OsString::from).chain([folder(round).into_os_string()]).collect())
    };
    Ok(Duel {
        ours: Contestant {
            name: format!("create of the example, {what}"),
            namespace: released,
            user: User::with_role(released, &side, "release-developer")?,
            program: programs::find("kubectl-release")?,
            args: args(&["create", "shop", "-f"]),
        },
        peer: Contestant {
            name: "kubectl apply --server-side of the same files".to_owned(),
            namespace: applied,
            user: User::with_role(applied, &side, "admin")?,
            program: stage.control_plane.kubectl().to_owned(),
            args: args(&["apply", "--server-side", "-f"]),
        },
        rounds: ROUNDS,
        pause: PAUSE,
    })
}

/// The example once for each round, each with another image.
fn contents(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let example = programs::repository().join("examples/shop");
    (0..=ROUNDS).map(|round| content(&example, folder.join(round.to_string()), round)).collect()
}

fn content(example: &Path, folder: PathBuf, round: usize) -> anyhow::Result<PathBuf> {
    let context = || format!("copying {}", example.display());
    fs::create_dir(&folder).with_context(context)?;
    let mut is_changed = false;
    for entry in fs::read_dir(example).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(context)?;
        is_changed |= text.contains(IMAGE);
        let text = text.replace(IMAGE, &format!("{IMAGE}-{round}"));
        fs::write(folder.join(path.file_name().unwrap_or_default()), text).with_context(context)?;
    }
    ensure!(is_changed, "{} has no image {IMAGE} to change", example.display());
    Ok(folder)
}
