//! A scripted model of vectors or of scores: what its containers take, and what they answer.
//!
//! A vector comes from a hash of its text, so that equal texts have equal vectors wherever they
//! stand; a score is the share of the query's words that a document has.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::Manner;
use super::ask::{Ask, Limits};
use super::refused::Refused;
use super::tokens;
use crate::clock::Clock;
use crate::emulator::rules::Dialect;

/// How many texts TEI takes at once unless it is started otherwise.
const TEI_BATCH: usize = 32;

/// What is asked of the model.
#[derive(Debug)]
pub(super) enum Pooling {
    /// Vectors; of length 1 unless the container was told otherwise.
    Embed {
        texts: Vec<String>,
        unit: bool,
    },
    Rerank {
        query: String,
        documents: Vec<String>,
    },
}

/// Reads `body`, which came as `text`.
pub(super) fn read(
    text: String,
    body: &Map<String, Value>,
    limits: Limits<'_>,
) -> Result<Ask, Refused> {
    let dialect = limits.dialect;
    let flag = |name: &str| body.get(name).and_then(Value::as_bool);
    let word = |name: &str| body.get(name).and_then(Value::as_str);
    let truncates = flag("truncate") == Some(true)
        || body.get("truncate_prompt_tokens").is_some_and(|count| !count.is_null())
        || body.get("parameters").and_then(|p| p.get("truncation")).is_some();
    let side = word("truncation_direction").or_else(|| word("truncation_side"));
    let from_left = side.is_some_and(|side| side.eq_ignore_ascii_case("left"));
    let (name, ranks) = match dialect {
        Dialect::Embeddings => ("input", false),
        Dialect::TeiRerank => ("texts", true),
        Dialect::Rerank => ("documents", true),
        _ => ("inputs", false),
    };
    let texts = match body.get(name) {
        Some(Value::String(one)) if !ranks => vec![one.clone()],
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            many.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => return Err(bad(dialect, &format!("`{name}` must be a string or a list of them"))),
    };
    let query = match word("query") {
        Some(query) => query.to_owned(),
        None if ranks => return Err(bad(dialect, "`query` is required")),
        None => String::new(),
    };
    let is_tei = matches!(dialect, Dialect::Tei | Dialect::TeiRerank);
    if is_tei && texts.is_empty() {
        return Err(Refused {
            kind: "Empty",
            ..Refused::plain(format!("`{name}` cannot be empty"))
        });
    }
    if is_tei && texts.len() > TEI_BATCH {
        let sent = texts.len();
        let message = format!("batch size {sent} > maximum allowed batch size {TEI_BATCH}");
        return Err(bad(dialect, &message));
    }
    let mut prompt_tokens = 0;
    let mut cut = Vec::with_capacity(texts.len());
    for text in texts {
        let count = tokens::count(&text);
        if count > limits.context && !truncates {
            return Err(too_long(dialect, limits.context, count));
        }
        prompt_tokens += count.min(limits.context) + tokens::count(&query);
        cut.push(shortened(&text, limits.context, from_left));
    }
    let all = std::iter::once(&query).chain(&cut).map(String::as_str).collect::<Vec<_>>();
    Ok(Ask {
        text: all.join("\n"),
        body: text,
        dialect,
        prompt_tokens,
        pooling: Some(if ranks {
            Pooling::Rerank { query, documents: cut }
        } else {
            Pooling::Embed { texts: cut, unit: flag("normalize") != Some(false) }
        }),
        ..Ask::default()
    })
}

/// A refusal as each container words its own.
fn bad(dialect: Dialect, message: &str) -> Refused {
    match dialect {
        Dialect::Tei | Dialect::TeiRerank => {
            Refused { status: 413, kind: "Validation", ..Refused::plain(message) }
        }
        _ => Refused::plain(message),
    }
}

fn too_long(dialect: Dialect, context: u64, count: u64) -> Refused {
    bad(
        dialect,
        &match dialect {
            Dialect::Embeddings | Dialect::Rerank => format!(
                "This model's maximum context length is {context} tokens. However, you requested \
                 {count} tokens in the input for embedding generation. Please reduce the length \
                 of the input."
            ),
            _ => format!("`inputs` must have less than {context} tokens. Given: {count}"),
        },
    )
}

