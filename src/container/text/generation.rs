//! `{"generation": …}`: text under another name.
//!
//! `JumpStart`'s first Llama containers answer `[{"generation": "…"}]` and nothing else. LMI's
//! output formatters `json_3p` and `jsonlines_3p` (rolling batch) say the same as Llama on Bedrock
//! does, in an envelope; their shapes are those that `output_formatter.py` of djl-serving writes:
//! `{"body": {"generation", "prompt_token_count", "generation_token_count", "stop_reason"},
//! "metering": …, "content_type": …}`. A streamed value has the next piece of text, and its stop
//! reason is null until the last. Neither was seen from a running container.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Answer, Finish};
use crate::Result;
use crate::container::faults::Fault;
use crate::container::json::{self, Count, OneOrMany, Text};
use crate::converse::Event;

#[expect(clippy::struct_field_names, reason = "as the schema names them")]
#[derive(Deserialize)]
struct Generation<'a> {
    #[serde(borrow, default)]
    generation: Text<'a>,
    /// The first of a stream; LMI may not have counted, and says 0.
    #[serde(default)]
    prompt_token_count: Count,
    /// So far.
    #[serde(default)]
    generation_token_count: Count,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// LMI's error; unary answers wrap it once more.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default)]
    error_msg: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Reads one JSON text that has such values.
pub(super) fn read(json: &str, answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
    let unreadable = |error: &_| json::unreadable(answer.code(), error);
    let values: OneOrMany<Generation<'_>> =
        serde_json::from_str(json).map_err(|error| unreadable(&error))?;
    for value in &values.0 {
        if let Some(error) = value.error.filter(|error| Fault::is_told(error)) {
            return Err(answer.fail(fault(error.get())));
        }
        match value.body.map(|body| serde_json::from_str(body.get())) {
            None => value.tell(answer, out)?,
            Some(Ok(OneOrMany(inner))) => {
                for value in &inner {
                    Generation::tell(value, answer, out)?;
                }
            }
            Some(Err(_)) => answer.unknown(json.as_bytes()),
        }
    }
    Ok(())
}

impl Generation<'_> {
    fn tell(&self, answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
        answer.text(self.generation.get(), out);
        answer.prompt_tokens(self.prompt_token_count);
        answer.completion_tokens(self.generation_token_count);
        match self.stop_reason.get() {
            // Who counts also says when it was the last; who does not, never does.
            "" if self.generation_token_count.0.is_some() => {}
            "length" => answer.finish(Finish::Length),
            "stop_sequence" => answer.finish(Finish::Stop(None)),
            "error" => {
                return Err(answer.fail(Fault::new("The model broke off its answer.")));
            }
            _ => answer.finish(Finish::End), // `eos_token`, Llama's `stop`
        }
        Ok(())
    }
}

/// Its code is 400 whatever went wrong, so that the words alone count.
fn fault(error: &str) -> Fault {
    let told = serde_json::from_str::<Told<'_>>(error).ok();
    let inner = told.as_ref().and_then(|told| told.error);
    let inner = inner.and_then(|error| serde_json::from_str::<Told<'_>>(error.get()).ok());
    let words = [told, inner].into_iter().flatten().find_map(|told| told.error_msg.0);
    match words {
        Some(words) => Fault::new(&words),
        None => Fault::of_answer(error.as_bytes()),
    }
}
