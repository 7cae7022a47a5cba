//! The demo's story, told in the control plane of the tests.

use release_tests::{Namespace, demo, fixture, trials};

trials! { the_demo_is_what_it_says }

/// The story has a namespace of its own, under the name that it shows.
fn the_demo_is_what_it_says(namespace: &Namespace<'_>) -> anyhow::Result<()> {
    let _installed = fixture::installation()?;
    demo::tell(namespace.control_plane(), |_| Ok(()))
}
