//! The whole request path, from the connection to the operation. The first layer is the outermost;
//! read it downwards.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::auth::Authenticator;
use crate::catalog::Catalog;
use crate::layers::Inbound;
use crate::layers::admit::{AdmitLayer, Budget};
use crate::layers::auth::AuthLayer;
use crate::layers::health::HealthLayer;
use crate::layers::limits::LimitsLayer;
use crate::layers::respond::RespondLayer;
use crate::layers::route::RouteLayer;
use crate::layers::trace::TraceLayer;
use crate::meter::Meter;
use crate::ops::Dispatch;
use crate::relay::Relay;
use crate::wire::Body;

/// What the gateway is made of. When the configuration changes, a new gateway is made and takes the
/// calls that come from then on. The two share the meter, and each limit that has not changed.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Opens records; its clock is everybody's.
    pub meter: Meter,
    /// The memory for callers' bodies.
    pub budget: Budget,
    /// Who may call.
    pub authenticator: Authenticator,
    /// Which models there are.
    pub catalog: Arc<Catalog>,
    /// The places of calls, and whose they may be.
    pub limits: LimitsLayer,
    /// The largest payload of an answer that is wanted whole, in bytes.
    pub max_answer: u64,
}

/// The service that answers requests; a connection gets a clone.
pub type Gateway<B> = BoxCloneSyncService<Inbound<B>, Response<Body>, Infallible>;

/// Builds the gateway.
pub fn gateway<B>(parts: Parts) -> Gateway<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let clock = parts.meter.clock().clone();
    let stack = ServiceBuilder::new()
        // Inbound: a connection's request. Nothing above `respond` can fail.
        .layer(TraceLayer::new(parts.meter)) // a record and an id, closed with the last byte
        .layer(RespondLayer) // Error → the answer in the API's own shape
        .layer(HealthLayer) // GET /ping, unsigned
        .layer(AdmitLayer::new(parts.budget)) // memory for bodies, bounded
        // Admitted → Signed: who calls. The body is read here, and only here.
        .layer(AuthLayer::new(parts.authenticator, clock.clone()))
        // Signed → Call: what is asked, of which deployment.
        .layer(RouteLayer::new(parts.catalog))
        .layer(parts.limits) // a place, by right and in turn, until the last byte
        .service(Dispatch::new(Relay::new(clock, parts.max_answer)));
    BoxCloneSyncService::new(stack)
}
