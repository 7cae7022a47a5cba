//! The parser's events, put together: one JSON value with its lines for each document.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag, options};
use serde_json::{Map, Value};

use super::scalar::{self, Scalar};
use super::{Document, Lines, YamlError, explain};

/// How deep values may be nested. A ComponentRelease adds 7 levels around an object, and serde_json reads 128.
const MAX_DEPTH: usize = 100;
/// How many bytes anchors and aliases may add: no object can be larger than 1.5 MiB (etcd's limit), so that a text that
/// needs more is an alias bomb.
const ALIAS_BYTES: usize = 8 << 20;
/// What one value weighs beside its text.
const NODE_BYTES: usize = 64;

/// The documents of a text whose first line has the number `first`.
pub(super) fn documents(text: &str, first: usize) -> Result<Vec<Document>, YamlError> {
    let text = closed(text);
    let mut builder = Builder::new(&text, first);
    let mut documents = Vec::new();
    loop {
        match builder.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::StreamStart | Event::DocumentEnd, _) => {}
            (Event::DocumentStart(..), _) => builder.forget_anchors(),
            (event, span) => {
                let (value, lines) = builder.node(event, span, 0)?;
                if !value.is_null() {
                    documents.push(Document { value, lines });
                }
            }
        }
    }
}

/// kubectl ends the last line of a document itself, which decides how a block scalar at its end is read.
fn closed(text: &str) -> Cow<'_, str> {
    if text.ends_with('\n') { text.into() } else { format!("{text}\n").into() }
}

struct Builder<'a> {
    text: &'a str,
    first: usize,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchor>,
    alias_bytes: usize,
}

