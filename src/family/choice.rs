//! Which family a request is in.

use serde_json::{Map, Value};

use super::{Family, cohere, deepseek, llama, nova, titan};

/// Every family, by the names that the configuration knows.
static ALL: [&dyn Family; 5] =
    [&cohere::Cohere, &deepseek::DeepSeek, &llama::Llama, &nova::Nova, &titan::Titan];

/// The family of this name.
pub fn named(name: &str) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.name() == name)
}

/// The family of a request to a model whose configuration names none: that of the first of
/// `model_ids` whose provider is known, else the one whose bodies look like this.
pub fn choose<'a>(
    model_ids: impl IntoIterator<Item = &'a str>,
    body: &[u8],
) -> Option<&'static dyn Family> {
    model_ids.into_iter().find_map(of_model).or_else(|| of_body(body))
}

/// Providers and their models as Bedrock's ids begin, the longer beginning first.
const PROVIDERS: [(&str, &dyn Family); 6] = [
    ("amazon.nova", &nova::Nova),
    ("amazon.titan-text", &titan::Titan),
    ("amazon.titan-tg1", &titan::Titan),
    ("cohere.command", &cohere::Cohere),
    ("deepseek.", &deepseek::DeepSeek),
    ("meta.llama", &llama::Llama),
];

fn of_model(id: &str) -> Option<&'static dyn Family> {
    // A foundation model or profile in an ARN: `arn:…:foundation-model/meta.llama3-8b-…`.
    let id = id.rsplit_once('/').map_or(id, |(_, last)| last);
    // A cross-region profile: `us.meta.llama3-8b-…`.
    let rest = id.split_once('.').map_or("", |(_, rest)| rest);
    let known = |id: &str| {
        PROVIDERS.into_iter().find(|(start, _)| id.starts_with(start)).map(|(_, family)| family)
    };
    known(id).or_else(|| known(rest))
}

/// The members that tell the families apart, the more telling first.
fn of_body(body: &[u8]) -> Option<&'static dyn Family> {
    let members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let has = |name: &str| members.contains_key(name);
    let has_any = |names: &[&str]| names.iter().any(|name| has(name));
    if has("inputText") {
        return Some(&titan::Titan);
    }
    if has("messages") && has_any(&["schemaVersion", "inferenceConfig", "toolConfig"]) {
        return Some(&nova::Nova);
    }
    if has("message") {
        return Some(&cohere::Cohere);
    }
    if has("prompt") && has("max_gen_len") {
        return Some(&llama::Llama);
    }
    if has("prompt") && has_any(&["p", "k", "num_generations", "return_likelihoods", "truncate"]) {
        return Some(&cohere::Cohere);
    }
    if has("prompt") {
        return Some(&deepseek::DeepSeek);
    }
    None
}
