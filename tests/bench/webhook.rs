//! The webhook: its memory, what an admission costs it, and what it adds to a write.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use release_shared::kinds::Kind;
use release_shared::names;
use release_tests::block_on;

use crate::audit::AuditLog;
use crate::hook::Hook;
use crate::objects;
use crate::process::Memory;
use crate::route::{COMPONENT, ENVIRONMENT, Routes};
use crate::row::{Row, Unit};
use crate::run::say;
use crate::stage::Stage;
use crate::{admission, write};

/// The size of the Release that is admitted, in bytes of JSON.
const BYTES: usize = 10_000;

/// Until a started webhook has come to rest.
const REST: Duration = Duration::from_secs(3);

/// Who the webhook is to the API server.
const ACCOUNT: &str = "system:serviceaccount:release-system:release-webhook";

/// The webhook's memory before anybody uses it.
pub(crate) struct Idle(Memory);

impl Idle {
    pub(crate) fn look(stage: &Stage<'_>) -> anyhow::Result<Self> {
        thread::sleep(REST);
        stage.webhook.memory().map(Self)
    }
}

pub(crate) fn rows(stage: &Stage<'_>, idle: &Idle) -> anyhow::Result<Vec<Row>> {
    say("measuring the webhook")?;
    let hook = Hook::start()?;
    let routes = Routes::lay(stage, &hook)?;
    let mut rows = admission_rows(stage, &hook, &routes)?;
    rows.extend(write_rows(stage, &routes)?);
    let after = stage.webhook.memory()?;
    let what = "webhook";
    rows.splice(
        0..0,
        [
            Row::new(what, "memory, idle", Unit::Bytes, idle.0.resident),
            Row::new(what, "memory, after all of this", Unit::Bytes, after.resident),
            Row::new(what, "peak memory", Unit::Bytes, after.peak),
        ],
    );
    Ok(rows)
}

/// The questions are those that the API server asked, which another hook saw.
fn admission_rows(stage: &Stage<'_>, hook: &Hook, routes: &Routes<'_>) -> anyhow::Result<Vec<Row>> {
    let release = objects::release("witnessed", COMPONENT, ENVIRONMENT, BYTES);
    let client = stage.control_plane.client();
    block_on(objects::create(&client, routes.witnessed.name(), Kind::Release, &release))?;
    let asked = |path: &'static str| -> anyhow::Result<_> {
        Ok((path, hook.asked(path).with_context(|| format!("the API server asked nothing on {path}"))?))
    };
    let audit_log = AuditLog::of(stage.control_plane);
    let mark = audit_log.settled()?;
    let [mutate, validate] = admission::cpu(stage, &[asked("/mutate")?, asked("/validate")?])?;
    audit_log.settled()?;
    let calls = audit_log.calls(mark, ACCOUNT)?;
    // Its look at its own certificates now and then is none of an admission's.
    let calls = calls.iter().filter(|call| call.contains(names::GROUP)).count();
    let what = "admission of a 10 KB Release";
    Ok(vec![
        Row::new(what, "CPU time, /mutate", Unit::Seconds, mutate),
        Row::new(what, "CPU time, /validate", Unit::Seconds, validate),
        Row::new(what, "API calls of its own", Unit::Count, calls as f64 / admission::ADMISSIONS as f64),
    ])
}

fn write_rows(stage: &Stage<'_>, routes: &Routes<'_>) -> anyhow::Result<Vec<Row>> {
    let written = write::measure(stage, routes, BYTES)?;
    let what = "create of a 10 KB Release by the API";
    let (ours, instant) = (written.ours - written.bare, written.instant - written.bare);
    Ok(vec![
        Row::new(what, "wall time", Unit::Seconds, written.ours).beside("without webhooks", written.bare),
        Row::new(what, "added", Unit::Seconds, ours).beside("two hooks that allow everything at once", instant),
    ])
}
