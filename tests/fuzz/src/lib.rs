//! Fuzz targets: for each entrance through which bytes of others come, a function that takes any bytes and panics where something
//! does not hold that must hold for all of them.
//!
//! | target | entrance | what must hold |
//! |---|---|---|
//! | [`review`] | the body of a call of the webhook | the reply is a review with the request's uid; its patch applies, and once is enough |
//! | [`duration`] | a Go duration | it has the length that another reading finds, and is written as it is read |
//! | [`history`] | an object with the annotations of its record | only what was signed is said to be sound; a new record follows on any |
//! | [`snapshot`] | manifests and what `create` is told about them | what is accepted is valid, also after a JSON round trip, and renders |
//! | [`template`] | a template and the values for it | it renders to a bounded size; references and nothing else are replaced |
//! | [`server`] | the bytes of a connection | each request is answered once, well-formed and however its bytes come; a drain answers what it took |
//!
//! `fuzz_targets/` has them as programs of libFuzzer, `corpus/` the inputs that each begins with. The tests here run every one of those.

mod duration;
mod history;
mod platform;
mod review;
mod server;
mod snapshot;
mod template;
mod uid;

pub use duration::duration;
pub use history::{genuine, history};
pub use platform::{NAMESPACE, now, platform, signer};
pub use review::review;
pub use server::server;
pub use snapshot::snapshot;
pub use template::template;

#[cfg(test)]
mod tests;
