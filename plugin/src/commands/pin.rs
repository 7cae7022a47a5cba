//! What every command does with a pin: judge it, show it, write it, tell of it, and wait for what becomes of it.

use release_shared::kinds::{Kind, State};
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::record::Action;
use release_shared::validate::{Change, Verdict, Verdicts, bypass, validate};
use serde_json::Value;

use super::{Done, Verb, called, options, report};
use crate::apply::{self, is_recorded};
use crate::args::{DryRun, Limit, Waiting, Write};
use crate::cluster::Cluster;
use crate::confirm::confirm;
use crate::diff::{Side, diff};
use crate::error::Error;
use crate::gather::Gathered;
use crate::pinned::Place;
use crate::plan::{self, Pin};
use crate::print::{note, raw};
use crate::reported::is_undeployed;
use crate::watch::{self, Ended, Judged, Written};

/// What a change of a pin means, in sentences without an end.
#[derive(Debug)]
pub(super) struct Words {
    /// What is so after it.
    pub(super) done: String,
    /// What would be so, in a dry run.
    pub(super) would: String,
    /// What is so already, where nothing changes.
    pub(super) stands: String,
    /// The question before it.
    pub(super) ask: String,
}

impl Words {
    /// Of a release that is pinned.
    pub(super) fn pinning(called: &str, environment: &str) -> Self {
        Self {
            done: format!("{called} is pinned in {environment}"),
            would: format!("{called} would be pinned in {environment}"),
            stands: format!("{environment} runs {called} already"),
            ask: format!("Pin {called} in {environment}?"),
        }
    }

    /// The sentence that says what a written pin means, and whose it is by the webhook's own stamp.
    pub(super) fn sentence(&self, binding: Option<&Value>, dry_run: DryRun) -> String {
        if dry_run != DryRun::None {
            return self.would.clone();
        }
        let said =
            |key: &str| binding.filter(|binding| is_recorded(binding)).and_then(|binding| annotation(binding, key));
        match (said(names::REVISION), said(names::CHANGED_BY)) {
            (Some(revision), Some(by)) => format!("{} as revision {revision}, by {by}", self.done),
            _ => self.done.clone(),
        }
    }
}

/// A pin after a command has seen to it.
pub(super) struct Pinned {
    /// The binding as it is then.
    pub(super) binding: Value,
    /// Whether the command changed it.
    pub(super) changed: bool,
    /// What that means.
    pub(super) sentence: String,
    verb: Verb,
}

impl Pinned {
    /// Prints it as the result of a command.
    pub(super) fn report(&self, write: &Write) -> Result<(), Error> {
        report(&[(self.binding.clone(), self.verb)], Some(&self.sentence), write)
    }
}

/// What is pinned, as people call it.
pub(super) fn called_there(component: &str, binding: &Value) -> String {
    let release = text(binding, "/spec/releaseName").unwrap_or(component);
    called(component, annotation(binding, names::RELEASE_VERSION), release)
}

/// Values that the release has no place for would make the pin invalid; they go, and that is said.
pub(super) fn drop_unknown(configs: &mut serde_json::Map<String, Value>, release: &Value, environment: &str) {
    let taken = plan::takes(release);
    let known = |key: &String| taken.is_some_and(|taken| taken.contains_key(key));
    let gone: Vec<_> = configs.keys().filter(|key| !known(key)).cloned().collect();
    for key in gone {
        configs.remove(&key);
        note(&format!("Note: {environment} had a value for {key}, which this release does not take; it is left out"));
    }
}

/// The rules for the pin. What is removed needs nothing that it refers to. Whether somebody who asks to go past a rule may do so, the
/// cluster says.
pub(super) fn check(gathered: &Gathered, pin: &Pin<'_>, intent: &Value, write: &Write) -> Result<(), Error> {
    let after = pin.after(intent);
    let change = Change {
        kind: Kind::ReleaseBinding,
        name: &pin.name,
        new: &after,
        old: pin.existing,
        user: None,
        manager: Some(names::PLUGIN_MANAGER),
        now: Some(gathered.now),
    };
    let mut findings = validate(&change, Some(&gathered.world));
    let permissions = findings.violations.iter().filter_map(|violation| violation.permission.clone());
    let permitted: Verdicts = permissions.map(|permission| (permission, Verdict::Permitted)).collect();
    let past = bypass(&change, &mut findings, &permitted).past;
    if write.dry_run == DryRun::Client {
        // Nobody else will say so.
        let told = findings.warnings.iter().filter(|warning| past.contains(&warning.code));
        told.for_each(|warning| note(&format!("Warning: {warning}")));
    }
    if !gathered.component_exists && pin.action == Action::Deploy {
        // It is made in the same command.
        findings.missing.retain(|missing| missing.code != "ComponentNotFound");
    }
    let findings = if pin.state == State::Active { findings.strict() } else { findings };
    if findings.violations.is_empty() { Ok(()) } else { Err(Error::PreCheck(findings)) }
}

