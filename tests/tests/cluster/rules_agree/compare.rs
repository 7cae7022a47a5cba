//! Where the rules and an API server do not say the same.

use std::collections::BTreeSet;

use release_shared::violation::Violation;
use release_tests::corpus::Case;

use super::answer::{Answer, By, Refusal};

/// What the API server refuses and the rules do not, for a reason: words of its message, and the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// The cause by which the API server says that it did not look at the rest.
const NOT_CHECKED: &str = "<nil>";

/// The place of an owner without its position: so the API server writes it.
const OWNER: &str = "metadata.ownerReferences.";

/// Each version must say the same, though causes may come in another order and made-up names differ.
pub(super) fn versions(case: &Case, now: &Answer, then: &Answer) -> Option<String> {
    let verdict = |answer: &Answer| {
        answer.as_ref().map(|Refusal { by, code, causes, .. }| {
            (by.clone(), *code, causes.iter().cloned().collect::<BTreeSet<_>>())
        })
    };
    (verdict(now) != verdict(then))
        .then(|| format!("{}: the newest version says {}, the oldest {}", case.name, shown(now), shown(then)))
}

/// What the rules accept the API server must accept, and where it refuses a place they must name it too.
pub(super) fn with_rules(case: &Case, violations: &[Violation], answer: &Answer) -> Option<String> {
    let refusal = answer.as_ref()?;
    if EXCEPTIONS.iter().any(|(words, _)| refusal.message.contains(words)) {
        return None;
    }
    if violations.is_empty() {
        return Some(format!("{}: the rules accept it, and the API server does not: {refusal}", case.name));
    }
    let unnamed: Vec<_> =
        refusal.causes.iter().map(|(field, _)| field).filter(|field| !is_named(field, refusal, violations)).collect();
    (!unnamed.is_empty()).then(|| {
        let named: Vec<_> =
            violations.iter().map(|violation| format!("{} ({})", violation.path, violation.code)).collect();
        format!("{}: the API server refuses {unnamed:?}, and the rules {}\n    {refusal}", case.name, named.join(", "))
    })
}

/// Whether a rule names the place, or one within it: where a whole is missing or too long, rules name what they miss in it.
fn is_named(field: &str, refusal: &Refusal, violations: &[Violation]) -> bool {
    // A policy has no causes: it names the place in its message, of a list as a whole.
    if field.is_empty() {
        let list = |violation: &Violation| violation.path.as_str().split('[').next().unwrap_or_default().to_owned();
        return violations.iter().map(list).any(|list| refusal.message.contains(&list));
    }
    let is_within =
        |path: &str| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let is_owner = |path: &str| field.starts_with(OWNER) && path.starts_with("metadata.ownerReferences[");
    let is_made_up =
        |path: &str| path.strip_suffix(".generateName").is_some_and(|whole| field == format!("{whole}.name"));
    field == NOT_CHECKED
        || violations
            .iter()
            .map(|violation| violation.path.as_str())
            .any(|path| is_within(path) || is_owner(path) || is_made_up(path))
}

/// The webhook says exactly what the rules say in its world, or it lets pass what they accept and the API server answers.
/// `without_structure`: what the rules say without what the API server would add by itself.
pub(super) fn with_webhook(
    case: &Case,
    violations: &[Violation],
    without_structure: &[Violation],
    answer: &Answer,
) -> Option<String> {
    let Some(refusal) = answer else {
        let said: Vec<_> = violations.iter().map(|violation| violation.code).collect();
        return (!said.is_empty())
            .then(|| format!("{}: the rules say {said:?}, and with the webhook it is accepted", case.name));
    };
    match refusal.by {
        By::Decoder => None,
        By::Webhook => {
            let mut said: BTreeSet<_> =
                refusal.causes.iter().map(|(field, reason)| (field.as_str(), reason.as_str())).collect();
            // The record needs some room, too.
            said.remove(&("metadata.annotations", "AnnotationsTooLarge"));
            let mut expected: BTreeSet<_> =
                violations.iter().map(|violation| (violation.path.as_str(), violation.code)).collect();
            expected.remove(&("metadata.annotations", "AnnotationsTooLarge"));
            (said != expected).then(|| format!("{}: the webhook says {said:?}, the rules {expected:?}", case.name))
        }
        _ => (!without_structure.is_empty()).then(|| {
            format!("{}: the rules refuse it, and the webhook let it pass to the API server: {refusal}", case.name)
        }),
    }
}

fn shown(answer: &Answer) -> String {
    answer.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
