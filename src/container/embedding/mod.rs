//! Containers that make vectors: a batch of texts → a payload, a body → vectors.
//!
//! Each dialect is a file; what they have in common is here. A container answers a batch at once,
//! and takes no more texts than its [batch](Embedder::batch) allows.

mod numbers;
mod openai;

use std::borrow::Cow;

use serde::Serialize;

use super::Mode;
use super::faults::Fault;
use crate::embed::{Answer, Ask, Pooling, Purpose, Truncate, pool};
use crate::wire::Payload;
use crate::{Code, Error, Result};
use numbers::Numbers;

/// What an embedding container speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Text Embeddings Inference: `{inputs, normalize, truncate}` → `[[…]]`. Counts no tokens that
    /// SageMaker would hand on.
    Tei,
    /// OpenAI's embeddings, as vLLM's pooling models take them on `/invocations`: `{input}` →
    /// `{data: [{index, embedding}], usage}`.
    OpenAi,
    /// LMI: `{inputs}` → `[[…]]`. Counts no tokens.
    Lmi,
    /// The Hugging Face toolkit's feature extraction: `{inputs}` → the vectors of all tokens, one
    /// matrix a text, which are pooled here.
    HuggingFace,
}

impl Dialect {
    /// How many texts such a container takes at once, as it is usually deployed: TEI's
    /// `--max-client-batch-size`; fewer where an answer would grow over SageMaker's 6 MB.
    const fn batch(self) -> usize {
        match self {
            Self::Tei | Self::Lmi => 32,
            Self::OpenAi => 128,
            Self::HuggingFace => 1,
        }
    }
}

/// How a container is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it speaks.
    pub dialect: Dialect,
    /// How many texts it takes at once; `None`: as usual for its dialect. Above zero.
    pub max_batch: Option<usize>,
    /// What becomes of the vectors of tokens.
    pub pooling: Pooling,
    /// What goes into the payload's `model` member.
    pub model: Option<String>,
    /// What the model wants in front of what is looked for, such as `query: `.
    pub query_prefix: String,
    /// What the model wants in front of what is to be found, such as `passage: `.
    pub document_prefix: String,
}

impl Options {
    /// A container of this dialect with every default.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            max_batch: None,
            pooling: Pooling::default(),
            model: None,
            query_prefix: String::new(),
            document_prefix: String::new(),
        }
    }
}

/// A container that makes vectors.
#[derive(Clone, Debug)]
pub struct Embedder {
    options: Options,
}

/// `{inputs, …}`: TEI, LMI, the toolkit.
#[derive(Serialize)]
struct Texts<'a> {
    inputs: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation_direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

/// Of a feature-extraction pipeline.
#[derive(Serialize)]
struct Parameters {
    truncation: bool,
}

impl Embedder {
    /// A container that is asked in this way.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// How many texts go into one payload.
    pub fn batch(&self) -> usize {
        self.options.max_batch.unwrap_or_else(|| self.options.dialect.batch()).max(1)
    }

