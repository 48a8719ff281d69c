//! Listeners: HTTP/1.1 and HTTP/2 on the same port, with TLS where there is a certificate, and how
//! they end.
//!
//! On a plain port HTTP/2 is spoken by prior knowledge (h2c), which the JavaScript SDK does for
//! every operation; with TLS both are offered by ALPN.
//!
//! What a listener serves is [`Live`]: a connection takes the certificate that is there when it
//! comes, a call the gateway that is there when it comes, and keeps them.

mod admin;
mod connection;
mod opening;
mod ping;
mod stall;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

pub use admin::Admin;
pub use ping::{Unhealthy, ping};

use crate::layers::Inbound;
use crate::meter::{Meter, Stage};
use crate::stack::Gateway;
use crate::{Error, Result};
use connection::Patience;
use stall::Patient;

/// How long callers have to take the end that the gateway gave their calls.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// How a listener treats its connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Open connections at once; more wait in the kernel's queue. Read once, when the server
    /// begins to run.
    pub max_connections: usize,
    /// From a connection to its first request's head; the TLS handshake has as long.
    pub header_timeout: Duration,
    /// From an answer's end to the next request's head on the same connection; over HTTP/2 up to
    /// twice as long.
    pub idle_timeout: Duration,
    /// How long what is written may wait for its reader.
    pub write_timeout: Duration,
    /// How long new calls are still taken once the shutdown was asked for.
    pub grace: Duration,
    /// When calls must have ended, from the same moment on.
    pub deadline: Duration,
}

/// What is served now. Another one may take its place at any time.
#[derive(Clone)]
pub struct Live {
    /// Answers the calls that come.
    pub gateway: Gateway<Incoming>,
    /// The certificate for the connections that come. Whether there is one is the same for the
    /// whole life of a server.
    pub tls: Option<Arc<ServerConfig>>,
    /// How connections are treated.
    pub options: Options,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A listener that is bound and waits for [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Binds `address`.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        Ok(Self { listener: listen(address).await? })
    }

    /// The address that was bound, with its real port.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|error| Error::internal().because(error))
    }

    /// Serves until `shutdown` is ready, and ends in order:
    ///
    /// 1. [`Stage::Ending`]: calls are taken for `grace` more; answers ask for no further call on
    ///    their connection (`Connection: close`, GOAWAY), so that callers move elsewhere;
    /// 2. [`Stage::Closing`]: the port is closed; calls in flight end by themselves;
    /// 3. [`Stage::OutOfTime`] after `deadline`: those that did not are told so.
    pub async fn run(
        self,
        live: watch::Receiver<Live>,
        meter: Meter,
        shutdown: impl Future<Output = ()>,
    ) {
        let options = live.borrow().options.clone();
        let places =
            Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let mut open = Open { live, meter, places, connections: JoinSet::new() };
        open.accept_until(&self.listener, shutdown).await;
        let Options { grace, deadline, .. } = open.live.borrow().options;
        let asked = Instant::now();
        open.meter.advance(Stage::Ending);
        tracing::info!(grace_s = grace.as_secs(), "asked to end; a second signal ends it at once");
        open.accept_until(&self.listener, sleep_until(asked + grace)).await;
        // Those whom the kernel has connected by now believe that they are.
        open.accept_last(self.listener);
        open.meter.advance(Stage::Closing);
        tracing::info!(connections = open.connections.len(), "closed; calls in flight go on");
        let all = async { while open.connections.join_next().await.is_some() {} };
        if timeout_at(asked + deadline, all).await.is_err() {
            open.meter.advance(Stage::OutOfTime);
            tracing::warn!(
                connections = open.connections.len(),
                "drain.deadline is over; calls are cut"
            );
            let all = async { while open.connections.join_next().await.is_some() {} };
            let _ = timeout(LAST_WORDS, all).await;
        }
        open.connections.shutdown().await;
    }
}

/// The connections of a server that runs.
struct Open {
    live: watch::Receiver<Live>,
    meter: Meter,
    places: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Open {
    async fn accept_until(&mut self, listener: &TcpListener, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = accept(listener, &self.places) => accepted,
                () = &mut end => return,
            };
            while self.connections.try_join_next().is_some() {}
            if let Some(accepted) = accepted {
                self.take(accepted);
            }
        }
    }

    /// Takes the connections that wait already, and closes the port.
    fn accept_last(&mut self, listener: TcpListener) {
        // Asked directly: the runtime may not have heard of all of them yet.
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept() {
            let place = Arc::clone(&self.places).try_acquire_owned();
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            let (Ok(place), Ok(stream)) = (place, stream) else { return };
            let _ = stream.set_nodelay(true);
            self.take((stream, peer, place));
        }
    }

    fn take(&mut self, (stream, peer, place): (TcpStream, SocketAddr, OwnedSemaphorePermit)) {
        let (live, meter) = (self.live.clone(), self.meter.clone());
        let counted = meter.metrics().connection();
        self.connections.spawn(async move {
            let _held = (place, counted);
            let (tls, patience) = {
                let now = live.borrow();
                (now.tls.clone(), Patience::of(&now.options))
            };
            let service = service_fn(move |request: Request<Incoming>| {
                // The gateway of this moment answers the call, whatever takes its place.
                let gateway = live.borrow().gateway.clone();
                gateway.oneshot(Inbound { peer, request })
            });
            let stream = Patient::new(stream, patience.write);
            match tls {
                None => {
                    connection::serve(stream, peer, service, &meter, patience).await;
                }
                Some(config) => {
                    let accepting = Box::pin(TlsAcceptor::from(config).accept(stream));
                    match timeout(patience.first, accepting).await {
                        Ok(Ok(stream)) => {
                            // A kilobyte, which a connection without TLS does not pay for.
                            let stream = Box::new(stream);
                            connection::serve(stream, peer, service, &meter, patience).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                    }
                }
            }
        });
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
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

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::internal().because(format!("cannot listen on {address}: {error}")))
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
