//! Completions of prompts: `{prompt, max_tokens, …}` → `{id, object, created, choices: [{index,
//! text, logprobs, finish_reason, stop_reason}], usage}`; a chunk has the same shape.
//!
//! Source: Bedrock's user guide, "Invoke your imported model" (`OpenAICompletion`), whose examples
//! have no `model`. The prompt is in the model's own template already.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::answer::{Counts, counted};
use super::request::{Call, Stop, refuse_more_choices, text_format};
use super::{refuse_extraneous, without_nulls};
use crate::converse::{
    Adaptation, Ask, Blob, Event, InferenceConfiguration, MessageStopEvent, OutputConfig,
    Parameters, Response, StopReason, TokenUsage,
};
use crate::family::prompt::{self, Rejoin};
use crate::family::schema::{Schema, malformed};
use crate::family::{Chunks, Voice, llama};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/completion.json")).unwrap_or_default()
});

/// Members by which a container would take the body for another one.
const FOREIGN: [&str; 4] = ["messages", "prompt_embeds", "inputs", "requestType"];

/// A completion that was asked for.
#[derive(Debug)]
pub struct Completion {
    /// What it asks.
    pub ask: Ask,
    /// What was changed of the prompt.
    pub adapted: Vec<Adaptation>,
    /// The body's `model`. Whether it is the one that the call names is the caller's to check.
    pub model: Option<String>,
    /// The body's `stream`.
    pub stream: Option<bool>,
}

#[derive(Deserialize)]
struct Body {
    prompt: String,
    max_gen_len: Option<i32>,
    max_tokens: Option<i32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    stop: Option<Stop>,
    images: Option<Vec<Blob>>,
    n: Option<u64>,
    logprobs: Option<Value>,
    reasoning_effort: Option<String>,
    response_format: Option<Map<String, Value>>,
    #[serde(flatten)]
    call: Call,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Completion {
    /// Reads a body. Members that are `null` are absent; `max_gen_len` is another name of
    /// `max_tokens`. What the hub has no member for goes to the container's top level as it is.
    pub fn read(mut members: Map<String, Value>) -> Result<Self> {
        without_nulls(&mut members);
        let mut body: Body = SCHEMA.take(members)?;
        refuse_extraneous(&body.rest, &FOREIGN)?;
        refuse_more_choices(body.n)?;
        // No answer of ours shows them, and who asked must not believe that there are none.
        if body.logprobs.is_some_and(|logprobs| logprobs != Value::Bool(false)) {
            return Err(Error::not_supported("logprobs"));
        }
        if body.max_gen_len.is_some() && body.max_tokens.is_some() {
            return Err(malformed("#: extraneous key [max_tokens] is not permitted"));
        }
        let text_format = text_format(body.response_format, &mut body.rest)?;
        let inference = InferenceConfiguration {
            max_tokens: body.max_gen_len.or(body.max_tokens),
            stop_sequences: body.stop.map(Vec::from),
            temperature: body.temperature,
            top_p: body.top_p,
        };
        let parameters = Parameters {
            inference,
            additional_request_fields: body.rest,
            output: OutputConfig { effort: body.reasoning_effort, text_format },
            ..Parameters::default()
        };
        let images = body.images.unwrap_or_default().into_iter().enumerate().map(llama::image);
        let (ask, adapted) = prompt::ask(body.prompt, images.collect::<Result<_>>()?, parameters);
        let Call { model, stream, .. } = body.call;
        Ok(Self { ask, adapted, model, stream })
    }

    /// Says the answer.
    pub fn voice(&self, now: OffsetDateTime, mut random: fastrand::Rng) -> impl Voice + 'static {
        Choices {
            id: format!("cmpl-{:032x}", random.u128(..)),
            created: now.unix_timestamp(),
            text: Rejoin::behind(&self.ask),
            end: End { finish_reason: "stop", stop_reason: None },
            said: String::new(),
        }
    }
}

struct Choices {
    id: String,
    created: i64,
    text: Rejoin,
    end: End,
    /// Used again for each event.
    said: String,
}

/// Why the text ended.
struct End {
    finish_reason: &'static str,
    /// The stop sequence that was met, as vLLM tells it.
    stop_reason: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    text: &'a str,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
    stop_reason: Option<&'a str>,
}

impl Choices {
    fn answer<'a>(&'a self, text: &'a str, end: Option<&'a End>) -> Answer<'a> {
        let choice = Choice {
            index: 0,
            text,
            logprobs: None,
            finish_reason: end.map(|end| end.finish_reason),
            stop_reason: end.and_then(|end| end.stop_reason.as_deref()),
        };
        Answer {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            choices: [choice],
            usage: None,
        }
    }

    fn last<'a>(&'a self, text: &'a str, usage: &TokenUsage) -> Answer<'a> {
        Answer { usage: counted(usage), ..self.answer(text, Some(&self.end)) }
    }
}

impl Voice for Choices {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        match event {
            Event::MessageStop(MessageStopEvent { stop_reason, stop_sequence, .. }) => {
                self.end = End::of(*stop_reason, stop_sequence.clone());
            }
            Event::Metadata(metadata) => return out.push(&self.last("", &metadata.usage)),
            _ => {}
        }
        if self.said.is_empty() {
            return Ok(());
        }
        out.push(&self.answer(&self.said, None))
    }

    fn whole(mut self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        self.end = End::of(answer.stop_reason, answer.stop_sequence);
        serde_json::to_vec(&self.last(&text, &answer.usage))
            .map_err(|error| Error::internal().because(error))
    }
}

impl End {
    fn of(reason: StopReason, stop_reason: Option<String>) -> Self {
        let finish_reason = match reason {
            StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "length",
            StopReason::ContentFiltered | StopReason::GuardrailIntervened => "content_filter",
            _ => "stop",
        };
        Self { finish_reason, stop_reason }
    }
}
