//! Writes the corpora: the inputs that fuzzing begins with, made from what the tests have. What a run has found stays.
//!
//! `cargo run -p release-fuzz --example seeds`

#[path = "seeds/durations.rs"]
mod durations;
#[path = "seeds/histories.rs"]
mod histories;
#[path = "seeds/manifests.rs"]
mod manifests;
#[path = "seeds/requests.rs"]
mod requests;
#[path = "seeds/reviews.rs"]
mod reviews;
#[path = "seeds/templates.rs"]
mod templates;

use std::io;
use std::path::Path;

/// The inputs of a target, each with its name.
type Seeds = Vec<(String, Vec<u8>)>;

/// A target's name, and what makes its inputs.
type Target = (&'static str, fn() -> io::Result<Seeds>);

fn main() -> io::Result<()> {
    let targets: [Target; 6] = [
        ("duration", || Ok(durations::seeds())),
        ("history", || Ok(histories::seeds())),
        ("review", || Ok(reviews::seeds())),
        ("server", || Ok(requests::seeds())),
        ("snapshot", manifests::seeds),
        ("template", || Ok(templates::seeds())),
    ];
    for (target, seeds) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds()? {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
