//! Mistral AI: prompts in Mistral's `[INST]` template, and chats.
//!
//! - `{prompt, max_tokens, stop, temperature, top_p, top_k}` → `{outputs: [{text, stop_reason}]}`; a
//!   chunk has the same shape.
//! - `{messages, tools, tool_choice, max_tokens, temperature, top_p}` → `{choices: [{index, message,
//!   stop_reason}]}`. How the chunks look is not documented; they have the same shape, with a piece
//!   of the message in each.
//!
//! Source: Bedrock's user guide, "Mistral AI models". Its defaults differ from model to model; those
//! of the smaller ones are filled in, since a larger limit would not fit into every container's
//! context. No `top_k` is: the larger models have none.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::openai::{self, Reasoning, Shape, Style};
use super::prompt::{self, Texts};
use super::schema::{self, Schema, malformed};
use super::{Family, Invocation, Question};
use crate::Result;
use crate::converse::{InferenceConfiguration, Parameters};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../schemas/family/mistral.json")).unwrap_or_default()
});

/// The family `mistral`.
#[derive(Clone, Copy, Debug)]
pub struct Mistral;

#[derive(Deserialize)]
struct Body {
    prompt: String,
    max_tokens: Option<i32>,
    stop: Option<Vec<String>>,
    /// What langchain-aws calls it, whichever the model is.
    stop_sequences: Option<Vec<String>>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<i32>,
}

impl Family for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let members = schema::object(body)?;
        if members.contains_key("messages") { chat(members, invocation) } else { text(members) }
    }
}

/// `any` is Mistral's word for a call that must come.
fn chat(mut members: Map<String, Value>, invocation: Invocation<'_>) -> Result<Question> {
    if let Some(choice) = members.get_mut("tool_choice").filter(|choice| **choice == "any") {
        *choice = json!("required");
    }
    let style =
        Style { reasoning: Reasoning::ReasoningContent, shape: Shape::Mistral, ..Style::default() };
    openai::chat(members, invocation, None, style)
}

fn text(members: Map<String, Value>) -> Result<Question> {
    let body: Body = SCHEMA.take(members)?;
    if body.stop.is_some() && body.stop_sequences.is_some() {
        return Err(malformed("#: stop and stop_sequences contradict each other"));
    }
    let inference = InferenceConfiguration {
        max_tokens: Some(body.max_tokens.unwrap_or(512)),
        stop_sequences: body.stop.or(body.stop_sequences),
        temperature: Some(body.temperature.unwrap_or(0.5)),
        top_p: Some(body.top_p.unwrap_or(0.9)),
    };
    let top_k = body.top_k.map(|top_k| ("top_k".to_owned(), json!(top_k)));
    let parameters = Parameters {
        inference,
        additional_request_fields: top_k.into_iter().collect(),
        ..Parameters::default()
    };
    let (ask, adapted) = prompt::ask(body.prompt, vec![], parameters);
    let voice = Texts::behind(&ask, "outputs");
    Ok(Question { adapted, ..Question::new(ask, voice) })
}
