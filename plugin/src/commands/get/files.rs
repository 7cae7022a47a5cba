//! One file an object. A file that this command did not write is never lost to it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use release_shared::yaml;

use crate::error::Error;
use crate::pinned::Rendered;
use crate::print::{line, note, one_line};

/// The start of the first line of every file that this command writes.
const MARK: &str = "# kubectl release get: ";

/// Writes `<id>.yaml` for each object, and says so. All or, where a file is in the way, nothing.
pub(super) fn write(folder: &Path, rendered: &Rendered) -> Result<(), Error> {
    let mut files = Vec::new();
    for resource in &rendered.objects {
        let name = file_name(&resource.id).ok_or_else(|| {
            Error::Failed(format!("{} has a resource {:?}, whose id is no name of a file", rendered.label, resource.id))
        })?;
        let text = format!("{MARK}{}\n{}", one_line(&rendered.label), yaml::write(&resource.object));
        files.push((folder.join(name), text));
    }
    refuse_others(&files)?;
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for (path, text) in &files {
        fs::write(path, text).map_err(|error| failed(path, &error))?;
        line(&format!("wrote {}", path.display()))?;
    }
    note_others(folder, &files)
}

/// The file of an id. Without the webhook an id may be anything, also a way out of the folder.
fn file_name(id: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!id.is_empty() && !id.starts_with('.') && id.chars().all(plain)).then(|| format!("{id}.yaml"))
}

fn refuse_others(files: &[(PathBuf, String)]) -> Result<(), Error> {
    let mut others = Vec::new();
    for (path, _) in files {
        if is_written_here(path)? == Some(false) {
            others.push(path.display().to_string());
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "nothing was written: {} {} not written by this command: name another folder, or remove what is in the way",
        others.join(", "),
        if others.len() == 1 { "was" } else { "were" }
    )))
}

/// Whether this command wrote a file; `None` where there is none.
fn is_written_here(path: &Path) -> Result<Option<bool>, Error> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let mut start = Vec::new();
    let read = file.take(MARK.len() as u64).read_to_end(&mut start);
    // A folder can be opened and not read; it is in the way all the same.
    Ok(Some(read.is_ok() && start == MARK.as_bytes()))
}

/// Whoever applies the folder as a whole applies what an earlier call left there as well.
fn note_others(folder: &Path, files: &[(PathBuf, String)]) -> Result<(), Error> {
    let written: BTreeSet<_> = files.iter().map(|(path, _)| path.clone()).collect();
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut left: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    left.retain(|path| !written.contains(path) && is_written_here(path).is_ok_and(|here| here == Some(true)));
    left.sort();
    for path in left {
        note(&format!("Note: {} is left from an earlier call and no part of this release", path.display()));
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Failed(format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_nowhere_else() {
        assert_eq!(file_name("deployment-web").as_deref(), Some("deployment-web.yaml"));
        assert!(
            ["", "..", "../x", "a/b", "/x", ".hidden", "a b", "a\u{1b}"].into_iter().all(|id| file_name(id).is_none())
        );
    }
}
