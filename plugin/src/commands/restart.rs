//! `restart`: a new time in the restart annotation, which the controller puts into the pods' templates.

use jiff::Timestamp;
use release_shared::record::Action;

use super::pin::{self, Words};
use crate::args::There;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::gather::{Missing, gather};
use crate::plan::Pin;
use crate::reported::is_undeployed;

pub(super) async fn run(cluster: &Cluster, args: &There, now: Timestamp) -> Result<(), Error> {
    let (component, environment) = (&args.place.component, &args.place.environment);
    let gathered = gather(cluster, component, Missing::Refused).await?;
    let binding = gathered.pinned(environment)?;
    if is_undeployed(binding) {
        return Err(Error::Refused(vec![format!(
            "{component} is undeployed in {environment}, so there is nothing to restart: bring it back with `kubectl release redeploy \
             {component} {environment}`"
        )]));
    }
    let called = pin::called_there(component, binding);
    let words = Words {
        done: format!("{called} is restarted in {environment}"),
        would: format!("{called} would be restarted in {environment}"),
        stands: format!("{called} was restarted in {environment} this very second"),
        ask: format!("Restart {called} in {environment}?"),
    };
    let standing = Pin::standing(&gathered, &cluster.namespace, environment, Action::Restart);
    let pin = Pin { restarted_at: Some(at(now)), ..standing };
    pin::carry_out(cluster, &gathered, &pin, None, (&args.write, &args.waiting), &words).await
}

/// The time in whole seconds, as `kubectl rollout restart` writes it.
pub(super) fn at(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
