//! Two replicas and one Lease, in a time that passes as fast as nothing happens. What the API server does here is little: it keeps one
//! object, and refuses a write that rests on another version of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use http::{Method, Request, Response};
use kube::client::Body;
use prometheus_client::metrics::gauge::Gauge;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;

const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    lease: Option<Value>,
    version: u64,
}

impl Server {
    fn kept<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn holder(&self) -> String {
        self.kept(|kept| {
            kept.lease.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned))
        })
        .unwrap_or_default()
    }

    /// Somebody writes something into the Lease.
    fn change(&self, pointer: &str, value: Value) {
        self.kept(|kept| {
            *kept.lease.as_mut().unwrap().pointer_mut(pointer).unwrap() = value;
            kept.version += 1;
        });
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (u16, Value) {
        self.kept(|kept| {
            let current = kept.lease.as_ref().map(|_| kept.version.to_string());
            match (method, &current) {
                (&Method::GET | &Method::PUT, None) => return refusal(404, "NotFound"),
                (&Method::GET, Some(_)) => {}
                _ => {
                    let mut sent: Value = serde_json::from_slice(body).unwrap();
                    if sent["metadata"]["resourceVersion"].as_str() != current.as_deref() {
                        return refusal(409, "Conflict");
                    }
                    sent["metadata"]["uid"] = json!("u");
                    kept.version += 1;
                    kept.lease = Some(sent);
                }
            }
            let mut lease = kept.lease.clone().unwrap();
            lease["metadata"]["resourceVersion"] = json!(kept.version.to_string());
            (200, lease)
        })
    }

    fn replica(&self, identity: &str) -> Replica {
        let (server, silent) = (self.clone(), Arc::<AtomicBool>::default());
        let is_silent = Arc::clone(&silent);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, is_silent) = (server.clone(), Arc::clone(&is_silent));
            async move {
                if is_silent.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                let method = request.method().clone();
                let body = request.into_body().collect_bytes().await?;
                let (code, answer) = server.answer(&method, &body);
                Ok::<_, tower::BoxError>(
                    Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()))?,
                )
            }
        });
        let client = Client::new(service, "release-system");
        let health = Arc::new(Health::new(Duration::from_secs(35)));
        let hold = Hold::new(Gauge::default());
        let lease = Lease::new(client, "release-system", identity.to_owned(), TIMING, health, hold.clone());
        Replica { lease, hold, silent }
    }
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}))
}

/// One process.
struct Replica {
    lease: Lease,
    hold: Hold,
    /// Whether the API server no longer answers it.
    silent: Arc<AtomicBool>,
}

impl Replica {
    async fn take(self) -> Held {
        timeout(Duration::from_secs(3600), self.lease.acquire()).await.expect("the lease within an hour")
    }

    /// Waits for the lease in the background; how long that took, and the lease.
    fn wait(self) -> JoinHandle<(Duration, Held)> {
        let began = Instant::now();
        tokio::spawn(async move {
            let held = self.take().await;
            (began.elapsed(), held)
        })
    }
}

async fn keeps(held: &mut Held, time: Duration) {
    let lost = timeout(time, held.keep()).await;
    assert!(lost.is_err(), "lost: {lost:?}");
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[tokio::test(start_paused = true)]
async fn one_of_two_holds_it_and_renews_it_with_one_write_in_five_seconds() {
    let server = Server::default();
    let mut held = server.replica("a").take().await;
    let other = server.replica("b").wait();
    keeps(&mut held, seconds(301)).await;
    assert!(!other.is_finished());
    assert_eq!((server.holder().as_str(), server.kept(|kept| kept.version)), ("a", 61));
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_the_other_waits_until_the_lease_has_run_out() {
    let server = Server::default();
    let mut held = server.replica("a").take().await;
    let other = server.replica("b").wait();
    keeps(&mut held, seconds(6)).await;
    drop(held);
    // It was renewed at 5 s, which was seen at 6 s.
    let (took, held) = other.await.unwrap();
    assert!((seconds(20)..=seconds(23)).contains(&took), "{took:?}");
    assert_eq!(held.ours.lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_container_that_starts_anew_goes_on_at_once() {
    let server = Server::default();
    drop(server.replica("a").take().await);
    let (took, held) = server.replica("a").wait().await.unwrap();
    assert_eq!((took, held.ours.lease_transitions), (Duration::ZERO, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn who_gives_it_back_is_followed_at_the_next_look() {
    let server = Server::default();
    let replica = server.replica("a");
    let hold = replica.hold.clone();
    let mut held = replica.take().await;
    let other = server.replica("b").wait();
    keeps(&mut held, seconds(61)).await;
    held.release().await;
    assert!(!hold.is_valid());
    let (took, _) = other.await.unwrap();
    assert!(took <= seconds(63), "{took:?}");
    assert_eq!(server.holder(), "b");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_the_other_begins() {
    let server = Server::default();
    let replica = server.replica("a");
    let (hold, silent) = (replica.hold.clone(), Arc::clone(&replica.silent));
    let mut held = replica.take().await;
    let other = server.replica("b").wait();
    keeps(&mut held, seconds(6)).await;
    silent.store(true, Ordering::Relaxed);
    let began = Instant::now();
    assert!(hold.is_valid());
    assert!(matches!(held.keep().await, Lost::Late));
    // It was renewed at 5 s, a second before.
    assert_eq!(began.elapsed(), seconds(9));
    assert!(!hold.is_valid() && !other.is_finished());
    let (took, _) = other.await.unwrap();
    assert!(took >= seconds(20), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_slept_through_the_deadline_writes_no_more() {
    let replica = Server::default().replica("a");
    let hold = replica.hold.clone();
    let _held = replica.take().await;
    tokio::time::advance(seconds(9)).await;
    assert!(hold.is_valid());
    tokio::time::advance(seconds(1)).await;
    assert!(!hold.is_valid());
}

#[tokio::test(start_paused = true)]
async fn a_short_silence_is_bridged() {
    let server = Server::default();
    let replica = server.replica("a");
    let (hold, silent) = (replica.hold.clone(), Arc::clone(&replica.silent));
    let mut held = replica.take().await;
    silent.store(true, Ordering::Relaxed);
    keeps(&mut held, seconds(7)).await;
    silent.store(false, Ordering::Relaxed);
    keeps(&mut held, seconds(60)).await;
    assert!(hold.is_valid());
}

#[tokio::test(start_paused = true)]
async fn another_process_of_the_same_name_is_noticed() {
    let server = Server::default();
    let mut held = server.replica("a").take().await;
    tokio::time::advance(seconds(1)).await;
    let _twin = server.replica("a").take().await;
    assert!(matches!(held.keep().await, Lost::SameName));
}

#[tokio::test(start_paused = true)]
async fn whoever_changes_or_deletes_the_lease_ends_nothing() {
    let server = Server::default();
    let mut held = server.replica("a").take().await;
    server.change("/metadata/uid", json!("changed"));
    keeps(&mut held, seconds(6)).await;
    server.kept(|kept| kept.lease = None);
    keeps(&mut held, seconds(6)).await;
    assert_eq!(server.holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_it_away_ends_the_term() {
    let server = Server::default();
    let replica = server.replica("a");
    let hold = replica.hold.clone();
    let mut held = replica.take().await;
    server.change("/spec/holderIdentity", json!("b"));
    assert!(matches!(held.keep().await, Lost::Taken(holder) if holder == "b"));
    assert!(!hold.is_valid());
}
