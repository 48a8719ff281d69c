//! Qwen, Kimi, GLM, `MiniMax`, Gemma and others that are asked in OpenAI's words.
//!
//! Bedrock documents no bodies of their own for them. They are OpenAI's chat completions, with
//! reasoning as `reasoning_content`, as the engines behind them write it; a `prompt` is completed,
//! as langchain-aws asks Writer's models.

use serde_json::{Map, Value};

use super::openai::{self, Reasoning, Style};
use super::{Family, Invocation, Question, import, schema};
use crate::Result;

/// The family `qwen`.
#[derive(Clone, Copy, Debug)]
pub struct Qwen;

impl Family for Qwen {
    fn name(&self) -> &'static str {
        "qwen"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let members = schema::object(body)?;
        if members.contains_key("prompt") && !members.contains_key("messages") {
            return import::completion(members, invocation);
        }
        chat(members, invocation)
    }
}

/// The question that a chat body asks.
pub(super) fn chat(members: Map<String, Value>, invocation: Invocation<'_>) -> Result<Question> {
    let model = Some(invocation.model_id.to_owned());
    let style = Style { reasoning: Reasoning::ReasoningContent, ..Style::default() };
    openai::chat(members, invocation, model, style)
}
