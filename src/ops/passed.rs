//! Calls for a model that Bedrock in another region answers: passed on as they came.
//!
//! The caller's bytes go there and the answer's come back. On the way the answer is only looked
//! at: for the tokens used, for the log; and a stream leaves here in whole frames, so that one that
//! breaks ends with an exception of its own and not within a frame.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};
use http::{HeaderValue, Response};
use serde::Deserialize;

use super::runtime::broken;
use super::{Call, Operation, question};
use crate::catalog::Target;
use crate::converse::TokenUsage;
use crate::meter::{Record, UpstreamFailure};
use crate::relay::Relay;
use crate::transport::{self, Passed, Verbatim};
use crate::wire::frame::{self, MAX_FRAME};
use crate::wire::{Body, Dialect, Exceptions, error_body};
use crate::{Error, Result};

/// Answers one call.
pub(super) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    question::refuse_compressed(&call.head.headers)?;
    let headers = told(&call.head.headers);
    let model_id = call.model_id.as_deref().unwrap_or_default();
    let names_model_in_body = call.operation.names_model_in_body();
    let streamed = call.streamed
        || matches!(
            call.operation,
            Operation::ConverseStream | Operation::InvokeModelWithResponseStream
        );
    let request = |target: &Target| {
        let there = target.model.as_deref().unwrap_or(model_id);
        if names_model_in_body && there != model_id {
            return Err(Error::not_supported(
                "A model id other than Bedrock's own on this route, for a model of another region,",
            ));
        }
        let path = call.operation.path(there).ok_or_else(Error::internal)?;
        Ok(Verbatim {
            path,
            headers: headers.clone(),
            body: call.body.clone(),
            sha256: call.sha256,
            streamed,
        })
    };
    let (Passed { headers, body }, lease) =
        relay.pass(&deployment, request, streamed, &call.record).await?;
    let is = |media_type: &str| {
        let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        value.starts_with(media_type.as_bytes())
    };
    let record = Arc::clone(&call.record);
    let body = if is(frame::CONTENT_TYPE) {
        let exceptions = match call.operation {
            Operation::ConverseStream => Exceptions::ConverseStream,
            _ => Exceptions::ResponseStream,
        };
        Body::stream(frames(body, exceptions, record)).holding(lease)
    } else if is("text/event-stream") {
        let dialect = Dialect::of_path(call.head.uri.path());
        Body::stream(events(body, dialect, record)).holding(lease)
    } else {
        let body = relay.gather(body).await.inspect_err(|_| {
            record.upstream_failed(None, UpstreamFailure::InAnswer);
        })?;
        counted(&headers, &body, &record);
        record.events(1);
        Body::full(body).holding(lease)
    };
    let mut response = Response::new(body);
    *response.headers_mut() = shown(&headers);
    Ok(response)
}

fn is_bedrocks(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-amzn-bedrock-")
        || name.starts_with("anthropic-")
        || name.starts_with("x-amzn-service-")
}

/// What the other Bedrock is told of the request's head.
fn told(headers: &HeaderMap) -> HeaderMap {
    let kept = |name: &HeaderName| *name == CONTENT_TYPE || *name == ACCEPT || is_bedrocks(name);
    copied(headers, kept)
}

/// What the caller is shown of the answer's head. Its request id is ours.
fn shown(headers: &HeaderMap) -> HeaderMap {
    copied(headers, |name| *name == CONTENT_TYPE || is_bedrocks(name))
}

fn copied(headers: &HeaderMap, is_kept: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| is_kept(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Notes the tokens that a whole answer counts: in its head, or in its member `usage`.
fn counted(headers: &HeaderMap, body: &[u8], record: &Record) {
    let count = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u32>().ok();
    let input = count("x-amzn-bedrock-input-token-count");
    let output = count("x-amzn-bedrock-output-token-count");
    if let (Some(input_tokens), Some(output_tokens)) = (input, output) {
        record.usage(&TokenUsage {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens.saturating_add(output_tokens),
            ..TokenUsage::default()
        });
    } else if let Some(usage) = usage(body) {
        record.usage(&usage);
    }
}

/// The member `usage` of a Converse answer or of its last event.
fn usage(json: &[u8]) -> Option<TokenUsage> {
    #[derive(Deserialize)]
    struct Counted {
        usage: TokenUsage,
    }
    serde_json::from_slice::<Counted>(json).ok().map(|counted| counted.usage)
}

/// The frames of an answer as they come, whole, and an exception after the last if it broke.
fn frames(
    parts: BoxStream<'static, Result<Bytes>>,
    exceptions: Exceptions,
    record: Arc<Record>,
) -> impl Stream<Item = Bytes> + Send {
    let state = (parts, frame::Decoder::new(MAX_FRAME), record.limit(), record);
    futures_util::stream::unfold(Some(state), move |state| async move {
        let (mut parts, mut decoder, mut limit, record) = state?;
        let mut out = BytesMut::new();
        let failure = match limit.on(next(&mut parts)).await {
            Ok(Some(bytes)) => {
                decoder.push(&bytes);
                whole_frames(&mut decoder, &mut out, &record).err()
            }
            Ok(None) if decoder.finish().is_ok() => return None,
            Ok(None) => Some(transport::broken().because(frame::Error::Truncated)),
            Err(error) => Some(error),
        };
        let Some(error) = failure else {
            return Some((out.freeze(), Some((parts, decoder, limit, record))));
        };
        record.upstream_failed(None, UpstreamFailure::InAnswer);
        record.failed(&error);
        broken(&error, exceptions, &mut out);
        Some((out.freeze(), None))
    })
}

async fn next(parts: &mut BoxStream<'static, Result<Bytes>>) -> Result<Option<Bytes>> {
    parts.next().await.transpose()
}

fn whole_frames(decoder: &mut frame::Decoder, out: &mut BytesMut, record: &Record) -> Result<()> {
    let mut count = 0;
    while let Some(read) = decoder.next_with_bytes() {
        let (frame, bytes) = read?;
        if frame.header(":event-type") == Some("metadata")
            && let Some(usage) = usage(&frame.payload)
        {
            record.usage(&usage);
        }
        out.extend_from_slice(&bytes);
        count += 1;
    }
    if count > 0 {
        record.events(count);
    }
    Ok(())
}

/// Server-sent events as they come, and one that says so after the last if the answer broke.
fn events(
    parts: BoxStream<'static, Result<Bytes>>,
    dialect: Dialect,
    record: Arc<Record>,
) -> impl Stream<Item = Bytes> + Send {
    let state = (parts, record.limit(), record);
    futures_util::stream::unfold(Some(state), move |state| async move {
        let (mut parts, mut limit, record) = state?;
        match limit.on(next(&mut parts)).await {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                record.events(1);
                Some((bytes, Some((parts, limit, record))))
            }
            Err(error) => {
                record.upstream_failed(None, UpstreamFailure::InAnswer);
                record.failed(&error);
                let said = error_body(&error, dialect, record.id());
                let name = if dialect == Dialect::Anthropic { "event: error\n" } else { "" };
                // An empty line ends whatever event broke in its middle.
                Some((Bytes::from(format!("\n\n{name}data: {said}\n\n")), None))
            }
        }
    })
}
