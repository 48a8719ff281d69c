//! Amazon Titan's embeddings: `{inputText, dimensions, normalize, embeddingTypes}` → `{embedding,
//! embeddingsByType, inputTextTokenCount}`.
//!
//! Source: Bedrock's user guide, "Amazon Titan Embeddings Text". Not documented there, and so not
//! verified: that `embedding` is left out of an answer of `binary` alone (recorded answers do), and
//! that `binary` has one 0 or 1 for each dimension. `inputTextTokenCount` is left out where the
//! container does not count tokens; Bedrock's own always does.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{Embedding, Question, Voice};
use crate::embed::{self, Answer, Ask, Dimensions};
use crate::family::Invocation;
use crate::family::schema::{self, Schema};
use crate::{Error, Result};

static SCHEMA_V1: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/titan_embed_v1.json")).unwrap_or_default()
});
static SCHEMA_V2: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/titan_embed_v2.json")).unwrap_or_default()
});

/// The member that only the multimodal model takes.
const IMAGE: &str = "inputImage";

/// `amazon.titan-embed-text-v1`, `amazon.titan-embed-g1-text-02`.
#[derive(Clone, Copy, Debug)]
pub struct TitanV1;

/// `amazon.titan-embed-text-v2:0`.
#[derive(Clone, Copy, Debug)]
pub struct TitanV2;

/// `amazon.titan-embed-image-v1`, which is not served.
#[derive(Clone, Copy, Debug)]
pub struct TitanImage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    input_text: String,
    dimensions: Option<usize>,
    normalize: Option<bool>,
    embedding_types: Option<Vec<Type>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Float,
    Binary,
}

impl Embedding for TitanV1 {
    fn name(&self) -> &'static str {
        "titan-embed-v1"
    }

    fn read(&self, body: &[u8], _: Invocation<'_>) -> Result<Question> {
        let body: Body = SCHEMA_V1.read(body)?;
        // The documentation says nothing of a length; vectors stay as the model makes them.
        let ask = Ask { normalize: false, ..Ask::new(vec![body.input_text]) };
        Ok(Question { ask, voice: Box::new(Said { types: None }) })
    }
}

impl Embedding for TitanV2 {
    fn name(&self) -> &'static str {
        "titan-embed-v2"
    }

    fn read(&self, body: &[u8], _: Invocation<'_>) -> Result<Question> {
        let members = schema::object(body)?;
        if members.contains_key(IMAGE) {
            return Err(Error::not_supported(IMAGE));
        }
        let body: Body = SCHEMA_V2.take(members)?;
        let ask = Ask {
            dimensions: Some(body.dimensions.map_or(Dimensions::AtMost(1024), Dimensions::Exactly)),
            normalize: body.normalize.unwrap_or(true),
            ..Ask::new(vec![body.input_text])
        };
        let types = Some(body.embedding_types.unwrap_or_else(|| vec![Type::Float]));
        Ok(Question { ask, voice: Box::new(Said { types }) })
    }
}

impl Embedding for TitanImage {
    fn name(&self) -> &'static str {
        "titan-embed-image"
    }

    fn read(&self, _: &[u8], _: Invocation<'_>) -> Result<Question> {
        Err(Error::not_supported("Amazon Titan Multimodal Embeddings"))
    }
}

struct Said {
    /// `None`: the model has but one.
    types: Option<Vec<Type>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings_by_type: Option<ByType<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_text_token_count: Option<u32>,
}

#[derive(Serialize)]
struct ByType<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    float: Option<&'a [f32]>,
}

impl Voice for Said {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Vec<u8>> {
        let vector = answer.vectors.first().map(Vec::as_slice).unwrap_or_default();
        let wants = |one| self.types.as_ref().is_none_or(|types| types.contains(&one));
        let float = wants(Type::Float).then_some(vector);
        let by_type = self.types.as_ref().map(|types| ByType {
            binary: types.contains(&Type::Binary).then(|| embed::bits(vector)),
            float,
        });
        let whole = Whole {
            embedding: float,
            embeddings_by_type: by_type,
            input_text_token_count: answer.tokens,
        };
        serde_json::to_vec(&whole).map_err(|error| Error::internal().because(error))
    }
}
