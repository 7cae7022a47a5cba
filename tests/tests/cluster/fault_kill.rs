//! The controller is killed again and again in a storm of promotions, and nothing is lost, left behind or done twice.
//!
//! What was under way at each kill stands in `target/kill-test.log`, what the controller said beside it. `RELEASE_TEST_SEED` repeats a run's choices; the API server's
//! pace is not repeated.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use release_tests::fixture::Alone;
use release_tests::{Namespace, fixture, programs, trials, wait};
use serde_json::Value;

use super::fault_audit::{self, Asked};
use super::fault_lookout::{Lookout, Sight};
use super::fault_storm::{BY_HAND, PINNED, Random, Storm};
use super::fault_truth::{faults, settle};
use super::fault_witness::Witness;
use super::fault_world::World;

trials! { it_is_killed_at_any_moment_of_a_storm }

const KILLS: usize = 50;
/// How long it lives at least: from hardly begun to well at work.
const LIVES: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(1300));
/// How long it takes to react to a change, and more.
const REACTION: Duration = Duration::from_millis(150);
/// Before the next request of the same look.
const BLINK: Duration = Duration::from_millis(2);
/// For a moment of a kind to come.
const PATIENCE: Duration = Duration::from_secs(3);
/// Until nothing is written any more.
const LIMIT: Duration = Duration::from_secs(60);
/// A request that came in so shortly before a kill may have been under way.
const UNDER_WAY: SignedDuration = SignedDuration::from_millis(100);

fn it_is_killed_at_any_moment_of_a_storm(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let installation = fixture::installation_alone()?;
    let seed = match env::var("RELEASE_TEST_SEED") {
        Ok(seed) => seed.parse().context("RELEASE_TEST_SEED is no number")?,
        Err(_) => u64::try_from(Timestamp::now().as_millisecond())?,
    };
    let components: Vec<_> = PINNED.iter().copied().chain([BY_HAND]).collect();
    let world = World::open(namespace, &components);
    let mark = fault_audit::mark(namespace.control_plane())?;
    let log_before = fs::read_to_string(installation.controller_log())?.len();

    let storm = Mutex::new(Storm::new(&world, Random(seed)));
    locked(&storm).gather();
    let lookout = Lookout::default();
    let (is_over, is_calm) = (AtomicBool::new(false), AtomicBool::new(false));
    let (kills, settled, witness) = thread::scope(|scope| {
        let witness = scope.spawn(|| Witness::watch(namespace, &is_calm));
        scope.spawn(|| lookout.watch(namespace, &is_over));
        let raging = scope.spawn(|| rage(&storm, &is_over));
        let kills = kill(&installation, Random(!seed), &storm, &lookout);
        is_over.store(true, Ordering::Relaxed);
        let raged = raging.join();
        let settled = raged.is_ok().then(|| calm(&installation, &world));
        is_calm.store(true, Ordering::Relaxed);
        let witness = witness.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        raged.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (kills, settled, witness)
    });
    let kills = kills?;

    let said = fs::read_to_string(installation.controller_log())?.split_off(log_before);
    let asked = fault_audit::since(namespace.control_plane(), mark)?;
    let path = programs::target_folder()?.join("kill-test.log");
    let done = &locked(&storm).done;
    let told = tell(&kills, &asked, &said, done);
    let (revisions, healthy) = witness.count();
    let settled = settled.context("nothing was settled")?;
    let summary = format!(
        "kill test: seed {seed}, {KILLS} kills, {} of them at work and {} with a request under way; {} changes, {revisions} revisions, \
         {healthy} of them seen healthy; {}",
        told.at_work,
        told.under_way,
        done.len(),
        settled
            .as_ref()
            .map_or_else(|_| "NOT right in the end".to_owned(), |took| format!("all right after {took:.1?}")),
    );
    fs::write(&path, format!("{summary}\n\n{}", told.text)).with_context(|| format!("writing {}", path.display()))?;
    fs::write(path.with_file_name("kill-test-controller.log"), &said).context("keeping the controller's log")?;
    let _ = writeln!(io::stderr(), "{summary}; {}", path.display());

    settled?;
    ensure!(witness.faults.is_empty(), "seed {seed}:\n{}", witness.faults.join("\n"));
    ensure!(!said.contains("panicked"), "it panicked:\n{said}");
    // A storm that it hardly noticed would prove nothing.
    ensure!(told.at_work > KILLS / 2 && told.under_way > KILLS / 5, "it was hardly ever at work: {summary}");
    ensure!(done.len() > 100 && healthy > 20, "it was no storm: {summary}");
    Ok(())
}

/// A kill.
struct Kill {
    at: Timestamp,
    /// How long the one that was killed had lived.
    lived: Duration,
    moment: Moment,
}

/// What is waited for before a kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Any,
    /// Something has just changed.
    Change,
    /// Something has just been seen.
    After(Sight),
}

const MOMENTS: [Moment; 5] =
    [Moment::Any, Moment::Change, Moment::After(Sight::Made), Moment::After(Sight::Going), Moment::After(Sight::Gone)];

