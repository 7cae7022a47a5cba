//! Whether records hold together: the chain of hashes, and that the last one speaks of the object as it is.

use release_shared::kinds::Kind;
use release_shared::object::text;
use release_shared::record::check_object;
use serde_json::{Value, json};

use crate::args::Format;
use crate::error::Error;
use crate::print::{line, list, note, object_name, structured};

/// Checks every object and says what was found, and what cannot be proved.
pub(super) fn run(objects: &[Value], output: Option<Format>) -> Result<(), Error> {
    let found: Vec<_> = objects.iter().map(|object| (object_name(object), faults(object))).collect();
    match output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let items: Vec<_> = found.iter().map(|(name, faults)| json!({ "name": name, "faults": faults })).collect();
            structured(&list(&items), format)?;
        }
        _ => print(&found)?,
    }
    note("Records are not signed: whoever can write around the webhook can make a chain that holds together.");
    let broken = found.iter().filter(|(_, faults)| !faults.is_empty()).count();
    if broken == 0 {
        Ok(())
    } else {
        Err(Error::Failed(format!("{broken} of {} histories do not hold together", objects.len())))
    }
}

fn print(found: &[(String, Vec<String>)]) -> Result<(), Error> {
    for (name, faults) in found {
        if faults.is_empty() {
            line(&format!("{name}: the records hold together"))?;
        }
        faults.iter().try_for_each(|fault| line(&format!("{name}: {fault}")))?;
    }
    Ok(())
}

/// Says where an object is not as its records have it.
pub(super) fn warn(objects: &[Value]) {
    for object in objects {
        for fault in faults(object) {
            note(&format!("Warning: {}: {fault}", object_name(object)));
        }
    }
}

fn faults(object: &Value) -> Vec<String> {
    let kind = text(object, "/kind").and_then(Kind::parse);
    kind.map_or_else(|| vec!["this is none of our kinds".into()], |kind| check_object(kind, object))
}
