//! Cohere Rerank: `{query, documents, top_n, api_version}` → `{results: [{index,
//! relevance_score}]}`, the best first.
//!
//! Source: Cohere's API reference (version 2) and public examples of its use on Bedrock; the user
//! guide has no page for this body. So not verified: whether Bedrock insists on `api_version` (it
//! may be left out here) and how it reads documents that are objects. Here, as in Cohere's own
//! version 1, the member `text` is the document; an object without it is written as YAML, as
//! Cohere's guide recommends for structured data.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Rerank;
use crate::family::schema::Schema;
use crate::rerank::{Answer, Ask};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/cohere_rerank.json")).unwrap_or_default()
});

/// `cohere.rerank-v3-5:0`.
#[derive(Clone, Copy, Debug)]
pub struct Cohere;

#[derive(Deserialize)]
struct Body {
    query: String,
    documents: Vec<Document>,
    top_n: Option<usize>,
    max_tokens_per_doc: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Text(String),
    Object(Map<String, Value>),
}

impl Document {
    fn into_text(self) -> String {
        let members = match self {
            Self::Text(text) => return text,
            Self::Object(members) => members,
        };
        if let Some(Value::String(text)) = members.get("text") {
            return text.clone();
        }
        let mut lines = String::new();
        for (name, value) in &members {
            // Writing to a string does not fail. JSON of one line is YAML too.
            let _ = match value {
                Value::String(text) => writeln!(lines, "{name}: {text}"),
                other => writeln!(lines, "{name}: {other}"),
            };
        }
        lines
    }
}

#[derive(Serialize)]
struct Whole {
    results: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    index: usize,
    relevance_score: f32,
}

impl Rerank for Cohere {
    fn name(&self) -> &'static str {
        "cohere-rerank"
    }

    fn read(&self, body: &[u8]) -> Result<Ask> {
        let body: Body = SCHEMA.read(body)?;
        if body.max_tokens_per_doc.is_some() {
            return Err(Error::not_supported("max_tokens_per_doc"));
        }
        let documents = body.documents.into_iter().map(Document::into_text).collect();
        Ok(Ask { query: body.query, documents, top_n: body.top_n })
    }

    fn whole(&self, answer: &Answer) -> Result<Vec<u8>> {
        let found = answer.results.iter();
        let results =
            found.map(|rank| Found { index: rank.index, relevance_score: rank.score }).collect();
        serde_json::to_vec(&Whole { results }).map_err(|error| Error::internal().because(error))
    }
}
