//! Which replica works: the holder of a Lease, taken, renewed and given back as client-go does it. (`tools/leaderelection`)
//!
//! `Lease → acquire → Held → keep, release`. Every write names the resourceVersion that it rests on, so that of two only one succeeds.
//! A holder that cannot renew stops at the deadline, before the Lease has run out for those who wait.

mod decide;
mod hold;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use thiserror::Error;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use self::decide::{Decision, decide, is_same_term, released, renewed, taken};
pub(crate) use self::hold::Hold;
use crate::serve::Health;

/// What the Lease is called.
const NAME: &str = "release-controller";
/// How long one request may take: a connection that is silently gone must not use up all the time that is left.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The three times of a Lease; client-go's names and meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// How long those who wait let the Lease be after they saw it change.
    pub(crate) lease_duration: Duration,
    /// How long the holder works on after it has renewed the Lease.
    pub(crate) renew_deadline: Duration,
    /// How often those who wait look, and how soon a renewal that failed is tried again.
    pub(crate) retry_period: Duration,
}

impl Timing {
    /// Gentler than client-go, which renews at every retry period: at half of the deadline there is time for more than one try.
    fn renew_after(&self) -> Duration {
        self.renew_deadline / 2
    }

    /// What is wrong with the three together.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.lease_duration <= self.renew_deadline {
            Some("--lease-duration must be longer than --renew-deadline: the holder stops before the next one begins")
        } else if self.renew_after() <= self.retry_period || self.retry_period.is_zero() {
            Some(
                "--renew-deadline must be longer than twice --retry-period, which is above 0s: a renewal that failed is tried again",
            )
        } else {
            None
        }
    }
}

/// Why a Lease that was held is held no longer.
#[derive(Debug, Error)]
pub(crate) enum Lost {
    #[error("the lease could not be renewed in time")]
    Late,
    #[error("the lease is now held by {0}")]
    Taken(String),
    #[error("another process took the lease under the same name: give each replica an --identity of its own")]
    SameName,
}

/// Why a look or a write failed.
#[derive(Debug, Error)]
enum Error {
    #[error("the API server did not answer within {} s", ATTEMPT.as_secs())]
    Slow,
    #[error("somebody else wrote the lease at the same time")]
    Raced,
    #[error("failed to reach the lease")]
    Api(#[from] kube::Error),
}

/// The Lease, from the side of a replica that waits for it.
pub(crate) struct Lease {
    api: Api<Object>,
    identity: String,
    timing: Timing,
    health: Arc<Health>,
    hold: Hold,
    /// As it was last seen, and since when it is so.
    seen: Option<(Object, Instant)>,
}

impl Lease {
    /// The Lease `release-controller` in a namespace; nothing is sent yet. `identity` is this replica's own.
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        identity: String,
        timing: Timing,
        health: Arc<Health>,
        hold: Hold,
    ) -> Self {
        Self { api: Api::namespaced(client, namespace), identity, timing, health, hold, seen: None }
    }

    /// Waits until it is ours.
    pub(crate) async fn acquire(mut self) -> Held {
        let mut said = String::new();
        loop {
            self.health.beat();
            let (wait, state) = match self.try_to_take().await {
                Ok(Try::Taken(ours, since)) => {
                    tracing::info!(identity = self.identity, "holding the lease");
                    return Held { lease: self, ours, renewed: since };
                }
                Ok(Try::Wait(left)) => (left, format!("held by {}", holder(self.spec()))),
                Err(error) => (self.timing.retry_period, chain(error)),
            };
            if said != state {
                tracing::info!(identity = self.identity, state, "waiting for the lease");
                said = state;
            }
            sleep(wait.min(self.timing.retry_period)).await;
        }
    }

    async fn try_to_take(&mut self) -> Result<Try, Error> {
        let unchanged = self.look().await?;
        self.health.set_reached();
        match decide(self.spec(), &self.identity, unchanged, self.timing.lease_duration) {
            Decision::Wait(left) => return Ok(Try::Wait(left)),
            Decision::Take | Decision::Renew => {}
        }
        let began = Instant::now();
        let ours = taken(self.spec(), &self.identity, self.timing.lease_duration, now());
        self.write(&ours).await?;
        self.hold.until(began + self.timing.renew_deadline);
        Ok(Try::Taken(ours, began))
    }

