//! `{"inputs": …, "parameters": …}`, as each container of text reads it.

use serde_json::{Map, Value};

use super::ask::{Ask, Format, Limits, check_sampling, read_length, strings};
use super::refused::Refused;
use super::tokens;
use crate::emulator::rules::Dialect;

/// LMI's limit where none is named.
const LMI_LENGTH: u64 = 30;

/// The same of a text-generation pipeline.
const PIPELINE_LENGTH: u64 = 256;

/// How many stop sequences TGI takes unless it is started otherwise.
const TGI_STOPS: usize = 4;

/// Parameters of other containers that a pipeline passes on to `generate`, which knows none.
const NOT_OF_A_PIPELINE: [&str; 15] = [
    "stop",
    "stop_sequences",
    "details",
    "decoder_input_details",
    "best_of",
    "truncate",
    "watermark",
    "seed",
    "grammar",
    "top_n_tokens",
    "frequency_penalty",
    "presence_penalty",
    "include_stop_str_in_output",
    "skip_special_tokens",
    "ignore_eos_token",
];

/// What an answer to `inputs` depends on.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Whether there are to be `details`.
    pub(super) details: bool,
    /// `decoder_input_details`.
    pub(super) lists_prompt: bool,
    /// `return_full_text`.
    pub(super) repeats_prompt: bool,
    /// `seed`, or null.
    pub(super) seed: Value,
}

/// Reads `body`, which came as `text` and has the prompt `prompt`.
pub(super) fn read(
    text: String,
    body: &Map<String, Value>,
    prompt: &str,
    limits: Limits<'_>,
) -> Result<Ask, Refused> {
    let none = Map::new();
    let parameters = body.get("parameters").and_then(Value::as_object).unwrap_or(&none);
    let flag = |name: &str| parameters.get(name).and_then(Value::as_bool);
    let dialect = limits.dialect;
    let stream =
        body.get("stream").and_then(Value::as_bool) == Some(true) && dialect != Dialect::Hf;
    let prompt_tokens = limits.count(prompt);
    let max_tokens = match dialect {
        Dialect::Tgi => {
            check_tgi(parameters, stream)?;
            tgi_length(parameters, prompt_tokens, limits.context)?
        }
        Dialect::Hf => {
            check_pipeline(parameters)?;
            let rest = limits.context.saturating_sub(prompt_tokens);
            number(parameters, "max_new_tokens").map_or(PIPELINE_LENGTH, unsigned).min(rest)
        }
        _ => {
            check_sampling(parameters)?;
            let asked = number(parameters, "max_new_tokens").unwrap_or(LMI_LENGTH.cast_signed());
            read_length(Some(asked), LMI_LENGTH, prompt_tokens, limits.context)?
        }
    };
    // Rolling batch alone takes TGI 1's name too.
    let mut stop = strings(parameters.get("stop"));
    if dialect.is_rolling() && stop.is_empty() {
        stop = strings(parameters.get("stop_sequences"));
    }
    let is_vllm = dialect == Dialect::Jsonlines || dialect.is_rolling();
    Ok(Ask {
        inputs: Some(Inputs {
            details: flag("details").unwrap_or(dialect == Dialect::RollingTgi),
            lists_prompt: flag("decoder_input_details").unwrap_or(false),
            repeats_prompt: flag("return_full_text").unwrap_or(dialect == Dialect::Hf),
            seed: parameters.get("seed").cloned().unwrap_or_default(),
        }),
        dialect,
        text: prompt.to_owned(),
        format: grammar(parameters).filter(|_| dialect == Dialect::Tgi),
        stream,
        max_tokens,
        stop,
        shows_special: is_vllm && flag("skip_special_tokens") == Some(false),
        // TGI ends behind the sequence, and leaves it where it is.
        shows_stop: dialect == Dialect::Tgi
            || (is_vllm && flag("include_stop_str_in_output") == Some(true)),
        parallel: true,
        thinking: true,
        show_reasoning: true,
        prompt_tokens,
        body: text,
        ..Ask::default()
    })
}

