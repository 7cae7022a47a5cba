//! How progress is shown on stderr: one line that is written anew on a terminal, one line a change elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};

use super::Judged;
use crate::print::{age, one_line};

/// Begins the line anew and lets the terminal cut what does not fit into it. (ECMA-48 EL; DEC private mode 7)
const ANEW: &str = "\r\u{1b}[K\u{1b}[?7l";
/// Lets lines wrap again.
const WRAP: &str = "\u{1b}[?7h";

/// What was shown last.
#[derive(Debug)]
pub(super) struct Progress {
    live: bool,
    shown: BTreeMap<String, String>,
}

impl Progress {
    pub(super) fn on_stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { live: std::io::stderr().is_terminal() && !dumb, shown: BTreeMap::new() }
    }

    /// Whether the time that has passed is shown.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    pub(super) fn show(&mut self, judged: &[Judged], seconds: i64) {
        write(&self.next(judged, seconds));
    }

    /// A sentence of its own.
    pub(super) fn note(&mut self, text: &str) {
        write(&format!("{}{}\n", if self.live { format!("{ANEW}{WRAP}") } else { String::new() }, one_line(text)));
    }

    /// Leaves on the terminal how it ended.
    pub(super) fn end(&mut self, judged: &[Judged]) {
        write(&self.last(judged));
    }

    fn next(&mut self, judged: &[Judged], seconds: i64) -> String {
        if judged.is_empty() {
            return String::new();
        }
        if self.live {
            let parts: Vec<_> = judged.iter().map(line).collect();
            return format!("{ANEW}{} ({}){WRAP}", parts.join("; "), age::human(seconds));
        }
        let mut text = String::new();
        for judged in judged {
            let message = &judged.judgement.message;
            if self.shown.insert(judged.place.clone(), message.clone()).as_ref() != Some(message) {
                text.push_str(&line(judged));
                text.push('\n');
            }
        }
        text
    }

    fn last(&self, judged: &[Judged]) -> String {
        if !self.live {
            return String::new();
        }
        let lines: String = judged.iter().map(|judged| format!("{}\n", line(judged))).collect();
        format!("{ANEW}{WRAP}{lines}")
    }
}

fn line(judged: &Judged) -> String {
    one_line(&format!("{}: {}", judged.place, judged.judgement.message))
}

fn write(text: &str) {
    let mut stderr = std::io::stderr();
    // Whoever closed stderr does not want to know.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Judgement, Phase};
    use super::*;

    fn judged(message: &str) -> [Judged; 1] {
        let judgement = Judgement { phase: Phase::Waiting, message: message.to_owned(), heard: true };
        [Judged { place: "dev".into(), whole: "web in dev".into(), judgement }]
    }

    #[test]
    fn elsewhere_there_is_a_line_a_change() {
        let mut progress = Progress { live: false, shown: BTreeMap::new() };
        let told: Vec<_> = ["one", "one", "t\u{1b}wo", "one"].map(|text| progress.next(&judged(text), 1)).into();
        assert_eq!(told, ["dev: one\n", "", "dev: t\u{fffd}wo\n", "dev: one\n"]);
        assert_eq!(progress.last(&judged("one")), "");
    }

    #[test]
    fn on_a_terminal_there_is_one_line_that_cannot_wrap() {
        let mut progress = Progress { live: true, shown: BTreeMap::new() };
        assert_eq!(progress.next(&judged("one"), 125), "\r\u{1b}[K\u{1b}[?7ldev: one (2m5s)\u{1b}[?7h");
        assert_eq!(progress.last(&judged("one")), "\r\u{1b}[K\u{1b}[?7l\u{1b}[?7hdev: one\n");
        assert_eq!(progress.next(&[], 0), "", "nothing is known yet");
    }
}
