//! Writes the CustomResourceDefinitions into the folder given.

use std::path::PathBuf;

use release_shared::{crd, kinds::Kind};

#[expect(clippy::disallowed_methods, reason = "this program exists to write files; the library does not")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: crds FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    for kind in Kind::ALL {
        let (name, content) = crd::file(kind);
        std::fs::write(folder.join(name), content)?;
    }
    Ok(())
}
