//! What ours is measured against, built from its Go module in `tests/peers/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::go;
use crate::programs;

/// The admission webhook of the Release kind as everybody else builds one, on controller-runtime. Go's own cache makes a second call
/// short.
///
/// # Errors
/// When there is no Go, or it does not build.
pub fn webhook() -> anyhow::Result<PathBuf> {
    let program = programs::target_folder()?.join("peers/webhook");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/webhook");
    let mut build = go::command();
    build.current_dir(source).args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(&program).arg("./cmd");
    let output = build.output().context("running go build: the peer webhook needs Go")?;
    ensure!(output.status.success(), "the peer webhook does not build: {}", String::from_utf8_lossy(&output.stderr));
    Ok(program)
}
