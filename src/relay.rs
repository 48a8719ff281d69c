//! One question to one deployment, from question to answer.
//!
//! The payload is encoded for the target that is called, the answer's bytes are decoded as they
//! come, and what leaves is Converse events, the first of them as soon as the head of the
//! container's answer says success. Nothing here runs by itself: dropping an [`Answer`] cancels
//! the call.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};

use crate::catalog::{Deployment, Target};
use crate::clock::Clock;
use crate::config::Unary;
use crate::container::embedding::Embedder;
use crate::container::rerank::Reranker;
use crate::container::{Decoder, Mode};
use crate::converse::{Ask, Event, Input, PerformanceConfiguration, ServiceTier, TokenUsage};
use crate::error::Upstream;
use crate::meter::Record;
use crate::transport::{Failure, Hints};
use crate::wire::{Payload, Reply};
use crate::{Code, Error, Result, embed, rerank};

/// Asks deployments.
#[derive(Clone, Debug)]
pub struct Relay {
    clock: Clock,
    max_answer: u64,
}

/// How many batches of one question are under way at once.
const BATCHES: usize = 4;

/// What the caller wants to see of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Events as the model generates them.
    Events,
    /// All of it at once.
    Whole,
}

impl Relay {
    /// A relay whose ids and times come from `clock`. An answer that is wanted whole may take
    /// `max_answer` bytes of the container's payload.
    pub fn new(clock: Clock, max_answer: u64) -> Self {
        Self { clock, max_answer }
    }

    /// A generator for what an answer needs of chance.
    pub fn random(&self) -> fastrand::Rng {
        self.clock.fork()
    }

    /// The clock that the relay's times come from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends `payload` as it is to an endpoint that is called raw, and waits for all of its
    /// answer: content type and bytes.
    pub async fn whole(
        &self,
        deployment: &Deployment,
        payload: Payload,
        hints: Hints,
        record: &Arc<Record>,
    ) -> Result<(Option<String>, Bytes)> {
        let target = &deployment.target;
        record.target(&target.name, target.unary == Unary::Stream);
        let sent = match target.unary {
            Unary::Stream => target.transport.stream(payload, &hints).await,
            Unary::Auto | Unary::Invoke => target.transport.invoke(payload, &hints).await,
        };
        self.collect(sent.map_err(|failure| refused(target, failure))?).await
    }

