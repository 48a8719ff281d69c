//! A local `SageMaker` Runtime: `InvokeEndpoint` and `InvokeEndpointWithResponseStream` on the
//! real wire, in front of a scripted model or of any container.
//!
//! `helan demo` runs on it, `helan emulate` serves it, the tests call it with the official SDK.
//! What is real: `SigV4` for the service `sagemaker`, event-stream frames, headers, limits, the
//! errors' names and words. What is scripted: the model, by a file of [`Rules`] that also says
//! which container it lives in (vLLM, TGI, LMI, EMD, the Hugging Face toolkit) and what goes wrong.
//!
//! The same containers can be asked without `SageMaker` before them, as those that run elsewhere:
//! `/containers/{endpoint}/invocations` is open, and the OpenAI-compatible base
//! `/containers/{endpoint}/v1` wants a key, as a public API does.
//!
//! `DescribeEndpoint` of `SageMaker`'s own API is answered at `/`.
//!
//! Three paths are the emulator's own, and unsigned: `GET /ping`; `GET /_emulator/calls`, how many
//! calls have started, completed, failed and been cancelled by the client; `GET
//! /_emulator/requests`, the last 100 requests with what a container would see of them, and the
//! prompt, if they have one, as the model reads it behind its tokenizer's BOS token. `DELETE` on
//! either of the last two forgets all of it.

mod caller;
mod control;
mod counters;
mod faults;
mod invoke;
mod model;
mod parts;
mod proxy;
mod refusal;
mod rules;
mod server;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use caller::Caller;
pub use rules::{Rules, RulesError, parse};

use self::server::Service;
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::{Error, Result};

/// The service that calls are signed for.
pub const SERVICE: &str = "sagemaker";

/// How long calls under way may go on after the shutdown has begun.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait before the next connection, when one could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// What an emulator needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Whose calls are taken: made for [`SERVICE`], or [`Authenticator::none`].
    pub authenticator: Authenticator,
    /// The endpoints and their answers.
    pub rules: Rules,
    /// The time, for signatures and answers.
    pub clock: Clock,
}

/// A `SageMaker` Runtime that listens.
///
/// ```
/// # #[tokio::main] async fn main() -> helan::Result<()> {
/// use helan::auth::Authenticator;
/// use helan::clock::Clock;
/// use helan::emulator::{Config, Emulator, Rules};
///
/// let emulator = Emulator::bind(Config {
///     listen: ([127, 0, 0, 1], 0).into(),
///     authenticator: Authenticator::none(),
///     rules: Rules::builtin(),
///     clock: Clock::system(),
/// })
/// .await?;
/// println!("endpoint URL: http://{}", emulator.local_addr());
/// emulator.run(std::future::ready(())).await;
/// # Ok(()) }
/// ```
pub struct Emulator {
    listener: TcpListener,
    address: SocketAddr,
    service: Service,
}

impl Emulator {
    /// Binds the address. Calls wait until it [runs](Self::run).
    ///
    /// # Errors
    /// An internal error whose cause says why the address cannot be had.
    pub async fn bind(config: Config) -> Result<Self> {
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            let at = config.listen;
            Error::internal().because(format!("cannot listen on {at}: {error}"))
        })?;
        let address = listener.local_addr().map_err(io)?;
        Ok(Self { listener, address, service: Service::new(config) })
    }

    /// The address that is listened on, with its real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`; then lets the calls under way end for up to five seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        let builder = Arc::new(connection_builder());
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // Each frame leaves when it is written.
            let _ = stream.set_nodelay(true);
            let service = self.service.clone();
            let service = hyper::service::service_fn(move |request| service.clone().call(request));
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                // A client that goes away is its own affair, and counted.
                let _ = connection.await;
            });
        }
        drop(self.listener);
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
        connections.shutdown().await;
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("address", &self.address).finish_non_exhaustive()
    }
}

fn connection_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    builder
}

fn io(error: std::io::Error) -> Error {
    Error::internal().because(error)
}
