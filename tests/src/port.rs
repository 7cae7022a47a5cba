//! Ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context;

/// A port that is free now. Somebody else may take it before the server that it is for does: see [`is_taken`].
pub(crate) fn free() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port on loopback")?;
    Ok(listener.local_addr().context("finding a free port on loopback")?.port())
}

/// Whether somebody listens there. Asked after a server died, it tells a lost race for the port from any other fault,
/// without reading the server's log.
pub(crate) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}
