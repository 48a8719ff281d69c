//! Cohere's embeddings: `{texts, input_type, truncate, embedding_types}` → `{embeddings, id,
//! response_type, texts}`; version 4 takes `inputs`, `output_dimension` and `max_tokens` too.
//!
//! Source: Bedrock's user guide, "Cohere Embed v3" and "Cohere Embed v4", and recorded answers.
//! Not verified: that version 4 answers `embeddings_by_type` to a request without
//! `embedding_types`, and that it refuses texts which are too long unless `truncate` says
//! otherwise. Vectors are of length 1, as Cohere's own are.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Embedding, Question, Voice};
use crate::embed::{self, Answer, Ask, Dimensions, Purpose, Truncate};
use crate::family::Invocation;
use crate::family::schema::{self, Schema, malformed};
use crate::{Error, Result};

static SCHEMA_V3: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/cohere_embed_v3.json")).unwrap_or_default()
});
static SCHEMA_V4: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/cohere_embed_v4.json")).unwrap_or_default()
});

/// The context of Embed v4, in tokens: a `max_tokens` from here on limits nothing.
const CONTEXT_V4: u64 = 128_000;

/// `cohere.embed-english-v3`, `cohere.embed-multilingual-v3`.
#[derive(Clone, Copy, Debug)]
pub struct CohereV3;

/// `cohere.embed-v4:0`.
#[derive(Clone, Copy, Debug)]
pub struct CohereV4;

#[derive(Deserialize)]
struct Body {
    texts: Option<Vec<String>>,
    inputs: Option<Vec<Fused>>,
    input_type: InputType,
    truncate: Option<Side>,
    embedding_types: Option<Vec<Type>>,
    output_dimension: Option<usize>,
    max_tokens: Option<u64>,
}

/// Parts that become one vector.
#[derive(Deserialize)]
struct Fused {
    content: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    ImageUrl {},
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum InputType {
    SearchDocument,
    SearchQuery,
    Classification,
    Clustering,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Side {
    None,
    #[serde(alias = "LEFT")]
    Start,
    #[serde(alias = "RIGHT")]
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Float,
    Int8,
    Uint8,
    Binary,
    Ubinary,
}

impl Embedding for CohereV3 {
    fn name(&self) -> &'static str {
        "cohere-embed-v3"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let members = without_images(body)?;
        let body: Body = SCHEMA_V3.take(members)?;
        let types = body.embedding_types.clone();
        let ask = body.ask(None)?;
        Ok(question(ask, types, true, invocation))
    }
}

impl Embedding for CohereV4 {
    fn name(&self) -> &'static str {
        "cohere-embed-v4"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let members = without_images(body)?;
        let body: Body = SCHEMA_V4.take(members)?;
        if body.max_tokens.is_some_and(|limit| limit < CONTEXT_V4) {
            return Err(Error::not_supported("max_tokens"));
        }
        let types = body.embedding_types.clone().unwrap_or_else(|| vec![Type::Float]);
        let echoes = body.texts.is_some();
        let dimensions = body.output_dimension;
        let dimensions = dimensions.map_or(Dimensions::AtMost(1536), Dimensions::Exactly);
        let ask = body.ask(Some(dimensions))?;
        Ok(question(ask, Some(types), echoes, invocation))
    }
}

/// The members of a request. Of a request with images it is said that they are not served, before
/// the schema calls them extraneous.
fn without_images(body: &[u8]) -> Result<Map<String, Value>> {
    let members = schema::object(body)?;
    if members.contains_key("images") {
        return Err(Error::not_supported("images"));
    }
    if members.get("input_type").is_some_and(|word| word == "image") {
        return Err(Error::not_supported("input_type image"));
    }
    Ok(members)
}

