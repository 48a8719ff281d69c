//! SageMaker Runtime without the SDK's machinery: the request written, signed and sent on hyper.
//!
//! Members and headers: botocore `sagemaker-runtime` 2017-05-13.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::client::{Client, MAX_WHOLE, poll_data, whole};
use super::super::http::AGENT;
use super::super::identity::Signer;
use super::super::parts::{Parts, Pieces};
use super::super::{Failure, Hints, Transport, broken, too_slow};
use super::failure::{Refused, exception, not_called, refused};
use super::{Address, Patience};
use crate::wire::frame::{Decoder, Frame, MAX_FRAME};
use crate::wire::{Payload, Reply};
use crate::{Error, Result};

const COMPONENT: HeaderName = HeaderName::from_static("x-amzn-sagemaker-inference-component");
const VARIANT: HeaderName = HeaderName::from_static("x-amzn-sagemaker-target-variant");
const INFERENCE_ID: HeaderName = HeaderName::from_static("x-amzn-sagemaker-inference-id");
const SESSION_ID: HeaderName = HeaderName::from_static("x-amzn-sagemaker-session-id");
const ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");
const PREFIX_ID: HeaderName = HeaderName::from_static("x-amzn-sagemaker-prefix-aware-id");
/// `Accept` of the operation that streams: its own header is for the event stream.
const STREAM_ACCEPT: HeaderName = HeaderName::from_static("x-amzn-sagemaker-accept");
/// The container's content type, of the operation that streams.
const STREAM_TYPE: &str = "x-amzn-sagemaker-content-type";

/// One endpoint, called by ourselves.
#[derive(Debug)]
pub(super) struct Direct {
    client: Client,
    signer: Signer,
    /// Connections to the same place.
    room: Arc<Semaphore>,
    invoke: Uri,
    stream: Uri,
    /// Which part of the endpoint is asked.
    part: HeaderMap,
    patience: Patience,
}

impl Direct {
    pub(super) fn new(
        client: Client,
        signer: Signer,
        room: Arc<Semaphore>,
        base: &str,
        address: &Address,
        patience: Patience,
    ) -> Result<Self> {
        let uri = |operation: &str| {
            Uri::try_from(format!("{base}/endpoints/{}/{operation}", address.endpoint))
                .map_err(|error| Error::internal().because(error))
        };
        let mut part = HeaderMap::new();
        let parts = [(COMPONENT, &address.inference_component), (VARIANT, &address.target_variant)];
        for (name, value) in parts {
            if let Some(value) = value {
                let value = HeaderValue::try_from(value.as_str());
                part.insert(name, value.map_err(|error| Error::internal().because(error))?);
            }
        }
        let (invoke, stream) = (uri("invocations")?, uri("invocations-response-stream")?);
        Ok(Self { client, signer, room, invoke, stream, part, patience })
    }

