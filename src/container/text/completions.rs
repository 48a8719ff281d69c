//! Completions, as OpenAI has them: vLLM, LMI, TGI, llama.cpp.
//!
//! `max_tokens` is always sent: without it vLLM stops after 16 tokens.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Finish};
use super::asked::{Asked, number};
use crate::Result;
use crate::container::Mode;
use crate::container::faults::Fault;
use crate::container::json::{self, Count, OneOrMany, Text};
use crate::container::usage::Usage;
use crate::converse::Event;

pub(super) fn body(asked: Asked<'_>, model: Option<&str>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("prompt".into(), asked.prompt.into());
    if let Some(model) = model {
        body.insert("model".into(), model.into());
    }
    if let Some(limit) = asked.max_tokens {
        body.insert("max_tokens".into(), limit.into());
    }
    if let Some(temperature) = asked.temperature {
        body.insert("temperature".into(), number(temperature));
    }
    if let Some(top_p) = asked.top_p {
        body.insert("top_p".into(), number(top_p));
    }
    if !asked.stop.is_empty() {
        body.insert("stop".into(), asked.stop.into());
    }
    if let Some(schema) = asked.schema {
        let format = json!({"type": "json_schema",
            "json_schema": {"name": asked.schema_name, "schema": schema, "strict": true}});
        body.insert("response_format".into(), format);
    }
    if asked.keeps_special {
        // Engines that do not know it let it pass; vLLM would leave the markers out.
        body.insert("skip_special_tokens".into(), false.into());
    }
    body.extend(asked.fields);
    if asked.mode == Mode::Stream {
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    body
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: OneOrMany<Choice<'a>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    /// `error` in the flat errors of older vLLM.
    #[serde(borrow, default)]
    object: Text<'a>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    /// The stop string, or the id of the token that stopped.
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    /// SGLang's name for the same.
    #[serde(borrow, default)]
    matched_stop: Text<'a>,
}

pub(super) fn read(json: &[u8], answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
    let text = json::text(json);
    let chunks: OneOrMany<Chunk<'_>> =
        serde_json::from_str(&text).map_err(|error| json::unreadable(answer.code(), &error))?;
    for chunk in &chunks.0 {
        if chunk.object.get() == "error" || chunk.error.is_some_and(Fault::is_told) {
            return Err(answer.fail(Fault::of_answer(json)));
        }
        if let Some(usage) = chunk.usage {
            if usage.prompt_tokens.0.is_some() || usage.completion_tokens.0.is_some() {
                answer.usage = usage; // running counts: the last is the whole
            }
        } else if chunk.choices.0.is_empty() {
            answer.unknown(json);
        }
        for choice in chunk.choices.0.iter().filter(|c| c.index.0.unwrap_or_default() == 0) {
            answer.text(choice.text.get(), out);
            let sequence = [&choice.stop_reason, &choice.matched_stop]
                .into_iter()
                .map(Text::get)
                .find(|sequence| !sequence.is_empty());
            match choice.finish_reason.get() {
                "" => {}
                "length" => answer.finish(Finish::Length),
                "content_filter" => answer.finish(Finish::Filtered),
                "stop_sequence" => answer.finish(Finish::Stop(sequence.map(ToOwned::to_owned))),
                "abort" | "error" | "cancelled" => {
                    return Err(answer.fail(Fault::new("The model broke off its answer.")));
                }
                // `stop` with the string that was met, `stop` alone, `eos_token`.
                _ => answer.finish(
                    sequence
                        .map_or(Finish::End, |sequence| Finish::Stop(Some(sequence.to_owned()))),
                ),
            }
        }
    }
    Ok(())
}
