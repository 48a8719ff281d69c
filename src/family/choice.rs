//! Which family a request is in.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Family, anthropic, deepseek, llama};

/// Every family, by the names that the configuration knows.
static ALL: [&dyn Family; 3] = [&anthropic::Anthropic::INVOKE, &deepseek::DeepSeek, &llama::Llama];

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
    if names_anthropic(body) {
        return Some(&anthropic::Anthropic::INVOKE);
    }
    model_ids.into_iter().find_map(of_model).or_else(|| of_body(body))
}

fn names_anthropic(body: &[u8]) -> bool {
    const MEMBER: &str = "anthropic_version";
    let is_member = || {
        serde_json::from_slice::<HashMap<Cow<'_, str>, &RawValue>>(body)
            .is_ok_and(|members| members.contains_key(MEMBER))
    };
    memchr::memmem::find(body, MEMBER.as_bytes()).is_some() && is_member()
}

/// Providers and their models as Bedrock's ids begin, the longer beginning first.
const PROVIDERS: [(&str, &dyn Family); 3] = [
    ("anthropic.", &anthropic::Anthropic::INVOKE),
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
    if has("max_tokens_to_sample") {
        return Some(&anthropic::Anthropic::INVOKE);
    }
    if has("prompt") && has("max_gen_len") {
        return Some(&llama::Llama);
    }
    if has("prompt") {
        return Some(&deepseek::DeepSeek);
    }
    None
}
