//! What happens.

mod and_back;
mod to_production;

use super::{Person, Step};

/// The story: a shop goes from manifests to production, whoever takes a short cut is told so by the cluster, a bad version breaks
/// production, and the way back is one command. Project `retail` has its live objects in `retail-development` and so on: nothing
/// else may use these namespaces.
pub fn story() -> Vec<Step> {
    [to_production::steps(), and_back::steps()].concat()
}

fn step(who: Person, title: &'static str, types: &'static str, ends: i32, shows: &'static [&'static str]) -> Step {
    Step { title, who, types, ends, shows }
}
