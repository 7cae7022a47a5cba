//! From settings to a replica that works or waits, and to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::AuthInfo;
use release_edge::shutdown::Shutdown;
use release_edge::{client, program, serve};
use tokio::task::JoinHandle;

use crate::args::Args;
use crate::control::{self, Context};
use crate::lease::{Held, Hold, Lease};
use crate::metrics::Metrics;
use crate::serve::{Health, endpoints};

/// How audit logs know this program.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/v", env!("CARGO_PKG_VERSION"));
/// How long what is under way may take after the first signal.
const DRAIN: Duration = Duration::from_secs(20);
/// How much longer than a Lease nobody may look after ours before the kubelet should start us anew. (client-go's figure.)
const STUCK: Duration = Duration::from_secs(20);
/// Threads that run tasks: it waits most of the time.
const THREADS: usize = 2;

/// Runs until it is told to stop; the exit code is 0 then, and 1 where it could not start or go on, as without the lease.
pub(crate) fn main(args: Args) -> ExitCode {
    let log = args.log.clone();
    program::run(log, THREADS, run(args))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let (timing, identity) = (args.timing()?, args.identity()?);
    let shutdown = Shutdown::on_signals()?;
    let config = client::infer(USER_AGENT).await?;
    anyhow::ensure!(
        !acts_as_another(&config.auth_info),
        "the kubeconfig acts as somebody else: give it a user of its own"
    );
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::new(timing.lease_duration + STUCK));
    let client = client::client(config, &metrics.requests)?;

    let listener = serve::bind(args.health_listen).await?;
    tracing::info!(health = %listener.local_addr()?, "listening");
    let router = endpoints(Arc::clone(&health), metrics.registry(), shutdown.clone());
    tokio::spawn(serve::answer_all(listener, router));

    let hold = Hold::new(metrics.lease_held.clone());
    let guarded = hold.guard(&client);
    let lease = Lease::new(client, &args.namespace, identity, timing, health, hold);
    let held = tokio::select! {
        held = lease.acquire() => held,
        () = shutdown.draining() => return Ok(()),
    };
    let context = Context { client: guarded, args: Arc::new(args), metrics, shutdown: shutdown.clone() };
    work(held, context, shutdown).await
}

/// Whether every request would be made as somebody else. What is said of them would come along whenever we act as a service account:
/// with their groups, that account would have their rights.
fn acts_as_another(user: &AuthInfo) -> bool {
    user.impersonate.is_some()
        || user.impersonate_groups.is_some()
        || user.impersonate_uid.is_some()
        || user.impersonate_user_extra.is_some()
}

/// Works as long as the lease is held, and gives it back when all is done. Where something is still under way at the end the lease is
/// left to run out, which takes longer than what is under way does without us.
async fn work(mut held: Held, context: Context, shutdown: Shutdown) -> anyhow::Result<()> {
    let control = tokio::spawn(control::run(context));
    let ended = tokio::select! {
        lost = held.keep() => return Err(lost.into()),
        ended = ended(control, shutdown) => ended,
    };
    match ended {
        Some(result) => {
            held.release().await;
            result
        }
        None => {
            tracing::warn!("work was still under way at the end");
            Ok(())
        }
    }
}

/// How the work ended; nothing where it did not in time.
async fn ended(control: JoinHandle<anyhow::Result<()>>, shutdown: Shutdown) -> Option<anyhow::Result<()>> {
    let late = async {
        shutdown.draining().await;
        tracing::info!("draining");
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = control => Some(ended.context("the control loops ended early").flatten()),
        () = late => None,
        () = shutdown.now() => None,
    }
}
