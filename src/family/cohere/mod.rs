//! Cohere: Command's text generation ([`command`]) and Command R's chat ([`command_r`]), told
//! apart by `prompt` and `message`.
//!
//! Which of the two a call means is its body's to say, not its model id's: `LangChain` sends a
//! `prompt` to Command R, too.

mod command;
mod command_r;
mod history;
mod tools;

use super::schema;
use super::{Family, Invocation, Question};
use crate::Result;
use crate::converse::StopReason;

/// The family `cohere`.
#[derive(Clone, Copy, Debug)]
pub struct Cohere;

impl Family for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let request = schema::object(body)?;
        let has = |name: &str| request.contains_key(name);
        let is_chat = has("message") || (!has("prompt") && is_command_r(invocation.model_id));
        if is_chat {
            command_r::read(request, invocation)
        } else {
            command::read(request, invocation)
        }
    }
}

fn is_command_r(model_id: &str) -> bool {
    model_id.contains("command-r")
}

/// `p`: the documentation turns it off with 0 as well as with 1.
fn top_p(p: f32) -> f32 {
    if p == 0.0 { 1.0 } else { p }
}

/// `k` as vLLM's field, unless it is off. The documentation calls it a float.
fn top_k(k: Option<f64>) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the schema keeps it from 0 to 500")]
    k.map(|k| k as i64).filter(|k| *k > 0)
}

/// The reasons that the documentation has for both, but for a stop sequence, which only chat knows.
fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::ToolUse | StopReason::StopSequence => "COMPLETE",
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "MAX_TOKENS",
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => "ERROR_TOXIC",
        StopReason::MalformedModelOutput | StopReason::MalformedToolUse => "ERROR",
    }
}

/// A random UUID (version 4), as Cohere's ids are.
fn uuid(random: &mut fastrand::Rng) -> String {
    let [a, b] = [random.u64(..), random.u64(..)];
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 48 & 0x3fff | 0x8000,
        b & 0xffff_ffff_ffff
    )
}
