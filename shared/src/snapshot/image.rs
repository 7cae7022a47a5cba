//! Images replaced as `kustomize edit set image` does (its imagetag filter).

use serde_json::Value;

use super::Problem;
use super::argument::{self, Image};
use super::object::Object;

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Replaces images in every list of containers of every kind but CustomResourceDefinition, where such a list is a schema.
pub(super) fn replace(objects: &mut [Object], images: &[Image], problems: &mut Vec<Problem>) {
    for image in images {
        let mut known = Vec::new();
        let mut matched = false;
        for object in objects.iter_mut().filter(|object| object.kind() != "CustomResourceDefinition") {
            each_image(&mut object.value, &mut |text| {
                let (name, tag, digest) = argument::split(text);
                if name == image.name {
                    matched = true;
                    *text = replaced(image, name, tag, digest);
                } else {
                    known.push(name.to_owned());
                }
            });
        }
        if !matched {
            known.sort();
            known.dedup();
            let known =
                if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
            let message = format!("`--image {image}` matches no image of the manifests; {known}");
            problems.push(Problem::argument("UnmatchedImage", message));
        }
    }
}

/// A new tag or digest replaces both of the old; without either they stay.
fn replaced(image: &Image, name: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let (tag, digest) = match (&image.tag, &image.digest) {
        (None, None) => (tag, digest),
        (new_tag, new_digest) => (new_tag.as_deref(), new_digest.as_deref()),
    };
    let part = |mark: &str, part: Option<&str>| part.map_or_else(String::new, |part| format!("{mark}{part}"));
    format!("{}{}{}", image.new_name.as_deref().unwrap_or(name), part(":", tag), part("@", digest))
}

fn each_image(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_image(item, change)),
        Value::Object(entries) => {
            for (key, value) in entries {
                if CONTAINERS.contains(&key.as_str()) {
                    let containers = value.as_array_mut().into_iter().flatten();
                    for image in containers.filter_map(|container| container.get_mut("image")) {
                        if let Value::String(text) = image {
                            change(text);
                        }
                    }
                }
                each_image(value, change);
            }
        }
        _ => {}
    }
}
