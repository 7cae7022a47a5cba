//! Where the rules and an API server do not say the same.

use std::collections::BTreeSet;

use release_shared::violation::Violation;
use release_tests::corpus::{Case, codes_of};

use super::answer::{Answer, By, Refusal};
use super::report::{Between, Difference};

/// The cause by which the API server says that it did not look at the rest.
const NOT_CHECKED: &str = "<nil>";

/// The cause by which the webhook says that there are more faults than it tells.
const MORE: (&str, &str) = ("", "MoreFaults");

/// The place of an owner without its position: so the API server writes it.
const OWNER: &str = "metadata.ownerReferences.";

/// Each version must say the same, though causes may come in another order and made-up names differ.
pub(super) fn versions(case: &Case, now: &Answer, then: &Answer) -> Option<Difference> {
    let verdict = |answer: &Answer| {
        answer.as_ref().map(|Refusal { by, code, causes, .. }| {
            (by.clone(), *code, causes.iter().cloned().collect::<BTreeSet<_>>())
        })
    };
    (verdict(now) != verdict(then)).then(|| {
        let text = format!("{}: the newest version says {}, the oldest {}", case.name, shown(now), shown(then));
        Difference::new(Between::Versions, who(now), text)
    })
}

/// What the rules accept the API server must accept, and where it refuses a place they must name it too.
pub(super) fn with_rules(case: &Case, violations: &[Violation], answer: &Answer) -> Option<Difference> {
    let refusal = answer.as_ref()?;
    if violations.is_empty() {
        let text = format!("{}: the rules accept it, and the API server does not: {refusal}", case.name);
        return Some(Difference::new(Between::ApiServer, format!("accepted, and not by {}", who(answer)), text));
    }
    let unnamed: Vec<_> =
        refusal.causes.iter().map(|(field, _)| field).filter(|field| !is_named(field, violations)).collect();
    (!unnamed.is_empty()).then(|| {
        let named: Vec<_> =
            violations.iter().map(|violation| format!("{} ({})", violation.path, violation.code)).collect();
        let text = format!(
            "{}: the API server refuses {unnamed:?}, and the rules {}\n    {refusal}",
            case.name,
            named.join(", ")
        );
        Difference::new(Between::ApiServer, format!("{} by {}", codes(violations), who(answer)), text)
    })
}

/// Whether a rule names the place, or one within it: where a whole is missing or too long, rules name what they miss in it.
fn is_named(field: &str, violations: &[Violation]) -> bool {
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
    without_structure: impl FnOnce() -> Vec<Violation>,
    answer: &Answer,
) -> Option<Difference> {
    let Some(refusal) = answer else {
        let said = codes(violations);
        return (!said.is_empty()).then(|| {
            let text = format!("{}: the rules say {said}, and with the webhook it is accepted", case.name);
            Difference::new(Between::Webhook, said, text)
        });
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
            // Of very many faults it tells the first.
            let is_told =
                if said.remove(&MORE) { said.is_subset(&expected) && !said.is_empty() } else { said == expected };
            (!is_told).then(|| {
                let text = format!("{}: the webhook says {said:?}, the rules {expected:?}", case.name);
                let differing: BTreeSet<_> = said.symmetric_difference(&expected).map(|(_, code)| *code).collect();
                Difference::new(Between::Webhook, format!("{differing:?}"), text)
            })
        }
        _ => {
            let refused = without_structure();
            (!refused.is_empty()).then(|| {
                let text = format!(
                    "{}: the rules refuse it, and the webhook let it pass to the API server: {refusal}",
                    case.name
                );
                Difference::new(Between::Webhook, codes(&refused), text)
            })
        }
    }
}

fn shown(answer: &Answer) -> String {
    answer.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// Who refuses.
fn who(answer: &Answer) -> String {
    answer.as_ref().map_or_else(|| "nobody".to_owned(), |refusal| format!("{:?}", refusal.by))
}

/// The codes among violations, each once.
fn codes(violations: &[Violation]) -> String {
    codes_of(violations).into_iter().collect::<Vec<_>>().join(" ")
}
