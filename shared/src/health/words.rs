//! Words for people: one line, not too long, and nothing in it that moves a cursor.

/// The longest cause, in bytes.
pub(super) const MAX_CAUSE: usize = 400;
/// The longest message that is kept of what the cluster says, in bytes. Something is cut off its beginning before it is shown.
const MAX_MESSAGE: usize = 800;

/// `text` as a cause: line breaks and other control characters are spaces, several of which are one, and it is cut. What was to be
/// quoted and is empty leaves no colon behind.
pub(super) fn one_line(text: &str) -> String {
    let mut line = spaced(text);
    line.truncate(line.trim_end_matches([':', ' ']).len());
    cut(line, MAX_CAUSE)
}

/// `text` as it is kept for later.
pub(super) fn message(text: &str) -> String {
    cut(spaced(text), MAX_MESSAGE)
}

fn spaced(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    for word in words {
        if line.len() > MAX_MESSAGE {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// `text` within `max` bytes; where something is missing it ends in `…`.
pub(super) fn cut(mut text: String, max: usize) -> String {
    const MARK: char = '…';
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub(MARK.len_utf8())));
        text.truncate(text.trim_end().len());
        text.push(MARK);
    }
    text
}

/// `2 of 3 replicas are ready`.
pub(super) fn share(some: i64, all: i64, what: &str, state: &str) -> String {
    let verb = if some == 1 { "is" } else { "are" };
    format!("{some} of {all} {what} {verb} {state}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_one_line_and_fits() {
        assert_eq!(one_line(" a\n\tb\u{1b}[31m\u{0}c\r\n"), "a b [31m c");
        assert_eq!(one_line("fails: \n"), "fails");
        let cases = ["é".repeat(300), "a".repeat(5000), format!("{} bcdefgh", "a".repeat(396)), "word ".repeat(1000)];
        for text in cases {
            let line = one_line(&text);
            assert!(line.len() <= MAX_CAUSE && line.len() > MAX_CAUSE - 10, "{} bytes", line.len());
            assert!(line.ends_with('…') && !line.ends_with(" …"), "{line}");
        }
        assert_eq!(one_line(&"a".repeat(MAX_CAUSE)).len(), MAX_CAUSE);
    }

    #[test]
    fn shares_agree_in_number() {
        assert_eq!(share(1, 3, "replicas", "ready"), "1 of 3 replicas is ready");
        assert_eq!(share(0, 1, "replicas", "ready"), "0 of 1 replicas are ready");
    }
}
