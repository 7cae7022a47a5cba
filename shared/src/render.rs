//! Rendering: a ComponentRelease and the values of one environment → the objects of that environment.
//!
//! Templates hold references and nothing else ([`template`]): a string that is one reference becomes the value itself, a
//! reference inside a longer string its text. The same input always gives the same output.

mod admission;
mod context;
mod evaluate;
pub mod template;

use serde_json::Value;

pub use self::admission::check_templates;
use self::context::Context;
use self::evaluate::Evaluation;
use crate::violation::{FieldPath, Violation};

/// How much references may bring into the objects of a release, in bytes of JSON: what they are rendered to can be no larger. A value of
/// a kilobyte that is referred to ten thousand times is a small text as well.
pub const MOST_BYTES: usize = crate::validate::MAX_SIZE;

/// What is rendered, and for where.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The spec of the ComponentRelease.
    pub release: &'a Value,
    /// The binding's `componentTypeEnvironmentConfigs`; null where it has none.
    pub configs: &'a Value,
    /// The project.
    pub project: &'a str,
    /// The component.
    pub component: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The namespace that objects without one go to, where it is known.
    pub namespace: Option<&'a str>,
}

/// One object of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedResource {
    /// The id of the template that it comes from.
    pub id: String,
    /// The object.
    pub object: Value,
}

/// The objects of a release in one environment, in the order of the snapshot. The values are taken as they are: holding
/// them against the schema is admission's part ([`crate::schema::check`]).
///
/// # Errors
/// Every place that cannot be rendered, with its path in the ComponentRelease, the template's id and the column:
/// `UnsupportedTemplate` for what is no reference, `MissingValue` for a reference that leads nowhere, `TemplateValue` for
/// a list, an object or null inside a longer string, `TooLarge` where references bring in more than [`MOST_BYTES`].
pub fn render(input: &Input<'_>) -> Result<Vec<RenderedResource>, Vec<Violation>> {
    let path = FieldPath::root("spec").field("componentType").field("spec").field("resources");
    let Some(resources) = input.release.pointer("/componentType/spec/resources").and_then(Value::as_array) else {
        return Err(vec![Violation::fault(path, "Required", "the release has no resources; cut it again")]);
    };
    let context = Context::new(input);
    let too_large = || {
        let message = format!(
            "the values of its templates come to more than {MOST_BYTES} bytes of JSON, and no Release can hold that: refer to \
             large values less often, or make them smaller"
        );
        Err(vec![Violation::fault(path.clone(), "TooLarge", message)])
    };
    let mut violations = Vec::new();
    let mut rendered = Vec::with_capacity(resources.len());
    for (index, resource) in resources.iter().enumerate() {
        if context.is_full() {
            return too_large();
        }
        match render_resource(&context, resource, &path.index(index)) {
            Ok(resource) => rendered.push(resource),
            Err(found) => violations.extend(found),
        }
    }
    match (context.is_full(), violations.is_empty()) {
        (true, _) => too_large(),
        (false, true) => Ok(rendered),
        (false, false) => Err(violations),
    }
}

fn render_resource(context: &Context, resource: &Value, path: &FieldPath) -> Result<RenderedResource, Vec<Violation>> {
    let mut violations = unsupported_keys(resource, path);
    let (Some(id), Some(template)) = (resource.get("id").and_then(Value::as_str), resource.get("template")) else {
        violations.push(Violation::fault(
            path.clone(),
            "Required",
            "a resource needs `id` and `template`; cut it again",
        ));
        return Err(violations);
    };
    let mut evaluation = Evaluation { context, id, violations };
    let object = evaluation.value(template, &path.field("template"));
    if evaluation.violations.is_empty() {
        Ok(RenderedResource { id: id.to_owned(), object })
    } else {
        Err(evaluation.violations)
    }
}

/// OpenChoreo's `includeWhen` and `forEach` hold expressions, which are not supported.
pub(crate) fn unsupported_keys(resource: &Value, path: &FieldPath) -> Vec<Violation> {
    let found = ["includeWhen", "forEach"].into_iter().filter(|key| resource.get(*key).is_some());
    let message = |key| format!("`{key}` is not supported: every resource is rendered exactly once; remove it");
    found.map(|key| Violation::fault(path.field(key), "UnsupportedTemplate", message(key))).collect()
}

#[cfg(test)]
mod tests;
