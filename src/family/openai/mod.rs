//! OpenAI's chat completions: gpt-oss on `InvokeModel`, and what many other families share.
//!
//! `{messages, tools, max_completion_tokens, …}` → `{id, object, created, model, choices: [{index,
//! message, finish_reason}], usage}`; a stream's chunks are `chat.completion.chunk` objects.
//! Source: Bedrock's user guide, "OpenAI models", and OpenAI's API reference, which it refers to.
//!
//! [`Chat`] reads a body, [`voice`] says an answer in a [`Style`]; [`completion`] does the same for
//! completions of prompts. What the hub has no member for stays in the additional fields, and so
//! reaches a container that speaks OpenAI under its own name.

pub mod completion;

mod answer;
mod messages;
mod request;
mod route;
mod tools;

pub use answer::{Reasoning, Shape, Style, Usage, voice};
pub use request::Chat;
pub use route::{ChatCompletions, Completions};

use serde_json::{Map, Value};

use super::{Family, Invocation, Question, schema};
use crate::Result;
use crate::family::schema::malformed;

/// The family `openai`.
#[derive(Clone, Copy, Debug)]
pub struct OpenAi;

impl Family for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let model = Some(invocation.model_id.to_owned());
        chat(schema::object(body)?, invocation, model, Style::default())
    }
}

/// The question that a chat body of `InvokeModel` asks. `model` is what the answer names.
pub(super) fn chat(
    members: Map<String, Value>,
    invocation: Invocation<'_>,
    model: Option<String>,
    style: Style,
) -> Result<Question> {
    let chat = Chat::read(members, style)?;
    agrees(chat.model.as_deref(), chat.stream, &invocation)?;
    Ok(Question::new(chat.ask, voice(model, invocation.now, invocation.random, style)))
}

/// Refuses a body that names another model than the path, or another operation: Bedrock has both
/// in the path, and takes them in the body only where they agree.
pub(super) fn agrees(
    model: Option<&str>,
    stream: Option<bool>,
    invocation: &Invocation<'_>,
) -> Result<()> {
    // The last part of an ARN is the id itself.
    let path = invocation.model_id;
    let is_meant =
        |model: &str| model == path || path.rsplit_once('/').is_some_and(|(_, last)| last == model);
    if model.is_some_and(|model| !is_meant(model)) {
        return Err(malformed("#/model: the model is not the one that the path names"));
    }
    match (stream, invocation.streamed) {
        (Some(true), false) => Err(malformed(
            "#/stream: true is for InvokeModelWithResponseStream, and this is InvokeModel",
        )),
        (Some(false), true) => Err(malformed(
            "#/stream: false is for InvokeModel, and this is InvokeModelWithResponseStream",
        )),
        _ => Ok(()),
    }
}

/// Removes the members that are `null`: OpenAI's clients write what is not set so.
pub(super) fn without_nulls(members: &mut Map<String, Value>) {
    members.retain(|_, value| !value.is_null());
}

/// Refuses the first of `names` that is among the members.
fn refuse_extraneous(members: &Map<String, Value>, names: &[&str]) -> Result<()> {
    match names.iter().find(|name| members.contains_key(**name)) {
        Some(name) => Err(malformed(&format!("#: extraneous key [{name}] is not permitted"))),
        None => Ok(()),
    }
}
