//! Connections for the calls that no SDK makes: hyper over rustls, HTTP/1.1.
//!
//! Each call has a connection of its own while it lasts; dropping the call, or the body of its
//! answer, closes that connection, which is how the other end hears of it. Certificates are judged
//! by the roots of the system, or of `SSL_CERT_FILE`, as the SDK does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::parts::{Parts, Pieces};
use super::{Failure, broken, chain, unreachable, unreadable};
use crate::wire::Joined;
use crate::{Error, Result};

/// How many bytes a whole answer may have, an error's body among them. SageMaker's own limit is
/// below it.
pub(super) const MAX_WHOLE: usize = 32 << 20;

/// A pool of connections. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Client(legacy::Client<Patient<HttpsConnector<HttpConnector>>, Full<Bytes>>);

impl Client {
    /// A pool whose connections are made within `connect`, the TLS handshake included, and are
    /// kept for `idle` when nobody uses them.
    ///
    /// # Errors
    /// The system has no roots to judge certificates by.
    pub fn new(connect: Duration, idle: Duration) -> Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| Error::internal().because(error))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(idle)
            .pool_timer(TokioTimer::new())
            .build(Patient { inner: connector, limit: connect });
        Ok(Self(client))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        self.0.request(request).await.map_err(|error| {
            let log = chain(&error);
            if error.is_connect() {
                return Failure::Unreached(unreachable().because(log));
            }
            let cause = std::error::Error::source(&error);
            let is_parse = cause
                .and_then(|cause| cause.downcast_ref::<hyper::Error>())
                .is_some_and(hyper::Error::is_parse);
            // It may have been written, and worked on.
            Failure::Other(if is_parse { unreadable() } else { unreachable() }.because(log))
        })
    }
}

/// All of a body of at most `limit` bytes.
pub(super) async fn whole(mut body: Incoming, limit: usize) -> Result<Bytes, Failure> {
    let mut all = Joined::default();
    while let Some(frame) = body.frame().await {
        // A head that said success, and a body that broke: the model has worked on it.
        let frame = frame.map_err(|error| unreadable().because(chain(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(unreadable().because("the body has no end").into());
        }
        all.push(data);
    }
    Ok(all.take())
}

/// The parts of a body as they come, with at most `idle` between two of them.
/// With `apart`, each of them as it came.
pub(super) fn parts(
    body: Incoming,
    idle: Duration,
    apart: bool,
) -> BoxStream<'static, Result<Bytes>> {
    Box::pin(Parts::new(Plain(body), idle, apart))
}

/// A body as it is.
struct Plain(Incoming);

impl Pieces for Plain {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        poll_data(&mut self.0, cx)
    }
}

/// The next bytes of a body, none of them empty; trailers are passed over.
pub(super) fn poll_data(body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(broken().because(chain(&error))))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Poll::Ready(Some(Ok(data))),
                _ => {}
            },
        }
    }
}

/// A connector that gives up after a while.
#[derive(Clone, Debug)]
struct Patient<C> {
    inner: C,
    limit: Duration,
}

impl<C> tower::Service<Uri> for Patient<C>
where
    C: tower::Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<C::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (limit, connecting) = (self.limit, self.inner.call(to));
        Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(made) => made.map_err(Into::into),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}
