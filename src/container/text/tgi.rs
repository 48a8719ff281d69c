//! Text Generation Inference.
//!
//! It refuses a temperature of 0 and a `top_p` of 1 with 422, and leaves special tokens out of
//! `generated_text`, but not out of its tokens: where a marker was lost, the text is made of
//! those.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Finish};
use super::asked::Asked;
use super::inputs::{self, Chunk, Details};
use super::special::is_markup;
use crate::Result;
use crate::converse::Event;

pub(super) fn body(asked: Asked<'_>) -> Map<String, Value> {
    let mut parameters = inputs::parameters(&asked, true);
    if !asked.stop.is_empty() {
        parameters.insert("stop".into(), asked.stop.into());
    }
    if let Some(schema) = &asked.schema {
        parameters.insert("grammar".into(), json!({"type": "json", "value": schema}));
    }
    parameters.insert("details".into(), true.into());
    inputs::streamed(asked, parameters)
}

pub(super) fn read(json: &[u8], answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
    inputs::each(json, answer, out, take)
}

fn take(chunk: &Chunk<'_>, answer: &mut Answer, out: &mut Vec<Event>) {
    match &chunk.details {
        Some(details) if chunk.token.is_none() && has_lost(details, answer) => {
            let is_end = details.finish_reason.get() == "eos_token";
            for token in details.tokens.iter().flatten() {
                answer.token(token.text.get(), token.is_special(), is_end, out);
            }
        }
        _ => chunk.say(answer, out),
    }
    if let Some(details) = &chunk.details {
        answer.prompt_tokens(details.input_length);
        answer.prompt_tokens(details.listed());
        answer.completion_tokens(details.generated_tokens);
    }
    if chunk.is_last() {
        let reason = chunk.details.as_ref().map(|details| details.finish_reason.get());
        answer.finish(match reason {
            Some("length") => Finish::Length,
            Some("stop_sequence") => Finish::Stop(None),
            _ => Finish::End, // `eos_token`
        });
    }
}

/// Whether the final text lacks a marker.
fn has_lost(details: &Details<'_>, answer: &Answer) -> bool {
    let format = answer.wanted.format;
    let mut tokens = details.tokens.iter().flatten();
    tokens.any(|token| token.is_special() && is_markup(format, token.text.get()))
}