/// Changes things until told to stop.
fn rage(storm: &Mutex<Storm<'_>>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let pause = locked(storm).blow();
        thread::sleep(pause);
    }
}

/// Kills it, at random and at moments that hurt. Now and then what it was at is wanted no longer when the next one starts.
fn kill(
    installation: &Alone,
    mut random: Random,
    storm: &Mutex<Storm<'_>>,
    lookout: &Lookout,
) -> anyhow::Result<Vec<Kill>> {
    let mut kills = Vec::with_capacity(KILLS);
    for number in 0..KILLS {
        let begun = Instant::now();
        thread::sleep(random.between(LIVES.0, LIVES.1));
        let moment = MOMENTS[number % MOMENTS.len()];
        let release = match moment {
            Moment::Any => None,
            Moment::Change => {
                let count = || locked(storm).done.len();
                let before = count();
                wait::until("something changes", LIMIT, || Ok((count() > before).then_some(())))?;
                thread::sleep(random.between(Duration::ZERO, REACTION));
                locked(storm).done.last().map(|(_, _, name)| name.clone())
            }
            Moment::After(sight) => {
                let release = lookout.next(sight, PATIENCE);
                thread::sleep(random.between(Duration::ZERO, BLINK));
                release
            }
        };
        ensure!(installation.controller_pid().is_some(), "it ended by itself before kill {}", number + 1);
        let (at, lived) = (Timestamp::now(), begun.elapsed());
        installation.kill_controller();
        if let Some(release) = release.filter(|_| random.below(4) > 0) {
            locked(storm).turn(&release);
        }
        installation.launch_controller()?;
        kills.push(Kill { at, lived, moment });
    }
    Ok(kills)
}

/// A storm that panicked tells so when it is joined.
fn locked<'a, 'b>(storm: &'a Mutex<Storm<'b>>) -> MutexGuard<'a, Storm<'b>> {
    storm.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until all is as it should be, and stays so; how long that took.
fn calm(installation: &Alone, world: &World<'_>) -> anyhow::Result<Duration> {
    installation.start_controller()?;
    let took = settle(world, "all is as it should be")?;
    fault_audit::until_quiet(world.namespace.control_plane(), Duration::from_secs(3), LIMIT)?;
    let after = faults(world)?;
    ensure!(after.is_empty(), "it was all right for a moment only:\n{}", after.join("\n"));
    Ok(took)
}

/// The log of the kills.
struct Told {
    text: String,
    at_work: usize,
    under_way: usize,
}

fn tell(kills: &[Kill], asked: &[Asked], said: &str, done: &[(Timestamp, String, String)]) -> Told {
    let mut told = Told { text: String::new(), at_work: 0, under_way: 0 };
    let begun = times(said, "the work begins");
    let first = kills.first().map_or(Timestamp::UNIX_EPOCH, |kill| kill.at);
    for (number, kill) in kills.iter().enumerate() {
        let next = kills.get(number + 1).map_or(Timestamp::MAX, |next| next.at);
        let since = kills[..number].last().map_or(Timestamp::UNIX_EPOCH, |before| before.at);
        let is_at_work = number == 0 || begun.iter().any(|at| (since..kill.at).contains(at));
        told.at_work += usize::from(is_at_work);
        let is_close = |at: Timestamp| at <= kill.at && kill.at.duration_since(at) < UNDER_WAY;
        let close: Vec<_> = asked.iter().filter(|asked| asked.is_write() && is_close(asked.at)).collect();
        told.under_way += usize::from(!close.is_empty());
        let under_way: Vec<_> = close.iter().rev().take(4).map(|asked| brief(asked)).collect();
        let under_way = match (is_at_work, under_way.is_empty()) {
            (false, _) => "it was still starting".to_owned(),
            (true, true) => "nothing".to_owned(),
            (true, false) => under_way.join(", "),
        };
        let change = done.iter().rfind(|(at, ..)| *at < kill.at);
        let change = change.map_or_else(|| "none".to_owned(), |(_, what, name)| format!("{name}: {what}"));
        let again = begun.iter().find(|at| (kill.at..next).contains(at));
        let again = again.map_or_else(
            || "killed before that".to_owned(),
            |at| format!("{:.3} s", at.duration_since(kill.at).as_secs_f64()),
        );
        let at = kill.at.duration_since(first).as_secs_f64();
        let _ = writeln!(
            told.text,
            "kill {:2} at {at:6.3} s, {:?}, after {:5.3} s of life | under way: {under_way} | last change: {change} | at work again after: {again}",
            number + 1,
            kill.moment,
            kill.lived.as_secs_f64(),
        );
    }
    told
}

/// 504 is what the API server notes where nobody is there any more to be answered.
fn brief(asked: &Asked) -> String {
    let Asked { verb, resource, name, code, .. } = asked;
    let what = format!("{verb} {resource} {name}");
    if *code == 504 { format!("{what} (cut off)") } else { what }
}

/// When it said something.
fn times(said: &str, part: &str) -> Vec<Timestamp> {
    let lines = said.lines().filter(|line| line.contains(part));
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["timestamp"].as_str()?.parse().ok()).collect()
}
