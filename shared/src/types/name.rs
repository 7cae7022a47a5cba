use crate::names::MAX_NAME;

/// The longest DNS subdomain. (`DNS1123SubdomainMaxLength` in apimachinery)
const MAX_SUBDOMAIN: usize = 253;

/// What is wrong with `text` as a DNS-1123 label of at most 63 characters, or `None`.
///
/// The rule is that of `IsDNS1123Label` in apimachinery's `validation.go`.
pub fn dns_label_fault(text: &str) -> Option<String> {
    if text.len() > MAX_NAME {
        return Some(too_long(text, MAX_NAME));
    }
    (!is_label(text)).then(|| {
        format!("{text:?} is not a valid name: use lower-case letters, digits and '-', beginning and ending with a letter or digit")
    })
}

/// What is wrong with `text` as a DNS-1123 subdomain of at most 253 characters, which is what most kinds of Kubernetes take for a name.
///
/// The rule is that of `IsDNS1123Subdomain` in apimachinery's `validation.go`. Unlike in a name of its own, a part of it may be longer
/// than 63 characters.
pub fn dns_subdomain_fault(text: &str) -> Option<String> {
    if text.len() > MAX_SUBDOMAIN {
        return Some(too_long(text, MAX_SUBDOMAIN));
    }
    let fine = text.split('.').all(is_label);
    (!fine).then(|| {
        format!(
            "{text:?} is not a valid name: use lower-case letters, digits, '-' and '.', every part beginning and ending with a letter or \
             digit"
        )
    })
}

/// Whether a part of a name is written as a DNS label, of whatever length.
fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-') && !text.is_empty()
}

/// What is wrong with `text` as the value of a label, or `None`; an empty one is refused too, since it identifies nothing.
///
/// The rule is that of `IsValidLabelValue` in apimachinery's `validation.go`.
pub fn label_value_fault(text: &str) -> Option<String> {
    if text.len() > MAX_NAME {
        return Some(too_long(text, MAX_NAME));
    }
    let bytes = text.as_bytes();
    let edges = [bytes.first(), bytes.last()].iter().all(|edge| edge.is_some_and(u8::is_ascii_alphanumeric));
    let fine = edges && bytes.iter().all(|&c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'));
    (!fine).then(|| {
        format!("{text:?} cannot be the value of a label: use letters, digits, '-', '_' and '.', beginning and ending with a letter or digit")
    })
}

fn too_long(text: &str, most: usize) -> String {
    let start: String = text.chars().take(20).collect();
    let unit = if text.is_ascii() { "characters" } else { "bytes" };
    format!("{:?} has {} {unit}: use at most {most}", format!("{start}…"), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "a-b", "0", "a--b", &"a".repeat(63)] {
            assert_eq!(dns_label_fault(good), None, "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", "a b", &"a".repeat(64)] {
            assert!(dns_label_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn names_of_others_may_have_points() {
        for good in ["a", "a.b-c.d", "1.2", &"a".repeat(253)] {
            assert_eq!(dns_subdomain_fault(good), None, "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a-.b", "A.b", "a_b", &"a".repeat(254)] {
            assert!(dns_subdomain_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn ids_are_label_values() {
        for good in ["a", "A_b.c-d", "0", &"a".repeat(63)] {
            assert_eq!(label_value_fault(good), None, "{good}");
        }
        for bad in ["", "-a", "a.", "a/b", "ä", "a b", &"a".repeat(64)] {
            assert!(label_value_fault(bad).is_some(), "{bad}");
        }
    }
}
