//! The record: who changed what, when and why, written into the object by the webhook in the same write as the change.
//!
//! `request → content → stamp (action, reason, record, chain) → ring → annotations`. `/mutate` calls [`stamp`], `/validate` calls
//! [`verify`], both from the request, the object and its predecessor alone.

mod action;
mod chain;
mod content;
mod entry;
mod needed;
mod ring;
mod said;
mod stamp;

pub use action::{Action, is_pinned_as};
pub use chain::{ChainFault, check_chain, check_object, record_hash};
pub use content::{config, content_changed, content_hash};
pub use entry::{Dropped, Element, History, Record};
pub use needed::needed_releases;
pub use ring::Bounds;
pub use said::said_faults;
pub use stamp::{Stamp, StampRequest, WEBHOOK_ANNOTATION_LIMIT, stamp, verify};
