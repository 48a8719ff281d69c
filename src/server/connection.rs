//! One connection: how long it may be idle, and how it is told that the process ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout_at};

use super::Options;
use super::opening::{Opened, Speaks};
use super::stall::{Leashed, Leashes};
use crate::meter::{Meter, Stage};
use crate::wire::Body;

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until its first request's head.
    pub(super) first: Duration,
    /// Until each further one's.
    pub(super) idle: Duration,
    /// While something is to be written to it.
    pub(super) write: Duration,
}

impl Patience {
    pub(super) const fn of(options: &Options) -> Self {
        Self {
            first: options.header_timeout,
            idle: options.idle_timeout,
            write: options.write_timeout,
        }
    }
}

/// A connection at work.
trait Conversation: Future<Output = hyper::Result<()>> + Send {
    /// Tells the other side that no more calls are wanted; those in flight go on.
    fn wind_down(self: Pin<&mut Self>);
}

impl<I, S> Conversation for http1::Connection<I, S>
where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Leashed>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Conversation for http2::Connection<I, S, TokioExecutor>
where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Leashed>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// A connection that speaks `version`, and has a place of its own in memory: one version's does not
/// take as much as the other's.
fn converse<I, S>(
    version: Speaks,
    io: I,
    service: S,
    idle_timeout: Duration,
) -> Pin<Box<dyn Conversation>>
where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Leashed>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
{
    match version {
        Speaks::Http1 => Box::pin(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(idle_timeout) // hyper's clock runs between requests, too
                // Of a head without an end, more than `layers::auth` takes; as much waits unread on
                // each connection.
                .max_buf_size(40 * 1024)
                .serve_connection(io, service),
        ),
        Speaks::Http2 => Box::pin(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(256)
                .max_header_list_size(64 * 1024)
                .max_send_buf_size(64 * 1024) // a slow reader holds its upstream back
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20)
                // Streams that are opened and reset at once, by them or for their faults by us: more
                // end the connection.
                .max_pending_accept_reset_streams(64)
                .max_local_error_reset_streams(256)
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(20))
                .serve_connection(io, service),
        ),
    }
}

/// Serves a connection until it ends, or until it has no right to its place any more.
pub(super) async fn serve<I, S>(
    stream: I,
    peer: SocketAddr,
    service: S,
    meter: &Meter,
    patience: Patience,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let first = Instant::now() + patience.first;
    let (version, stream) = match timeout_at(first, Opened::read(stream)).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "connection ended before it said anything");
            return;
        }
        Err(_) => return, // who says nothing at all is not answered
    };
    let used = Arc::new(Use::new(version));
    let calls = Arc::clone(&used);
    let stage = meter.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let call = OpenCall::new(&calls);
        let (answer, meter) = (service.call(request), stage.clone());
        async move {
            let Ok(mut answer) = answer.await;
            if version == Speaks::Http1 && meter.stage() != Stage::Serving {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| {
                let used = Arc::clone(&call.0);
                used.bodies.hold(body.holding(call))
            }))
        }
    });
    let connection = converse(version, TokioIo::new(stream), service, patience.idle);
    if let Err(error) = attend(connection, &used, meter, patience, first).await {
        // A caller who left, or no HTTP at all: the calls' own records tell what was lost.
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Keeps a connection going, and to its time; its first request's head is there by `first`.
async fn attend(
    mut connection: Pin<Box<dyn Conversation>>,
    used: &Use,
    meter: &Meter,
    patience: Patience,
    first: Instant,
) -> hyper::Result<()> {
    let mut stages = meter.stages();
    let (mut quiet, mut seen) = (pin!(sleep_until(first)), 0);
    let mut looks = interval_at(Instant::now() + patience.write, patience.write);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        let stage = *stages.borrow_and_update();
        if !told && used.may_be_told(stage) {
            connection.as_mut().wind_down();
            told = true;
        }
        tokio::select! {
            ended = connection.as_mut() => return ended,
            Ok(()) = stages.changed() => {}
            () = used.came.notified(), if stage >= Stage::Closing && !told => {}
            _ = looks.tick() => used.bodies.drop_unread(patience.write),
            () = &mut quiet => {
                let asked = used.asked.load(Ordering::Relaxed);
                if asked == seen && used.open.load(Ordering::Relaxed) == 0 {
                    return Ok(()); // somebody else can use its place
                }
                seen = asked;
                quiet.as_mut().reset(Instant::now() + patience.idle);
            }
        }
    }
}

/// What a connection is used for.
struct Use {
    /// Over HTTP/2, many at once.
    version: Speaks,
    /// Requests so far.
    asked: AtomicUsize,
    /// Those that have not been answered to their last byte.
    open: AtomicUsize,
    /// A request has come.
    came: Notify,
    /// What is sent for them.
    bodies: Leashes,
}

impl Use {
    fn new(version: Speaks) -> Self {
        Self {
            version,
            asked: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            came: Notify::new(),
            bodies: Leashes::default(),
        }
    }

    /// Whether the connection is to be told that no more calls are wanted.
    ///
    /// Over HTTP/2 that loses nothing, and is said at once. Over HTTP/1.1 it would close a
    /// connection that waits for its next request, which may be on its way: as long as calls are
    /// taken, the head of an answer says it instead. Nor is one told that has not asked for
    /// anything yet: its first request may be on its way as well.
    fn may_be_told(&self, stage: Stage) -> bool {
        let asked = self.asked.load(Ordering::Relaxed) > 0;
        match stage {
            Stage::Serving => false,
            Stage::Ending => asked && self.version == Speaks::Http2,
            Stage::Closing | Stage::OutOfTime => asked,
        }
    }
}

/// One request, until the last byte of its answer.
struct OpenCall(Arc<Use>);

impl OpenCall {
    fn new(of: &Arc<Use>) -> Self {
        of.asked.fetch_add(1, Ordering::Relaxed);
        of.open.fetch_add(1, Ordering::Relaxed);
        of.came.notify_one();
        Self(Arc::clone(of))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
