//! How many calls run at once. After authentication, so that strangers take nobody's place; a call
//! keeps its place until the last byte of its answer.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt as _};

use super::Answering;
use crate::ops::Call;
use crate::wire::Body;
use crate::{Code, Error, Result};

/// Bounds the calls in flight. Clones share the places.
#[derive(Clone, Debug)]
pub struct LimitsLayer(Arc<Semaphore>);

impl LimitsLayer {
    /// At most `calls` at once; one more is refused.
    pub fn new(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS))))
    }
}

/// The service of [`LimitsLayer`].
#[derive(Clone, Debug)]
pub struct Limits<S> {
    inner: S,
    calls: Arc<Semaphore>,
}

impl<S> Layer<S> for LimitsLayer {
    type Service = Limits<S>;
    fn layer(&self, inner: S) -> Limits<S> {
        Limits { inner, calls: Arc::clone(&self.0) }
    }
}

impl<S> Service<Call> for Limits<S>
where
    S: Service<Call, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Answering<Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let inner = self.inner.clone();
        let permit = Arc::clone(&self.calls).try_acquire_owned();
        Box::pin(async move {
            let permit = permit.map_err(|_| {
                Error::new(
                    Code::ServiceUnavailable,
                    "The gateway is busy with other requests. Try your request again.",
                )
                .because("as many calls as limits.max_calls are in flight")
                .retry_after(Duration::from_secs(1))
            })?;
            Ok(inner.oneshot(call).await?.map(|body| body.holding(permit)))
        })
    }
}