/// With `--diff`: what the pin changes in the rendered objects, and the question whether to go on. `release` is what it pins.
pub(super) async fn show_diff(
    cluster: &Cluster,
    write: &Write,
    pin: &Pin<'_>,
    release: Option<&Value>,
    question: &str,
) -> Result<(), Error> {
    if !write.diff {
        return Ok(());
    }
    let live = pin.existing.filter(|binding| !is_undeployed(binding));
    let old = plan::configs(live);
    let before = read(cluster, live.and_then(|binding| text(binding, "/spec/releaseName"))).await?;
    let before = before.as_ref().map(|release| Side { release, configs: &old });
    let read = if release.is_none() { read(cluster, pin.release).await? } else { None };
    let after = release.or(read.as_ref()).filter(|_| pin.state == State::Active);
    let after = after.map(|release| Side { release, configs: &pin.configs });
    let place = Place::find(cluster, pin.owner, pin.environment).await?;
    let fence = place.as_ref().map(|place| &place.fence);
    raw(&diff(pin.owner, pin.environment, fence, before, after)?)?;
    confirm(write, question)
}

async fn read(cluster: &Cluster, release: Option<&str>) -> Result<Option<Value>, Error> {
    match release {
        Some(name) => cluster.get(Kind::ComponentRelease, name).await,
        None => Ok(None),
    }
}

/// Sees to it that a pin is as it should be. Nothing is written where it is already.
pub(super) async fn see_to(
    cluster: &Cluster,
    gathered: &Gathered,
    pin: &Pin<'_>,
    release: Option<&Value>,
    write: &Write,
    words: &Words,
) -> Result<Pinned, Error> {
    let intent = pin.intent(write);
    check(gathered, pin, &intent, write)?;
    if let Some(existing) = pin.existing.filter(|_| pin.is_there(&intent)) {
        let sentence = format!("nothing changes: {}", words.stands);
        return Ok(Pinned { binding: existing.clone(), changed: false, sentence, verb: Verb::Unchanged });
    }
    show_diff(cluster, write, pin, release, &words.ask).await?;
    let (binding, verb) = apply(cluster, pin, &intent, write).await?;
    note_undeployed(pin);
    let sentence = words.sentence(Some(&binding), write.dry_run);
    Ok(Pinned { binding, changed: true, sentence, verb })
}

/// The same as a whole command: it says what was done, and waits with `--wait`.
pub(super) async fn carry_out(
    cluster: &Cluster,
    gathered: &Gathered,
    pin: &Pin<'_>,
    release: Option<&Value>,
    (write, waiting): (&Write, &Waiting),
    words: &Words,
) -> Result<(), Error> {
    let pinned = see_to(cluster, gathered, pin, release, write, words).await?;
    pinned.report(write)?;
    settle(cluster, &pinned.binding, waiting.wait, write.dry_run).await
}

async fn apply(cluster: &Cluster, pin: &Pin<'_>, intent: &Value, write: &Write) -> Result<Done, Error> {
    if write.dry_run == DryRun::Client {
        let verb = if pin.existing.is_some() { Verb::Configured } else { Verb::Created };
        return Ok((intent.clone(), verb));
    }
    let left = pin.left_by_others(intent);
    let written = if left.is_empty() {
        apply::apply(cluster, Kind::ReleaseBinding, intent, options(write)).await?
    } else {
        apply::take_away(cluster, pin, intent, &left, options(write)).await?
    };
    apply::warn_unrecorded(cluster, &written.object);
    let verb = Verb::of(&written, pin.existing);
    Ok((written.object, verb))
}

/// Somebody who pins something expects it to run.
fn note_undeployed(pin: &Pin<'_>) {
    if pin.state == State::Undeploy && !matches!(pin.action, Action::Undeploy | Action::Delete) {
        let (component, environment) = (&pin.owner.component_name, pin.environment);
        note(&format!(
            "Note: {environment} is undeployed and nothing runs there: bring it back with `kubectl release redeploy {component} {environment}`"
        ));
    }
}

/// With `--wait`: follows a pin until it is settled, and ends as it does.
pub(super) async fn settle(
    cluster: &Cluster,
    binding: &Value,
    wait: Option<Limit>,
    dry_run: DryRun,
) -> Result<(), Error> {
    let Some(limit) = wait.filter(|_| dry_run == DryRun::None) else { return Ok(()) };
    let name = |pointer| text(binding, pointer).unwrap_or_default();
    let place = format!("{} {}", name("/spec/owner/componentName"), name("/spec/environment"));
    follow(cluster, binding, limit).await?.result().map_err(|error| match error {
        Error::Degraded(text) => Error::Degraded(format!(
            "{text}\nLook at `kubectl release status {place}`, or go back with `kubectl release rollback {place}`."
        )),
        Error::TimedOut(text) => Error::TimedOut(format!("{text}\nGo on with `kubectl release status {place} -w`.")),
        error => error,
    })
}

/// Follows a pin as it was written until it is settled.
pub(super) async fn follow(cluster: &Cluster, binding: &Value, limit: Limit) -> Result<Ended, Error> {
    let name = text(binding, "/metadata/name").unwrap_or_default();
    let written = Written::of(binding);
    let place = text(binding, "/spec/environment").unwrap_or_default();
    let component = text(binding, "/spec/owner/componentName").unwrap_or_default();
    let whole = format!("{component} in {place}");
    watch::follow(cluster, &watch::one(name), limit, |seen| {
        let judgement = watch::change(&written, seen.binding(name), seen.rendered(name));
        vec![Judged { place: place.to_owned(), whole: whole.clone(), judgement }]
    })
    .await
}