    /// The payload for `texts`, which are some of those of `ask`, or a `ValidationException` that
    /// names what this container cannot be asked.
    pub fn encode(&self, texts: &[String], ask: &Ask) -> Result<Payload> {
        let prefix = match ask.purpose {
            Some(Purpose::SearchQuery) => self.options.query_prefix.as_str(),
            Some(Purpose::SearchDocument) => self.options.document_prefix.as_str(),
            _ => "",
        };
        let texts: Vec<Cow<'_, str>> = texts
            .iter()
            .map(|text| match prefix {
                "" => Cow::Borrowed(text.as_str()),
                prefix => Cow::Owned(format!("{prefix}{text}")),
            })
            .collect();
        let plain = Texts {
            inputs: &texts,
            normalize: None,
            truncate: None,
            truncation_direction: None,
            parameters: None,
        };
        let body = match (self.options.dialect, ask.truncate) {
            (Dialect::Tei, side) => serde_json::to_vec(&Texts {
                normalize: Some(ask.normalize),
                truncate: Some(side != Truncate::None),
                truncation_direction: match side {
                    Truncate::None => None,
                    Truncate::Start => Some("Left"),
                    Truncate::End => Some("Right"),
                },
                ..plain
            }),
            (Dialect::OpenAi, side) => openai::encode(&texts, side, self.options.model.as_deref()),
            (Dialect::Lmi | Dialect::HuggingFace, Truncate::None) => serde_json::to_vec(&plain),
            (Dialect::HuggingFace, Truncate::End) => serde_json::to_vec(&Texts {
                parameters: Some(Parameters { truncation: true }),
                ..plain
            }),
            (Dialect::Lmi | Dialect::HuggingFace, _) => {
                return Err(Error::not_supported("truncate, with the container of this model,"));
            }
        };
        let payload = |body: Vec<u8>| match self.options.dialect {
            Dialect::OpenAi => Payload::json(body).at("embeddings"),
            Dialect::Tei | Dialect::Lmi | Dialect::HuggingFace => Payload::json(body),
        };
        body.map(payload).map_err(|error| Error::internal().because(error))
    }

    /// The vectors in the body that answers `count` texts.
    pub fn decode(&self, count: usize, body: &[u8]) -> Result<Answer> {
        let answer = match self.options.dialect {
            Dialect::OpenAi => openai::decode(body)?,
            Dialect::Tei | Dialect::Lmi => {
                let vectors = lists(body)?.into_iter().map(Numbers::into_row).collect();
                Answer { vectors: all(vectors)?, tokens: None }
            }
            Dialect::HuggingFace => {
                let texts = lists(body)?.into_iter().map(|text| self.pooled(text)).collect();
                Answer { vectors: all(texts)?, tokens: None }
            }
        };
        let finite = answer.vectors.iter().flatten().all(|number| number.is_finite());
        if answer.vectors.len() != count || !finite {
            return Err(misshapen("not one vector of numbers for each text"));
        }
        Ok(answer)
    }

    /// The vector of a text, whose tokens' may lie in a further array of one, as pipelines answer.
    /// A text that has one vector already was pooled by the container.
    fn pooled(&self, text: Numbers) -> Option<Vec<f32>> {
        match text {
            Numbers::Row(row) => Some(row),
            Numbers::List(mut list) if matches!(list.as_slice(), [Numbers::List(_)]) => {
                self.pooled(list.pop()?)
            }
            Numbers::List(list) => {
                let rows: Option<Vec<_>> = list.into_iter().map(Numbers::into_row).collect();
                pool(&rows?, self.options.pooling)
            }
            Numbers::One(_) => None,
        }
    }
}

/// The elements of the array that a body is, or that its only member of a known name is.
fn lists(body: &[u8]) -> Result<Vec<Numbers>> {
    match numbers::read(body) {
        Ok(Numbers::List(list)) => Ok(list),
        // An empty array is one of no vectors.
        Ok(Numbers::Row(row)) if row.is_empty() => Ok(vec![]),
        Ok(_) => Err(misshapen("no array of arrays")),
        Err(error) => Err(failed(body, &error)),
    }
}

fn all(vectors: Option<Vec<Vec<f32>>>) -> Result<Vec<Vec<f32>>> {
    vectors.ok_or_else(|| misshapen("not one vector of numbers for each text"))
}

/// What a body that could not be read means: an error that came with status 200, or no answer.
pub(super) fn failed(body: &[u8], error: &serde_json::Error) -> Error {
    let fault = Fault::of_answer(body);
    if body.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
        && !fault.is_unknown()
    {
        return fault.into_error(Mode::Unary);
    }
    super::json::unreadable(Code::ModelError, error)
}

/// JSON that is no answer to what was asked.
pub(super) fn misshapen(why: &'static str) -> Error {
    Error::new(Code::ModelError, "The model returned an answer that could not be read.")
        .because(why)
}
