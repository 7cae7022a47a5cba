//! What a Service is to the API server: one address, behind which each new connection goes to another replica.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use release_tests::block_on;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards until it goes out of scope.
pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forwarder {
    pub(crate) fn start(replicas: Vec<SocketAddr>) -> anyhow::Result<Self> {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("listening on loopback")?;
            let address = listener.local_addr()?;
            Ok(Self { address, task: tokio::spawn(forward(listener, replicas)) })
        })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, replicas: Vec<SocketAddr>) {
    let turn = AtomicUsize::new(0);
    while let Ok((mut caller, _)) = listener.accept().await {
        let replica = replicas[turn.fetch_add(1, Ordering::Relaxed) % replicas.len()];
        tokio::spawn(async move {
            if let Ok(mut replica) = TcpStream::connect(replica).await {
                // Either side may end it; the other one notices.
                let _ = copy_bidirectional(&mut caller, &mut replica).await;
            }
        });
    }
}
