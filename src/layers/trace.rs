//! Gives every request a record and an id. Outermost, so that nothing that happens to a request
//! is without them: the record is closed by the response's body, or, where the caller left before
//! there was one, by being dropped.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{Method, Response};
use tower::{Layer, Service, ServiceExt as _};

use super::{Answering, Arrived, Inbound};
use crate::meter::Meter;
use crate::wire::body::End;
use crate::wire::{Body, Dialect};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The names that the SDKs of the other APIs read.
const OPENAI_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Opens and closes records.
#[derive(Clone, Debug)]
pub struct TraceLayer(Meter);

impl TraceLayer {
    /// Records go to `meter`.
    pub fn new(meter: Meter) -> Self {
        Self(meter)
    }
}

/// The service of [`TraceLayer`].
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
    meter: Meter,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;
    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, meter: self.0.clone() }
    }
}

impl<B, S> Service<Inbound<B>> for Trace<S>
where
    B: Send + 'static,
    S: Service<Arrived<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Inbound { peer, request }: Inbound<B>) -> Self::Future {
        let inner = self.inner.clone();
        let record = self.meter.open();
        if let Some(attempt) = request.headers().get("amz-sdk-request") {
            record.attempt(attempt.to_str().unwrap_or_default());
        }
        let own_name = match Dialect::of_path(request.uri().path()) {
            Dialect::RestJson => None,
            Dialect::OpenAi => Some(OPENAI_REQUEST_ID),
            Dialect::Anthropic => Some(ANTHROPIC_REQUEST_ID),
        };
        // Over HTTP/2 the connection would send the body of an answer to HEAD, which breaks the
        // stream; over HTTP/1.1 it would drop it unread.
        let bodiless = request.method() == Method::HEAD;
        Box::pin(async move {
            let arrived = Arrived { record: Arc::clone(&record), peer, request };
            let Ok(mut response) = inner.oneshot(arrived).await;
            record.status(response.status().as_u16());
            if let Ok(id) = HeaderValue::from_str(record.id()) {
                if let Some(name) = own_name {
                    response.headers_mut().insert(name, id.clone());
                }
                response.headers_mut().insert(REQUEST_ID, id);
            }
            if bodiless {
                response = without_body(response);
            }
            Ok(response.map(|body| body.on_end(move |end| record.close(end == End::Abandoned))))
        })
    }
}

/// The head alone, which tells how long the body would have been.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = http_body::Body::size_hint(response.body()).exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.map(|_| Body::full(""))
}
