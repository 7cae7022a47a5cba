//! The body of a call, and who is told when all of it is here.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

/// A body that tells of its end.
pub(super) struct Coming<B, F> {
    inner: B,
    is_here: Option<F>,
}

impl<B: Body, F: FnOnce()> Coming<B, F> {
    /// `is_here` is called once, when nothing more will come of the body.
    pub(super) fn new(inner: B, is_here: F) -> Self {
        let mut coming = Self { inner, is_here: Some(is_here) };
        coming.look(false);
        coming
    }

    fn look(&mut self, is_over: bool) {
        if (is_over || self.inner.is_end_stream())
            && let Some(is_here) = self.is_here.take()
        {
            is_here();
        }
    }
}

impl<B: Body + Unpin, F: FnOnce() + Unpin> Body for Coming<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        self.look(matches!(polled, Poll::Ready(None)));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Bytes;
    use futures::stream;
    use http_body_util::{BodyExt, Empty, Full, StreamBody};

    use super::*;

    #[tokio::test]
    async fn the_end_of_a_body_is_told_when_it_comes() {
        let told = AtomicBool::new(false);
        let tell = || told.store(true, Ordering::Relaxed);
        let mut whole = Coming::new(Full::new(Bytes::from_static(b"abc")), tell);
        assert!(!told.load(Ordering::Relaxed));
        whole.frame().await.unwrap().unwrap();
        assert!(told.load(Ordering::Relaxed), "nothing has to be asked for after the last byte");

        // Of one that comes in chunks nobody knows before.
        let told = Cell::new(0);
        let chunks = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"abc")))]);
        let mut chunked = Coming::new(StreamBody::new(chunks), || told.set(told.get() + 1));
        chunked.frame().await.unwrap().unwrap();
        assert_eq!(told.get(), 0);
        assert!(chunked.frame().await.is_none() && chunked.frame().await.is_none());
        assert_eq!(told.get(), 1);
    }

    #[test]
    fn one_that_is_empty_is_here_at_once() {
        let told = Cell::new(false);
        let _coming = Coming::new(Empty::<Bytes>::new(), || told.set(true));
        assert!(told.get());
    }

    #[test]
    fn one_that_is_not_here_is_not_told_of() {
        let told = Cell::new(false);
        let _coming = Coming::new(Full::new(Bytes::from_static(b"abc")), || told.set(true));
        assert!(!told.get());
    }
}
