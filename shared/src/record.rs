//! The record: who changed what, when and why, written into the object by the webhook in the same write as the change.
//!
//! `request → content → stamp (action, reason, record, chain) → ring → annotations`. `/mutate` calls [`stamp`], `/validate` calls
//! [`verify`], both from the request, the object and its predecessor alone.

mod action;
mod chain;
mod content;
mod entry;
mod finding;
mod key;
mod keys;
mod needed;
mod raw;
mod ring;
mod room;
mod run;
mod said;
mod stamp;
mod verify;
mod witness;

pub use action::{Action, is_pinned_as};
pub use chain::record_hash;
pub use content::{Content, Contents, config, content_changed, content_hash};
pub use entry::{Dropped, Element, History, Range, Record};
pub use finding::{Finding, Weight};
pub use key::{KeyFault, PrivateKey, PublicKey, is_key_id};
pub use keys::{PublicKeys, Signer, Whose, key_id, key_time};
pub use needed::needed_releases;
pub use ring::Bounds;
pub use room::WEBHOOK_ANNOTATION_LIMIT;
pub use said::{said, said_faults};
pub use stamp::{Stamp, StampRequest, followed_unknown_key, next_revision, stamp, unknown_keys, verify};
pub use verify::{Evidence, check_chain, check_object, examine};
