//! The dialects, told apart in one place.

use serde_json::Value;

use super::answer::Answer;
use super::asked::Asked;
use super::{completions, hf, lmi, tgi};
use crate::container::Mode;
use crate::converse::Event;
use crate::{Error, Result};

/// What a container of text speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `{"prompt": …}`, answered with `choices`: vLLM, LMI, TGI, llama.cpp.
    Completions,
    /// `{"inputs": …, "parameters": …}` of Text Generation Inference.
    Tgi,
    /// `{"inputs": …, "parameters": …}` of LMI, in async mode as by rolling batch: the answers
    /// are told apart by their members.
    Lmi,
    /// `{"inputs": …, "parameters": …}` of the Hugging Face inference toolkit, which answers a
    /// pipeline's output and streams nothing.
    HuggingFace,
}

/// Members that the gateway sets, or by which a container would take the body for another
/// operation: no additional field may name them.
const OURS_OF_COMPLETIONS: &[&str] = &[
    "prompt",
    "prompt_embeds",
    "inputs",
    "messages",
    "requestType",
    "model",
    "stream",
    "stream_options",
    "n",
    "echo",
    "tools",
    "chat_template",
];
const OURS_OF_INPUTS: &[&str] = &[
    "inputs",
    "prompt",
    "messages",
    "requestType",
    "model",
    "parameters",
    "stream",
    "stream_options",
    "details",
    "return_full_text",
    "n",
    "echo",
    "top_n_tokens", // LMI: `n`
    "num_return_sequences",
    "tools",
    "chat_template",
];

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Completions, Self::Tgi, Self::Lmi, Self::HuggingFace];

    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completions => "completions",
            Self::Tgi => "tgi",
            Self::Lmi => "lmi",
            Self::HuggingFace => "huggingface",
        }
    }

    /// Whether the container can send its answer as it is generated.
    pub const fn streams(self) -> bool {
        !matches!(self, Self::HuggingFace)
    }

    /// Whether an answer counts the tokens of the prompt: streams do, and of whole answers those
    /// of completions alone.
    pub const fn counts_input(self, mode: Mode) -> bool {
        match self {
            Self::Completions => true,
            Self::Tgi | Self::Lmi => matches!(mode, Mode::Stream),
            Self::HuggingFace => false,
        }
    }

    /// Names of the limit of tokens.
    pub(super) const fn limits(self) -> &'static [&'static str] {
        match self {
            Self::Completions => &["max_tokens"],
            Self::Tgi | Self::Lmi | Self::HuggingFace => &["max_new_tokens"],
        }
    }

    pub(super) const fn ours(self) -> &'static [&'static str] {
        match self {
            Self::Completions => OURS_OF_COMPLETIONS,
            Self::Tgi | Self::Lmi | Self::HuggingFace => OURS_OF_INPUTS,
        }
    }

    /// Members by which temperature and `top_p` are switched on and off.
    pub(super) const fn sampling_switches(self) -> &'static [&'static str] {
        match self {
            Self::Completions => &[],
            Self::Tgi | Self::Lmi | Self::HuggingFace => &["do_sample"],
        }
    }

    /// Whether the container can be made to keep to a JSON schema.
    pub(super) const fn takes_schema(self) -> bool {
        matches!(self, Self::Completions | Self::Tgi)
    }

    pub(super) fn body(self, asked: Asked<'_>, model: Option<&str>) -> Result<Vec<u8>> {
        let body = match self {
            Self::Completions => completions::body(asked, model),
            Self::Tgi => tgi::body(asked),
            Self::Lmi => lmi::body(asked),
            Self::HuggingFace => hf::body(asked),
        };
        serde_json::to_vec(&Value::Object(body)).map_err(|error| Error::internal().because(error))
    }

    pub(super) fn read(self, json: &[u8], answer: &mut Answer, out: &mut Vec<Event>) -> Result<()> {
        match self {
            Self::Completions => completions::read(json, answer, out),
            Self::Tgi => tgi::read(json, answer, out),
            Self::Lmi => lmi::read(json, answer, out),
            Self::HuggingFace => hf::read(json, answer, out),
        }
    }
}
