//! Listeners: HTTP/1.1 and HTTP/2 on the same port, with TLS where there is a certificate, and the
//! drain at the end.
//!
//! On a plain port HTTP/2 is spoken by prior knowledge (h2c), which the JavaScript SDK does for
//! every operation; with TLS both are offered by ALPN.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::layers::Inbound;
use crate::meter::Meter;
use crate::stack::Gateway;
use crate::wire::Body;
use crate::{Error, Result};

/// How a listener treats its connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Open connections at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// From a connection to its first request's head; the TLS handshake has as long.
    pub header_timeout: Duration,
    /// From an answer's end to the next request's head on the same connection; over HTTP/2 up to
    /// twice as long.
    pub idle_timeout: Duration,
    /// How long calls in flight may go on once the shutdown was asked for.
    pub drain: Duration,
}

/// A listener that is bound and waits for [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    options: Options,
}

impl Server {
    /// Binds `address`.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        options: Options,
    ) -> Result<Self> {
        let listener = listen(address).await?;
        Ok(Self { listener, tls, options })
    }

    /// The address that was bound, with its real port.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|error| Error::internal().because(error))
    }

    /// `http` or `https`.
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Serves until `shutdown` is ready, then lets the calls in flight end.
    pub async fn run(
        self,
        gateway: Gateway<Incoming>,
        meter: Meter,
        shutdown: impl Future<Output = ()>,
    ) {
        let places =
            Arc::new(Semaphore::new(self.options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let builder = Arc::new(builder(self.options.idle_timeout));
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &places) => accepted,
                () = &mut shutdown => break,
            };
            while connections.try_join_next().is_some() {}
            let Some((stream, peer, place)) = accepted else { continue };
            let gateway = gateway.clone();
            let (tls, builder) = (self.tls.clone(), Arc::clone(&builder));
            let watcher = graceful.watcher();
            let counted = meter.metrics().connection();
            let (first, idle) = (self.options.header_timeout, self.options.idle_timeout);
            connections.spawn(async move {
                let _held = (place, counted);
                match tls {
                    None => {
                        connection(&builder, stream, peer, gateway, watcher, first, idle).await;
                    }
                    Some(config) => {
                        let accepting = TlsAcceptor::from(config).accept(stream);
                        match timeout(first, accepting).await {
                            Ok(Ok(stream)) => {
                                connection(&builder, stream, peer, gateway, watcher, first, idle)
                                    .await;
                            }
                            Ok(Err(error)) => {
                                tracing::debug!(%peer, %error, "TLS handshake failed");
                            }
                            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                        }
                    }
                }
            });
        }
        meter.ending();
        drop(self.listener);
        tracing::info!(connections = connections.len(), "draining");
        if timeout(self.options.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(connections = connections.len(), "drain time is over; calls were cut");
            meter.cut();
        }
        connections.shutdown().await;
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // A frame is written when its token is there; waiting to fill a packet helps nobody.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            // Out of file descriptors, most likely: trying again at once would only spin.
            tracing::warn!(%error, "cannot accept connections");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn builder(idle_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout) // hyper's clock runs between requests, too
        .max_buf_size(32 * 1024); // the longest head; as much waits unread on each connection
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(64 * 1024)
        .max_send_buf_size(64 * 1024) // a slow reader holds its upstream back
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

