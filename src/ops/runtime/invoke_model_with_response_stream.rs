//! `InvokeModelWithResponseStream`: `POST /model/{modelId}/invoke-with-response-stream`, in the
//! provider's own words, one JSON object a chunk.

use std::io::Write as _;
use std::sync::Arc;

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;

use super::broken;
use super::invocation::{self, Asked};
use crate::catalog::Deployment;
use crate::container::{Speaks, no_stream};
use crate::converse::{Event, MetadataEvent};
use crate::family::{Chunks, Question, Voice};
use crate::meter::{Limit, Record, UpstreamFailure};
use crate::ops::stream::{self, Speak};
use crate::ops::{Call, question};
use crate::relay::{Relay, Want};
use crate::wire::{Body, Exceptions, frame};
use crate::{Error, Result};

/// Bound to the member `contentType` of the output, which SDKs require.
const CHUNK_TYPE: HeaderName = HeaderName::from_static("x-amzn-bedrock-content-type");

/// Answers one call. Until the upstream's head every failure is an HTTP error; afterwards it is an
/// exception frame.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let asked = Asked::read(&call)?;
    let mut response = match deployment.speaks()? {
        Speaks::Text(_) => translated(relay, call, &deployment, asked).await?,
        Speaks::Embeddings(_) | Speaks::Rerank(_) => return Err(no_stream()),
        Speaks::Raw => raw(relay, &call, &deployment).await?,
        Speaks::Bedrock => return Err(Error::internal()), // `ops` has passed it on
    };
    asked.echo(response.headers_mut());
    Ok(response)
}

async fn translated(
    relay: &Relay,
    call: Call,
    deployment: &Deployment,
    asked: Asked,
) -> Result<Response<Body>> {
    let Question { ask, voice, .. } =
        invocation::read(&call, deployment, asked, true, relay.clock())?;
    let hints = question::hints(&call);
    let answer = relay.ask(deployment, &ask, Want::Events, &hints, &call.record).await?;
    let native = Native {
        voice,
        chunks: Chunks::default(),
        padding: relay.random(),
        record: Arc::clone(&call.record),
    };
    let mut response = stream::response(answer, native, call.record);
    response.headers_mut().insert(CHUNK_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Events in the family's words.
struct Native {
    voice: Box<dyn Voice>,
    /// Used again for each event.
    chunks: Chunks,
    padding: fastrand::Rng,
    record: Arc<Record>,
}

/// `amazon-bedrock-invocationMetrics`, in the last chunk. Times are milliseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    /// Left out where the container did not count: no prompt has no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_token_count: Option<u32>,
    output_token_count: u32,
    invocation_latency: u64,
    first_byte_latency: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_token_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_input_token_count: Option<u32>,
}

impl Native {
    fn metrics(&self, event: &MetadataEvent) -> Metrics {
        let usage = &event.usage;
        let first = self.record.first_event().unwrap_or_else(|| self.record.elapsed());
        Metrics {
            input_token_count: (usage.total_tokens > usage.output_tokens)
                .then_some(usage.input_tokens),
            output_token_count: usage.output_tokens,
            invocation_latency: event.metrics.latency_ms,
            first_byte_latency: u64::try_from(first.as_millis()).unwrap_or(u64::MAX),
            cache_read_input_token_count: usage.cache_read_input_tokens,
            cache_write_input_token_count: usage.cache_write_input_tokens,
        }
    }
}

impl Speak for Native {
    const CONTENT_TYPE: &'static str = frame::CONTENT_TYPE;

    fn event(&mut self, event: &Event, out: &mut BytesMut) -> Result<usize> {
        self.chunks.clear();
        self.voice.chunks(event, &mut self.chunks)?;
        if let Event::Metadata(metadata) = event {
            let metrics = self.metrics(metadata);
            self.chunks.extend_last("amazon-bedrock-invocationMetrics", &metrics)?;
        }
        for chunk in self.chunks.iter() {
            write_chunk(chunk, &mut self.padding, out)?;
        }
        Ok(self.chunks.len())
    }

    fn failed(&mut self, error: &Error, out: &mut BytesMut) {
        broken(error, Exceptions::ResponseStream, out);
    }
}

/// Appends one `chunk` event: `{"bytes":"<base64>","p":"…"}`, encoded where it will be sent from.
fn write_chunk(bytes: &[u8], padding: &mut fastrand::Rng, out: &mut BytesMut) -> Result<()> {
    let failed = |error: std::io::Error| Error::internal().because(error);
    let padding = frame::padding(padding);
    let mut open = frame::begin_event(out, "chunk");
    open.extend(b"{\"bytes\":\"");
    let mut base64 = EncoderWriter::new(&mut open, &STANDARD);
    base64.write_all(bytes).and_then(|()| base64.finish().map(|_| ())).map_err(failed)?;
    drop(base64);
    open.extend(b"\",\"p\":\"");
    open.extend(padding.as_bytes());
    open.extend(b"\"}");
    open.finish()?;
    Ok(())
}

/// An endpoint that is called as it is: one chunk for each part of its answer.
async fn raw(relay: &Relay, call: &Call, deployment: &Deployment) -> Result<Response<Body>> {
    let hints = question::hints(call);
    let payload = invocation::raw(call, true);
    let (reply, lease) = relay.stream(deployment, payload, &hints, &call.record).await?;
    let parts = Parts {
        body: Some(reply.body),
        padding: relay.random(),
        record: Arc::clone(&call.record),
        limit: call.record.limit(),
        buffer: BytesMut::new(),
    };
    let mut response = Response::new(Body::stream(parts.frames()).holding(lease));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(frame::CONTENT_TYPE));
    headers.insert(CHUNK_TYPE, invocation::content_type(reply.content_type));
    Ok(response)
}

struct Parts {
    /// `None` once it has ended.
    body: Option<BoxStream<'static, Result<Bytes>>>,
    padding: fastrand::Rng,
    record: Arc<Record>,
    limit: Limit,
    buffer: BytesMut,
}

impl Parts {
    fn frames(self) -> impl Stream<Item = Bytes> + Send {
        futures_util::stream::unfold(self, |mut parts| async move {
            let body = parts.body.as_mut()?;
            let record = &parts.record;
            let part = async {
                let part = body.next().await.transpose();
                part.inspect_err(|_| record.upstream_failed(None, UpstreamFailure::InAnswer))
            };
            let next = parts.limit.on(part).await;
            let written = next
                .transpose()?
                .and_then(|part| write_chunk(&part, &mut parts.padding, &mut parts.buffer));
            if let Err(error) = written {
                parts.body = None;
                parts.record.failed(&error);
                broken(&error, Exceptions::ResponseStream, &mut parts.buffer);
            } else {
                parts.record.events(1);
            }
            Some((parts.buffer.split().freeze(), parts))
        })
    }
}
