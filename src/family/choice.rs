//! Which family a request is in.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::anthropic::Anthropic;
use super::{Family, ai21, cohere, deepseek, import, llama, mistral, nova, openai, qwen, titan};

/// Every family, by the names that the configuration knows.
static ALL: [&dyn Family; 11] = [
    &ai21::Ai21,
    &Anthropic::INVOKE,
    &cohere::Cohere,
    &deepseek::DeepSeek,
    &import::Import,
    &llama::Llama,
    &mistral::Mistral,
    &nova::Nova,
    &openai::OpenAi,
    &qwen::Qwen,
    &titan::Titan,
];

/// The family of this name.
pub fn named(name: &str) -> Option<&'static dyn Family> {
    ALL.into_iter().find(|family| family.name() == name)
}

/// The family of a request to a model whose configuration names none: that of the first of
/// `model_ids` whose provider is known, else the one whose bodies look like this.
///
/// A body that says itself whose it is goes before the model's id: Anthropic's clients are pointed
/// at any model, and no other family would take their bodies.
pub fn choose<'a>(
    model_ids: impl IntoIterator<Item = &'a str>,
    body: &[u8],
) -> Option<&'static dyn Family> {
    let of_model = model_ids.into_iter().find_map(of_model);
    let is_anthropic = of_model.is_some_and(|family| family.name() == Anthropic::INVOKE.name());
    if !is_anthropic && names_anthropic(body) {
        return Some(&Anthropic::INVOKE);
    }
    of_model.or_else(|| of_body(body))
}

fn names_anthropic(body: &[u8]) -> bool {
    const MEMBER: &str = "anthropic_version";
    memchr::memmem::find(body, MEMBER.as_bytes()).is_some()
        && members(body).is_some_and(|members| members.contains_key(MEMBER))
}

/// The members of a body, their values not looked into.
fn members(body: &[u8]) -> Option<HashMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_slice(body).ok()
}

/// Providers and their models as Bedrock's ids begin.
const PROVIDERS: [(&str, &dyn Family); 18] = [
    ("ai21.", &ai21::Ai21),
    ("amazon.nova", &nova::Nova),
    ("amazon.titan-text", &titan::Titan),
    ("amazon.titan-tg1", &titan::Titan),
    ("anthropic.", &Anthropic::INVOKE),
    ("cohere.command", &cohere::Cohere),
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
    let members = members(body)?;
    let has = |name: &str| members.contains_key(name);
    let has_any = |names: &[&str]| names.iter().any(|name| has(name));
    if has("max_tokens_to_sample") {
        return Some(&Anthropic::INVOKE);
    }
    if has("inputText") {
        return Some(&titan::Titan);
    }
    if has("messages") && has_any(&["schemaVersion", "inferenceConfig", "toolConfig"]) {
        return Some(&nova::Nova);
    }
    if has("message")
        || has("prompt")
            && has_any(&["p", "k", "num_generations", "return_likelihoods", "truncate"])
    {
        return Some(&cohere::Cohere);
    }
    (has("prompt") || has("messages")).then_some(&import::Import as &dyn Family)
}
