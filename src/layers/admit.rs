//! Bounds the memory that callers' bodies may take together. Before authentication, which reads
//! them: a body waits for its share, and gives it back when its call is answered.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt as _};

use super::{Admitted, Arrived};
use crate::meter::{BodyGuard, Meter};
use crate::wire::Body;
use crate::{Code, Error, Result};

/// One permit of the semaphore, in bytes: fine enough, and 4 GiB of them fit.
const UNIT: u64 = 1024;

/// The memory for bodies. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
    total: u64,
    max_body: u64,
    wait: Duration,
    meter: Meter,
}

/// The memory of one body, given back on drop.
#[derive(Debug)]
pub struct Share {
    _permit: OwnedSemaphorePermit,
    _counted: BodyGuard,
}

impl Budget {
    /// `total` bytes for all bodies, of which one takes at most `max_body`; a body waits for its
    /// share at most `wait`.
    pub fn new(total: u64, max_body: u64, wait: Duration, meter: Meter) -> Self {
        let units = usize::try_from(total.div_ceil(UNIT)).unwrap_or(Semaphore::MAX_PERMITS);
        let units = Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)));
        Self { units, total, max_body, wait, meter }
    }

    /// The largest body, in bytes.
    pub const fn max_body(&self) -> u64 {
        self.max_body
    }

    /// How long a body may take to arrive.
    pub const fn deadline(&self) -> Duration {
        self.wait
    }

    /// Waits for `bytes`.
    pub async fn share(&self, bytes: u64) -> Result<Share> {
        let bytes = bytes.min(self.max_body).min(self.total);
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let permit =
            tokio::time::timeout(self.wait, Arc::clone(&self.units).acquire_many_owned(units));
        match permit.await {
            Ok(Ok(permit)) => {
                Ok(Share { _permit: permit, _counted: self.meter.metrics().body(bytes) })
            }
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Code::ServiceUnavailable,
                "The gateway is busy with other requests. Try your request again.",
            )
            .because("the memory for request bodies is used up: limits.body_budget")
            .retry_after(Duration::from_secs(1))),
        }
    }
}

/// Hands the budget to requests.
#[derive(Clone, Debug)]
pub struct AdmitLayer(Budget);

impl AdmitLayer {
    /// Bodies share `budget`.
    pub fn new(budget: Budget) -> Self {
        Self(budget)
    }
}

/// The service of [`AdmitLayer`].
#[derive(Clone, Debug)]
pub struct Admit<S> {
    inner: S,
    budget: Budget,
}

impl<S> Layer<S> for AdmitLayer {
    type Service = Admit<S>;
    fn layer(&self, inner: S) -> Admit<S> {
        Admit { inner, budget: self.0.clone() }
    }
}

impl<B, S> Service<Arrived<B>> for Admit<S>
where
    S: Service<Admitted<B>, Response = Response<Body>, Error = Error> + Clone,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Oneshot<S, Admitted<B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, arrived: Arrived<B>) -> Self::Future {
        self.inner.clone().oneshot(Admitted { arrived, budget: self.budget.clone() })
    }
}