impl Body {
    fn ask(self, dimensions: Option<Dimensions>) -> Result<Ask> {
        let inputs = match (self.texts, self.inputs) {
            (Some(texts), None) => texts,
            (None, Some(inputs)) => inputs.into_iter().map(Fused::text).collect::<Result<_>>()?,
            (None, None) => return Err(malformed("#: required key [texts] not found")),
            (Some(_), Some(_)) => {
                return Err(malformed("#: texts and inputs exclude each other"));
            }
        };
        Ok(Ask {
            inputs,
            dimensions,
            normalize: true,
            purpose: Some(match self.input_type {
                InputType::SearchDocument => Purpose::SearchDocument,
                InputType::SearchQuery => Purpose::SearchQuery,
                InputType::Classification => Purpose::Classification,
                InputType::Clustering => Purpose::Clustering,
            }),
            truncate: match self.truncate {
                None | Some(Side::None) => Truncate::None,
                Some(Side::Start) => Truncate::Start,
                Some(Side::End) => Truncate::End,
            },
        })
    }
}

impl Fused {
    /// Several texts are lines of one.
    fn text(self) -> Result<String> {
        let texts = self.content.into_iter().map(|part| match part {
            Part::Text { text } => Ok(text),
            Part::ImageUrl {} => Err(Error::not_supported("inputs.content of type image_url")),
        });
        Ok(texts.collect::<Result<Vec<_>>>()?.join("\n"))
    }
}

/// `echoes`: whether the texts are in the answer.
fn question(
    ask: Ask,
    types: Option<Vec<Type>>,
    echoes: bool,
    mut invocation: Invocation<'_>,
) -> Question {
    let texts = echoes.then(|| ask.inputs.clone());
    let random = &mut invocation.random;
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        random.u32(..),
        random.u16(..),
        random.u16(..0x1000),
        random.u16(0x8000..0xc000),
        random.u64(..1 << 48)
    );
    Question { ask, voice: Box::new(Said { types, texts, id }) }
}

struct Said {
    /// `None`: numbers alone, not by type.
    types: Option<Vec<Type>>,
    texts: Option<Vec<String>>,
    id: String,
}

#[derive(Serialize)]
struct Whole<'a> {
    embeddings: Embeddings<'a>,
    id: &'a str,
    response_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<&'a [String]>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Embeddings<'a> {
    Floats(&'a [Vec<f32>]),
    ByType(Box<ByType<'a>>),
}

#[derive(Serialize)]
struct ByType<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<&'a [Vec<f32>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    int8: Option<Vec<Vec<i8>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uint8: Option<Vec<Vec<u8>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Vec<Vec<i8>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ubinary: Option<Vec<Vec<u8>>>,
}

impl Voice for Said {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Vec<u8>> {
        let vectors = answer.vectors.as_slice();
        let (embeddings, response_type) = match &self.types {
            None => (Embeddings::Floats(vectors), "embeddings_floats"),
            Some(types) => {
                (Embeddings::ByType(Box::new(by_type(vectors, types))), "embeddings_by_type")
            }
        };
        let texts = self.texts.as_deref();
        let whole = Whole { embeddings, id: &self.id, response_type, texts };
        serde_json::to_vec(&whole).map_err(|error| Error::internal().because(error))
    }
}

fn by_type<'a>(vectors: &'a [Vec<f32>], types: &[Type]) -> ByType<'a> {
    fn each<T>(
        types: &[Type],
        one: Type,
        vectors: &[Vec<f32>],
        quantise: fn(&[f32]) -> Vec<T>,
    ) -> Option<Vec<Vec<T>>> {
        types.contains(&one).then(|| vectors.iter().map(|vector| quantise(vector)).collect())
    }
    ByType {
        float: types.contains(&Type::Float).then_some(vectors),
        int8: each(types, Type::Int8, vectors, embed::int8),
        uint8: each(types, Type::Uint8, vectors, embed::uint8),
        binary: each(types, Type::Binary, vectors, embed::binary),
        ubinary: each(types, Type::Ubinary, vectors, embed::ubinary),
    }
}
