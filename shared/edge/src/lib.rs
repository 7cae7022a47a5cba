//! What webhook and controller share and is I/O: the connection to the API server, watches, endpoints, metrics, and when to stop.
//! What is pure is in `release-shared`.

pub mod client;
pub mod files;
pub mod follow;
pub mod kind;
pub mod log;
pub mod metrics;
pub mod panics;
pub mod program;
pub mod serve;
pub mod shutdown;
