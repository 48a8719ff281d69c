//! OpenAI's embeddings, as vLLM 0.32 has them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{failed, misshapen};
use crate::Result;
use crate::container::usage::Read;
use crate::embed::{Answer, Truncate};

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    input: &'a [Cow<'a, str>],
    encoding_format: &'static str,
    /// vLLM's own: -1 stands for as many as the model can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate_prompt_tokens: Option<i32>,
    /// vLLM's own, too: the side that is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation_side: Option<&'static str>,
}

#[derive(Deserialize)]
struct Said {
    data: Vec<Datum>,
    #[serde(default)]
    usage: Option<Read>,
}

#[derive(Deserialize)]
struct Datum {
    index: Option<usize>,
    embedding: Vec<f32>,
}

pub(super) fn encode(
    texts: &[Cow<'_, str>],
    truncate: Truncate,
    model: Option<&str>,
) -> Result<Vec<u8>, serde_json::Error> {
    let side = match truncate {
        Truncate::None => None,
        Truncate::Start => Some("left"),
        Truncate::End => Some("right"),
    };
    serde_json::to_vec(&Body {
        model,
        input: texts,
        encoding_format: "float",
        truncate_prompt_tokens: side.map(|_| -1),
        truncation_side: side,
    })
}

/// The vectors in the order of their indices; without indices as they came.
pub(super) fn decode(body: &[u8]) -> Result<Answer> {
    let said: Said = serde_json::from_slice(body).map_err(|error| failed(body, &error))?;
    let mut data: Vec<(usize, Vec<f32>)> = said
        .data
        .into_iter()
        .enumerate()
        .map(|(place, datum)| (datum.index.unwrap_or(place), datum.embedding))
        .collect();
    data.sort_by_key(|(index, _)| *index);
    if data.iter().enumerate().any(|(place, (index, _))| place != *index) {
        return Err(misshapen("an index is missing, or there twice"));
    }
    let vectors = data.into_iter().map(|(_, vector)| vector).collect();
    Ok(Answer { vectors, tokens: said.usage.and_then(Read::tokens) })
}