fn number(parameters: &Map<String, Value>, name: &str) -> Option<i64> {
    parameters.get(name).and_then(Value::as_i64)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn grammar(parameters: &Map<String, Value>) -> Option<Format> {
    let grammar = parameters.get("grammar")?;
    (grammar.get("type")? == "json").then(|| Format::Schema(grammar["value"].clone()))
}

/// What TGI 3.3 refuses, in its words.
fn check_tgi(parameters: &Map<String, Value>, stream: bool) -> Result<(), Refused> {
    let real = |name: &str| parameters.get(name).and_then(Value::as_f64);
    let not_positive = |name: &str| real(name).is_some_and(|value| value <= 0.0);
    let stops = parameters.get("stop").and_then(Value::as_array).map_or(0, Vec::len);
    for name in ["temperature", "repetition_penalty", "top_k", "max_new_tokens"] {
        if not_positive(name) {
            return Err(Refused::plain(format!("`{name}` must be strictly positive")));
        }
    }
    for name in ["top_p", "typical_p"] {
        if real(name).is_some_and(|value| value <= 0.0 || value >= 1.0) {
            return Err(Refused::plain(format!("`{name}` must be > 0.0 and < 1.0")));
        }
    }
    if stops > TGI_STOPS {
        return Err(Refused::plain(format!(
            "`stop` supports up to {TGI_STOPS} stop sequences. Given: {stops}"
        )));
    }
    if stream && parameters.get("decoder_input_details") == Some(&Value::Bool(true)) {
        return Err(Refused::plain(
            "`decoder_input_details` == true is not supported when streaming tokens",
        ));
    }
    Ok(())
}

fn tgi_length(parameters: &Map<String, Value>, prompt: u64, context: u64) -> Result<u64, Refused> {
    let most = context.saturating_sub(1);
    if prompt > most {
        return Err(Refused::plain(format!(
            "`inputs` must have less than {most} tokens. Given: {prompt}"
        )));
    }
    let rest = context - prompt;
    let asked = number(parameters, "max_new_tokens").map_or(rest, unsigned);
    if asked > rest {
        return Err(Refused::plain(format!(
            "`inputs` tokens + `max_new_tokens` must be <= {context}. Given: {prompt} `inputs` \
             tokens and {asked} `max_new_tokens`"
        )));
    }
    Ok(asked)
}

/// What transformers' `generate` refuses, in its words.
fn check_pipeline(parameters: &Map<String, Value>) -> Result<(), Refused> {
    let unknown: Vec<_> = parameters
        .keys()
        .filter(|name| NOT_OF_A_PIPELINE.contains(&name.as_str()))
        .map(|name| format!("'{name}'"))
        .collect();
    if !unknown.is_empty() {
        return Err(Refused::plain(format!(
            "The following `model_kwargs` are not used by the model: [{}] (note: typos in the \
             generate arguments will also show up in this list)",
            unknown.join(", ")
        )));
    }
    let real = |name: &str| parameters.get(name).and_then(Value::as_f64);
    if let Some(value) = real("temperature").filter(|value| *value <= 0.0) {
        return Err(Refused::plain(format!(
            "`temperature` (={value:?}) has to be a strictly positive float, otherwise your next \
             token scores will be invalid."
        )));
    }
    if let Some(value) = real("top_p").filter(|value| !(0.0..=1.0).contains(value)) {
        return Err(Refused::plain(format!(
            "`top_p` has to be a float > 0 and < 1, but is {value:?}"
        )));
    }
    Ok(())
}

/// The tokens of a prompt, with the one that the tokenizer puts before it.
pub(super) fn prompt_tokens<'a>(bos: &'a str, prompt: &'a str) -> impl Iterator<Item = &'a str> {
    Some(bos).filter(|bos| !bos.is_empty()).into_iter().chain(tokens::split(prompt))
}