    async fn request(
        &self,
        uri: &Uri,
        accept: HeaderName,
        payload: Payload,
        hints: &Hints,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut headers = self.part.clone();
        let told = [
            (CONTENT_TYPE, Some(&*payload.content_type)),
            (accept, Some(&*payload.accept)),
            (INFERENCE_ID, hints.inference_id.as_deref()),
            (SESSION_ID, hints.session_id.as_deref()),
            (ATTRIBUTES, hints.custom_attributes.as_deref()),
            (PREFIX_ID, hints.prefix_aware_id.as_deref()),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                let value = HeaderValue::from_str(value)
                    .map_err(|error| Failure::Unasked(not_called().because(error)))?;
                headers.insert(name, value);
            }
        }
        let mut request = Request::new(Full::new(payload.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        self.signer.sign(&mut request, &payload.body, payload.sha256).await?;
        request.headers_mut().insert(USER_AGENT, AGENT);
        Ok(request)
    }

    /// Sends `payload` and waits for a head that says success. The place is the connection's.
    async fn begin(
        &self,
        uri: &Uri,
        accept: HeaderName,
        payload: Payload,
        hints: &Hints,
    ) -> Result<(Response<Incoming>, OwnedSemaphorePermit), Failure> {
        let size = payload.body.len();
        let room = Arc::clone(&self.room).acquire_owned().await;
        let place = room.map_err(|_| Failure::Unasked(Error::internal()))?;
        let request = self.request(uri, accept, payload, hints).await?;
        let answer = self.client.send(request).await?;
        if !answer.status().is_success() {
            return Err(refusal(answer, size).await);
        }
        Ok((answer, place))
    }
}

impl Transport for Direct {
    fn invoke<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let answer = async {
                let (answer, _place) = self.begin(&self.invoke, ACCEPT, payload, hints).await?;
                let content_type = text(answer.headers(), CONTENT_TYPE.as_str());
                Ok(Reply::whole(content_type, whole(answer.into_body(), MAX_WHOLE).await?))
            };
            timeout(self.patience.invoke, answer).await.map_err(|_| too_slow("answer"))?
        })
    }

    fn stream<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let apart = payload.parts_matter;
            let answer = self.begin(&self.stream, STREAM_ACCEPT, payload, hints);
            let answer = timeout(self.patience.first_byte, answer).await;
            let (answer, place) = answer.map_err(|_| too_slow("begin to answer"))??;
            let content_type = text(answer.headers(), STREAM_TYPE);
            let frames = Frames {
                body: answer.into_body(),
                decoder: Decoder::new(MAX_FRAME),
                _place: place,
            };
            let parts = Parts::new(frames, self.patience.idle, apart);
            Ok(Reply { content_type, body: Box::pin(parts) })
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The members of SageMaker's errors. Services write the message with a large or a small letter.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(rename = "__type")]
    kind: Option<String>,
    code: Option<String>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
    #[serde(rename = "OriginalStatusCode")]
    original_status: Option<i32>,
    #[serde(rename = "OriginalMessage")]
    original_message: Option<String>,
    #[serde(rename = "ErrorCode")]
    reason: Option<String>,
}

async fn refusal(answer: Response<Incoming>, size: usize) -> Failure {
    let (head, body) = answer.into_parts();
    let body = match whole(body, MAX_WHOLE).await {
        Ok(body) => body,
        Err(failure) => return failure,
    };
    let said: Said = serde_json::from_slice(&body).unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let code = header("x-amzn-errortype").or(said.code.as_deref()).or(said.kind.as_deref());
    // A name may have its namespace before it and an address behind it.
    let code = code
        .and_then(|code| code.split(':').next())
        .and_then(|code| code.rsplit('#').next())
        .filter(|code| !code.is_empty());
    let refused_with = Refused {
        status: head.status.as_u16(),
        code,
        message: said.message.as_deref(),
        request_id: header("x-amzn-requestid"),
        original_status: said.original_status,
        original_message: said.original_message.as_deref(),
    };
    refused(&refused_with, size)
}

/// The payload parts of a stream of frames.
struct Frames {
    body: Incoming,
    decoder: Decoder,
    /// The connection's place: taken until the last frame.
    _place: OwnedSemaphorePermit,
}

impl Pieces for Frames {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            for frame in self.decoder.by_ref() {
                let frame = frame.map_err(|error| broken().because(error))?;
                if let Some(bytes) = part(frame)? {
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
            let Some(bytes) = ready!(poll_data(&mut self.body, cx)?) else {
                let ended = self.decoder.finish().map_err(|error| broken().because(error));
                return Poll::Ready(ended.err().map(Err));
            };
            self.decoder.push(&bytes);
        }
    }
}

/// What a frame brings: bytes of the container's, nothing, or the end by an exception.
fn part(frame: Frame) -> Result<Option<Bytes>> {
    match frame.header(":message-type") {
        Some("exception") => {
            let said: Said = serde_json::from_slice(&frame.payload).unwrap_or_default();
            let name = frame.header(":exception-type").unwrap_or_default();
            Err(exception(name, said.reason.as_deref(), said.message.as_deref()))
        }
        Some("error") => {
            let name = frame.header(":error-code").unwrap_or_default();
            Err(exception(name, None, frame.header(":error-message")))
        }
        // An event that a newer service may add is no part of the container's answer.
        _ if frame.header(":event-type") != Some("PayloadPart") => Ok(None),
        _ => Ok(Some(frame.payload).filter(|bytes| !bytes.is_empty())),
    }
}
