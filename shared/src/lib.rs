//! The domain of `kubectl release`: types, rules, rendering and records. No I/O, no clock, no environment.
//!
//! In the order in which data passes through:
//!
//! | module | in → out |
//! |---|---|
//! | [`yaml`] | text → JSON values, read as kubectl reads them, each with its line |
//! | [`snapshot`] | manifests → [`kinds::ComponentRelease`] |
//! | [`kinds`], [`types`], [`names`] | what the API is made of |
//! | [`outline`] | the text of a Release → what rules look at, and its canonical content |
//! | [`default`] | an object → the same with its defaults |
//! | [`validate`] | new and old object, and what the cluster holds ([`world`]) → [`violation::Findings`] |
//! | [`pipeline`], [`promotion`] | promotion paths → roots, next steps, what may go where |
//! | [`policy`] | policy annotations of an Environment → a freeze, which reasons count, how much is kept |
//! | [`fence`] | an Environment → which namespaces and kinds it lets in |
//! | [`render`] | a ComponentRelease and a ReleaseBinding → the objects of one environment |
//! | [`desired`] | a Release → its objects as they are applied, in order |
//! | [`outcome`] | records and what was observed → how each revision went |
//! | [`ownership`] | what was applied and the managedFields → what somebody else took |
//! | [`health`] | a live object, its pods and events → how it is doing, and why |
//! | [`status`] | what was observed of a Release → its next status |
//! | [`record`] | a change and who asked for it → the stamp and the history in the object |

pub mod canonical;
pub mod crd;
pub mod default;
pub mod desired;
pub mod fence;
pub mod health;
pub mod kinds;
pub mod names;
pub mod object;
pub mod outcome;
pub mod outline;
pub mod ownership;
pub mod pipeline;
pub mod policy;
pub mod promotion;
pub mod record;
pub mod render;
pub mod schema;
pub mod snapshot;
pub mod status;
pub mod types;
pub mod validate;
pub mod violation;
pub mod world;
pub mod yaml;
