//! The arguments of `create` that say something about manifests.

use std::fmt;
use std::str::FromStr;

use super::object::Object;
use crate::render::template::is_identifier;

/// `Kind/NAME`, or `Kind.group/NAME` where several groups have such a kind. The kind is found in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// The kind, as it was written.
    pub kind: String,
    /// The API group; `None` for any.
    pub group: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    pub(super) fn matches(&self, object: &Object) -> bool {
        self.kind.eq_ignore_ascii_case(object.kind())
            && self.group.as_deref().is_none_or(|group| group == object.group())
            && self.name == object.name()
    }
}

impl FromStr for ObjectRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, name)) = text.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
        else {
            return Err(format!("`{text}` names no object; write Kind/NAME, such as Deployment/shop"));
        };
        let (kind, group) = kind.split_once('.').map_or((kind, None), |(kind, group)| (kind, Some(group.to_owned())));
        Ok(Self { kind: kind.to_owned(), group, name: name.to_owned() })
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.as_ref().map_or_else(String::new, |group| format!(".{group}"));
        write!(f, "{}{group}/{}", self.kind, self.name)
    }
}

/// `KEY=Kind/NAME:/json/pointer`: the place becomes the configuration value `KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lift {
    /// The configuration value's name.
    pub key: String,
    /// The object.
    pub object: ObjectRef,
    /// The place in it, a JSON pointer (RFC 6901).
    pub pointer: String,
}

impl Lift {
    /// The keys and positions of the pointer.
    pub(super) fn tokens(&self) -> Vec<String> {
        self.pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
    }
}

impl FromStr for Lift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write KEY=Kind/NAME:/json/pointer, such as replicas=Deployment/shop:/spec/replicas";
        let parts = text.split_once('=').and_then(|(key, rest)| Some((key, rest.split_once(":/")?)));
        let Some((key, (object, pointer))) = parts else { return Err(format!("`{text}` lifts nothing; {form}")) };
        // CEL, in which OpenChoreo reads references, has no field of these names.
        if !is_identifier(key) || ["true", "false", "null", "in"].contains(&key) {
            let rule =
                "use letters, digits and `_`, beginning with no digit, and none of `true`, `false`, `null`, `in`";
            return Err(format!("`{key}` cannot be the name of a configuration value; {rule}"));
        }
        let object = object.parse().map_err(|error| format!("{error}; in all, {form}"))?;
        Ok(Self { key: key.to_owned(), object, pointer: format!("/{pointer}") })
    }
}

impl fmt::Display for Lift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.key, self.object, self.pointer)
    }
}

/// `NAME=REF`: an image to replace, with kustomize's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The image's name in the manifests, without tag and digest.
    pub name: String,
    /// The new name; `None` keeps it (`*`).
    pub new_name: Option<String>,
    /// The new tag.
    pub tag: Option<String>,
    /// The new digest.
    pub digest: Option<String>,
}

impl FromStr for Image {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write NAME=REF, such as shop=registry.example.com/shop:v1.4.0";
        let Some((name, reference)) =
            text.split_once('=').filter(|(name, reference)| !name.is_empty() && !reference.is_empty())
        else {
            return Err(format!("`{text}` replaces no image; {form}"));
        };
        let (plain, tag, digest) = split(name);
        if tag.is_some() || digest.is_some() {
            return Err(format!("`{name}` is matched by its name alone; write `{plain}={reference}`"));
        }
        let (new_name, tag, digest) = split(reference);
        let is_blank = |part: Option<&str>| part.is_some_and(str::is_empty);
        if new_name.is_empty() || is_blank(tag) || is_blank(digest) || reference.contains(char::is_whitespace) {
            return Err(format!("`{reference}` is no image; {form}"));
        }
        let new_name = (new_name != "*").then(|| new_name.to_owned());
        Ok(Self { name: name.to_owned(), new_name, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.new_name.as_deref().unwrap_or("*"))?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// An image's name, tag and digest. A colon before the first slash belongs to the registry's port (`Split` in kustomize's
/// api/internal/image).
pub(super) fn split(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let path = rest.find('/').unwrap_or(0);
    match rest[path..].find(':').map(|colon| path + colon) {
        Some(colon) => (&rest[..colon], Some(&rest[colon + 1..]), digest),
        None => (rest, None, digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_written_back() {
        for text in ["Secret/db", "Deployment.apps/shop", "ClusterRole/system:node"] {
            assert_eq!(text.parse::<ObjectRef>().unwrap().to_string(), text);
        }
        for text in ["replicas=Deployment/shop:/spec/replicas", "x=ClusterRole/a:b:/rules/0/a~1b", "x=A/b:/"] {
            assert_eq!(text.parse::<Lift>().unwrap().to_string(), text);
        }
        for text in ["shop=shop:v2", "a/b=localhost:5000/b@sha256:0f", "a=b", "a=*:v2", "a=b:v1@sha256:0f"] {
            assert_eq!(text.parse::<Image>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_argument_says_how_to_write_it() {
        let image = |text: &str| text.parse::<Image>().unwrap_err();
        let lift = |text: &str| text.parse::<Lift>().unwrap_err();
        assert_eq!(
            "Secret".parse::<ObjectRef>().unwrap_err(),
            "`Secret` names no object; write Kind/NAME, such as Deployment/shop"
        );
        assert!(
            lift("replicas=Deployment/shop")
                .starts_with("`replicas=Deployment/shop` lifts nothing; write KEY=Kind/NAME:/json/")
        );
        assert!(
            lift("my-key=Deployment/shop:/spec").starts_with("`my-key` cannot be the name of a configuration value")
        );
        assert!(lift("in=Deployment/shop:/spec").starts_with("`in` cannot be the name"));
        assert!(lift("a=Deployment:/spec").starts_with("`Deployment` names no object"));
        assert_eq!(image("shop:v1=shop:v2"), "`shop:v1` is matched by its name alone; write `shop=shop:v2`");
        for text in ["shop", "=x", "x=", "x=:v1", "x=y:", "x=y z"] {
            assert!(image(text).contains("write NAME=REF"), "{text}");
        }
    }

    #[test]
    fn images_are_split_as_kustomize_splits_them() {
        assert_eq!(split("nginx"), ("nginx", None, None));
        assert_eq!(split("nginx:1.27"), ("nginx", Some("1.27"), None));
        assert_eq!(split("localhost:5000/nginx"), ("localhost:5000/nginx", None, None));
        assert_eq!(split("localhost:5000/nginx:1"), ("localhost:5000/nginx", Some("1"), None));
        assert_eq!(split("nginx:1@sha256:ab"), ("nginx", Some("1"), Some("sha256:ab")));
        assert_eq!(split("nginx@sha256:ab"), ("nginx", None, Some("sha256:ab")));
    }
}
