//! One question to one deployment, from question to answer.
//!
//! A target is chosen, and another while nothing has been shown and nothing has been worked on
//! (`reach`). The payload is encoded for the target that is called, the answer's bytes are decoded as they
//! come, and what leaves is Converse events, the first of them as soon as the head of the
//! container's answer says success. Nothing here runs by itself: dropping an [`Answer`] cancels
//! the call.

mod answer;
mod numbers;
mod pass;
mod reach;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sha2::{Digest as _, Sha256};

pub use self::answer::Answer;
use self::answer::{Uncounted, too_long};
use self::reach::Search;
use crate::catalog::{Deployment, Target};
use crate::clock::Clock;
use crate::config::Unary;
use crate::container::{Counting, Decoder, Mode};
use crate::converse::{Ask, ContentBlock, Input};
use crate::fleet::{Lease, affinity};
use crate::meter::{Record, UpstreamFailure};
use crate::tokenizer::{Passage, Tokenizer};
use crate::transport::{Failure, Hints};
use crate::wire::{Joined, Payload, Reply};
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
        hints: &Hints,
        record: &Record,
    ) -> Result<(Option<String>, Bytes)> {
        let mut search = Search::new(deployment, record, None, self.random());
        loop {
            let (mut lease, target) = search.next().await?;
            let streamed = target.unary == Unary::Stream;
            record.target(&target.name, streamed);
            let (payload, hints) = (payload.clone(), target.hints(hints));
            let sent = if streamed {
                target.transport.stream(payload, &hints).await
            } else {
                target.transport.invoke(payload, &hints).await
            };
            match sent {
                Ok(reply) => {
                    lease.answered();
                    return self.collect(reply).await.inspect_err(|_| {
                        record.upstream_failed(Some(&target.name), UpstreamFailure::InAnswer);
                    });
                }
                Err(failure) => search.failed(lease, target, failure).await?,
            }
        }
    }

    /// Waits for all of an answer.
    async fn collect(&self, reply: Reply) -> Result<(Option<String>, Bytes)> {
        Ok((reply.content_type, self.gather(reply.body).await?))
    }

    /// Waits for all of a body.
    pub async fn gather(&self, mut parts: BoxStream<'static, Result<Bytes>>) -> Result<Bytes> {
        let in_answer = |error: Error| match error.code() {
            Code::ModelStreamError => error.with_code(Code::ModelError),
            _ => error,
        };
        let mut whole = Joined::default();
        while let Some(part) = parts.next().await.transpose().map_err(in_answer)? {
            whole.push(part);
            if whole.len() as u64 > self.max_answer {
                return Err(too_long());
            }
        }
        Ok(whole.take())
    }

    /// Sends `payload` as it is to an endpoint that is called raw, and returns with the head of
    /// its answer; the body's parts are as the endpoint sent them. The place with the target is
    /// the caller's to keep until the last of them.
    pub async fn stream(
        &self,
        deployment: &Deployment,
        payload: Payload,
        hints: &Hints,
        record: &Record,
    ) -> Result<(Reply, Lease)> {
        let mut search = Search::new(deployment, record, None, self.random());
        loop {
            let (mut lease, target) = search.next().await?;
            record.target(&target.name, target.streams);
            let (payload, hints) = (payload.clone(), target.hints(hints));
            let sent = if target.streams {
                target.transport.stream(payload, &hints).await
            } else {
                target.transport.invoke(payload, &hints).await
            };
            match sent {
                Ok(reply) => {
                    lease.answered();
                    return Ok((reply, lease));
                }
                Err(failure) => search.failed(lease, target, failure).await?,
            }
        }
    }

    /// Asks `deployment`, and returns when the head of an answer says success.
    pub async fn ask(
        &self,
        deployment: &Deployment,
        ask: &Ask,
        want: Want,
        hints: &Hints,
        record: &Arc<Record>,
    ) -> Result<Answer> {
        let affinity = deployment.settings.sticky.map(|bytes| {
            let principal = record.principal_name();
            affinity(&[principal.as_deref().unwrap_or_default().as_bytes(), &beginning(ask, bytes)])
        });
        let mut search = Search::new(deployment, record, affinity, self.random());
        let (target, lease, Sent { reply, decoder, uncounted }) = loop {
            let (mut lease, target) = search.next().await?;
            match self.send(target, ask, want, hints, record).await {
                Ok(sent) => {
                    lease.answered();
                    break (target, lease, sent);
                }
                Err(failure) => search.failed(lease, target, failure).await?,
            }
        };
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
            lease,
        })
    }

    /// Encodes the question for one target and sends it.
    async fn send(
        &self,
        target: &Target,
        ask: &Ask,
        want: Want,
        hints: &Hints,
        record: &Record,
    ) -> Result<Sent, Failure> {
        let container = target.speaks.text().map_err(Failure::Unasked)?;
        let mode = match want {
            Want::Events if target.streams => Mode::Stream,
            Want::Events => Mode::Unary,
            Want::Whole => target.mode(ask.parameters.inference.max_tokens),
        };
        record.target(&target.name, mode == Mode::Stream);
        let mut hints = target.hints(hints);
        if target.prefix_aware && hints.prefix_aware_id.is_none() {
            hints.prefix_aware_id = Some(prefix_id(ask));
        }
        let (payload, decoder) =
            container.begin(ask, mode, self.clock.fork()).map_err(Failure::Unasked)?;
        record.adapted(&payload.adapted);
        let uncounted = match container.counting() {
            Counting::Tokenizer(counter) if !container.counts_input(mode) => {
                let passage = counter.passage(ask).map_err(Failure::Unasked)?;
                Some((self.workers.clone(), Arc::clone(counter.tokenizer()), passage))
            }
            _ => None,
        };
        let reply = match mode {
            Mode::Unary => target.transport.invoke(payload, &hints).await,
            Mode::Stream => target.transport.stream(payload, &hints).await,
        }?;
        Ok(Sent { reply, decoder, uncounted })
    }
}

/// A question on its way to one target.
struct Sent {
    reply: Reply,
    decoder: Box<dyn Decoder>,
    /// What counts the prompt, where the container's answer does not say how long it was.
    uncounted: Option<Uncounted>,
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

/// What a conversation begins with: all up to its last cache point, else its first `bytes`.
fn beginning(ask: &Ask, bytes: usize) -> Vec<u8> {
    let Input::Conversation(conversation) = &ask.input else {
        let Input::Prompt(prompt) = &ask.input else { return vec![] };
        return prompt.text.as_bytes().iter().take(bytes).copied().collect();
    };
    // Plain data: writing it as JSON cannot fail, and if it did, a key less exact would do.
    let mut all =
        serde_json::to_vec(&(&conversation.system, &conversation.tools)).unwrap_or_default();
    let blocks = conversation.messages.iter().flat_map(|message| &message.content);
    let last = blocks
        .clone()
        .enumerate()
        .filter(|(_, block)| matches!(block, ContentBlock::CachePoint(_)));
    let last = last.last().map(|(at, _)| at);
    for (at, block) in blocks.enumerate() {
        match last {
            Some(last) if at > last => break,
            None if all.len() >= bytes => break,
            _ => serde_json::to_writer(&mut all, block).unwrap_or_default(),
        }
    }
    if last.is_none() && !ask.has_cache_point() {
        all.truncate(bytes);
    }
    all
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
