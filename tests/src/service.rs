//! What a Service is to the API server: one address, behind which each new connection goes to another ready replica.
//!
//! It does what kubelet and kube-proxy do together: each replica is asked at `/readyz` once a second, a new connection goes to the
//! next one that said yes the last time, and a connection that exists stays where it is, whatever becomes of its replica's
//! readiness. Where nobody is ready, a connection is reset.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::{block_on, http_status, wait};

/// How often a replica is asked: the shortest `periodSeconds` of a probe.
const PERIOD: Duration = Duration::from_secs(1);
/// How long it may take until a replica that is ready is known to be.
const LIMIT: Duration = Duration::from_secs(30);

/// Forwards until it goes out of scope; connections that exist then stay.
pub struct Service {
    /// Where it is called.
    pub address: SocketAddr,
    endpoints: Arc<Endpoints>,
    tasks: [AbortHandle; 2],
}

#[derive(Debug, Default)]
struct Endpoints(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    replicas: Vec<Replica>,
    turn: usize,
}

#[derive(Debug)]
struct Replica {
    address: SocketAddr,
    health: u16,
    is_ready: bool,
    /// Whether it is asked right now: nobody is asked a second time before the first answer.
    is_asked: bool,
}

impl Service {
    /// One without replicas, on a port of loopback.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start() -> anyhow::Result<Self> {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("listening on loopback")?;
            let address = listener.local_addr().context("listening on loopback")?;
            let endpoints = Arc::<Endpoints>::default();
            let forwarding = tokio::spawn(forward(listener, Arc::clone(&endpoints))).abort_handle();
            let probing = tokio::spawn(probe(Arc::clone(&endpoints))).abort_handle();
            Ok(Self { address, endpoints, tasks: [forwarding, probing] })
        })
    }

    /// Adds a replica with the port that tells its readiness, and waits until it gets its share of connections.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn add(&self, address: SocketAddr, health: u16) -> anyhow::Result<()> {
        self.endpoints.state().replicas.push(Replica { address, health, is_ready: false, is_asked: false });
        wait::until("a replica is behind its Service", LIMIT, || Ok(self.has(address).then_some(())))
    }

    /// Whether this replica gets new connections.
    #[must_use]
    pub fn has(&self, address: SocketAddr) -> bool {
        self.endpoints.state().replicas.iter().any(|replica| replica.address == address && replica.is_ready)
    }

    /// Forgets a replica that is gone.
    pub fn remove(&self, address: SocketAddr) {
        self.endpoints.state().replicas.retain(|replica| replica.address != address);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Endpoints {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The health ports of those that are asked next.
    fn to_ask(&self) -> Vec<u16> {
        let mut state = self.state();
        let next = state.replicas.iter_mut().filter(|replica| !replica.is_asked);
        next.map(|replica| {
            replica.is_asked = true;
            replica.health
        })
        .collect()
    }

    /// Who gets the next connection.
    fn next(&self) -> Option<SocketAddr> {
        let mut state = self.state();
        state.turn = state.turn.wrapping_add(1);
        let ready: Vec<_> = state.replicas.iter().filter(|replica| replica.is_ready).collect();
        ready.get(state.turn.checked_rem(ready.len())?).map(|replica| replica.address)
    }
}

async fn probe(endpoints: Arc<Endpoints>) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        for port in endpoints.to_ask() {
            // Nobody's probe waits for another's.
            let endpoints = Arc::clone(&endpoints);
            tokio::task::spawn_blocking(move || {
                let is_ready = http_status::get(port, "/readyz") == Some(200);
                let mut state = endpoints.state();
                let asked = state.replicas.iter_mut().find(|replica| replica.health == port);
                asked.into_iter().for_each(|replica| (replica.is_ready, replica.is_asked) = (is_ready, false));
            });
        }
    }
}

async fn forward(listener: TcpListener, endpoints: Arc<Endpoints>) {
    while let Ok((caller, _)) = listener.accept().await {
        let replica = endpoints.next();
        tokio::spawn(async move {
            let there = match replica {
                Some(replica) => TcpStream::connect(replica).await.ok(),
                None => None,
            };
            match there {
                Some(there) => carry(caller, there).await,
                // Whoever calls is told at once, as by a port that nobody listens on.
                None => drop(caller.set_zero_linger()),
            }
        });
    }
}

/// Either side may end it; the other one notices.
async fn carry(mut caller: TcpStream, mut replica: TcpStream) {
    let _ = (caller.set_nodelay(true), replica.set_nodelay(true));
    let _ = copy_bidirectional(&mut caller, &mut replica).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_in_turn_to_those_that_are_ready() {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let replica = |port: u16, is_ready| Replica { address: address(port), health: port, is_ready, is_asked: false };
        let endpoints = Endpoints::default();
        assert_eq!(endpoints.next(), None);
        endpoints.state().replicas = vec![replica(1, false), replica(2, true), replica(3, true)];
        let turns: Vec<_> = (0..4).filter_map(|_| endpoints.next()).map(|address| address.port()).collect();
        assert_eq!(turns.len(), 4);
        assert!(turns.iter().all(|port| [2, 3].contains(port)) && turns[0] != turns[1], "{turns:?}");
        endpoints.state().replicas.remove(1);
        assert_eq!(endpoints.next(), Some(address(3)));
    }
}
