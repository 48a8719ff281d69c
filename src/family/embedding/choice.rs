//! Which language an embedding request is in.

use serde_json::{Map, Value};

use super::{CohereV3, CohereV4, Embedding, TitanImage, TitanV1, TitanV2};

/// Parts of Bedrock's model ids, the more telling first, with the provider's name in the
/// configuration.
const MODELS: [(&str, &str, &dyn Embedding); 6] = [
    ("titan-embed-text-v1", TITAN, &TitanV1),
    ("titan-embed-g1-text", TITAN, &TitanV1),
    ("titan-embed-image", TITAN, &TitanImage),
    ("titan-embed", TITAN, &TitanV2),
    ("cohere.embed-v4", COHERE, &CohereV4),
    ("cohere.embed", COHERE, &CohereV3),
];
const TITAN: &str = "titan";
const COHERE: &str = "cohere";

/// The language of a request. `provider` is the configured family's name, if there is one; else
/// the first of `model_ids` that is known tells, else the body's members.
pub fn choose<'a>(
    provider: Option<&str>,
    model_ids: impl IntoIterator<Item = &'a str>,
    body: &[u8],
) -> Option<&'static dyn Embedding> {
    let wanted = |name: &str| provider.is_none_or(|provider| provider == name);
    let of_model = |id: &str| {
        MODELS
            .into_iter()
            .find(|(part, provider, _)| id.contains(part) && wanted(provider))
            .map(|(_, _, family)| family)
    };
    model_ids.into_iter().find_map(of_model).or_else(|| of_body(provider, body))
}

/// The members that tell the families apart. Titan's second version takes what its first does.
fn of_body(provider: Option<&str>, body: &[u8]) -> Option<&'static dyn Embedding> {
    let members: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
    match provider {
        Some(TITAN) => Some(&TitanV2),
        Some(COHERE) if has(&["inputs", "output_dimension", "max_tokens"]) => Some(&CohereV4),
        Some(COHERE) => Some(&CohereV3),
        None if has(&["inputText", "inputImage"]) => of_body(Some(TITAN), body),
        None if has(&["texts", "inputs", "images", "input_type"]) => of_body(Some(COHERE), body),
        Some(_) | None => None,
    }
}
