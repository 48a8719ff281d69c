//! AI21's Jamba: OpenAI's chat completion with limits and defaults of its own.
//!
//! Source: Bedrock's user guide, "AI21 Labs Jamba models". How the chunks look is not documented;
//! they are OpenAI's too.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::openai::{self, Reasoning, Style};
use super::schema::{self, Schema};
use super::{Family, Invocation, Question};
use crate::Result;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../schemas/family/ai21.json")).unwrap_or_default()
});

/// The family `ai21`.
#[derive(Clone, Copy, Debug)]
pub struct Ai21;

impl Family for Ai21 {
    fn name(&self) -> &'static str {
        "ai21"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let mut members = schema::object(body)?;
        openai::without_nulls(&mut members);
        let mut members: Map<String, Value> = SCHEMA.take(members)?;
        members.entry("max_tokens").or_insert_with(|| json!(4096));
        members.entry("temperature").or_insert_with(|| json!(1.0));
        members.entry("top_p").or_insert_with(|| json!(1.0));
        let model = Some(invocation.model_id.to_owned());
        let style = Style { reasoning: Reasoning::ReasoningContent, ..Style::default() };
        openai::chat(members, invocation, model, style)
    }
}
