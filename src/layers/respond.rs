//! Turns every error below into an answer, so that nothing above can fail; a panic, too. The
//! error's dialect follows from the raw path, since a broken request may have nothing else.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::Response;
use tower::{Layer, Service, ServiceExt as _};

use super::{Answering, Arrived};
use crate::Error;
use crate::wire::{Body, Dialect, error_response};

/// Answers errors.
#[derive(Clone, Copy, Debug)]
pub struct RespondLayer;

/// The service of [`RespondLayer`].
#[derive(Clone, Debug)]
pub struct Respond<S>(S);

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;
    fn layer(&self, inner: S) -> Respond<S> {
        Respond(inner)
    }
}

impl<B, S> Service<Arrived<B>> for Respond<S>
where
    B: Send + 'static,
    S: Service<Arrived<B>, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // `oneshot` makes the inner service ready, so that its error is ours
    }

    fn call(&mut self, arrived: Arrived<B>) -> Self::Future {
        let inner = self.0.clone();
        let dialect = Dialect::of_path(arrived.request.uri().path());
        let record = Arc::clone(&arrived.record);
        Box::pin(async move {
            let answering = record.in_time(inner.oneshot(arrived));
            let answered = AssertUnwindSafe(answering).catch_unwind().await;
            let answered = answered.unwrap_or_else(|_| Err(Error::internal().because("a panic")));
            Ok(answered.unwrap_or_else(|error| {
                record.failed(&error);
                error_response(&error, dialect, record.id())
            }))
        })
    }
}
