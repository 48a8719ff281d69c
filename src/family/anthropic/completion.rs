//! The text completion of Claude 2: `{prompt, max_tokens_to_sample, …}` → `{completion,
//! stop_reason, stop}`; a chunk has the same shape.
//!
//! Source: Bedrock's user guide, "Anthropic Claude Text Completions API".

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::converse::{Event, InferenceConfiguration, Parameters, Response, StopReason};
use crate::family::prompt::{self, Rejoin};
use crate::family::schema::Schema;
use crate::family::{Chunks, Question, Voice};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/anthropic-text.json")).unwrap_or_default()
});

/// Where Claude always stops: the next turn of the caller.
const HUMAN: &str = "\n\nHuman:";

#[derive(Deserialize)]
struct Body {
    prompt: String,
    max_tokens_to_sample: i32,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    #[serde(default)]
    stop_sequences: Vec<String>,
}

/// Reads a body that has a `prompt`.
pub(super) fn read(members: Map<String, Value>) -> Result<Question> {
    let mut body: Body = SCHEMA.take(members)?;
    if body.stop_sequences.iter().all(|stop| stop != HUMAN) {
        body.stop_sequences.push(HUMAN.to_owned());
    }
    let inference = InferenceConfiguration {
        max_tokens: Some(body.max_tokens_to_sample),
        stop_sequences: Some(body.stop_sequences),
        temperature: Some(body.temperature.unwrap_or(1.0)),
        top_p: Some(body.top_p.unwrap_or(1.0)),
    };
    let mut parameters = Parameters { inference, ..Parameters::default() };
    if let Some(top_k) = body.top_k.filter(|top_k| *top_k > 0) {
        parameters.additional_request_fields.insert("top_k".to_owned(), top_k.into());
    }
    let (ask, adapted) = prompt::ask(body.prompt, vec![], parameters);
    let voice = Completion {
        text: Rejoin::behind(&ask),
        stopped: ("stop_sequence", None),
        said: String::new(),
    };
    Ok(Question { adapted, ..Question::new(ask, voice) })
}

struct Completion {
    text: Rejoin,
    stopped: (&'static str, Option<String>),
    /// Used again for each event.
    said: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    r#type: &'static str,
    completion: &'a str,
    stop_reason: Option<&'a str>,
    stop: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn new(completion: &'a str, stop_reason: Option<&'a str>, stop: Option<&'a str>) -> Self {
        Self { r#type: "completion", completion, stop_reason, stop }
    }
}

impl Voice for Completion {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        match event {
            Event::MessageStop(stop) => {
                self.stopped = (of(stop.stop_reason), stop.stop_sequence.clone());
            }
            Event::Metadata(_) => {
                let (reason, stop) = &self.stopped;
                return out.push(&Answer::new("", Some(reason), stop.as_deref()));
            }
            _ => {}
        }
        if self.said.is_empty() {
            return Ok(());
        }
        out.push(&Answer::new(&self.said, None, None))
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        let reason = Some(of(answer.stop_reason));
        serde_json::to_vec(&Answer::new(&text, reason, answer.stop_sequence.as_deref()))
            .map_err(|error| Error::internal().because(error))
    }
}

/// `max_tokens` where a limit of tokens ended the text, else `stop_sequence`: also where the model
/// ended it, since Claude then stopped at its own sequence. The documentation knows no other.
fn of(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "max_tokens",
        _ => "stop_sequence",
    }
}
