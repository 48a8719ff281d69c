//! How many calls run at once, how many wait for that, and how many of them are one caller's.
//! After authentication, so that strangers take nobody's place; a call keeps its place until the
//! last byte of its answer.
//!
//! A caller who has used up its own share is told so at once, and nobody else notices. Whoever is
//! left waits in the order of arrival, if the gateway is full and the queue is not. A call that
//! waits is a part of its caller's share, so that nobody fills the queue alone, and its body a
//! part of the memory that [`admit`](super::admit) gives out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt as _};

use super::Answering;
use crate::fleet::Line;
use crate::meter::{Readings, Refusal};
use crate::ops::Call;
use crate::wire::Body;
use crate::{Code, Error, Result};

/// The places of calls, and who has them. Outlives configurations; clones share it.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: Arc<Semaphore>,
    size: Mutex<Size>,
    line: Line,
    /// Calls in flight of each principal that has any, those that wait among them.
    shares: Mutex<HashMap<Arc<str>, usize>>,
}

#[derive(Debug)]
struct Size {
    places: usize,
    /// Of the places that are taken, those that go once they are given back.
    surplus: usize,
}

impl Places {
    /// As many places.
    pub fn new(places: usize) -> Self {
        let places = places.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            calls: Arc::new(Semaphore::new(places)),
            size: Mutex::new(Size { places, surplus: 0 }),
            line: Line::default(),
            shares: Mutex::default(),
        }))
    }

    /// From now on there are as many places. No call loses the one that it has.
    pub fn resize(&self, places: usize) {
        let places = places.min(Semaphore::MAX_PERMITS);
        let mut size = self.0.size();
        if places < size.places {
            let fewer = size.places - places;
            size.surplus += fewer - self.0.calls.forget_permits(fewer);
        } else {
            let more = places - size.places;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.0.calls.add_permits(more - kept);
        }
        size.places = places;
    }

    /// Tells how many wait, and how many calls `principals` have.
    pub fn read<'a>(&self, principals: impl IntoIterator<Item = &'a str>, readings: &mut Readings) {
        readings.waiting(self.0.line.len());
        let shares = self.0.shares();
        for principal in principals {
            readings.principal(principal, shares.get(principal).copied().unwrap_or(0));
        }
    }
}

impl Inner {
    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What holds for the calls that come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that may wait for a place.
    pub queue: usize,
    /// How long one of them waits.
    pub queue_wait: Duration,
    /// Calls in flight of one principal; `None`: as many as come.
    pub share: Option<usize>,
    /// Principals of which something else holds.
    pub shares: HashMap<String, usize>,
}

/// Bounds the calls in flight.
#[derive(Clone, Debug)]
pub struct LimitsLayer {
    places: Places,
    bounds: Arc<Bounds>,
}

impl LimitsLayer {
    /// Calls take one of `places`, within `bounds`.
    pub fn new(places: Places, bounds: Bounds) -> Self {
        Self { places, bounds: Arc::new(bounds) }
    }

    async fn place(&self, call: &Call) -> Result<Place> {
        let share = match call.principal.shared_name() {
            Some(principal) => Some(self.share(principal).map_err(|most| {
                call.record.refused(Refusal::PrincipalShare);
                throttled(most)
            })?),
            None => None, // nobody asked who calls
        };
        let calls = Arc::clone(&self.places.0.calls);
        let permit = match Arc::clone(&calls).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => match self.places.0.line.enter(self.bounds.queue) {
                // In the order of arrival: what is given back goes to the first who waits.
                Some(_waits) => timeout(self.bounds.queue_wait, calls.acquire_owned())
                    .await
                    .ok()
                    .and_then(Result::ok),
                None => None,
            },
        };
        let Some(permit) = permit else {
            call.record.refused(Refusal::GatewayFull);
            return Err(full(self.bounds.queue > 0));
        };
        Ok(Place { places: self.places.clone(), permit: Some(permit), _share: share })
    }

    /// One call more of `principal`, unless it has as many as it may: then how many that is.
    fn share(&self, principal: &Arc<str>) -> Result<Share, usize> {
        let most = self.bounds.shares.get(&**principal).copied().or(self.bounds.share);
        let mut shares = self.places.0.shares();
        let now = shares.get(principal).copied().unwrap_or(0);
        if let Some(most) = most.filter(|most| now >= *most) {
            return Err(most);
        }
        shares.insert(Arc::clone(principal), now + 1);
        Ok(Share { places: self.places.clone(), principal: Arc::clone(principal) })
    }
}

/// A call's place, until it is dropped.
struct Place {
    places: Places,
    permit: Option<OwnedSemaphorePermit>,
    _share: Option<Share>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut size = self.places.0.size();
        if size.surplus > 0 {
            size.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

/// One of a principal's calls, until it is dropped.
struct Share {
    places: Places,
    principal: Arc<str>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.places.0.shares();
        match shares.get_mut(&self.principal) {
            Some(now) if *now > 1 => *now -= 1,
            _ => {
                shares.remove(&self.principal);
            }
        }
    }
}

fn throttled(most: usize) -> Error {
    Error::new(Code::Throttling, "Too many requests, please wait before trying again.")
        .because(format!("the principal has its share of {most} calls in flight"))
        .retry_after(Duration::from_secs(1))
}

fn full(queues: bool) -> Error {
    let why = if queues {
        "as many calls as limits.max_calls are in flight, and limits.queue or limits.queue_wait is used up"
    } else {
        "as many calls as limits.max_calls are in flight"
    };
    Error::new(
        Code::ServiceUnavailable,
        "The gateway is busy with other requests. Try your request again.",
    )
    .because(why)
    .retry_after(Duration::from_secs(1))
}

/// The service of [`LimitsLayer`].
#[derive(Clone, Debug)]
pub struct Limits<S> {
    inner: S,
    layer: LimitsLayer,
}

impl<S> Layer<S> for LimitsLayer {
    type Service = Limits<S>;
    fn layer(&self, inner: S) -> Limits<S> {
        Limits { inner, layer: self.clone() }
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
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Box::pin(async move {
            let place = layer.place(&call).await?;
            Ok(inner.oneshot(call).await?.map(|body| body.holding(place)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(places: &Places) -> Option<Place> {
        let permit = Arc::clone(&places.0.calls).try_acquire_owned().ok()?;
        Some(Place { places: places.clone(), permit: Some(permit), _share: None })
    }

    #[test]
    fn places_come_and_go_and_no_call_loses_its_own() {
        let places = Places::new(3);
        let mut taken: Vec<_> = (0..3).map(|_| place(&places).unwrap()).collect();
        assert!(place(&places).is_none());
        places.resize(1); // two of the three go as they are given back
        taken.truncate(1);
        assert!(place(&places).is_none());
        taken.clear();
        taken.extend(place(&places));
        assert!(taken.len() == 1 && place(&places).is_none());
        places.resize(4);
        places.resize(2);
        taken.extend(place(&places));
        assert!(taken.len() == 2 && place(&places).is_none());
        places.resize(1);
        places.resize(2); // before the one that was to go is given back
        taken.clear();
        taken.extend([place(&places).unwrap(), place(&places).unwrap()]);
        assert!(place(&places).is_none());
    }
}
