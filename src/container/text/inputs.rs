//! `{"inputs": …, "parameters": …}`: what TGI, LMI and the Hugging Face toolkit have in common.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::asked::{Asked, number};
use super::generation;
use crate::Result;
use crate::container::Mode;
use crate::container::faults::Fault;
use crate::container::json::{self, Count, OneOrMany, Text};
use crate::converse::Event;

/// The limit and the sampling. Temperature 0 is no number to these containers, but the order not
/// to sample; a temperature counts only where sampling is on, which it is not everywhere by
/// itself. With `below_one`, a `top_p` of 1 cannot be told, and is what no `top_p` means.
pub(super) fn parameters(asked: &Asked<'_>, below_one: bool) -> Map<String, Value> {
    let mut parameters = Map::new();
    if let Some(limit) = asked.max_tokens {
        parameters.insert("max_new_tokens".into(), limit.into());
    }
    // No tokens but the likeliest either way.
    if asked.temperature == Some(0.0) || asked.top_p == Some(0.0) {
        parameters.insert("do_sample".into(), false.into());
        return parameters;
    }
    if asked.temperature.is_some() || asked.top_p.is_some() {
        parameters.insert("do_sample".into(), true.into());
    }
    if let Some(temperature) = asked.temperature {
        parameters.insert("temperature".into(), number(temperature));
    }
    if let Some(top_p) = asked.top_p.filter(|top_p| !below_one || *top_p < 1.0) {
        parameters.insert("top_p".into(), number(top_p));
    }
    parameters
}

/// The body: what is stable first.
pub(super) fn body(asked: Asked<'_>, mut parameters: Map<String, Value>) -> Map<String, Value> {
    parameters.extend(asked.fields);
    let mut body = Map::new();
    body.insert("inputs".into(), asked.prompt.into());
    body.insert("parameters".into(), parameters.into());
    body
}

/// The same for a container that streams on demand.
pub(super) fn streamed(asked: Asked<'_>, parameters: Map<String, Value>) -> Map<String, Value> {
    let streams = asked.mode == Mode::Stream;
    let mut body = body(asked, parameters);
    if streams {
        body.insert("stream".into(), true.into());
    }
    body
}

/// One JSON value of an answer: a token, or all of it.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) token: Option<Token<'a>>,
    /// Null until the last token.
    #[serde(borrow, default)]
    pub(super) generated_text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) details: Option<Details<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// LMI's dynamic batches stream nothing else.
    #[serde(borrow, default)]
    pub(super) outputs: OneOrMany<Text<'a>>,
    /// See [`generation`].
    #[serde(default)]
    generation: Option<IgnoredAny>,
    /// LMI's envelope of it.
    #[serde(default)]
    body: Option<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Token<'a> {
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    /// TGI.
    #[serde(default)]
    special: Option<bool>,
    /// LMI's rolling batch, where it says so.
    #[serde(default, rename = "special_token")]
    special_too: Option<bool>,
}

impl Token<'_> {
    pub(super) fn is_special(&self) -> bool {
        self.special == Some(true) || self.special_too == Some(true)
    }
}

#[derive(Deserialize)]
pub(super) struct Details<'a> {
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    #[serde(default)]
    pub(super) generated_tokens: Count,
    /// The last of a stream.
    #[serde(default)]
    pub(super) input_length: Count,
    /// The prompt: LMI's rolling batch repeats it.
    #[serde(default)]
    pub(super) inputs: Option<IgnoredAny>,
    /// The prompt's tokens, if they were asked for.
    #[serde(default)]
    pub(super) prefill: Option<Vec<IgnoredAny>>,
    /// All that was generated, of an answer that was not streamed.
    #[serde(borrow, default)]
    pub(super) tokens: Option<Vec<Token<'a>>>,
}

impl Details<'_> {
    /// How many tokens the prompt had, if they are listed.
    pub(super) fn listed(&self) -> Count {
        let listed = self.prefill.as_ref().filter(|prefill| !prefill.is_empty());
        Count(listed.and_then(|prefill| u32::try_from(prefill.len()).ok()))
    }
}

impl Chunk<'_> {
    /// Whether nothing follows.
    pub(super) fn is_last(&self) -> bool {
        self.generated_text.0.is_some() || self.details.is_some()
    }

    fn is_generation(&self) -> bool {
        self.generation.is_some() || self.body.is_some()
    }

    fn reason(&self) -> &str {
        self.details.as_ref().map(|details| details.finish_reason.get()).unwrap_or_default()
    }

    /// Hands on what this value says, but for the end.
    pub(super) fn say(&self, answer: &mut Answer, out: &mut Vec<Event>) {
        let is_end = matches!(self.reason(), "eos_token" | "stop");
        if let Some(token) = &self.token {
            answer.token(token.text.get(), token.is_special(), is_end, out);
        } else if !answer.by_token {
            answer.text(self.generated_text.get(), out);
        }
    }
}

/// Reads one JSON text, and gives each of its values to `take`; fails with the container's own
/// error where that is what it says.
pub(super) fn each(
    json: &[u8],
    answer: &mut Answer,
    out: &mut Vec<Event>,
    mut take: impl FnMut(&Chunk<'_>, &mut Answer, &mut Vec<Event>),
) -> Result<()> {
    let text = json::text(json);
    let chunks: OneOrMany<Chunk<'_>> =
        serde_json::from_str(&text).map_err(|error| json::unreadable(answer.code(), &error))?;
    if chunks.0.iter().any(Chunk::is_generation) {
        return generation::read(&text, answer, out);
    }
    for chunk in &chunks.0 {
        if chunk.error.is_some_and(Fault::is_told) {
            return Err(answer.fail(Fault::of_answer(json)));
        }
        if chunk.reason() == "error" {
            return Err(answer.fail(Fault::new("The model broke off its answer.")));
        }
        if chunk.token.is_none() && !chunk.is_last() && chunk.outputs.0.is_empty() {
            answer.unknown(json);
        }
        take(chunk, answer, out);
    }
    Ok(())
}
