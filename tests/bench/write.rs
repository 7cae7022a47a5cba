//! What a hook adds to a write through the API server: one client, one create after the other.

use std::time::Instant;

use anyhow::Context;
use http::Request;
use release_shared::kinds::Kind;
use release_tests::{Namespace, block_on};

use crate::duel::median_of;
use crate::objects::{collection, release};
use crate::route::{COMPONENT, ENVIRONMENT, Routes};
use crate::stage::Stage;

/// How many objects are created on each way, after some that do not count.
const ROUNDS: usize = 150;
const WARM_UP: usize = 20;

/// The median of each way, in seconds.
pub(crate) struct Written {
    /// Without any hook.
    pub(crate) bare: f64,
    /// With ours.
    pub(crate) ours: f64,
    /// With one that allows everything at once.
    pub(crate) instant: f64,
}

/// Creates Releases of this size on each way in turn.
pub(crate) fn measure(stage: &Stage<'_>, routes: &Routes<'_>, bytes: usize) -> anyhow::Result<Written> {
    let ways = [&routes.bare, &routes.ours, &routes.instant];
    let mut taken: [Vec<f64>; 3] = Default::default();
    for round in 0..WARM_UP + ROUNDS {
        for (way, taken) in ways.iter().zip(&mut taken) {
            let each = create(stage, way, round, bytes)?;
            taken.extend((round >= WARM_UP).then_some(each));
        }
    }
    let [bare, ours, instant] = taken.map(median_of);
    Ok(Written { bare, ours, instant })
}

/// Wall time from the first byte of the request to the last of the answer.
fn create(stage: &Stage<'_>, way: &Namespace<'_>, round: usize, bytes: usize) -> anyhow::Result<f64> {
    let object = release(&format!("release-{round:04}"), COMPONENT, ENVIRONMENT, bytes);
    let request = Request::post(collection(way.name(), Kind::Release)).header("Content-Type", "application/json");
    let request = request.body(object.to_string().into_bytes())?;
    let client = stage.control_plane.client();
    block_on(async {
        let start = Instant::now();
        client.request_text(request).await.context("creating a Release")?;
        Ok(start.elapsed().as_secs_f64())
    })
}
