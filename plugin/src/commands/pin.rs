//! What `create` and `promote` do with a pin before and after it is written.

use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::{annotation, text};
use release_shared::validate::{Change, validate};
use serde_json::Value;

use crate::apply::is_recorded;
use crate::args::{DryRun, Write};
use crate::cluster::Cluster;
use crate::confirm::confirm;
use crate::diff::{Side, diff};
use crate::error::Error;
use crate::gather::Gathered;
use crate::plan::{self, Pin};
use crate::print::{note, raw};

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

/// The rules for the pin.
pub(super) fn check(gathered: &Gathered, pin: &Pin<'_>, intent: &Value) -> Result<(), Error> {
    let after = pin.after(intent);
    let change = Change { kind: Kind::ReleaseBinding, name: &pin.name, new: &after, old: pin.existing, user: None };
    let mut findings = validate(&change, Some(&gathered.world));
    if !gathered.component_exists {
        // It is made in the same command.
        findings.missing.retain(|missing| missing.code != "ComponentNotFound");
    }
    let findings = findings.strict();
    if findings.violations.is_empty() { Ok(()) } else { Err(Error::PreCheck(findings)) }
}

/// With `--diff`: what the pin changes in the rendered objects, and the question whether to go on.
pub(super) async fn show_diff(cluster: &Cluster, write: &Write, pin: &Pin<'_>, release: &Value) -> Result<(), Error> {
    if !write.diff {
        return Ok(());
    }
    let before = match pin.existing.and_then(|binding| text(binding, "/spec/releaseName")) {
        Some(name) => cluster.get(Kind::ComponentRelease, name).await?,
        None => None,
    };
    let old = plan::configs(pin.existing);
    let before = before.as_ref().map(|release| Side { release, configs: &old });
    raw(&diff(pin.owner, pin.environment, before, Side { release, configs: &pin.configs })?)?;
    confirm(write, &format!("Pin {} in {}?", pin.release, pin.environment))
}

/// The sentence that says what a pin means, and whose it is by the webhook's own stamp.
pub(super) fn sentence(called: &str, environment: &str, binding: Option<&Value>, dry_run: DryRun) -> String {
    if dry_run != DryRun::None {
        return format!("{called} would be pinned in {environment}");
    }
    let said = |key: &str| binding.filter(|binding| is_recorded(binding)).and_then(|binding| annotation(binding, key));
    match (said(names::REVISION), said(names::CHANGED_BY)) {
        (Some(revision), Some(by)) => format!("{called} is pinned in {environment} as revision {revision}, by {by}"),
        _ => format!("{called} is pinned in {environment}"),
    }
}
