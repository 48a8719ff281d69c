//! The operator's port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection::{self, Patience};
use super::stall::Patient;
use super::{accept, listen};
use crate::meter::{Meter, Stage};
use crate::wire::Body;
use crate::{Error, Result};

/// How long a connection to the operator's port may be idle.
const IDLE: Duration = Duration::from_secs(30);

/// The operator's port: `/metrics`, `/ready`, and `/ping` after the callers' port is closed.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Binds `address`.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = listen(address).await?;
        let address = listener.local_addr().map_err(|error| Error::internal().because(error))?;
        Ok(Self { listener, address })
    }

    /// The address that was bound, with its real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub async fn run(self, meter: Meter) {
        let places = Arc::new(Semaphore::new(64));
        let patience = Patience { first: IDLE, idle: IDLE, write: IDLE };
        let mut connections = JoinSet::new();
        loop {
            let Some((stream, peer, place)) = accept(&self.listener, &places).await else {
                continue;
            };
            while connections.try_join_next().is_some() {}
            let meter = meter.clone();
            connections.spawn(async move {
                let pages = meter.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    std::future::ready(Ok::<_, Infallible>(page(request.uri().path(), &pages)))
                });
                // Whoever scrapes comes again.
                let stream = Patient::new(stream, IDLE);
                connection::serve(stream, peer, service, &meter, patience).await;
                drop(place);
            });
        }
    }
}

fn page(path: &str, meter: &Meter) -> Response<Body> {
    let (status, kind, body) = match path {
        "/metrics" => (
            200,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            meter.metrics().render(),
        ),
        // Alive to its last moment: whoever restarts what is not must not cut the drain short.
        "/ping" => (200, "application/json", r#"{"status":"Healthy"}"#.to_owned()),
        "/ready" if meter.stage() != Stage::Serving => {
            (503, "application/json", r#"{"status":"Ending"}"#.to_owned())
        }
        "/ready" => (200, "application/json", r#"{"status":"Ready"}"#.to_owned()),
        _ => (404, "application/json", r#"{"message":"/metrics, /ready or /ping"}"#.to_owned()),
    };
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
