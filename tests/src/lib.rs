//! The harness of the black-box tests: a real Kubernetes control plane on loopback, the project installed in it, and
//! what a test needs to speak to it as any user.
//!
//! In the order in which a test run passes through them: [`binaries`] finds or builds the servers, [`controlplane`]
//! starts them (keys from [`pki`], processes through [`process`] under a [`watchdog`]), [`install`] puts the project in,
//! [`fixture`] shares both among the tests of a run, [`trial`] gives each test a [`namespace`], and [`cli`] runs
//! programs there as any user.

pub mod binaries;
pub mod cli;
pub mod container;
pub mod controlplane;
pub mod corpus;
pub mod demo;
pub mod fixture;
pub mod growth;
pub mod http_status;
pub mod install;
pub mod kubeconfig;
pub mod namespace;
pub mod pki;
mod port;
pub mod process;
pub mod programs;
pub mod runtime;
mod server;
pub mod service;
pub mod testbed;
pub mod trial;
pub mod wait;
pub mod watchdog;

pub use cli::{Cli, Outcome};
pub use controlplane::{ControlPlane, Options};
pub use install::Installation;
pub use namespace::Namespace;
pub use runtime::block_on;
