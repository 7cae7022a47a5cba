//! `undeploy` and `redeploy`: the live objects go and come back, and pin and history stay.

use release_shared::kinds::State;
use release_shared::record::Action;

use super::pin::{self, Words};
use crate::args::There;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::{Missing, gather};
use crate::plan::Pin;

pub(super) async fn undeploy(cluster: &Cluster, args: &There) -> Result<(), Error> {
    run(cluster, args, State::Undeploy, Action::Undeploy).await
}

pub(super) async fn redeploy(cluster: &Cluster, args: &There) -> Result<(), Error> {
    run(cluster, args, State::Active, Action::Redeploy).await
}

async fn run(cluster: &Cluster, args: &There, state: State, action: Action) -> Result<(), Error> {
    let environment = &args.place.environment;
    let gathered = gather(cluster, &args.place.component, Missing::Refused).await?;
    let called = pin::called_there(&args.place.component, gathered.pinned(environment)?);
    let standing = Pin::standing(&gathered, &cluster.namespace, environment, action);
    let pin = Pin { state, ..standing };
    let words = words(&called, environment, state);
    pin::carry_out(cluster, &gathered, &pin, None, (&args.write, &args.waiting), &words).await
}

fn words(called: &str, environment: &str, state: State) -> Words {
    match state {
        State::Undeploy => Words {
            done: format!("{called} is undeployed in {environment}"),
            would: format!("{called} would be undeployed in {environment}, with pin and history kept"),
            stands: format!("{called} is undeployed in {environment} already"),
            ask: format!("Remove the live objects of {called} from {environment}?"),
        },
        State::Active => Words {
            done: format!("{called} is deployed in {environment} again"),
            would: format!("{called} would be deployed in {environment} again"),
            stands: format!("{called} is deployed in {environment} already"),
            ask: format!("Bring the live objects of {called} back to {environment}?"),
        },
    }
}
