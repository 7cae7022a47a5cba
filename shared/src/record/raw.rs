//! A history as text, cut into its elements: a write looks at a few of their keys only, and copies the rest as it stands.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Record;
use super::entry::{Dropped, Range};
use super::keys::Sealed;

/// The elements of a history, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct RawHistory<'a> {
    text: &'a str,
    /// In the order of the text.
    pub(super) elements: Vec<RawElement<'a>>,
}

/// One element.
#[derive(Debug, Clone)]
pub(super) struct RawElement<'a> {
    /// All of it.
    pub(super) text: &'a str,
    /// The revisions that it stands for.
    pub(super) range: Range,
    /// Whether it is a record, and no run of dropped ones.
    pub(super) is_record: bool,
    keys: Glance<'a>,
}

/// The keys that matter for the chain, not read yet: few are needed.
#[derive(Debug, Clone, Default, Deserialize)]
struct Glance<'a> {
    revision: Option<u64>,
    dropped: Option<Range>,
    #[serde(borrow)]
    prev: Option<&'a RawValue>,
    #[serde(borrow)]
    hash: Option<&'a RawValue>,
    #[serde(borrow)]
    unproved: Option<&'a RawValue>,
    #[serde(borrow, rename = "dryRun")]
    dry_run: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    sig: Option<&'a RawValue>,
}

/// A key that is read when it is asked for.
fn text<'a>(raw: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    let raw = raw?.get();
    let plain = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).filter(|raw| !raw.contains('\\'));
    plain.map(Cow::Borrowed).or_else(|| serde_json::from_str(raw).ok())
}

impl<'a> RawElement<'a> {
    /// The hash before this element.
    pub(super) fn prev(&self) -> Option<Cow<'a, str>> {
        text(self.keys.prev)
    }

    /// The hash of this element; of a run, that of its last record.
    pub(super) fn hash(&self) -> Option<Cow<'a, str>> {
        text(self.keys.hash)
    }

    /// Its signature, where it has one.
    pub(super) fn sealed(&self) -> Option<Sealed> {
        Some(Sealed { key: text(self.keys.key)?.into_owned(), sig: text(self.keys.sig)?.into_owned() })
    }

    /// Whether it has a signature.
    pub(super) fn is_sealed(&self) -> bool {
        self.keys.key.is_some() && self.keys.sig.is_some() && self.sealed().is_some()
    }

    /// Whether it was made by a dry run.
    pub(super) fn is_of_dry_run(&self) -> bool {
        self.keys.dry_run.is_some_and(|raw| raw.get() == "true")
    }

    /// What was found of dropped records when they were dropped.
    pub(super) fn unproved(&self) -> BTreeSet<String> {
        // What is not to be read is no list that the webhook has signed, and it is not nothing either.
        let read = |raw: &RawValue| serde_json::from_str(raw.get()).unwrap_or_else(|_| BTreeSet::from([String::new()]));
        self.keys.unproved.map(read).unwrap_or_default()
    }

    /// The run, if this is one, without its signature.
    pub(super) fn run(&self) -> Option<Dropped> {
        (!self.is_record).then(|| Dropped {
            dropped: self.range,
            prev: self.prev().map(Cow::into_owned),
            hash: self.hash().map(Cow::into_owned).unwrap_or_default(),
            unproved: self.unproved(),
            dry_run: self.is_of_dry_run().then_some(true),
            key: None,
            sig: None,
        })
    }

    /// The whole record, if this is one.
    pub(super) fn record(&self) -> Option<Record> {
        self.is_record.then(|| serde_json::from_str(self.text).ok())?
    }

    /// Whether some key stands twice in it, at any depth: readers differ in which one they take, and [`Record`] takes none.
    pub(super) fn repeats_a_key(&self) -> bool {
        serde_json::from_str::<Distinct>(self.text).is_err()
    }

    /// Whether it says the same as another element, however it is written.
    pub(super) fn says_the_same_as(&self, other: &RawElement<'_>) -> bool {
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let parsed = || value(self.text).is_some_and(|one| Some(one) == value(other.text));
        self.text == other.text || self.range == other.range && parsed()
    }
}

/// A value in which no key stands twice.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in which no key stands twice")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            entries.next_value::<Self>()?;
            if !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(self)
    }
}

impl<'a> RawHistory<'a> {
    /// Cuts the annotation. `None` where it is no history.
    pub(super) fn parse(annotation: &'a str) -> Option<Self> {
        let mut rest = annotation.trim_ascii_start().strip_prefix('[')?.trim_ascii_start();
        let mut elements = Vec::new();
        if rest.strip_prefix(']').is_some_and(|rest| rest.trim_ascii().is_empty()) {
            return Some(Self { text: annotation, elements });
        }
        loop {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Glance<'a>>();
            let keys = stream.next()?.ok()?;
            let (text, after) = rest.split_at_checked(stream.byte_offset())?;
            elements.push(element(text, keys)?);
            let after = after.trim_ascii_start();
            match after.strip_prefix(',') {
                Some(next) => rest = next.trim_ascii_start(),
                None if after.strip_prefix(']')?.trim_ascii().is_empty() => {
                    return Some(Self { text: annotation, elements });
                }
                None => return None,
            }
        }
    }

    /// Whether some record may have this content; what it says no to, none has.
    pub(super) fn may_hold(&self, content: &str) -> bool {
        // The standard library looks for short texts with vector instructions; half of a hash says as much as all of it.
        self.text.contains(content.get(..32).unwrap_or(content))
    }

    /// The element with the highest revision, wherever it stands; of several, the last.
    pub(super) fn newest(&self) -> Option<&RawElement<'a>> {
        self.elements.iter().max_by_key(|element| element.range.to)
    }

    /// The records as a whole, oldest first.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        self.elements.iter().filter_map(RawElement::record)
    }
}

fn element<'a>(text: &'a str, keys: Glance<'a>) -> Option<RawElement<'a>> {
    let (range, is_record) = match (keys.dropped, keys.revision) {
        (Some(range), _) if keys.hash.is_some() => (range, false),
        (_, Some(revision)) => (Range { from: revision, to: revision }, true),
        _ => return None,
    };
    Some(RawElement { text, range, is_record, keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_cut_where_its_elements_end() {
        let text = r#" [ {"dropped":{"from":1,"to":4},"hash":"h\u0034"} ,{"revision":5,"prev":"h4","hash":"h5","by":"]},{\"","key":"k","sig":"s"}] "#;
        let history = RawHistory::parse(text).unwrap();
        let [run, record] = &history.elements[..] else { panic!() };
        assert_eq!((run.range, run.is_record, run.hash().as_deref()), (Range { from: 1, to: 4 }, false, Some("h4")));
        assert_eq!((record.range.to, record.is_record, record.prev().as_deref()), (5, true, Some("h4")));
        assert_eq!(record.sealed(), Some(Sealed { key: "k".into(), sig: "s".into() }));
        assert!(record.text.starts_with('{') && record.text.ends_with('}'));
        assert!(history.may_hold("h4") && !history.may_hold("h6"));
        assert!(RawHistory::parse("[]").unwrap().elements.is_empty());
        for bad in [
            "",
            "[",
            "{}",
            "[{}]",
            "[{\"revision\":1},]",
            "[{\"revision\":1}",
            "[{\"revision\":1}] x",
            "[1]",
            "[{\"revision\":1}{}]",
            "[null]",
            "[] x",
        ] {
            assert!(RawHistory::parse(bad).is_none(), "{bad}");
        }
    }
}
