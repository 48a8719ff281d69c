//! The Hugging Face inference toolkit: a pipeline's output, whole.
//!
//! It says neither why it stopped nor how many tokens there were, and knows no stop sequences:
//! they are found in what it answers, and what stands behind them is dropped.

use serde_json::{Map, Value};

use super::answer::{Answer, Finish};
use super::asked::Asked;
use super::inputs;
use crate::Result;
use crate::converse::Event;

pub(super) fn body(asked: Asked<'_>) -> Map<String, Value> {
    let mut parameters = inputs::parameters(&asked, false);
    // Or the prompt would stand before the answer.
    parameters.insert("return_full_text".into(), false.into());
    inputs::body(asked, parameters)
}

pub(super) fn read(json: &[u8], answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
    inputs::each(json, answer, out, |chunk, answer, out| {
        chunk.say(answer, out);
        if chunk.is_last() {
            answer.finish(Finish::End);
        }
    })
}
