//! What is in them.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, ensure};
use release_tests::programs;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::archive::{Image, NAMES, beside};

/// Less than this has to be fetched.
const MOST: u64 = 10_000_000;

pub(crate) fn one_program() -> anyhow::Result<()> {
    for name in NAMES {
        let image = Image::open(name)?;
        assert_eq!(image.tag, format!("{name}:{}", env!("CARGO_PKG_VERSION")));
        let size = image.size()?;
        ensure!(size < MOST, "{name} has {size} bytes");
        let config = &image.config["config"];
        assert_eq!(config["User"], "65532:65532");
        assert_eq!(config["Entrypoint"], json!([format!("/{name}")]));
        assert_eq!(config["Labels"]["org.opencontainers.image.title"], name);
        let revision = config["Labels"]["org.opencontainers.image.revision"].as_str().unwrap_or_default();
        ensure!(revision.len() >= 40, "of which commit is it? {revision:?}");

        let root = TempDir::new()?;
        image.unpack(root.path())?;
        let files: Vec<_> =
            fs::read_dir(root.path())?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
        assert_eq!(files, [name], "one file and no other");
        let program = root.path().join(name);
        assert_eq!(fs::metadata(&program)?.permissions().mode() & 0o7777, 0o555);
        let bytes = fs::read(&program)?;
        let home = env::var("HOME").context("HOME is not set")?;
        for path in [programs::repository().display().to_string(), format!("{home}/")] {
            let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
            ensure!(!found, "{name} tells where it was built: {path}");
        }
    }
    Ok(())
}

/// What scanners find in the program itself is what the file says that is kept beside it.
pub(crate) fn bill_of_materials() -> anyhow::Result<()> {
    for name in NAMES {
        let root = TempDir::new()?;
        Image::open(name)?.unpack(root.path())?;
        let inside = auditable_info::json_from_file(&root.path().join(name), auditable_info::Limits::default())?;
        let inside: Value = serde_json::from_str(&inside)?;
        let packages = inside["packages"].as_array().context("no packages")?;
        // A package without a kind is one that runs.
        let linked = packages.iter().filter(|package| package["kind"].is_null() && package["root"] != true);
        let linked: BTreeSet<_> = linked.map(named).collect();
        ensure!(linked.len() > 50, "only {} crates are said to be in {name}", linked.len());
        ensure!(linked.iter().any(|(name, _)| name == "rustls"), "rustls is in it, and not named");

        let text = fs::read_to_string(beside(&format!("{name}.cdx.json"))?)?;
        let built = format!("file://{}", programs::repository().display());
        ensure!(!text.contains(&built), "it tells where it was made");
        let bill: Value = serde_json::from_str(&text)?;
        assert_eq!((&bill["bomFormat"], &bill["metadata"]["component"]["name"]), (&json!("CycloneDX"), &json!(name)));
        let components = bill["components"].as_array().context("no components")?;
        let billed = components.iter().map(named).collect();
        let missing: Vec<_> = linked.difference(&billed).collect();
        ensure!(missing.is_empty(), "in {name} and not in its bill: {missing:?}");
    }
    Ok(())
}

/// The name and the version of a package or component.
fn named(one: &Value) -> (String, String) {
    let part = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    (part("name"), part("version"))
}
