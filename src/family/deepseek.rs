//! `DeepSeek`: `{prompt, temperature, top_p, max_tokens, stop}` → `{choices: [{text,
//! stop_reason}]}`; a chunk has the same shape.
//!
//! Source: Bedrock's user guide, "DeepSeek models". The prompt is in R1's own template already.
//! A body with `messages`, as V3 and later take it, is a chat in the words of [`qwen`].

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::prompt::{self, Rejoin};
use super::schema::{self, Schema};
use super::{Chunks, Family, Invocation, Question, Voice, qwen};
use crate::converse::{Event, InferenceConfiguration, Parameters, Response, StopReason};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../schemas/family/deepseek.json")).unwrap_or_default()
});

/// The family `deepseek`.
#[derive(Clone, Copy, Debug)]
pub struct DeepSeek;

#[derive(Deserialize)]
struct Body {
    prompt: String,
    temperature: Option<f32>,
    top_p: Option<f32>,
    max_tokens: Option<i32>,
    stop: Option<Vec<String>>,
}

impl Family for DeepSeek {
    fn name(&self) -> &'static str {
        "deepseek"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let members = schema::object(body)?;
        if members.contains_key("messages") {
            return qwen::chat(members, invocation);
        }
        let body: Body = SCHEMA.take(members)?;
        let inference = InferenceConfiguration {
            max_tokens: body.max_tokens,
            stop_sequences: body.stop,
            temperature: body.temperature,
            top_p: body.top_p,
        };
        let parameters = Parameters { inference, ..Parameters::default() };
        let (ask, adapted) = prompt::ask(body.prompt, vec![], parameters);
        let voice =
            Choices { text: Rejoin::behind(&ask), stop_reason: "stop", said: String::new() };
        Ok(Question { adapted, ..Question::new(ask, voice) })
    }
}

struct Choices {
    text: Rejoin,
    stop_reason: &'static str,
    /// Used again for each event.
    said: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    choices: [Choice<'a>; 1],
}

#[derive(Serialize)]
struct Choice<'a> {
    text: &'a str,
    stop_reason: Option<&'static str>,
}

impl Voice for Choices {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        let stop_reason = match event {
            Event::MessageStop(stop) => {
                self.stop_reason = of(stop.stop_reason);
                None
            }
            Event::Metadata(_) => Some(self.stop_reason),
            _ => None,
        };
        if self.said.is_empty() && stop_reason.is_none() {
            return Ok(());
        }
        out.push(&Answer { choices: [Choice { text: &self.said, stop_reason }] })
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        let stop_reason = Some(of(answer.stop_reason));
        serde_json::to_vec(&Answer { choices: [Choice { text: &text, stop_reason }] })
            .map_err(|error| Error::internal().because(error))
    }
}

/// `length` where a limit of tokens ended the text, else `stop`: the documentation knows no other.
fn of(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "length",
        _ => "stop",
    }
}
