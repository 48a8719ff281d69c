//! Answers `GET /ping`: SageMaker's own word for a health check. Before authentication, since load
//! balancers sign nothing.

use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response};
use std::future::{Ready, ready};
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt as _};

use super::Arrived;
use crate::wire::Body;
use crate::{Error, Result};

/// Answers health checks.
#[derive(Clone, Copy, Debug)]
pub struct HealthLayer;

/// The service of [`HealthLayer`].
#[derive(Clone, Debug)]
pub struct Health<S>(S);

impl<S> Layer<S> for HealthLayer {
    type Service = Health<S>;
    fn layer(&self, inner: S) -> Health<S> {
        Health(inner)
    }
}

impl<B, S> Service<Arrived<B>> for Health<S>
where
    S: Service<Arrived<B>, Response = Response<Body>, Error = Error> + Clone,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<Oneshot<S, Arrived<B>>, Ready<Result<Response<Body>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, arrived: Arrived<B>) -> Self::Future {
        let request = &arrived.request;
        let asks = matches!(*request.method(), Method::GET | Method::HEAD);
        if asks && request.uri().path() == "/ping" {
            arrived.record.operation("Ping", None);
            let mut response = Response::new(Body::full(r#"{"status":"Healthy"}"#));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            return Either::Right(ready(Ok(response)));
        }
        Either::Left(self.0.clone().oneshot(arrived))
    }
}
