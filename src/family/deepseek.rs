//! `DeepSeek`: `{prompt, temperature, top_p, max_tokens, stop}` → `{choices: [{text,
//! stop_reason}]}`; a chunk has the same shape.
//!
//! Source: Bedrock's user guide, "DeepSeek models". The prompt is in R1's own template already.
//! A body with `messages`, as V3 and later take it, is a chat in the words of [`qwen`].

use std::sync::LazyLock;

use serde::Deserialize;

use super::prompt::{self, Texts};
use super::schema::{self, Schema};
use super::{Family, Invocation, Question, qwen};
use crate::Result;
use crate::converse::{InferenceConfiguration, Parameters};

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
        let voice = Texts::behind(&ask, "choices");
        Ok(Question { adapted, ..Question::new(ask, voice) })
    }
}
