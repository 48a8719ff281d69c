//! A caller who stays and stops reading: the connection as a whole ([`Patient`]), or one stream of
//! many on it ([`Leashed`]).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::wire::Body;
use crate::{Code, Error};

/// Bytes to and from a caller. When none can be written for as long as the limit, writing fails,
/// which ends the connection and drops the calls on it: a caller who stays and reads nothing must
/// not keep a place, and a model at work, forever.
pub(super) struct Patient<I> {
    io: I,
    limit: Duration,
    clock: Pin<Box<Sleep>>,
    /// Whether the clock runs.
    waiting: bool,
}

impl<I> Patient<I> {
    pub(super) fn new(io: I, limit: Duration) -> Self {
        Self { io, limit, clock: Box::pin(sleep(limit)), waiting: false }
    }

    /// What `polled` means for the clock, and the clock for it.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.clock.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.clock.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the caller has read nothing for limits.write_timeout",
        )))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.judge(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.judge(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// An answer's body that can be taken away from the connection which sends it. Over HTTP/2 a caller
/// may keep a connection alive and leave one of its streams unread: the connection then asks for
/// nothing more of the body, and only somebody else can drop it, and the upstream call with it.
pub(super) struct Leashed(Arc<Mutex<Leash>>);

struct Leash {
    /// `None` once it was taken away.
    body: Option<Body>,
    /// Since when the connection has had a part of it and asked for no other.
    handed: Option<Instant>,
}

/// The bodies that a connection sends.
#[derive(Default)]
pub(super) struct Leashes(Mutex<Vec<Weak<Mutex<Leash>>>>);

impl Leashes {
    pub(super) fn hold(&self, body: Body) -> Leashed {
        let leash = Arc::new(Mutex::new(Leash { body: Some(body), handed: None }));
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() == held.capacity() {
            held.retain(|leash| leash.strong_count() > 0);
        }
        held.push(Arc::downgrade(&leash));
        Leashed(leash)
    }

    /// Drops the bodies that were left unread for `limit`.
    pub(super) fn drop_unread(&self, limit: Duration) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|leash| {
            let Some(leash) = leash.upgrade() else { return false };
            let mut leash = leash.lock().unwrap_or_else(PoisonError::into_inner);
            if leash.handed.is_some_and(|since| since.elapsed() >= limit) {
                leash.body = None;
            }
            leash.body.is_some()
        });
    }
}

impl Leashed {
    fn leash(&self) -> MutexGuard<'_, Leash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http_body::Body for Leashed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut leash = self.leash();
        leash.handed = None;
        let Some(body) = &mut leash.body else {
            let error = Error::new(Code::ServiceUnavailable, "The answer was not read in time.");
            return Poll::Ready(Some(Err(error.because("limits.write_timeout"))));
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        leash.handed = frame.is_some().then(Instant::now);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.leash().body.as_ref().is_some_and(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.leash().body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_reader_who_reads_nothing_is_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut ours = Patient::new(ours, Duration::from_mins(1));
        let slow = async {
            for _ in 0..8 {
                sleep(Duration::from_secs(50)).await;
                theirs.read_exact(&mut [0; 2]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 20]), slow);
        written.unwrap(); // in 400 seconds
        let error = ours.write_all(&[0; 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_waits_for_its_source_is_not_one_that_waits_for_its_reader() {
        let limit = Duration::from_mins(1);
        let (held, dropped) = (Arc::new(()), |held: &Arc<()>| Arc::strong_count(held) == 1);
        let source = futures_util::stream::iter([Bytes::from_static(b"a")]);
        let source = source.chain(futures_util::stream::pending());
        let leashes = Leashes::default();
        let mut body = leashes.hold(Body::stream(source).holding(Arc::clone(&held)));
        body.frame().await.unwrap().unwrap();
        assert!(tokio::time::timeout(limit, body.frame()).await.is_err());
        leashes.drop_unread(limit);
        assert!(!dropped(&held));
        drop(body);

        let source = futures_util::stream::repeat(Bytes::from_static(b"a"));
        let mut body = leashes.hold(Body::stream(source).holding(Arc::clone(&held)));
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
            sleep(limit / 2).await;
            leashes.drop_unread(limit);
        }
        assert!(!dropped(&held));
        sleep(limit / 2).await;
        leashes.drop_unread(limit);
        assert!(dropped(&held));
        assert!(body.frame().await.unwrap().is_err());
    }
}
