//! What happens to the objects of a kind, without an end: lists them, watches them, and begins anew when the watch is over.

use std::time::Duration;

use futures::stream::{self, Stream};
use release_shared::kinds::Kind;
use serde_json::Value;

use crate::cluster::{Cluster, Event, Selection, Watch};
use crate::error::Error;

/// Between the end of a watch and the next list, so that a server that ends each at once is not asked without pause.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause while the API server is away.
const LONGEST: Duration = Duration::from_secs(8);

/// What happened.
#[derive(Debug)]
pub(super) enum Change {
    /// These are all there are.
    All(Kind, Vec<Value>),
    /// One was made or changed, or is gone.
    One(Kind, Event),
    /// The API server does not answer; it is asked again.
    Away(String),
}

enum State {
    List(Duration),
    Follow(Box<Watch>),
    End,
}

/// The changes of a selection. An error that does not pass by itself is the last item.
pub(super) fn changes<'a>(
    cluster: &'a Cluster,
    kind: Kind,
    selection: &'a Selection,
) -> impl Stream<Item = Result<Change, Error>> + 'a {
    stream::unfold(State::List(Duration::ZERO), move |mut state| async move {
        loop {
            state = match state {
                State::List(pause) => {
                    tokio::time::sleep(pause).await;
                    match begin(cluster, kind, selection).await {
                        Ok((items, watch)) => {
                            return Some((Ok(Change::All(kind, items)), State::Follow(Box::new(watch))));
                        }
                        Err(error) if error.may_pass() => {
                            let pause = (pause * 2).clamp(PAUSE, LONGEST);
                            return Some((Ok(Change::Away(error.to_string())), State::List(pause)));
                        }
                        Err(error) => return Some((Err(error), State::End)),
                    }
                }
                State::Follow(mut watch) => match watch.next().await {
                    Some(event) => return Some((Ok(Change::One(kind, event)), State::Follow(watch))),
                    None => State::List(PAUSE),
                },
                State::End => return None,
            }
        }
    })
}

async fn begin(cluster: &Cluster, kind: Kind, selection: &Selection) -> Result<(Vec<Value>, Watch), Error> {
    let listed = cluster.listed(kind, selection).await?;
    let watch = cluster.watch(kind, selection, &listed).await?;
    Ok((listed.items, watch))
}
