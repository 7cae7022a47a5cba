//! The manifests of the tests and of the example, whole and broken.

use std::io;
use std::path::{Path, PathBuf};

use super::Seeds;

const FOLDERS: [&str; 3] = ["shared/testdata/yaml", "tests/broken", "examples/shop"];

/// What `create` is told about one of them.
const TOLD: [(&str, &str); 4] = [
    (
        "lift",
        "#lift replicas=Deployment/storefront:/spec/replicas\n#lift resources=Deployment/storefront:/spec/template/spec/containers/0/resources\n",
    ),
    ("image", "#image registry.example.com/shop/storefront=*:v9\n#skip Service/storefront\n"),
    ("keep", "#keep-namespace\n"),
    ("wrong", "#lift replicas=Deployment/none:/spec\n#image none=*:v1\n#skip Service/none\n"),
];

pub(crate) fn seeds() -> io::Result<Seeds> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seeds = Vec::new();
    for folder in FOLDERS {
        for path in manifests(&root.join(folder))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            seeds.push((name, std::fs::read(&path)?));
        }
    }
    let storefront = std::fs::read_to_string(root.join("examples/shop/storefront.yaml"))?;
    seeds.extend(TOLD.map(|(name, told)| (format!("told-{name}.yaml"), format!("{told}{storefront}").into_bytes())));
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: {<<: {e: *c}, f: *c}\n";
    seeds.push(("aliases.yaml".into(), bomb.into()));
    seeds.push((
        "template.yaml".into(),
        br#"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {"${HOME}": "$${x}${"}}"#.into(),
    ));
    Ok(seeds)
}

fn manifests(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths: Result<Vec<_>, _> = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let is_manifest = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".yaml") || name.ends_with("stream.json")
    };
    Ok(paths?.into_iter().filter(is_manifest).collect())
}
