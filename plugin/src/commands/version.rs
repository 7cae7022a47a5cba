//! `version`: which program this is.

use serde_json::json;

use crate::args::{Format, Version};
use crate::error::Error;
use crate::print::{line, structured};

pub(super) fn run(args: &Version) -> Result<(), Error> {
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let client = json!({ "gitVersion": version, "platform": platform() });
            structured(&json!({ "clientVersion": client, "apiVersion": release_shared::names::API_VERSION }), format)
        }
        _ => line(&format!("Client Version: {version}\nAPI Version: {}", release_shared::names::API_VERSION)),
    }
}

/// The platform in Go's words, as kubectl has it.
fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{}/{architecture}", std::env::consts::OS)
}