    /// Waits for all of an answer.
    async fn collect(&self, mut reply: Reply) -> Result<(Option<String>, Bytes)> {
        let in_answer = |error: Error| match error.code() {
            Code::ModelStreamError => error.with_code(Code::ModelError),
            _ => error,
        };
        // Of a whole answer the first part is all of it, and is not copied.
        let first = reply.body.next().await.transpose().map_err(in_answer)?.unwrap_or_default();
        let mut rest = BytesMut::new();
        while let Some(part) = reply.body.next().await.transpose().map_err(in_answer)? {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&part);
            if rest.len() as u64 > self.max_answer {
                return Err(too_long());
            }
        }
        if first.len() as u64 > self.max_answer {
            return Err(too_long());
        }
        Ok((reply.content_type, if rest.is_empty() { first } else { rest.freeze() }))
    }

    /// Asks a container of embeddings: batch by batch, a few of them at once. One that fails fails
    /// the question, and drops the others.
    pub async fn embed(
        &self,
        deployment: &Deployment,
        embedder: &Embedder,
        ask: &embed::Ask,
        hints: &Hints,
        record: &Arc<Record>,
    ) -> Result<embed::Answer> {
        let target = &deployment.target;
        record.target(&target.name, false);
        let batches: Vec<BoxFuture<'_, Result<embed::Answer>>> = ask
            .inputs
            .chunks(embedder.batch())
            .map(|texts| {
                let batch = async move {
                    let body = self.batch(target, embedder.encode(texts, ask)?, hints).await?;
                    embedder.decode(texts.len(), &body).map_err(|error| blamed(target, error))
                };
                batch.boxed()
            })
            .collect();
        let answers: Vec<_> = stream::iter(batches).buffered(BATCHES).try_collect().await?;
        let mut answer = embed::Answer::join(answers);
        embed::fit(&mut answer, ask)?;
        read(record, answer.tokens);
        Ok(answer)
    }

    /// Asks a container that puts documents in order, in the same way.
    pub async fn rerank(
        &self,
        deployment: &Deployment,
        reranker: &Reranker,
        ask: &rerank::Ask,
        hints: &Hints,
        record: &Arc<Record>,
    ) -> Result<rerank::Answer> {
        let target = &deployment.target;
        record.target(&target.name, false);
        let size = reranker.batch();
        let batches: Vec<BoxFuture<'_, Result<(usize, rerank::Answer)>>> = ask
            .documents
            .chunks(size)
            .enumerate()
            .map(|(at, documents)| {
                let batch = async move {
                    let payload = reranker.encode(&ask.query, documents)?;
                    let body = self.batch(target, payload, hints).await?;
                    let answer = reranker.decode(documents.len(), &body);
                    Ok((at * size, answer.map_err(|error| blamed(target, error))?))
                };
                batch.boxed()
            })
            .collect();
        let answers: Vec<_> = stream::iter(batches).buffered(BATCHES).try_collect().await?;
        let answer = rerank::merge(answers, ask)?;
        read(record, answer.tokens);
        Ok(answer)
    }

    /// The body that answers one payload. No vector is there before the last: nothing is streamed.
    async fn batch(&self, target: &Target, payload: Payload, hints: &Hints) -> Result<Bytes> {
        let sent = target.transport.invoke(payload, hints).await;
        let reply = sent.map_err(|failure| refused(target, failure))?;
        Ok(self.collect(reply).await?.1)
    }

    /// Sends `payload` as it is to an endpoint that is called raw, and returns with the head of
    /// its answer; the body's parts are as the endpoint sent them.
    pub async fn stream(
        &self,
        deployment: &Deployment,
        payload: Payload,
        hints: Hints,
        record: &Arc<Record>,
    ) -> Result<Reply> {
        let target = &deployment.target;
        record.target(&target.name, target.streams);
        let sent = if target.streams {
            target.transport.stream(payload, &hints).await
        } else {
            target.transport.invoke(payload, &hints).await
        };
        sent.map_err(|failure| refused(target, failure))
    }

    /// Asks `deployment`, and returns when the head of its answer says success.
    pub async fn ask(
        &self,
        deployment: &Deployment,
        ask: &Ask,
        want: Want,
        mut hints: Hints,
        record: &Arc<Record>,
    ) -> Result<Answer> {
        let target = &deployment.target;
        let container = target.speaks.text()?;
        let mode = match want {
            Want::Events if target.streams => Mode::Stream,
            Want::Events => Mode::Unary,
            Want::Whole => target.mode(ask.parameters.inference.max_tokens),
        };
        record.target(&target.name, mode == Mode::Stream);
        if target.prefix_aware && hints.prefix_aware_id.is_none() {
            hints.prefix_aware_id = Some(prefix_id(ask));
        }
        let (payload, decoder) = container.begin(ask, mode, self.clock.fork())?;
        record.adapted(&payload.adapted);
        let sent = match mode {
            Mode::Unary => target.transport.invoke(payload, &hints).await,
            Mode::Stream => target.transport.stream(payload, &hints).await,
        };
        let reply = sent.map_err(|failure| refused(target, failure))?;
        Ok(Answer {
            body: Some(reply.body),
            whole: want == Want::Whole,
            room: if want == Want::Whole { self.max_answer } else { u64::MAX },
            decoder,
            endpoint: Arc::clone(&target.endpoint),
            started: false,
            performance: ask.parameters.performance,
            service_tier: ask.parameters.service_tier,
            record: Arc::clone(record),
        })
    }
}

/// What the caller reads of a call that brought no answer.
fn refused(target: &Target, failure: Failure) -> Error {
    match failure {
        Failure::Other(error) => error,
        Failure::Container { status, body, source } => {
            let error = target.speaks.refusal(status, &body);
            let upstream = Upstream {
                status: error.from_upstream().status.or(status),
                message: error.from_upstream().message.clone(),
                resource: Some(target.endpoint.to_string()),
            };
            error.upstream(upstream).because(source)
        }
    }
}

/// A failure that the container told inside an answer, or that its answer is: by its name.
fn blamed(target: &Target, error: Error) -> Error {
    if error.code() != Code::ModelError {
        return error;
    }
    let resource = Some(target.endpoint.to_string());
    let upstream = Upstream { resource, ..error.from_upstream().clone() };
    error.upstream(upstream)
}

