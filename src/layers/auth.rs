//! Who calls. In two steps, so that nothing is spent on strangers: the head is judged alone, and
//! only the body of a caller whose key is known is read, against the memory budget and a deadline,
//! hashed as it comes, and held to what was signed.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::{EXPECT, HOST};
use http::request::Parts;
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt as _};

use super::admit::Budget;
use super::{Admitted, Answering, Signed};
use crate::auth::{Authenticator, Claim};
use crate::clock::Clock;
use crate::meter::Refusal;
use crate::wire::{Body, Joined};
use crate::{Code, Error, Result};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Of a refused request's body, this much is read and thrown away, so that a client which is still
/// writing reads our answer instead of a reset connection.
const DISCARD: u64 = 1 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// The longest head, in bytes, as HTTP/1.1 writes it. What the connection itself refuses is longer
/// than that, so that the answer is the same however a head comes, and in whatever version.
const MAX_HEAD: usize = 32 << 10;

/// Finds out who calls.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    authenticator: Authenticator,
    clock: Clock,
}

impl AuthLayer {
    /// Asks `authenticator`, at the time that `clock` tells.
    pub fn new(authenticator: Authenticator, clock: Clock) -> Self {
        Self { authenticator, clock }
    }
}

/// The service of [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    layer: AuthLayer,
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;
    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, layer: self.clone() }
    }
}

impl<B, S> Service<Admitted<B>> for Auth<S>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    S: Service<Signed, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Answering<Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, admitted: Admitted<B>) -> Self::Future {
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Box::pin(async move {
            let signed = layer.authenticate(admitted).await?;
            inner.oneshot(signed).await
        })
    }
}

impl AuthLayer {
    async fn authenticate<B>(&self, Admitted { arrived, budget }: Admitted<B>) -> Result<Signed>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let record = arrived.record;
        let (head, mut body) = arrived.request.into_parts();
        let (claim, announced) = match self.judge(&head, &budget) {
            Ok(judged) => judged,
            Err(error) => {
                // Somebody whose key is known may be a proxy, which would make a 502 of a connection
                // that breaks under its body: more of it is read, at no cost in memory.
                let (room, time) = match error.code() {
                    Code::TooLarge => (4 * budget.max_body(), budget.deadline()),
                    _ => (DISCARD, DISCARD_TIME),
                };
                // Who waits for our "100 Continue" has sent nothing yet, and need not begin; and of
                // a body that is too long to be thrown away as a whole, nothing is read.
                let short = content_length(&head.headers).is_none_or(|bytes| bytes <= room);
                if short && !head.headers.contains_key(EXPECT) {
                    discard(&mut body, room, time).await;
                }
                return Err(error);
            }
        };
        // What has no body needs no room for the largest.
        let announced = announced.or_else(|| body.is_end_stream().then_some(0));
        let share = budget.share(announced.unwrap_or(budget.max_body())).await;
        let share = share.inspect_err(|_| record.refused(Refusal::BodyMemory))?;
        let Ok(read) = timeout(budget.deadline(), read(&mut body, announced, &budget)).await else {
            return Err(Error::validation("The request body did not arrive in time."));
        };
        let (body, sha256) = match read {
            Ok(read) => read,
            Err(error) => {
                discard(&mut body, DISCARD, DISCARD_TIME).await;
                return Err(error);
            }
        };
        record.bytes_in(body.len());
        let principal = match claim {
            Claim::Known(principal) => principal,
            Claim::Signed(pending) => pending.verify(sha256)?,
        };
        if let Some(name) = principal.shared_name() {
            record.principal(name);
        }
        Ok(Signed { record, principal, head, body, sha256, share })
    }

    /// Step one: the head alone.
    fn judge(&self, head: &Parts, budget: &Budget) -> Result<(Claim, Option<u64>)> {
        if length(head) > MAX_HEAD {
            return Err(Error::new(
                Code::HeadTooLarge,
                format!(
                    "The request's address and headers are larger than the limit of {MAX_HEAD} bytes."
                ),
            ));
        }
        // Two readers of such a head may see two different hosts (RFC 9112, section 3.2).
        if head.headers.get_all(HOST).into_iter().nth(1).is_some() {
            return Err(Error::validation("The request has more than one Host header."));
        }
        let claim = self.authenticator.head(head, self.clock.now())?;
        let announced = content_length(&head.headers);
        if announced.is_some_and(|bytes| bytes > budget.max_body()) {
            return Err(too_large(budget.max_body()));
        }
        Ok((claim, announced))
    }
}

/// How long the head is as HTTP/1.1 writes it, in bytes.
fn length(head: &Parts) -> usize {
    const LINE: usize = "POST".len() + "  HTTP/1.1\r\n".len();
    let address = head.uri.path_and_query().map_or(0, |address| address.as_str().len());
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    LINE + address + headers.sum::<usize>() + "\r\n".len()
}

/// hyper has checked that the header is a number, and that several agree.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: u64) -> Error {
    Error::new(
        Code::TooLarge,
        format!(
            "The request body is larger than the limit of {limit} bytes. Send a smaller request."
        ),
    )
}

/// The body and its SHA-256. A body that came in one piece is not copied.
/// One of many pieces is put together in memory that is taken once, for the length announced.
async fn read<B>(body: &mut B, announced: Option<u64>, budget: &Budget) -> Result<(Bytes, [u8; 32])>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut hash = Sha256::new();
    let mut whole = Joined::with_room(usize::try_from(announced.unwrap_or(0)).unwrap_or(0));
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Error::validation("The request body could not be read.").because(error)
        })?;
        let Ok(piece) = frame.into_data() else { continue }; // trailers are nobody's business
        length += piece.len() as u64;
        if length > budget.max_body() {
            return Err(too_large(budget.max_body()));
        }
        hash.update(&piece);
        whole.push(piece);
    }
    Ok((whole.take(), hash.finalize().into()))
}

async fn discard<B>(body: &mut B, mut left: u64, time: Duration)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let read = frame.data_ref().map_or(0, |data| data.remaining() as u64);
            left = left.saturating_sub(read);
            if left == 0 {
                break;
            }
        }
    };
    // Out of time is as good as done.
    let _ = timeout(time, reading).await;
}