async fn connection<I>(
    builder: &auto::Builder<TokioExecutor>,
    stream: I,
    peer: SocketAddr,
    gateway: Gateway<Incoming>,
    watcher: Watcher,
    first: Duration,
    idle: Duration,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let used_for = Arc::new(Use::default());
    let calls = Arc::clone(&used_for);
    let service = service_fn(move |request: Request<Incoming>| {
        let call = OpenCall::new(&calls);
        let answer = gateway.clone().oneshot(Inbound { peer, request });
        async move { answer.await.map(|answer| answer.map(|body| body.holding(call))) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let ended = while_used(pin!(watcher.watch(connection)), &used_for, first, idle).await;
    if let Some(Err(error)) = ended {
        // A caller who left, or no HTTP at all: the calls' own records tell what was lost.
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// What a connection is used for.
#[derive(Debug, Default)]
struct Use {
    /// Requests so far.
    asked: AtomicUsize,
    /// Those that have not been answered to their last byte.
    open: AtomicUsize,
}

/// One request, until the last byte of its answer.
struct OpenCall(Arc<Use>);

impl OpenCall {
    fn new(of: &Arc<Use>) -> Self {
        of.asked.fetch_add(1, Ordering::Relaxed);
        of.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(of))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs a connection to its end, or drops it (`None`): one that has asked for nothing within
/// `first`, or for nothing more within `idle`, takes somebody else's place.
async fn while_used<C: Future>(
    mut connection: Pin<&mut C>,
    of: &Use,
    first: Duration,
    idle: Duration,
) -> Option<C::Output> {
    let (mut wait, mut seen) = (first, 0);
    loop {
        if let Ok(ended) = timeout(wait, connection.as_mut()).await {
            return Some(ended);
        }
        let asked = of.asked.load(Ordering::Relaxed);
        if asked == seen && of.open.load(Ordering::Relaxed) == 0 {
            return None;
        }
        (wait, seen) = (idle, asked);
    }
}

/// Whether calls to `url` would arrive at `own`, the address we listen on.
pub async fn leads_to(url: &str, own: SocketAddr) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    let standard = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    let port = uri.port_u16().unwrap_or(standard);
    let (Some(host), true) = (uri.host(), port == own.port()) else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // A name that does not resolve now leads nowhere; calls will say so.
    let Ok(addresses) = lookup_host((host, port)).await else { return false };
    let here = |ip: IpAddr| UdpSocket::bind((ip, 0)).is_ok(); // only our own addresses can be bound
    addresses.into_iter().any(|address| {
        address.ip() == own.ip() || (own.ip().is_unspecified() && here(address.ip()))
    })
}

/// How long a connection to the operator's port may be idle.
const ADMIN_IDLE: Duration = Duration::from_secs(30);

/// The operator's port: `/metrics` and `/ready`.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Binds `address`.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = listen(address).await?;
        let address = listener.local_addr().map_err(|error| Error::internal().because(error))?;
        Ok(Self { listener, address })
    }

    /// The address that was bound, with its real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub async fn run(self, meter: Meter) {
        let places = Arc::new(Semaphore::new(64));
        let builder = Arc::new(builder(ADMIN_IDLE));
        let mut connections = JoinSet::new();
        loop {
            let Some((stream, _, place)) = accept(&self.listener, &places).await else { continue };
            while connections.try_join_next().is_some() {}
            let (meter, builder) = (meter.clone(), Arc::clone(&builder));
            connections.spawn(async move {
                let used_for = Arc::new(Use::default());
                let calls = Arc::clone(&used_for);
                let service = service_fn(move |request: Request<Incoming>| {
                    let call = OpenCall::new(&calls);
                    let answer = page(request.uri().path(), &meter);
                    async move { Ok::<_, Infallible>(answer.map(|body| body.holding(call))) }
                });
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                // Whoever scrapes comes again.
                let _ = while_used(pin!(connection), &used_for, ADMIN_IDLE, ADMIN_IDLE).await;
                drop(place);
            });
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::internal().because(format!("cannot listen on {address}: {error}")))
}

fn page(path: &str, meter: &Meter) -> Response<Body> {
    let (status, kind, body) = match path {
        "/metrics" => (
            200,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            meter.metrics().render(),
        ),
        "/ready" if meter.is_ending() => {
            (503, "application/json", r#"{"status":"Ending"}"#.to_owned())
        }
        "/ready" => (200, "application/json", r#"{"status":"Ready"}"#.to_owned()),
        _ => (404, "application/json", r#"{"message":"/metrics or /ready"}"#.to_owned()),
    };
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
