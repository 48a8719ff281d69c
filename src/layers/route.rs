//! What is asked, and of which model. After authentication, so that strangers learn nothing about
//! which models there are.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;
use tower::{Layer, Service, ServiceExt as _};

use super::{Answering, Signed};
use crate::catalog::Catalog;
use crate::ops::{Call, Envelope, Operation, Route};
use crate::wire::Body;
use crate::{Error, Result};

/// Finds operation and deployment.
#[derive(Clone, Debug)]
pub struct RouteLayer(Arc<Catalog>);

impl RouteLayer {
    /// Looks models up in `catalog`.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self(catalog)
    }
}

/// The service of [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct Router<S> {
    inner: S,
    catalog: Arc<Catalog>,
}

impl<S> Layer<S> for RouteLayer {
    type Service = Router<S>;
    fn layer(&self, inner: S) -> Router<S> {
        Router { inner, catalog: Arc::clone(&self.0) }
    }
}

impl<S> Service<Signed> for Router<S>
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

    fn call(&mut self, signed: Signed) -> Self::Future {
        let (inner, catalog) = (self.inner.clone(), Arc::clone(&self.catalog));
        Box::pin(async move {
            let Signed { record, principal, head, body, sha256, share } = signed;
            let route = Route::parse(&head.method, head.uri.path())?;
            let (model_id, streamed) = if route.operation.names_model_in_body() {
                let envelope = Envelope::read(&body)?;
                (Some(envelope.model), envelope.stream)
            } else {
                (route.model_id, false)
            };
            record.operation(route.operation.name(), model_id.as_deref());
            let deployment = match &model_id {
                Some(id) if route.operation.is_built() => Some(catalog.resolve(id)?),
                _ => None,
            };
            if let Some(deployment) = &deployment {
                record.model(&deployment.model_id, deployment.tags.as_ref());
            }
            let operation: Operation = route.operation;
            let call = Call {
                record,
                principal,
                operation,
                deployment,
                model_id,
                streamed,
                head,
                body,
                sha256,
            };
            let answered = inner.oneshot(call).await;
            // The question has been encoded and sent: its body's memory is free again.
            drop(share);
            answered
        })
    }
}
