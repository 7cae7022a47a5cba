//! What a scalar means: YAML 1.1 as go-yaml v2 resolves it (`resolve` and `scalar` of its `resolve.go` and `decode.go`).

use data_encoding::BASE64;
use serde_json::Value;

use super::number::{self, Integer};

/// A scalar's meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    /// `~`, `null`, nothing.
    Null,
    /// `yes`, `off`, `y` …
    Bool(bool),
    /// `0644`, `0x1F`, `1_000` …
    Integer(Integer),
    /// `1e3`, `.5`, `.inf` …
    Float(f64),
    /// Anything else, timestamps included.
    Text,
}

/// What a plain scalar without a tag means.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ if text.starts_with('.') => number::float_after_point(text).map_or(Scalar::Text, Scalar::Float),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') => numeric(&text.replace('_', "")),
        _ => Scalar::Text,
    }
}

fn numeric(text: &str) -> Scalar {
    number::integer(text)
        .map(Scalar::Integer)
        .or_else(|| number::float(text).map(Scalar::Float))
        .or_else(|| number::signed_binary(text).map(Scalar::Integer))
        .unwrap_or(Scalar::Text)
}

impl Scalar {
    /// As a JSON value.
    ///
    /// # Errors
    /// Infinity and not-a-number have no form in JSON.
    pub(super) fn json(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Null => Ok(Value::Null),
            Self::Bool(value) => Ok(value.into()),
            Self::Integer(Integer::Signed(value)) => Ok(value.into()),
            Self::Integer(Integer::Unsigned(value)) => Ok(value.into()),
            Self::Float(value) => number::json(value).ok_or_else(|| {
                format!("`{text}` is not a number that JSON can hold; put it in quotes if it is meant as text")
            }),
            Self::Text => Ok(text.into()),
        }
    }

    /// As the key of a JSON object, as sigs.k8s.io/yaml turns keys into strings (`convertToJSONableObject`: floats with
    /// 32 bits).
    ///
    /// # Errors
    /// Null is no key.
    pub(super) fn key(self, text: &str) -> Result<String, String> {
        match self {
            Self::Null => Err("a mapping's key is null; write the key, in quotes if it is meant as text".to_owned()),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Integer(Integer::Signed(value)) => Ok(value.to_string()),
            Self::Integer(Integer::Unsigned(value)) => Ok(value.to_string()),
            #[expect(clippy::cast_possible_truncation, reason = "sigs.k8s.io/yaml prints such a key with 32 bits")]
            Self::Float(value) => Ok(float_key(value as f32)),
            Self::Text => Ok(text.to_owned()),
        }
    }
}

fn float_key(value: f32) -> String {
    match value {
        _ if value.is_nan() => ".nan".to_owned(),
        f32::INFINITY => ".inf".to_owned(),
        f32::NEG_INFINITY => "-.inf".to_owned(),
        _ => number::general(&format!("{value:e}"), value.to_string()),
    }
}

/// What a scalar with an explicit tag of YAML's own (`!!int`, written here without the marks) means, with its text; a tag
/// that is none of them makes it text.
///
/// # Errors
/// The text does not fit the tag.
pub(super) fn tagged(tag: &str, text: &str) -> Result<(Scalar, String), String> {
    let scalar = match (tag, resolve(text)) {
        ("null", Scalar::Null) => Scalar::Null,
        ("bool", scalar @ Scalar::Bool(_)) | ("int", scalar @ Scalar::Integer(_)) => scalar,
        ("float", scalar @ Scalar::Float(_)) => scalar,
        #[expect(clippy::cast_precision_loss, reason = "that is what the tag asks for")]
        ("float", Scalar::Integer(Integer::Signed(value))) => Scalar::Float(value as f64),
        ("null" | "bool" | "int" | "float", _) => {
            return Err(format!("`{text}` does not fit its tag `!!{tag}`; correct the value or remove the tag"));
        }
        ("binary", _) => return Ok((Scalar::Text, binary(text)?)),
        _ => Scalar::Text,
    };
    Ok((scalar, text.to_owned()))
}

fn binary(text: &str) -> Result<String, String> {
    let encoded = text.replace(['\r', '\n'], "");
    let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| "the value of a `!!binary` is not base64".to_owned())?;
    String::from_utf8(bytes).map_err(|_| {
        "the value of a `!!binary` is not text; put the base64 text itself where binary data is allowed, such as a \
         ConfigMap's binaryData"
            .to_owned()
    })
}
