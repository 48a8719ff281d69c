//! Containers that put documents in order: a query with some documents → a payload, a body → scores.

use serde::{Deserialize, Serialize};

use super::embedding::{failed, misshapen};
use super::usage::Read;
use crate::rerank::{Answer, Rank};
use crate::wire::Payload;
use crate::{Error, Result};

/// What a rerank container speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Text Embeddings Inference: `{query, texts}` → `[{index, score}]`.
    Tei,
    /// vLLM's and Jina's: `{query, documents}` → `{results: [{index, relevance_score}], usage}`.
    /// The answer of vLLM's score API, `{data: [{index, score}]}`, is understood too.
    VLlm,
}

/// How a container is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it speaks.
    pub dialect: Dialect,
    /// How many documents it takes at once; `None`: as usual for its dialect. Above zero.
    pub max_batch: Option<usize>,
    /// What goes into the payload's `model` member.
    pub model: Option<String>,
}

impl Options {
    /// A container of this dialect with every default.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, max_batch: None, model: None }
    }
}

/// A container that puts documents in order.
#[derive(Clone, Debug)]
pub struct Reranker {
    options: Options,
}

#[derive(Serialize)]
struct Tei<'a> {
    query: &'a str,
    texts: &'a [String],
    raw_scores: bool,
    return_text: bool,
    /// Cohere reads as much of a document as the model can; so does this.
    truncate: bool,
}

#[derive(Serialize)]
struct VLlm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    query: &'a str,
    documents: &'a [String],
    /// As many as the model can read.
    truncate_prompt_tokens: i32,
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    #[serde(alias = "relevance_score")]
    score: f32,
}

#[derive(Deserialize)]
struct Said {
    #[serde(alias = "data")]
    results: Vec<Scored>,
    #[serde(default)]
    usage: Option<Read>,
}

impl Reranker {
    /// A container that is asked in this way.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// How many documents go into one payload.
    pub fn batch(&self) -> usize {
        let usual = match self.options.dialect {
            Dialect::Tei => 32, // its `--max-client-batch-size`
            Dialect::VLlm => 128,
        };
        self.options.max_batch.unwrap_or(usual).max(1)
    }

    /// The payload for some documents of a question. All of their scores are asked for: which are
    /// the best is known when the last batch has answered.
    pub fn encode(&self, query: &str, documents: &[String]) -> Result<Payload> {
        let body = match self.options.dialect {
            Dialect::Tei => serde_json::to_vec(&Tei {
                query,
                texts: documents,
                raw_scores: false,
                return_text: false,
                truncate: true,
            }),
            Dialect::VLlm => serde_json::to_vec(&VLlm {
                model: self.options.model.as_deref(),
                query,
                documents,
                truncate_prompt_tokens: -1,
            }),
        };
        let payload = |body: Vec<u8>| match self.options.dialect {
            Dialect::VLlm => Payload::json(body).at("rerank"),
            Dialect::Tei => Payload::json(body),
        };
        body.map(payload).map_err(|error| Error::internal().because(error))
    }

    /// The scores in the body that answers `count` documents, by their place in the batch.
    pub fn decode(&self, count: usize, body: &[u8]) -> Result<Answer> {
        let (scored, tokens) = match self.options.dialect {
            Dialect::Tei => (serde_json::from_slice(body), None),
            Dialect::VLlm => match serde_json::from_slice::<Said>(body) {
                Ok(said) => (Ok(said.results), said.usage.and_then(Read::tokens)),
                Err(error) => (Err(error), None),
            },
        };
        let scored: Vec<Scored> = scored.map_err(|error| failed(body, &error))?;
        if scored.len() != count
            || scored.iter().any(|one| one.index >= count || !one.score.is_finite())
        {
            return Err(misshapen("not one score for each document"));
        }
        let results = scored.into_iter().map(|one| Rank { index: one.index, score: one.score });
        Ok(Answer { results: results.collect(), tokens })
    }
}
