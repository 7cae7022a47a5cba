//! Another reading of a review than the webhook's: by hand, byte by byte, as far as the bytes are JSON.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

/// What was seen of a review.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The strings at `request.uid`, in order; more than one where keys are repeated.
    pub(crate) uids: Vec<String>,
    /// Whether some key stands twice in an object.
    pub(crate) repeats: bool,
}

/// An object or list that is not closed yet.
enum Open {
    List,
    /// The keys so far, and the one whose value is being read.
    Object(BTreeSet<String>, String),
}

/// Looks at a review up to its end, or to where it is no JSON any more.
pub(crate) fn look(bytes: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let mut reader = Reader { bytes, at: 0 };
    let _ = reader.value(&mut seen);
    seen
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// One value with all that is in it. `None` where it breaks off.
    fn value(&mut self, seen: &mut Seen) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // A request that is no object and a uid that is no text are where a reader may stop.
            let stops = (is_request(&open) && self.peek()? != b'{') || (is_uid(&open) && self.peek()? != b'"');
            if stops {
                return None;
            }
            match self.next()? {
                b'{' => {
                    open.push(Open::Object(BTreeSet::new(), String::new()));
                    if self.peek()? != b'}' {
                        self.key(&mut open, seen)?;
                        continue;
                    }
                }
                b'[' => {
                    open.push(Open::List);
                    if self.peek()? != b']' {
                        continue;
                    }
                }
                b'"' => {
                    let text = self.string()?;
                    if is_uid(&open) {
                        seen.uids.push(text?);
                    }
                }
                b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => self.word()?,
                _ => return None,
            }
            self.close(&mut open, seen)?;
            if open.is_empty() {
                return Some(());
            }
        }
    }

    /// What follows a value: the ends of what it stands in, and the comma before the next.
    fn close(&mut self, open: &mut Vec<Open>, seen: &mut Seen) -> Option<()> {
        while let Some(inner) = open.last() {
            let is_list = matches!(inner, Open::List);
            match (self.next()?, is_list) {
                (b'}', false) | (b']', true) => drop(open.pop()),
                (b',', true) => return Some(()),
                (b',', false) => return self.key(open, seen),
                _ => return None,
            }
        }
        Some(())
    }

    fn key(&mut self, open: &mut [Open], seen: &mut Seen) -> Option<()> {
        if self.next()? != b'"' {
            return None;
        }
        let key = self.string()??;
        if let Some(Open::Object(keys, current)) = open.last_mut() {
            seen.repeats |= !keys.insert(key.clone());
            *current = key;
        }
        (self.next()? == b':').then_some(())
    }

    /// The rest of a string; the inner `None` where it is closed and none that JSON has.
    fn string(&mut self) -> Option<Option<String>> {
        let start = self.at - 1;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += self.escape()?,
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(serde_json::from_slice(self.bytes.get(start..self.at)?).ok())
    }

    /// The length of an escape.
    fn escape(&self) -> Option<usize> {
        match self.bytes.get(self.at + 1)? {
            b'u' => self.bytes.get(self.at + 2..self.at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
            kind => b"\"\\/bfnrt".contains(kind).then_some(2),
        }
    }

    fn word(&mut self) -> Option<()> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let start = self.at - 1;
        self.at += self.bytes[self.at..].iter().take_while(|byte| is_part(byte)).count();
        serde_json::from_slice::<IgnoredAny>(&self.bytes[start..self.at]).ok().map(drop)
    }

    fn peek(&mut self) -> Option<u8> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.bytes.get(self.at..)?.iter().take_while(|byte| is_space(byte)).count();
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

fn is_request(open: &[Open]) -> bool {
    matches!(open, [Open::Object(_, request)] if request == "request")
}

fn is_uid(open: &[Open]) -> bool {
    matches!(open, [Open::Object(_, request), Open::Object(_, uid)] if request == "request" && uid == "uid")
}

#[cfg(test)]
mod tests {
    use super::look;

    #[test]
    fn the_uid_of_the_request_is_found_and_no_other() {
        let table: [(&str, &[&str]); 12] = [
            (r#"{"request":{"uid":"a"}}"#, &["a"]),
            (r#" { "kind" : [ 1 , {"uid":"x"} ] , "request" : { "n" : -1.5e+3 , "uid" : "a" "#, &["a"]),
            (r#"{"request":{"userInfo":{"uid":"x"},"object":{"metadata":{"uid":"y"}},"uid":"a","#, &["a"]),
            (r#"{"request":{"uid":"a","uid":"b"}}"#, &["a", "b"]),
            (r#"{"\u0072equest":{"u\u0069d":"\u0061"}}"#, &["a"]),
            (r#"{"request":{"uid":"a\"b"}"#, &["a\"b"]),
            (r#"{"request":{"uid":"a"#, &[]),
            (r#"{"request":{"uid":5}}"#, &[]),
            (r#"{"request":[{"uid":"a"}]}"#, &[]),
            (r#"{"request":{} "uid":"a"}"#, &[]),
            (r#"{"a":{"request":{"uid":"a"}}}"#, &[]),
            ("", &[]),
        ];
        for (text, uids) in table {
            assert_eq!(look(text.as_bytes()).uids, uids, "{text}");
        }
        assert!(look(br#"{"a":[{"b":1,"b":2}]}"#).repeats);
        assert!(!look(br#"{"a":[{"b":1},{"b":2}],"b":{"a":1}}"#).repeats);
    }
}
