//! Reads the body of a call: at most so many bytes, in at most so much time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use thiserror::Error;
use tokio::time::timeout;

use crate::load::Load;

/// The largest review that is read, in bytes: two objects of the API server's 3 MiB and the envelope. (controller-runtime's figure.)
pub(crate) const LIMIT: usize = 7 * 1024 * 1024;
/// How much of a body that is too large is kept: the request's uid stands at its beginning.
const START: usize = 4096;
/// What was read.
#[derive(Debug)]
pub(crate) enum Read {
    /// All of it.
    Whole(Bytes),
    /// The first bytes of one that is over the limit; the rest was read and thrown away, so that the reply is seen.
    TooLarge(Vec<u8>),
}

/// Why a body was not read.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("it did not come in time")]
    Slow,
    #[error("it ended early, or is no body")]
    Broken(#[from] axum::Error),
}

/// How many bytes a body has at most, by what is said of it beforehand: where nothing is, as many as are read at all.
pub(crate) fn expected(body: &Body) -> usize {
    let most = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
    match most {
        Some(most) if most > LIMIT => START,
        Some(most) => most,
        None => LIMIT,
    }
}

/// Reads a body, for at most so long: the API server has it in memory when it calls.
///
/// # Errors
/// When it does not come, or not as a whole.
pub(crate) async fn read(body: &mut Body, patience: Duration) -> Result<Read, Error> {
    timeout(patience, collect(body, true)).await.map_err(|_| Error::Slow)?.map_err(Error::from)
}

/// Reads a body and keeps nothing of it: a client that is still writing when the connection is closed does not see its answer.
pub(crate) async fn discard(mut body: Body, patience: Duration) {
    // What went wrong with it the client will find out by itself.
    let _ = timeout(patience, collect(&mut body, false)).await;
}

async fn collect(body: &mut Body, keep: bool) -> Result<Read, axum::Error> {
    let mut most = if keep { expected(body) } else { 0 };
    let mut whole: Vec<u8> = Vec::with_capacity(if body.size_hint().exact().is_some() { most } else { 0 });
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > LIMIT && most > START {
            most = START;
            whole.truncate(START);
            whole.shrink_to_fit();
        }
        let room = most.saturating_sub(whole.len()).min(data.len());
        whole.extend_from_slice(&data[..room]);
        // A thousand large bodies at once would have all threads for seconds, and whoever shakes hands or asks little would be cut off. To
        // let others go first costs more than a small one takes.
        if Load::is_large(seen) {
            tokio::task::yield_now().await;
        }
    }
    Ok(if seen > LIMIT { Read::TooLarge(whole) } else { Read::Whole(whole.into()) })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn chunked(chunks: usize, size: usize) -> Body {
        let chunk = Bytes::from(vec![b'x'; size]);
        Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())).take(chunks))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit() {
        for mut body in [Body::from(vec![b'x'; LIMIT]), chunked(7, 1024 * 1024)] {
            assert!(matches!(read(&mut body, PATIENCE).await, Ok(Read::Whole(whole)) if whole.len() == LIMIT));
        }
        for mut body in [Body::from(vec![b'x'; LIMIT + 1]), chunked(8, 1024 * 1024), chunked(80, 1024 * 1024)] {
            assert!(matches!(read(&mut body, PATIENCE).await, Ok(Read::TooLarge(start)) if start.len() == START));
        }
    }

    #[tokio::test]
    async fn what_is_said_beforehand_is_what_is_expected() {
        assert_eq!(expected(&Body::from("abc")), 3);
        assert_eq!(expected(&Body::from(vec![0; LIMIT + 1])), START);
        assert_eq!(expected(&chunked(1, 1)), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_come_is_given_up() {
        let mut never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert!(matches!(read(&mut never, PATIENCE).await, Err(Error::Slow)));
    }

    #[tokio::test]
    async fn one_that_breaks_off_is_told_apart() {
        let mut broken = Body::from_stream(stream::iter([Ok("abc"), Err(std::io::Error::other("gone"))]));
        assert!(matches!(read(&mut broken, PATIENCE).await, Err(Error::Broken(_))));
    }
}