    /// Reads it; how long it has not changed, as far as we saw.
    async fn look(&mut self) -> Result<Duration, Error> {
        let object = within(self.api.get_opt(NAME)).await?;
        let now = Instant::now();
        self.seen = match (object, self.seen.take()) {
            (Some(object), Some((before, since))) if object.spec == before.spec => Some((object, since)),
            (Some(object), _) => Some((object, now)),
            (None, _) => None,
        };
        Ok(self.seen.as_ref().map_or(Duration::ZERO, |(_, since)| now - *since))
    }

    fn spec(&self) -> Option<&LeaseSpec> {
        self.seen.as_ref()?.0.spec.as_ref()
    }

    /// Writes it, resting on what was last seen.
    async fn write(&mut self, spec: &LeaseSpec) -> Result<(), Error> {
        let params = PostParams::default();
        let spec = Some(spec.clone());
        let written = match &self.seen {
            Some((seen, _)) => {
                let object = Object { metadata: seen.metadata.clone(), spec };
                within(self.api.replace(NAME, &params, &object)).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
                within(self.api.create(&params, &Object { metadata, spec })).await
            }
        };
        match written {
            Ok(object) => {
                self.seen = Some((object, Instant::now()));
                Ok(())
            }
            // Changed, made or deleted since we looked.
            Err(Error::Api(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => Err(Error::Raced),
            Err(error) => Err(error),
        }
    }
}

enum Try {
    Taken(LeaseSpec, Instant),
    Wait(Duration),
}

/// The Lease, from the side of the replica that holds it.
pub(crate) struct Held {
    lease: Lease,
    /// As we wrote it.
    ours: LeaseSpec,
    /// When the write was sent that made or kept it ours.
    renewed: Instant,
}

impl Held {
    /// Renews it until that fails for too long, or until it is somebody else's; ends in no other way.
    pub(crate) async fn keep(&mut self) -> Lost {
        let timing = self.lease.timing;
        loop {
            self.lease.health.beat();
            sleep_until(self.renewed + timing.renew_after()).await;
            let lost = match timeout_at(self.renewed + timing.renew_deadline, self.renew()).await {
                Ok(None) => {
                    self.lease.hold.until(self.renewed + timing.renew_deadline);
                    continue;
                }
                Ok(Some(lost)) => lost,
                Err(_) => Lost::Late,
            };
            self.lease.hold.end();
            return lost;
        }
    }

    /// Renews it once, however many tries that takes. Something only where it is lost.
    async fn renew(&mut self) -> Option<Lost> {
        loop {
            let began = Instant::now();
            let error = match self.lease.write(&renewed(&self.ours, now())).await {
                Ok(()) => {
                    self.renewed = began;
                    return None;
                }
                Err(Error::Raced) => match self.look_again().await {
                    Ok(Some(lost)) => return Some(lost),
                    Ok(None) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tracing::warn!(error = chain(error), "the lease could not be renewed; trying again");
            sleep(self.lease.timing.retry_period).await;
        }
    }

    /// Something was written that was not ours, or whose answer we did not see. A Lease that was deleted is made again by the next write.
    async fn look_again(&mut self) -> Result<Option<Lost>, Error> {
        self.lease.look().await?;
        Ok(match self.lease.spec() {
            Some(spec) if is_same_term(spec, &self.ours) => None,
            Some(spec) if spec.holder_identity.as_ref() == Some(&self.lease.identity) => Some(Lost::SameName),
            Some(spec) => Some(Lost::Taken(holder(Some(spec)))),
            None => None,
        })
    }

    /// Gives it back: whoever waits may take it at once. Nothing may be under way any more.
    pub(crate) async fn release(mut self) {
        self.lease.hold.end();
        match self.give_back().await {
            Ok(()) => tracing::info!(identity = self.lease.identity, "gave the lease back"),
            Err(error) => tracing::warn!(error = chain(error), "the lease could not be given back; it runs out"),
        }
    }

    async fn give_back(&mut self) -> Result<(), Error> {
        match self.lease.write(&released(&self.ours, now())).await {
            // A renewal was under way when its answer was no longer waited for.
            Err(Error::Raced) => match self.look_again().await? {
                None if self.lease.seen.is_some() => self.lease.write(&released(&self.ours, now())).await,
                _ => Ok(()),
            },
            written => written,
        }
    }
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    Ok(timeout(ATTEMPT, request).await.map_err(|_| Error::Slow)??)
}

fn holder(spec: Option<&LeaseSpec>) -> String {
    let holder = spec.and_then(|spec| spec.holder_identity.clone());
    holder.filter(|holder| !holder.is_empty()).unwrap_or_else(|| "nobody".to_owned())
}

/// As the API server keeps it: to the microsecond.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

fn chain(error: Error) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

#[cfg(test)]
mod tests;
