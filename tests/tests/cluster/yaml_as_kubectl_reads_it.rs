//! Manifests mean to the plugin what they mean to kubectl.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use release_shared::{canonical, yaml};
use release_tests::{Namespace, programs, trials};
use serde_json::Value;

trials! {
admission: files_are_read_as_kubectl_reads_them }

fn files_are_read_as_kubectl_reads_them(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for folder in ["shared/testdata/yaml", "examples"] {
        collect(&programs::repository().join(folder), &mut files)?;
    }
    ensure!(files.len() >= 7, "there are too few files to compare: {files:?}");
    for file in files {
        let shown = file.display();
        let text = fs::read_to_string(&file).with_context(|| format!("reading {shown}"))?;
        let documents = yaml::read(&text).with_context(|| format!("reading {shown}"))?;
        let ours: Vec<Value> = documents.into_iter().flat_map(|document| items(document.value)).collect();
        if !ours.iter().all(is_known) {
            continue; // kubectl asks the API server for each kind, and ours are not installed for this test.
        }
        let kubectl = ["create", "--dry-run=client", "--validate=false", "-o", "json", "-f"];
        let told = namespace.kubectl(kubectl).args([&file]).run().expect_code(0);
        let theirs: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(told.stdout()).into_iter().collect();
        let theirs: Vec<Value> = theirs?.into_iter().flat_map(items).collect();
        assert_eq!(texts(ours, namespace), texts(theirs, namespace), "{shown}");
    }
    Ok(())
}

/// All manifests below a folder. What the tests of the reader expect lies beside their input.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry.context("reading a folder")?.path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, files)?;
        } else if [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) && !name.ends_with(".expected.json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// kubectl takes a List for its items.
fn items(mut value: Value) -> Vec<Value> {
    match value["kind"].as_str() {
        Some("List") => value["items"].as_array_mut().map(std::mem::take).unwrap_or_default(),
        _ => vec![value],
    }
}

fn is_known(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    !version.contains('.') || version.contains(".k8s.io/")
}

/// Canonical texts by name, without what kubectl adds: the namespace.
fn texts(objects: Vec<Value>, namespace: &Namespace<'_>) -> BTreeMap<String, String> {
    let named = objects.into_iter().map(|mut object| {
        if object["metadata"]["namespace"] == namespace.name() {
            object["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"));
        }
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        (name, String::from_utf8_lossy(&canonical::to_vec(&object)).into_owned())
    });
    named.collect()
}
