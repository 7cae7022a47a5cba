//! A fault of manifests in words, with its file and line.

use release_shared::snapshot::{Cut, Location, Problem};
use release_shared::violation::Violation;

/// What is wrong, and where in the files.
pub(in crate::commands) struct Fault {
    location: Option<Location>,
    text: String,
}

impl Fault {
    /// Of the manifests themselves.
    pub(in crate::commands) fn of_problem(problem: &Problem) -> Self {
        Self { location: problem.location.clone(), text: problem.to_string() }
    }

    /// Of the release that they would become, led back to the manifest that it comes from.
    pub(in crate::commands) fn of_release(cut: &Cut, violation: &Violation) -> Self {
        let location = cut.locate(&violation.path);
        let text = match &location {
            Some(location) => {
                let path = violation.path.as_str();
                let inside = path.split_once(".template").map_or(path, |(_, inside)| inside.trim_start_matches('.'));
                let place = if inside.is_empty() { String::new() } else { format!("{inside}: ") };
                format!("{location}: {place}{}", violation.message)
            }
            None => violation.to_string(),
        };
        Self { location, text }
    }

    /// By file and line, those without a place last.
    pub(in crate::commands) fn sorted(mut faults: Vec<Self>) -> Vec<String> {
        let order = |fault: &Self| {
            let place = fault.location.as_ref().map(|location| (location.file.clone(), location.line));
            (place.is_none(), place)
        };
        faults.sort_by_cached_key(order);
        faults.into_iter().map(|fault| fault.text).collect()
    }
}
