//! The response body, which knows how it ended and holds what must live as long as it.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};

use crate::Error;

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its last byte was handed to the connection.
    Complete,
    /// It was dropped before: the caller has gone.
    Abandoned,
}

/// A body, what is to be dropped only once it ended (a permit), and what is to be told how it
/// ended (the record).
///
/// ```
/// use http_body_util::BodyExt as _;
/// use helan::wire::{Body, body::End};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let (tell, told) = std::sync::mpsc::channel();
/// let body = Body::full("{}").on_end(move |end| tell.send(end).unwrap());
/// assert_eq!(body.collect().await.unwrap().to_bytes(), "{}");
/// assert_eq!(told.recv().unwrap(), End::Complete);
/// # }).unwrap();
/// ```
pub struct Body {
    inner: UnsyncBoxBody<Bytes, Error>,
    guards: Vec<Box<dyn Any + Send>>,
    on_end: Option<Box<dyn FnOnce(End) + Send>>,
}

impl Body {
    /// A body of known length.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::wrap(Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync())
    }

    /// A body that is sent as it is made; each item is flushed by itself. Empty ones are left out:
    /// over HTTP/2 they would be frames without a byte, and a client that has seen a hundred of
    /// them on one connection takes it for an attack (CVE-2019-9518).
    pub fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let stream = stream.filter(|bytes| std::future::ready(!bytes.is_empty()));
        Self::wrap(StreamBody::new(stream.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync())
    }

    fn wrap(inner: UnsyncBoxBody<Bytes, Error>) -> Self {
        Self { inner, guards: vec![], on_end: None }
    }

    /// Keeps `guard` alive until the body ends or is dropped.
    #[must_use]
    pub fn holding(mut self, guard: impl Any + Send) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// Calls `tell` once, with how the body ended. A second call replaces the first.
    #[must_use]
    pub fn on_end(mut self, tell: impl FnOnce(End) + Send + 'static) -> Self {
        self.on_end = Some(Box::new(tell));
        self
    }

    fn end(&mut self, end: End) {
        if let Some(tell) = self.on_end.take() {
            tell(end);
        }
        self.guards.clear();
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // hyper does not ask a body of known length for its end once it has all its bytes.
        let end = if http_body::Body::is_end_stream(&self.inner) {
            End::Complete
        } else {
            End::Abandoned
        };
        self.end(end);
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("guards", &self.guards.len()).finish_non_exhaustive()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if frame.is_none() {
            self.end(End::Complete);
        }
        Poll::Ready(frame)
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
    use std::sync::{Arc, Mutex};

    use super::*;

    fn watched(body: Body) -> (Body, Arc<Mutex<Vec<End>>>) {
        let seen = Arc::new(Mutex::new(vec![]));
        let tell = Arc::clone(&seen);
        (body.on_end(move |end| tell.lock().unwrap().push(end)), seen)
    }

    #[tokio::test]
    async fn nothing_empty_is_sent() {
        let items = ["", "a", "", "", "b", ""].map(Bytes::from);
        let mut body = Body::stream(futures_util::stream::iter(items));
        let mut sent = vec![];
        while let Some(frame) = body.frame().await {
            sent.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(sent, ["a", "b"]);
    }

    #[tokio::test]
    async fn it_tells_once_how_it_ended() {
        let (body, seen) = watched(Body::full("x"));
        body.collect().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [End::Complete]);

        let (body, seen) = watched(Body::stream(futures_util::stream::pending()));
        drop(body);
        assert_eq!(*seen.lock().unwrap(), [End::Abandoned]);

        let (mut body, seen) = watched(Body::full("x"));
        body.frame().await.unwrap().unwrap();
        drop(body); // as hyper does after Content-Length bytes
        assert_eq!(*seen.lock().unwrap(), [End::Complete]);
    }
}
