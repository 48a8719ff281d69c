//! One question to one deployment, from question to answer.
//!
//! The payload is encoded for the target that is called, the answer's bytes are decoded as they
//! come, and what leaves is Converse events, the first of them as soon as the head of the
//! container's answer says success. Nothing here runs by itself: dropping an [`Answer`] cancels
//! the call.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sha2::{Digest as _, Sha256};

use crate::catalog::{Deployment, Target};
use crate::clock::Clock;
use crate::config::Unary;
use crate::container::{Counting, Decoder, Mode};
use crate::converse::{Ask, Event, Input, PerformanceConfiguration, ServiceTier, TokenUsage};
use crate::error::Upstream;
use crate::meter::Record;
use crate::tokenizer::{Passage, Tokenizer};
use crate::transport::{Failure, Hints};
use crate::wire::{Payload, Reply};
use crate::workers::Workers;
use crate::{Code, Error, Result};

/// Asks deployments.
#[derive(Clone, Debug)]
pub struct Relay {
    clock: Clock,
    max_answer: u64,
    workers: Workers,
}

/// The longest text whose tokens are counted, in bytes: some 450,000 tokens. It is also how much
/// is counted at once, since the library takes about 500 bytes for each token while it counts:
/// 250 MB for such a text, and twice as much for one of very short words.
const LONGEST_PASSAGE: u32 = 2_000_000;

/// The longest text that is counted where its call is answered, in bytes: a few milliseconds.
const SHORT_PASSAGE: u32 = 8_192;

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
        Self { clock, max_answer, workers: Workers::new(LONGEST_PASSAGE) }
    }

    /// A generator for what an answer needs of chance.
    pub fn random(&self) -> fastrand::Rng {
        self.clock.fork()
    }

    /// The clock that the relay's times come from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many tokens `tokenizer` finds in `passage`. A long one is counted by a thread of its
    /// own, while other calls go on.
    pub async fn count(&self, tokenizer: &Arc<Tokenizer>, passage: Passage) -> Result<u32> {
        count(&self.workers, tokenizer, passage).await
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
        let mut reply = sent.map_err(|failure| refused(target, failure))?;
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
        let mode = match want {
            Want::Events if target.streams => Mode::Stream,
            Want::Events => Mode::Unary,
            Want::Whole => target.mode(ask.parameters.inference.max_tokens),
        };
        record.target(&target.name, mode == Mode::Stream);
        if target.prefix_aware && hints.prefix_aware_id.is_none() {
            hints.prefix_aware_id = Some(prefix_id(ask));
        }
        let (payload, decoder) = target.container.begin(ask, mode, self.clock.fork())?;
        record.adapted(&payload.adapted);
        let uncounted = match target.container.counting() {
            Counting::Tokenizer(counter) if !target.container.counts_input(mode) => {
                let passage = counter.passage(ask)?;
                Some((self.workers.clone(), Arc::clone(counter.tokenizer()), passage))
            }
            _ => None,
        };
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
            uncounted,
            performance: ask.parameters.performance,
            service_tier: ask.parameters.service_tier,
            record: Arc::clone(record),
        })
    }
}

async fn count(workers: &Workers, tokenizer: &Arc<Tokenizer>, passage: Passage) -> Result<u32> {
    let weight = u32::try_from(passage.text.len()).unwrap_or(u32::MAX);
    if weight > LONGEST_PASSAGE {
        return Err(Error::validation(format!(
            "The prompt is too long to count its tokens: it has {} bytes, and up to \
             {LONGEST_PASSAGE} are counted.",
            passage.text.len()
        )));
    }
    if weight <= SHORT_PASSAGE {
        return tokenizer.count(&passage);
    }
    let tokenizer = Arc::clone(tokenizer);
    workers.run(weight, move || tokenizer.count(&passage)).await?
}

/// What the caller reads of a call that brought no answer.
fn refused(target: &Target, failure: Failure) -> Error {
    match failure {
        Failure::Other(error) => error,
        Failure::Container { status, body, source } => {
            let error = target.container.refusal(status, &body);
            let upstream = Upstream {
                status: error.from_upstream().status.or(status),
                message: error.from_upstream().message.clone(),
                resource: Some(target.endpoint.to_string()),
            };
            error.upstream(upstream).because(source)
        }
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
    /// The prompt, and what counts it, where the container's answer does not say how long it was.
    uncounted: Option<(Workers, Arc<Tokenizer>, Passage)>,
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
            if let Event::Metadata(metadata) = event {
                self.fill(&mut metadata.usage).await;
            }
            self.complete(event);
        }
        more
    }

    /// Counts the prompt, if the container did not. A count that fails leaves it unknown.
    async fn fill(&mut self, usage: &mut TokenUsage) {
        let Some((workers, tokenizer, passage)) = self.uncounted.take() else { return };
        if usage.total_tokens > usage.output_tokens {
            return;
        }
        if let Ok(tokens) = count(&workers, &tokenizer, passage).await {
            usage.input_tokens = tokens;
            usage.total_tokens = tokens.saturating_add(usage.output_tokens);
        }
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