fn shortened(text: &str, context: u64, from_left: bool) -> String {
    let tokens: Vec<&str> = tokens::split(text).collect();
    let surplus = tokens.len().saturating_sub(usize::try_from(context).unwrap_or(usize::MAX));
    let kept = if from_left { tokens.get(surplus..) } else { tokens.get(..tokens.len() - surplus) };
    kept.unwrap_or_default().concat()
}

impl Pooling {
    /// What the container answers.
    pub(super) fn answer(
        &self,
        ask: &Ask,
        manner: &Manner<'_>,
        width: usize,
        clock: &Clock,
    ) -> Value {
        let id = clock.uuid();
        let usage = json!({"prompt_tokens": ask.prompt_tokens, "total_tokens": ask.prompt_tokens});
        match self {
            Self::Embed { texts, unit } => {
                let vectors = texts.iter().map(|text| vector(text, width, *unit));
                match manner.dialect {
                    Dialect::HfFeatures => {
                        texts.iter().map(|text| json!([matrix(text, width)])).collect()
                    }
                    Dialect::Embeddings => {
                        let data: Vec<_> = vectors
                            .enumerate()
                            .map(|(index, embedding)| {
                                json!({"index": index, "object": "embedding", "embedding": embedding})
                            })
                            .collect();
                        json!({
                            "id": format!("embd-{id}"), "object": "list",
                            "created": clock.now().unix_timestamp(), "model": manner.model,
                            "data": data, "usage": usage,
                        })
                    }
                    _ => vectors.map(Value::from).collect(),
                }
            }
            Self::Rerank { query, documents } => {
                let mut scores: Vec<_> =
                    documents.iter().map(|document| score(query, document)).enumerate().collect();
                scores.sort_by(|a, b| b.1.total_cmp(&a.1));
                if manner.dialect == Dialect::TeiRerank {
                    let rank = |(index, score)| json!({"index": index, "score": score});
                    return scores.into_iter().map(rank).collect();
                }
                let results: Vec<_> = scores
                    .into_iter()
                    .map(|(index, score)| {
                        let text = documents.get(index);
                        json!({"index": index, "document": {"text": text}, "relevance_score": score})
                    })
                    .collect();
                json!({
                    "id": format!("rerank-{id}"), "model": manner.model,
                    "usage": usage, "results": results,
                })
            }
        }
    }
}

/// The vectors of a text's tokens: at least one, for an empty text.
fn matrix(text: &str, width: usize) -> Vec<Vec<f32>> {
    let mut rows: Vec<_> = tokens::split(text).map(|token| vector(token, width, false)).collect();
    if rows.is_empty() {
        rows.push(vector("", width, false));
    }
    rows
}

fn vector(text: &str, width: usize, unit: bool) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed(text));
    let numbers: Vec<f32> = (0..width).map(|_| random.f32() - 0.5).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    let scale = if unit { length } else { 1.0 };
    numbers.into_iter().map(|number| number / scale).collect()
}

/// The share of the query's words that the document has, and a little that tells documents apart.
fn score(query: &str, document: &str) -> f32 {
    let document = document.to_lowercase();
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let (mut found, mut all) = (0.0, 0.0);
    for word in words {
        all += 1.0;
        found += if document.contains(word) { 1.0 } else { 0.0 };
    }
    let share = if all > 0.0 { found / all } else { 0.0 };
    share * 0.9 + fastrand::Rng::with_seed(seed(&document)).f32() * 0.05
}

fn seed(text: &str) -> u64 {
    let hash = Sha256::digest(text);
    hash.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_vectors_of_length_1() {
        let (one, other) = (vector("贺兰山", 64, true), vector("银川", 64, true));
        assert_eq!(one, vector("贺兰山", 64, true));
        assert_ne!(one, other);
        assert!((one.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(matrix("", 4).len(), 1);
    }

    #[test]
    fn documents_with_the_words_of_the_query_are_better() {
        assert!(
            score("Where is Ningxia", "Ningxia is in China") > score("Where is Ningxia", "Tea")
        );
        assert_eq!(shortened("one two three", 2, false), "one two");
        assert_eq!(shortened("one two three", 2, true), " two three");
    }
}
