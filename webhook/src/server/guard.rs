//! A connection's bytes under a clock. hyper's own limit for a request's head begins when the connection falls idle, and so would either
//! cut off idle connections or let a head drip in for as long as those may live; this one begins with the head's first byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// For the head of a request, from its first byte.
    pub(super) head: Duration,
    /// To read an answer.
    pub(super) unread: Duration,
}

/// Whether a call is under way: its head was read, and its answer is not yet written. Shared by the bytes and who answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_busy: AtomicBool,
    /// How many calls there have been.
    calls: AtomicU64,
}

impl Phase {
    /// A head was read.
    pub(super) fn begins(&self) {
        self.0.is_busy.store(true, Ordering::Release);
        self.0.calls.fetch_add(1, Ordering::AcqRel);
    }

    /// The call is answered.
    pub(super) fn is_done(&self) {
        self.0.is_busy.store(false, Ordering::Release);
    }

    fn is_busy(&self) -> bool {
        self.0.is_busy.load(Ordering::Acquire)
    }

    fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Acquire)
    }
}

/// A head that is not read yet.
struct Head {
    /// How many calls there were before it.
    after: u64,
    late: Pin<Box<Sleep>>,
}

/// The bytes of a connection.
pub(super) struct Guard<S> {
    inner: S,
    phase: Phase,
    times: Times,
    head: Option<Head>,
    unread: Option<Pin<Box<Sleep>>>,
}

impl<S> Guard<S> {
    pub(super) fn new(inner: S, phase: Phase, times: Times) -> Self {
        Self { inner, phase, times, head: None, unread: None }
    }

    fn head_is_late(&mut self, context: &mut Context<'_>) -> bool {
        let calls = self.phase.calls();
        // Nothing may have been read since the call began.
        self.head.take_if(|head| head.after != calls);
        self.head.as_mut().is_some_and(|head| head.late.as_mut().poll(context).is_ready())
    }

    /// Passes on what writing came to; an error where the client has not read for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread = None;
            return written;
        }
        let patience = self.times.unread;
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(patience)));
        unread.as_mut().poll(context).map(|()| Err(late("an answer was not read in time")))
    }
}

fn late(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if self.head_is_late(context) {
            return Poll::Ready(Err(late("the head of a request took too long")));
        }
        if read.is_ready() && buffer.filled().len() > before && !self.phase.is_busy() && self.head.is_none() {
            self.head = Some(Head { after: self.phase.calls(), late: Box::pin(sleep(self.times.head)) });
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.written(context, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::advance;

    use super::*;

    const TIMES: Times = Times { head: Duration::from_secs(10), unread: Duration::from_secs(10) };

    #[tokio::test(start_paused = true)]
    async fn silence_is_fine_and_a_head_that_drips_is_not() {
        let (mut client, server) = duplex(64);
        let mut guarded = Guard::new(server, Phase::default(), TIMES);
        let mut byte = [0; 1];
        tokio::select! {
            _ = guarded.read(&mut byte) => panic!("nothing was sent"),
            () = sleep(Duration::from_secs(170)) => {}
        }
        let drip = async {
            for _ in 0..30 {
                client.write_all(b"x").await.unwrap();
                advance(Duration::from_secs(1)).await;
            }
        };
        let read = async {
            let mut count = 0;
            loop {
                match guarded.read(&mut byte).await {
                    Ok(_) => count += 1,
                    Err(error) => return (count, error.kind()),
                }
            }
        };
        let (_, (count, error)) = tokio::join!(drip, read);
        assert_eq!(error, io::ErrorKind::TimedOut);
        assert!((9..=12).contains(&count), "{count}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_as_long_as_who_answers_lets_it() {
        let (mut client, server) = duplex(64);
        let phase = Phase::default();
        let mut guarded = Guard::new(server, phase.clone(), TIMES);
        let mut byte = [0; 1];
        client.write_all(b"h").await.unwrap();
        guarded.read_exact(&mut byte).await.unwrap();
        phase.begins();
        let late = async {
            sleep(Duration::from_secs(60)).await;
            client.write_all(b"b").await.unwrap();
        };
        let (_, read) = tokio::join!(late, guarded.read_exact(&mut byte));
        assert!(read.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (_client, server) = duplex(8);
        let mut guarded = Guard::new(server, Phase::default(), TIMES);
        let error = guarded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// hyper reads nothing while a call without a body is answered.
    #[tokio::test(start_paused = true)]
    async fn a_head_that_came_is_not_late_afterwards() {
        let (mut client, server) = duplex(64);
        let phase = Phase::default();
        let mut guarded = Guard::new(server, phase.clone(), TIMES);
        let mut byte = [0; 1];
        client.write_all(b"h").await.unwrap();
        guarded.read_exact(&mut byte).await.unwrap();
        phase.begins();
        phase.is_done();
        let next = async {
            sleep(Duration::from_secs(60)).await;
            client.write_all(b"n").await.unwrap();
        };
        let (_, read) = tokio::join!(next, guarded.read_exact(&mut byte));
        assert!(read.is_ok());
    }
}
