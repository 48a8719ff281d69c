//! Middleware, in the order of `stack.rs`. Each layer narrows the type of the request that passes
//! it, and owns the one before; nothing is handed on through request extensions.

pub mod admit;
pub mod auth;
pub mod health;
pub mod limits;
pub mod respond;
pub mod route;
pub mod trace;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};

use crate::auth::Principal;
use crate::meter::Record;
use crate::wire::Body;

/// A request as the connection gives it.
#[derive(Debug)]
pub struct Inbound<B> {
    /// Who is at the other end of the connection.
    pub peer: SocketAddr,
    /// Head, and a body that nobody has read.
    pub request: Request<B>,
}

/// A request with a record.
#[derive(Debug)]
pub struct Arrived<B> {
    /// What is known about the call so far.
    pub record: Arc<Record>,
    /// Who is at the other end of the connection.
    pub peer: SocketAddr,
    /// Head, and a body that nobody has read.
    pub request: Request<B>,
}

/// A request whose body may take its share of the memory.
#[derive(Debug)]
pub struct Admitted<B> {
    /// The request.
    pub arrived: Arrived<B>,
    /// Where its body gets memory from.
    pub budget: admit::Budget,
}

/// A request whose sender is known, and whose body is what the sender signed.
#[derive(Debug)]
pub struct Signed {
    /// What is known about the call so far.
    pub record: Arc<Record>,
    /// Who calls.
    pub principal: Principal,
    /// The request's head.
    pub head: Parts,
    /// The request's body, whole.
    pub body: Bytes,
    /// The body's SHA-256.
    pub sha256: [u8; 32],
    /// Gives the body's memory back once the call is answered.
    pub share: admit::Share,
}

/// What every layer's future is: a pointer, so that no layer's state is copied through the others.
type Answering<E> = BoxFuture<'static, Result<Response<Body>, E>>;
