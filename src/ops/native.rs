//! Answers in a family's words: what `InvokeModel` and the routes of other APIs have in common.

use std::sync::Arc;

use bytes::BytesMut;
use http::Response;
use serde::Deserialize;

use super::stream::{self, Speak};
use super::{Call, json_text, question};
use crate::Result;
use crate::catalog::Deployment;
use crate::clock::Clock;
use crate::converse::{BlockOrder, Event, TokenUsage};
use crate::family::{Chunks, Family, Invocation, Question, Voice};
use crate::meter::Record;
use crate::relay::{Relay, Want};
use crate::transport::Hints;
use crate::wire::{Body, Dialect, error_body, sse};

/// Answers a call to a route whose body names the model: at once, or as server-sent events.
pub(super) async fn route(
    relay: &Relay,
    call: Call,
    family: &'static dyn Family,
    dialect: Dialect,
) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    question::refuse_unbuilt(&call)?;
    let question = read(relay.clock(), &call, family, call.streamed)?;
    let record = &call.record;
    let hints = question::hints(&call);
    if !call.streamed {
        return whole(relay, &deployment, question, &hints, record).await.map(|all| all.response);
    }
    let Question { ask, voice, .. } = question;
    let answer = relay.ask(&deployment, &ask, Want::Events, &hints, record).await?;
    let speak = ServerSent::new(voice, dialect, record);
    Ok(stream::response(answer, speak, Arc::clone(record)))
}

/// Reads the body of a call in the language of `family`, for a caller who reads chunks if
/// `streamed`.
pub(super) fn read(
    clock: &Clock,
    call: &Call,
    family: &dyn Family,
    streamed: bool,
) -> Result<Question> {
    call.record.family(family.name());
    let question = family.read(&call.body, invocation(clock, call, streamed))?;
    call.record.adapted(&question.adapted);
    Ok(question)
}

/// What a family knows of `call` beside its body.
pub(super) fn invocation<'a>(clock: &Clock, call: &'a Call, streamed: bool) -> Invocation<'a> {
    Invocation {
        model_id: call.model_id.as_deref().unwrap_or_default(),
        streamed,
        now: clock.now(),
        random: clock.fork(),
    }
}

/// A whole answer, and what was counted.
pub(super) struct Whole {
    pub(super) response: Response<Body>,
    pub(super) usage: TokenUsage,
    pub(super) latency_ms: u64,
}

/// Asks, and says the whole answer.
pub(super) async fn whole(
    relay: &Relay,
    deployment: &Deployment,
    Question { ask, voice, .. }: Question,
    hints: &Hints,
    record: &Arc<Record>,
) -> Result<Whole> {
    let answer = relay.ask(deployment, &ask, Want::Whole, hints, record).await?;
    // As generated: the families say themselves where reasoning belongs.
    let answer = answer.whole(BlockOrder::AsGenerated).await?;
    let (usage, latency_ms) = (answer.usage.clone(), answer.metrics.latency_ms);
    let response = json_text(record, voice.whole(answer)?);
    Ok(Whole { response, usage, latency_ms })
}

/// Chunks as server-sent events, as the APIs of OpenAI and Anthropic stream them.
pub(super) struct ServerSent {
    voice: Box<dyn Voice>,
    dialect: Dialect,
    request_id: String,
    /// Used again for each event.
    chunks: Chunks,
}

impl ServerSent {
    /// The chunks of `voice`, in the manner of `dialect`.
    pub(super) fn new(voice: Box<dyn Voice>, dialect: Dialect, record: &Record) -> Self {
        Self { voice, dialect, request_id: record.id().to_owned(), chunks: Chunks::default() }
    }
}

impl Speak for ServerSent {
    const CONTENT_TYPE: &'static str = sse::CONTENT_TYPE;

    fn event(&mut self, event: &Event, out: &mut BytesMut) -> Result<usize> {
        self.chunks.clear();
        self.voice.chunks(event, &mut self.chunks)?;
        for chunk in self.chunks.iter() {
            sse::event(out, name(self.dialect, chunk), chunk);
        }
        Ok(self.chunks.len())
    }

    fn failed(&mut self, error: &crate::Error, out: &mut BytesMut) {
        let body = error_body(error, self.dialect, &self.request_id).to_string();
        sse::event(out, name(self.dialect, body.as_bytes()), body.as_bytes());
    }

    fn ended(&mut self, out: &mut BytesMut) {
        if self.dialect == Dialect::OpenAi {
            sse::event(out, None, b"[DONE]");
        }
    }
}

/// Anthropic's events are named as their `type` is; OpenAI's have no name.
fn name(dialect: Dialect, chunk: &[u8]) -> Option<&str> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        r#type: &'a str,
    }
    if dialect != Dialect::Anthropic {
        return None;
    }
    serde_json::from_slice::<Typed<'_>>(chunk).ok().map(|typed| typed.r#type)
}
