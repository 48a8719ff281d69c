//! The scripted model: a container that speaks the `OpenAI` chat and completion schemas just as
//! vLLM 0.32 does on `/invocations`, or `inputs` as TGI, LMI and the Hugging Face toolkit do, and
//! says what the rules tell it to.
//!
//! `ask` and `inputs` read the request, `script` makes the answer's tokens, `events` and `whole`
//! put them into vLLM's JSON and `generated` into that of the others, `pooling` is a model of
//! vectors or scores instead, `refused` writes errors,
//! `dialect` a stream's bytes. All of it is synchronous; time passes only
//! where the emulator plays the pieces.

mod ask;
mod dialect;
mod events;
mod generated;
mod inputs;
mod pooling;
mod python;
mod refused;
mod schema;
mod script;
mod tokens;
mod whole;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

pub(super) use ask::{Ask, Choice, Limits};

use self::dialect::Writer;
use self::generated::Generated;
use self::python::python;
use self::refused::Said;
use self::script::Script;
use super::refusal::StreamFailure;
use super::rules::{Dialect, Endpoint, Quirk, Reasoning, Rule};
use crate::clock::Clock;

/// What happens in a stream, before it has bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// One chunk of the answer.
    Data {
        json: Value,
        /// It carries the finish reason, or comes after it.
        finish: bool,
    },
    /// The model takes its time.
    Pause(Duration),
    /// The model is stuck.
    Stall(Duration),
    /// The container has failed.
    Error { message: String, kind: String, status: u16 },
    /// The container has said everything.
    Done,
    /// `SageMaker` ends the stream with an exception.
    Throw(StreamFailure),
    /// The connection breaks.
    Cut,
}

/// What the emulator plays, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// One event of the container's.
    Bytes(Bytes),
    /// Nothing happens for a while; if `flush`, what is there leaves first.
    Wait { time: Duration, flush: bool },
    /// An exception ends the stream.
    Throw(StreamFailure),
    /// The connection breaks.
    Cut,
}

/// What a container answers, before it leaves it.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) pieces: VecDeque<Piece>,
}

/// How this endpoint answers this call: the endpoint's settings, overridden by the rule's.
#[derive(Debug)]
struct Manner<'a> {
    model: &'a str,
    reasoning: Reasoning,
    dialect: Dialect,
    quirks: &'a [Quirk],
    pause: Option<Duration>,
    bos: &'a str,
    eos: &'a str,
    special_tokens: &'a [String],
}

impl<'a> Manner<'a> {
    fn of(name: &'a str, endpoint: &'a Endpoint, rule: &'a Rule, ask: &Ask) -> Self {
        let rate = rule.tokens_per_second.unwrap_or(endpoint.tokens_per_second);
        Self {
            model: endpoint.model.as_deref().unwrap_or(name),
            reasoning: rule.reasoning.unwrap_or(endpoint.reasoning),
            dialect: rule.dialect.filter(|dialect| ask.is_of(*dialect)).unwrap_or(ask.dialect),
            quirks: rule.quirks.as_deref().unwrap_or(&endpoint.quirks),
            pause: (rate > 0).then(|| Duration::from_secs(1) / rate),
            bos: &endpoint.bos,
            eos: &endpoint.eos,
            special_tokens: &endpoint.special_tokens,
        }
    }
}

/// What the container answers by this rule.
pub(super) fn answer(
    name: &str,
    endpoint: &Endpoint,
    rule: &Rule,
    ask: &Ask,
    clock: &Clock,
) -> Played {
    if let Some(http) = &rule.fault.http {
        return Played {
            status: *http.status.get_ref(),
            content_type: http.content_type.clone(),
            pieces: [Piece::Bytes(http.body.clone().into())].into(),
        };
    }
    let manner = Manner::of(name, endpoint, rule, ask);
    if let Some(pooling) = &ask.pooling {
        let json = pooling.answer(ask, &manner, endpoint.dimensions, clock);
        let mut events = vec![Event::Data { json, finish: false }];
        rule.fault.apply(&mut events);
        let said = Said { dialect: manner.dialect, to_inputs: true, in_stream: false };
        let writer = Writer { said, quirks: manner.quirks };
        return Played {
            status: 200,
            content_type: "application/json".to_owned(),
            pieces: whole::pieces(events, &writer).into(),
        };
    }
    let script = Script::write(ask, &rule.answer, &manner, clock);
    let dialect = manner.dialect;
    let said = Said { dialect, to_inputs: ask.inputs.is_some(), in_stream: ask.stream };
    let writer = Writer { said, quirks: manner.quirks };
    if ask.stream {
        let mut events = match &ask.inputs {
            Some(inputs) => Generated { ask, inputs, script: &script, manner: &manner }.stream(),
            None => events::chunks(ask, &script, &manner),
        };
        rule.fault.apply(&mut events);
        return Played {
            status: 200,
            content_type: dialect.stream_type().to_owned(),
            pieces: dialect::pieces(&events, &writer).into(),
        };
    }
    let mut events = whole::events(ask, &script, &manner);
    rule.fault.apply(&mut events);
    Played {
        status: 200,
        content_type: "application/json".to_owned(),
        pieces: whole::pieces(events, &writer).into(),
    }
}
