//! One connection: how long it may be idle, and how it is told that the process ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::Options;
use super::stall::Leashes;
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

/// How connections are spoken to.
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
        // Streams that are opened and reset at once, by them or for their faults by us: more end
        // the connection.
        .max_pending_accept_reset_streams(64)
        .max_local_error_reset_streams(256)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
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
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let used = Arc::new(Use::default());
    let calls = Arc::clone(&used);
    let stage = meter.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let old = request.version() < Version::HTTP_2;
        let call = OpenCall::new(&calls, old);
        let (answer, meter) = (service.call(request), stage.clone());
        async move {
            let Ok(mut answer) = answer.await;
            if old && meter.stage() != Stage::Serving {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| {
                let used = Arc::clone(&call.0);
                used.bodies.hold(body.holding(call))
            }))
        }
    });
    let builder = builder(patience.idle);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut stages = meter.stages();
    let (mut quiet, mut seen) = (pin!(sleep(patience.first)), 0);
    let mut looks = interval_at(Instant::now() + patience.write, patience.write);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        let stage = *stages.borrow_and_update();
        if !told && used.may_be_told(stage) {
            connection.as_mut().graceful_shutdown();
            told = true;
        }
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // A caller who left, or no HTTP at all: the calls' own records tell what was
                    // lost.
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return;
            }
            Ok(()) = stages.changed() => {}
            () = used.came.notified(), if stage >= Stage::Closing && !told => {}
            _ = looks.tick() => used.bodies.drop_unread(patience.write),
            () = &mut quiet => {
                let asked = used.asked.load(Ordering::Relaxed);
                if asked == seen && used.open.load(Ordering::Relaxed) == 0 {
                    return; // somebody else can use its place
                }
                seen = asked;
                quiet.as_mut().reset(Instant::now() + patience.idle);
            }
        }
    }
}

/// What a connection is used for.
#[derive(Default)]
struct Use {
    /// Requests so far.
    asked: AtomicUsize,
    /// Those that have not been answered to their last byte.
    open: AtomicUsize,
    /// Whether they come over HTTP/2.
    multiplexed: AtomicBool,
    /// A request has come.
    came: Notify,
    /// What is sent for them.
    bodies: Leashes,
}

impl Use {
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
            Stage::Ending => asked && self.multiplexed.load(Ordering::Relaxed),
            Stage::Closing | Stage::OutOfTime => asked,
        }
    }
}

/// One request, until the last byte of its answer.
struct OpenCall(Arc<Use>);

impl OpenCall {
    fn new(of: &Arc<Use>, old: bool) -> Self {
        of.multiplexed.store(!old, Ordering::Relaxed);
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