/// Notes the tokens that a model read and answered with numbers.
fn read(record: &Record, tokens: Option<u32>) {
    if let Some(tokens) = tokens {
        let usage =
            TokenUsage { input_tokens: tokens, total_tokens: tokens, ..TokenUsage::default() };
        record.usage(&usage);
    }
}

/// Equal for conversations that begin alike (system, tools, first turn), so that SageMaker's
/// prefix-aware routing finds the instance whose cache is warm. At most 64 characters.
fn prefix_id(ask: &Ask) -> String {
    let mut hash = Sha256::new();
    match &ask.input {
        Input::Conversation(conversation) => {
            let first = conversation.messages.first();
            let parts = (&conversation.system, &conversation.tools, first);
            // Plain data: writing it as JSON cannot fail, and if it did, an id less exact would do.
            hash.update(serde_json::to_vec(&parts).unwrap_or_default());
        }
        Input::Prompt(prompt) => {
            let end = prompt.text.floor_char_boundary(1024);
            hash.update(prompt.text.get(..end).unwrap_or_default());
        }
    }
    hex::encode(hash.finalize().get(..16).unwrap_or_default())
}

fn too_long() -> Error {
    Error::new(
        Code::ModelError,
        "The model's answer is larger than this gateway holds. Ask for fewer tokens, or stream it.",
    )
    .because("the answer is over limits.max_answer")
}

/// One answer on its way.
pub struct Answer {
    /// `None` once it has ended.
    body: Option<BoxStream<'static, Result<Bytes>>>,
    /// Whether the caller is shown all of it at once.
    whole: bool,
    /// How many bytes it may still take; a caller who reads events holds none of them up.
    room: u64,
    decoder: Box<dyn Decoder>,
    endpoint: Arc<str>,
    started: bool,
    performance: Option<PerformanceConfiguration>,
    service_tier: Option<ServiceTier>,
    record: Arc<Record>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Answer {
    /// Waits for the next events and appends them to `out`; `false` once the answer is complete.
    ///
    /// The first call gives `messageStart` without waiting for a token. Where it fails, the events
    /// in `out` were generated before the failure and are still the caller's.
    pub async fn next(&mut self, out: &mut Vec<Event>) -> Result<bool> {
        if !self.started {
            self.started = true;
            out.push(Event::message_start());
            return Ok(true);
        }
        let first = out.len();
        let more = self.advance(out).await.map_err(|error| self.failed(error));
        for event in out.iter_mut().skip(first) {
            self.complete(event);
        }
        more
    }

    async fn advance(&mut self, out: &mut Vec<Event>) -> Result<bool> {
        let Some(body) = &mut self.body else { return Ok(false) };
        let before = out.len();
        while out.len() == before {
            let Some(bytes) = body.next().await else {
                self.body = None;
                self.decoder.finish(out)?;
                return Ok(false);
            };
            let bytes = bytes?;
            self.room = self.room.checked_sub(bytes.len() as u64).ok_or_else(too_long)?;
            self.decoder.push(&bytes, out)?;
        }
        Ok(true)
    }

    /// Adds what only the relay knows to the last event.
    fn complete(&self, event: &mut Event) {
        match event {
            Event::Metadata(metadata) => {
                let took = self.record.elapsed().as_millis();
                metadata.metrics.latency_ms = u64::try_from(took).unwrap_or(u64::MAX);
                metadata.performance_config = self.performance;
                metadata.service_tier = self.service_tier;
                self.record.usage(&metadata.usage);
            }
            Event::MessageStop(stop) => self.record.stop_reason(stop.stop_reason.as_str()),
            _ => {}
        }
    }

    /// The failure as the caller's operation knows it: an answer at once has no stream that could
    /// fail, whatever carried it to us.
    fn failed(&mut self, error: Error) -> Error {
        self.body = None;
        let code = match error.code() {
            Code::ModelStreamError if self.whole => Code::ModelError,
            code => code,
        };
        if code != Code::ModelError || error.from_upstream().resource.is_some() {
            return error.with_code(code);
        }
        let resource = Some(self.endpoint.to_string());
        let upstream = Upstream { resource, ..error.from_upstream().clone() };
        error.with_code(code).upstream(upstream)
    }
}
