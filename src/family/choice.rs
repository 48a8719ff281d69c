//! Which family a request is in.

use serde_json::{Map, Value};

use super::{Family, ai21, deepseek, import, llama, mistral, openai, qwen};

/// Every family, by the names that the configuration knows.
static ALL: [&dyn Family; 7] = [
    &ai21::Ai21,
    &deepseek::DeepSeek,
    &import::Import,
    &llama::Llama,
    &mistral::Mistral,
    &openai::OpenAi,
    &qwen::Qwen,
];

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
const PROVIDERS: [(&str, &dyn Family); 13] = [
    ("ai21.", &ai21::Ai21),
    ("deepseek.", &deepseek::DeepSeek),
    ("google.gemma", &qwen::Qwen),
    ("meta.llama", &llama::Llama),
    ("minimax.", &qwen::Qwen),
    ("mistral.", &mistral::Mistral),
    ("moonshot", &qwen::Qwen), // moonshot. and moonshotai.
    ("nvidia.", &qwen::Qwen),
    ("openai.", &openai::OpenAi),
    ("qwen.", &qwen::Qwen),
    ("writer.", &qwen::Qwen),
    ("xai.", &qwen::Qwen),
    ("zai.", &qwen::Qwen),
];

fn of_model(id: &str) -> Option<&'static dyn Family> {
    if id.contains(":imported-model/") {
        return Some(&import::Import);
    }
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
    if has("prompt") || has("messages") {
        return Some(&import::Import);
    }
    None
}
