//! A way to the API server that can go dead without a word: what is on it is swallowed, and nobody is told that the connection is gone.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use release_shared::names;
use release_tests::{ControlPlane, block_on, kubeconfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// One that forwards until it goes out of scope.
pub(crate) struct Line {
    address: SocketAddr,
    /// How often it went dead.
    deaths: Arc<AtomicUsize>,
    listening: AbortHandle,
}

impl Line {
    /// One on which everything arrives.
    pub(crate) fn start(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let upstream = control_plane.server_url().trim_start_matches("https://").to_owned();
        let deaths = Arc::<AtomicUsize>::default();
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("listening on loopback")?;
            let address = listener.local_addr().context("listening on loopback")?;
            let listening = tokio::spawn(forward(listener, upstream, Arc::clone(&deaths))).abort_handle();
            Ok(Self { address, deaths, listening })
        })
    }

    /// Every connection that there is goes dead; new ones work.
    pub(crate) fn goes_dead(&self) {
        self.deaths.fetch_add(1, Ordering::SeqCst);
    }

    /// The kubeconfig of the webhook's account, by this way.
    pub(crate) fn kubeconfig(&self, control_plane: &ControlPlane) -> anyhow::Result<PathBuf> {
        let path = control_plane.service_account(names::SYSTEM_NAMESPACE, names::WEBHOOK)?;
        let mut content = kubeconfig::read(&path)?;
        content["clusters"][0]["cluster"]["server"] = json!(format!("https://{}", self.address));
        fs::write(&path, content.to_string()).context("writing a kubeconfig")?;
        Ok(path)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn forward(listener: TcpListener, upstream: String, deaths: Arc<AtomicUsize>) {
    while let Ok((near, _)) = listener.accept().await {
        let Ok(far) = TcpStream::connect(&upstream).await else { continue };
        let born = deaths.load(Ordering::SeqCst);
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::spawn(copy(from_near, to_far, born, Arc::clone(&deaths)));
        tokio::spawn(copy(from_far, to_near, born, Arc::clone(&deaths)));
    }
}

/// Copies as long as the line is alive; what comes after that, the end too, is swallowed.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, born: usize, deaths: Arc<AtomicUsize>) {
    let mut part = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut part).await.unwrap_or(0);
        if deaths.load(Ordering::SeqCst) != born {
            if read == 0 {
                // Neither half is closed: nobody on the other side hears of it.
                return std::future::pending().await;
            }
            continue;
        }
        if read == 0 || to.write_all(&part[..read]).await.is_err() {
            return;
        }
    }
}
