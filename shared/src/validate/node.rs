use serde_json::{Map, Value};

use crate::types::dns_label_fault;
use crate::violation::{FieldPath, Findings, Violation};

/// A place in an object: its path, and the value there if there is one.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// Where this is.
    pub path: FieldPath,
    /// What is there; `null` counts as nothing.
    pub value: Option<&'a Value>,
}

impl<'a> Node<'a> {
    /// The object itself.
    pub fn root(object: &'a Value) -> Self {
        Self { path: FieldPath::empty(), value: Some(object) }
    }

    /// A field of the object here.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let value = self.value.and_then(|value| value.get(name)).filter(|value| !value.is_null());
        Self { path: self.path.field(name), value }
    }

    /// A field below a field below …
    #[must_use]
    pub fn at(&self, names: &[&str]) -> Self {
        match names {
            [] => self.clone(),
            [name, below @ ..] => below.iter().fold(self.field(name), |node, name| node.field(name)),
        }
    }

    /// The text at such a field. (A path costs more than a look: it is made only where there is something to say.)
    pub fn text_at(&self, names: &[&str], findings: &mut Findings) -> Option<&'a str> {
        self.peek_at(names).or_else(|| self.at(names).text(findings))
    }

    /// The text at such a field, which must be there and not be empty.
    pub fn required_text_at(&self, names: &[&str], cure: &str, findings: &mut Findings) -> Option<&'a str> {
        let there = self.peek_at(names).filter(|text| !text.is_empty());
        there.or_else(|| self.at(names).required_text(cure, findings))
    }

    /// The value at such a field, `null` being nothing.
    pub fn value_at(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().try_fold(self.value?, |value, name| value.get(name).filter(|value| !value.is_null()))
    }

    fn peek_at(&self, names: &[&str]) -> Option<&'a str> {
        self.value_at(names).and_then(Value::as_str)
    }

    /// The text here. A value of another type is a fault.
    pub fn text(&self, findings: &mut Findings) -> Option<&'a str> {
        let value = self.value?;
        if value.as_str().is_none() {
            findings.violate(self.wrong_type("a string"));
        }
        value.as_str()
    }

    /// The text here, which must be there and not be empty.
    pub fn required_text(&self, cure: &str, findings: &mut Findings) -> Option<&'a str> {
        match self.value.map(Value::as_str) {
            None | Some(Some("")) => {
                findings.violate(Violation::fault(self.path.clone(), "Required", format!("is required: {cure}")));
                None
            }
            Some(_) => self.text(findings),
        }
    }

    /// The name here, which must be there and be a DNS label.
    pub fn required_name(&self, cure: &str, findings: &mut Findings) -> Option<&'a str> {
        let text = self.required_text(cure, findings)?;
        match dns_label_fault(text) {
            None => Some(text),
            Some(fault) => {
                findings.violate(Violation::fault(self.path.clone(), "InvalidName", fault).with_value(text));
                None
            }
        }
    }

    /// The object here. A value of another type is a fault, absence is not.
    pub fn object(&self, findings: &mut Findings) -> Option<&'a Map<String, Value>> {
        let value = self.value?;
        if value.as_object().is_none() {
            findings.violate(self.wrong_type("an object"));
        }
        value.as_object()
    }

    /// The entries of the list here, each a place of its own. A value of another type is a fault, absence is not.
    pub fn items(&self, findings: &mut Findings) -> Vec<Self> {
        let Some(value) = self.value else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            findings.violate(self.wrong_type("a list"));
            return Vec::new();
        };
        items.iter().enumerate().map(|(at, item)| Self { path: self.path.index(at), value: Some(item) }).collect()
    }

    /// The name that a reference holds, in its object form or as a plain string.
    pub fn reference(&self, cure: &str, findings: &mut Findings) -> Option<&'a str> {
        if self.value.is_some_and(Value::is_string) {
            return self.required_name(cure, findings);
        }
        self.field("name").required_name(cure, findings)
    }

    /// The text here if it is one; nothing is said where it is not.
    pub fn peek(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    fn wrong_type(&self, expected: &str) -> Violation {
        let found = match self.value {
            None | Some(Value::Null) => "nothing",
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::Number(_)) => "a number",
            Some(Value::String(_)) => "a string",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        };
        Violation::fault(self.path.clone(), "InvalidType", format!("must be {expected}, and is {found}"))
    }
}
