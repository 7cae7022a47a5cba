//! Files, folders, URLs and standard input → documents.

use std::io::Read;
use std::path::{Path, PathBuf};

use kube::{Client, Config};
use release_shared::snapshot::Manifest;
use release_shared::yaml;

use crate::args::Files;
use crate::cluster::Cluster;
use crate::error::Error;

/// The largest text that is read from one place, in bytes. A release has to fit into 1.5 MiB in the end.
const LIMIT: u64 = 16 * 1024 * 1024;
/// The endings that kubectl reads in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads everything that `-f`, `-R` and `-k` name. Every text that is no YAML is told, not only the first.
pub(crate) async fn read(files: &Files) -> Result<Vec<Manifest>, Error> {
    let (manifests, faults) = read_all(files).await?;
    if faults.is_empty() { Ok(manifests) } else { Err(Error::Refused(faults)) }
}

/// Reads the same, and hands out what could be read beside the faults of what could not.
pub(crate) async fn read_all(files: &Files) -> Result<(Vec<Manifest>, Vec<String>), Error> {
    let mut texts = Vec::new();
    if let Some(folder) = &files.kustomize {
        texts.push((folder.clone(), kustomize(folder).await?));
    }
    for name in &files.filename {
        texts.extend(read_name(name, files.recursive).await?);
    }
    if texts.is_empty() {
        return Err(Error::Usage("no manifests are named: use -f FILE, -f FOLDER, -f URL, -f - or -k FOLDER".into()));
    }
    Ok(parse(&texts))
}

fn parse(texts: &[(String, String)]) -> (Vec<Manifest>, Vec<String>) {
    let (mut manifests, mut faults) = (Vec::new(), Vec::new());
    for (file, text) in texts {
        match yaml::read(text) {
            Ok(documents) => {
                manifests.extend(documents.into_iter().map(|document| Manifest { file: file.clone(), document }))
            }
            Err(error) => faults.push(format!("{file}:{}: {}", error.line, error.message)),
        }
    }
    (manifests, faults)
}

async fn read_name(name: &str, recursive: bool) -> Result<Vec<(String, String)>, Error> {
    if name == "-" {
        return Ok(vec![("standard input".into(), read_text("standard input", std::io::stdin().lock())?)]);
    }
    if name.starts_with("https://") || name.starts_with("http://") {
        return Ok(vec![(name.to_owned(), download(name).await?)]);
    }
    let path = Path::new(name);
    if !path.is_dir() {
        return Ok(vec![(name.to_owned(), read_file(path)?)]);
    }
    let mut found = Vec::new();
    collect(path, recursive, &mut found)?;
    if found.is_empty() {
        let deeper = if recursive { "" } else { ", or use -R for the folders below" };
        return Err(Error::Usage(format!(
            "{name} has no file that ends in .yaml, .yml or .json: name another folder{deeper}"
        )));
    }
    found.into_iter().map(|path| Ok((path.display().to_string(), read_file(&path)?))).collect()
}

fn collect(folder: &Path, recursive: bool, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |error: std::io::Error| Error::Failed(format!("{} cannot be read: {error}", folder.display()));
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(unreadable)?.collect();
    let mut paths: Vec<_> = entries.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() && recursive {
            collect(&path, recursive, found)?;
        } else if path.is_file() && ENDINGS.contains(&ending) {
            found.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<String, Error> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| Error::Failed(format!("{name} cannot be read: {error}")))?;
    read_text(&name, file)
}

fn read_text(name: &str, source: impl Read) -> Result<String, Error> {
    let mut bytes = Vec::new();
    source
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Failed(format!("{name} cannot be read: {error}")))?;
    text(name, bytes)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.len() as u64 > LIMIT {
        return Err(Error::Failed(format!("{name} has more than {LIMIT} bytes: this cannot be a release's manifests")));
    }
    String::from_utf8(bytes).map_err(|_| Error::Failed(format!("{name} is not UTF-8 text: save it as UTF-8")))
}

async fn download(url: &str) -> Result<String, Error> {
    let failed = |why: &str| Error::Failed(format!("{url} cannot be read: {why}"));
    let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| failed(&error.to_string()))?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let base = format!(
        "{}://{}",
        uri.scheme_str().unwrap_or("https"),
        uri.authority().map_or("", http::uri::Authority::as_str)
    );
    let mut config = Config::new(base.parse().map_err(|error: http::uri::InvalidUri| failed(&error.to_string()))?);
    config.default_retry = false;
    let client = Client::try_from(config).map_err(|error| failed(&error.to_string()))?;
    let (code, body) = Cluster::fetch(&client, &path).await.map_err(|error| failed(&error))?;
    if code == 200 { text(url, body) } else { Err(failed(&format!("the server answered {code}"))) }
}

/// kustomize is kubectl's own; whoever has this plugin has kubectl.
async fn kustomize(folder: &str) -> Result<String, Error> {
    let kubectl = std::env::var_os("KUBECTL_PATH").unwrap_or_else(|| "kubectl".into());
    let output = tokio::process::Command::new(&kubectl).arg("kustomize").arg(folder).output().await;
    let output =
        output.map_err(|error| Error::Failed(format!("kubectl is needed for -k and cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(Error::Failed(format!(
            "{folder} cannot be built: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    text(folder, output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_cannot_be_read_is_told() {
        let texts = [
            ("a.yaml".into(), "a:\n\tb: c\n".into()),
            ("b.yaml".into(), "a: 1".into()),
            ("c.yaml".into(), "a: [".into()),
        ];
        let (manifests, faults) = parse(&texts);
        assert_eq!((manifests.len(), faults.len()), (1, 2));
        assert!(faults[0].starts_with("a.yaml:2: ") && faults[0].contains("tab"), "{}", faults[0]);
    }
}