struct Anchor {
    value: Value,
    bytes: usize,
    depth: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, first: usize) -> Self {
        let options = options! { emit_comments: false };
        let parser = Parser::new_from_str_with_options(text, options);
        Self { text, first, parser, anchors: HashMap::new(), alias_bytes: 0 }
    }

    fn forget_anchors(&mut self) {
        self.anchors.clear();
        self.alias_bytes = 0;
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(explain::explain(&error, self.text, self.first)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn line(&self, span: Span) -> usize {
        span.start.line() + self.first - 1
    }

    fn error(&self, span: Span, message: impl Into<String>) -> YamlError {
        YamlError { line: self.line(span), column: span.start.col() + 1, message: message.into() }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Value, Lines), YamlError> {
        if depth > MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        let (value, lines, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = meaning(&text, style, tag.as_deref())
                    .and_then(|(scalar, text)| scalar.json(&text))
                    .map_err(|message| self.error(span, message))?;
                (value, Lines::leaf(self.line(span)), anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.sequence(span, depth).map(|(v, l)| (v, l, anchor))?,
            Event::MappingStart(_, anchor, _) => self.mapping(span, depth).map(|(v, l)| (v, l, anchor))?,
            Event::Alias(id) => (self.alias(id, span, depth)?, Lines::leaf(self.line(span)), 0),
            _ => return Err(self.error(span, "this is not valid YAML: a value is missing here")),
        };
        if anchor != 0 {
            self.define(anchor, &value, span)?;
        }
        Ok((value, lines))
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<(Value, Lines), YamlError> {
        let (mut items, mut lines) = (Vec::new(), Vec::new());
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => break,
                (event, span) => {
                    let (item, line) = self.node(event, span, depth + 1)?;
                    items.push(item);
                    lines.push(line);
                }
            }
        }
        Ok((Value::Array(items), Lines::sequence(self.line(start), lines)))
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<(Value, Lines), YamlError> {
        let (mut entries, mut lines) = (Map::new(), BTreeMap::new());
        let mut written = BTreeSet::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                next => next,
            };
            let at = self.line(span);
            match self.key(event, span)? {
                Key::Merge => {
                    for (key, value) in self.merged(depth)? {
                        lines.insert(key.clone(), Lines::leaf(at));
                        entries.insert(key, value);
                    }
                }
                Key::Name(key) => {
                    if !written.insert(key.clone()) {
                        let message = format!("the key `{key}` stands twice in this mapping; remove one");
                        return Err(self.error(span, message));
                    }
                    let (event, span) = self.next()?;
                    let (value, line) = self.node(event, span, depth + 1)?;
                    lines.insert(key.clone(), line.starting(at));
                    entries.insert(key, value);
                }
            }
        }
        Ok((Value::Object(entries), Lines::mapping(self.line(start), lines)))
    }

    fn key(&mut self, event: Event<'a>, span: Span) -> Result<Key, YamlError> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<" => Ok(Key::Merge),
            Event::Scalar(text, style, anchor, tag) => {
                let (scalar, text) =
                    meaning(&text, style, tag.as_deref()).map_err(|message| self.error(span, message))?;
                if anchor != 0 {
                    let value = scalar.json(&text).map_err(|message| self.error(span, message))?;
                    self.define(anchor, &value, span)?;
                }
                scalar.key(&text).map(Key::Name).map_err(|message| self.error(span, message))
            }
            Event::Alias(id) => match self.alias(id, span, 0)? {
                Value::String(text) => Ok(Key::Name(text)),
                Value::Bool(value) => Ok(Key::Name(value.to_string())),
                Value::Number(value) => Ok(Key::Name(value.to_string())),
                _ => Err(self.error(span, "a mapping's key must be a single word or number")),
            },
            _ => Err(self.error(span, "a mapping's key must be a single word or number, not a list or a mapping")),
        }
    }

    /// What `<<:` brings in, in the order in which go-yaml v2 writes it over what stands before: of several mappings the
    /// earlier wins.
    fn merged(&mut self, depth: usize) -> Result<Vec<(String, Value)>, YamlError> {
        let (event, span) = self.next()?;
        let mappings = match self.node(event, span, depth)?.0 {
            Value::Object(mapping) => vec![Value::Object(mapping)],
            Value::Array(items) => items,
            _ => vec![Value::Null],
        };
        let mut entries = Vec::new();
        for mapping in mappings.into_iter().rev() {
            match mapping {
                Value::Object(mapping) => entries.extend(mapping),
                _ => return Err(self.error(span, "`<<` takes a mapping, an alias of one, or a list of them")),
            }
        }
        Ok(entries)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Value, YamlError> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(self.error(span, "this alias stands inside the value that it refers to"));
        };
        if depth + anchor.depth > MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        let (bytes, value) = (anchor.bytes, anchor.value.clone());
        self.spend(bytes, span)?;
        Ok(value)
    }

    fn define(&mut self, id: usize, value: &Value, span: Span) -> Result<(), YamlError> {
        let (bytes, depth) = (weight(value), depth(value));
        self.spend(bytes, span)?;
        self.anchors.insert(id, Anchor { value: value.clone(), bytes, depth });
        Ok(())
    }

    fn spend(&mut self, bytes: usize, span: Span) -> Result<(), YamlError> {
        self.alias_bytes += bytes;
        if self.alias_bytes <= ALIAS_BYTES {
            return Ok(());
        }
        Err(self.error(span, "aliases make this text too large; write the values out, or split the file"))
    }

    fn too_deep(&self, span: Span) -> YamlError {
        self.error(span, format!("values are nested too deeply here; at most {MAX_DEPTH} levels are read"))
    }
}

enum Key {
    Merge,
    Name(String),
}

/// What a scalar means by its tag, its quotes or its text.
fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<(Scalar, String), String> {
    match (tag, style) {
        (Some(tag), _) => match tag.suffix_in_namespace("tag:yaml.org,2002:") {
            Some(name) => scalar::tagged(&name, text),
            None => Ok((Scalar::Text, text.to_owned())),
        },
        (None, ScalarStyle::Plain) => Ok((scalar::resolve(text), text.to_owned())),
        (None, _) => Ok((Scalar::Text, text.to_owned())),
    }
}

fn weight(value: &Value) -> usize {
    NODE_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(entries) => entries.iter().map(|(key, value)| key.len() + weight(value)).sum(),
            _ => 0,
        }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
