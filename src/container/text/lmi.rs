//! LMI (DJL Serving), in async mode and by rolling batch.
//!
//! Both take the same body. Unasked, both stop after 30 tokens, and rolling batch takes the
//! likeliest token; async mode reads `stop` alone, rolling batch `stop_sequences` as well. What
//! they answer is told apart by its members: rolling batch repeats `inputs`.

use serde_json::{Map, Value};

use super::answer::{Answer, Finish, Wanted};
use super::asked::Asked;
use super::inputs::{self, Chunk, Details};
use crate::Result;
use crate::container::Mode;
use crate::container::json::Count;
use crate::converse::Event;

pub(super) fn body(asked: Asked<'_>) -> Map<String, Value> {
    let mut parameters = inputs::parameters(&asked, false);
    if !asked.stop.is_empty() {
        parameters.insert("stop".into(), asked.stop.into());
        parameters.insert("stop_sequences".into(), asked.stop.into());
        if asked.mode == Mode::Stream {
            // An async stream says `stop` for any end; with this vLLM leaves the sequence in the
            // text, and it is found and taken out here.
            parameters.insert("include_stop_str_in_output".into(), true.into());
        }
    }
    if asked.keeps_special {
        parameters.insert("skip_special_tokens".into(), false.into());
    }
    parameters.insert("details".into(), true.into());
    inputs::streamed(asked, parameters)
}

pub(super) fn read(json: &[u8], answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
    inputs::each(json, answer, out, take)
}

fn take(chunk: &Chunk<'_>, answer: &mut Answer, out: &mut Vec<Event>) {
    for output in &chunk.outputs.0 {
        answer.by_token = true;
        answer.text(output.get(), out);
        answer.finish(Finish::End); // it never says why, or when: any token may be the last
    }
    chunk.say(answer, out);
    let streamed = chunk.token.is_some();
    if let Some(details) = &chunk.details {
        let is_rolling = details.inputs.is_some();
        answer.completion_tokens(generated(details, streamed));
        answer.prompt_tokens(details.input_length);
        if is_rolling {
            answer.prompt_tokens(details.listed()); // async mode lists all but the first
        }
    }
    if chunk.is_last() {
        let finish = chunk.details.as_ref().map(|details| why(details, streamed, &answer.wanted));
        answer.finish(finish.unwrap_or(Finish::End));
    }
}

/// The last token of an async stream, which alone tells `input_length`, counts one too many.
fn generated(details: &Details<'_>, streamed: bool) -> Count {
    let is_async = details.inputs.is_none() && details.input_length.0.is_some();
    let more = u32::from(streamed && is_async);
    Count(details.generated_tokens.0.map(|count| count.saturating_sub(more)))
}

fn why(details: &Details<'_>, streamed: bool, wanted: &Wanted) -> Finish {
    let reason = details.finish_reason.get();
    let is_rolling = details.inputs.is_some();
    // Async mode puts the stop sequence in its place, or nothing, whatever the reason was.
    if !streamed && !is_rolling && wanted.stop.iter().any(|stop| stop == reason) {
        return Finish::Stop(Some(reason.to_owned()));
    }
    match reason {
        "length" => Finish::Length,
        "stop_sequence" => Finish::Stop(None),
        "" => {
            let generated = generated(details, streamed).0.map(u64::from);
            let is_full = generated.zip(wanted.max_tokens).is_some_and(|(all, most)| all >= most);
            if is_full { Finish::Length } else { Finish::End }
        }
        _ => Finish::End, // `eos_token`, `stop`
    }
}
