//! `lint`: the rules of the webhook on files, without a cluster. Application manifests are judged as the release that they would
//! become, objects of our own kinds as they stand.

use release_shared::default;
use release_shared::kinds::Kind;
use release_shared::names;
use release_shared::object::text;
use release_shared::snapshot::{self, Manifest};
use release_shared::validate::{Change, structure, validate};

use super::create::Fault;
use crate::args::Lint;
use crate::error::Error;
use crate::manifests;
use crate::print::line;

pub(super) async fn run(args: &Lint) -> Result<(), Error> {
    let (manifests, mut faults) = manifests::read_all(&args.files).await?;
    let (own, application): (Vec<_>, Vec<_>) = manifests.into_iter().partition(|manifest| own_kind(manifest).is_some());
    let count = own.len() + application.len();
    faults.extend(own.iter().flat_map(lint_own));
    if !application.is_empty() {
        faults.extend(lint_application(args, &application));
    }
    finish(&faults, count)
}

fn finish(faults: &[String], count: usize) -> Result<(), Error> {
    faults.iter().try_for_each(|fault| line(fault))?;
    match faults.len() {
        0 if count == 1 => line("1 document, no violations"),
        0 => line(&format!("{count} documents, no violations")),
        1 => Err(Error::Lint("1 violation".into())),
        several => Err(Error::Lint(format!("{several} violations"))),
    }
}

fn own_kind(manifest: &Manifest) -> Option<Kind> {
    let group = text(&manifest.document.value, "/apiVersion")?.split_once('/')?.0;
    text(&manifest.document.value, "/kind").and_then(Kind::parse).filter(|_| group == names::GROUP)
}

fn lint_own(manifest: &Manifest) -> Vec<String> {
    let Some(kind) = own_kind(manifest) else { return Vec::new() };
    let sent = &manifest.document.value;
    let object = default::with(sent, &default::defaults(kind, sent));
    let name = text(&object, "/metadata/name").unwrap_or_default().to_owned();
    let change = Change { kind, name: &name, new: &object, old: None, user: None, manager: None, now: None };
    let mut violations = validate(&change, None).violations;
    let more = structure(&change, &violations);
    violations.extend(more);
    let place = |path: &str| manifest.document.lines.at(tokens(path).iter().map(String::as_str));
    violations
        .iter()
        .map(|violation| format!("{}:{}: {violation}", manifest.file, place(violation.path.as_str())))
        .collect()
}

/// The steps of a field path.
fn tokens(path: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.trim_start_matches('.');
        if let Some(inside) = rest.strip_prefix('[') {
            let (token, after) = inside.split_once(']').unwrap_or((inside, ""));
            tokens.push(token.to_owned());
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    tokens
}

fn lint_application(args: &Lint, manifests: &[Manifest]) -> Vec<String> {
    let request = snapshot::Request {
        project: "project",
        component: &args.component,
        version: None,
        manifests,
        lifts: &args.cutting.lift,
        images: &args.cutting.image,
        skips: &args.cutting.skip,
        keep_namespace: args.cutting.keep_namespace,
    };
    let (mut faults, cut) = match snapshot::cut(&request) {
        Ok(cut) => (Vec::new(), Some(cut)),
        Err(rejected) => (rejected.problems.iter().map(Fault::of_problem).collect(), rejected.partial),
    };
    if let Some(cut) = cut {
        let name = text(&cut.release, "/metadata/name").unwrap_or_default();
        let change = Change {
            kind: Kind::ComponentRelease,
            name,
            new: &cut.release,
            old: None,
            user: None,
            manager: None,
            now: None,
        };
        faults.extend(validate(&change, None).violations.iter().map(|violation| Fault::of_release(&cut, violation)));
    }
    Fault::sorted(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(
            tokens("spec.resources[1].object.metadata.labels[a.b/c]"),
            ["spec", "resources", "1", "object", "metadata", "labels", "a.b/c"]
        );
        assert_eq!(tokens(""), Vec::<String>::new());
    }
}
