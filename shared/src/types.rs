//! Strings that have rules, each with its own parser.

mod go_duration;
mod name;

pub use go_duration::{DurationError, GoDuration};
pub use name::{dns_label_fault, dns_subdomain_fault, label_value_fault};
