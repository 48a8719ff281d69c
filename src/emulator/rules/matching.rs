//! Which call a rule is for.

use serde::Deserialize;

use crate::emulator::model::{Ask, Choice};

/// What a call must be like; all of it. A rule without any matches every call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::emulator) struct When {
    pub(in crate::emulator) endpoint: Option<Patterns>,
    /// The text of the last user message, or the prompt.
    pub(in crate::emulator) text: Option<Patterns>,
    pub(in crate::emulator) system: Option<Patterns>,
    pub(in crate::emulator) tools: Option<bool>,
    pub(in crate::emulator) tool_choice: Option<ToolChoice>,
    /// Whether the conversation ends in tool results.
    pub(in crate::emulator) tool_results: Option<bool>,
    pub(in crate::emulator) images: Option<bool>,
    pub(in crate::emulator) response_format: Option<bool>,
    pub(in crate::emulator) stream: Option<bool>,
}

/// What `tool_choice` must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::emulator) enum ToolChoice {
    None,
    Auto,
    Required,
    Named,
}

/// One pattern or several, of which one must match.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a pattern such as \"*weather*\", or a list of them")]
pub(in crate::emulator) enum Patterns {
    One(Pattern),
    Any(Vec<Pattern>),
}

impl Patterns {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::One(pattern) => pattern.matches(text),
            Self::Any(patterns) => patterns.iter().any(|pattern| pattern.matches(text)),
        }
    }
}

/// With `*` for anything, the whole text must match; without it, some part of it. Upper and
/// lower case are the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(in crate::emulator) struct Pattern(String);

impl From<String> for Pattern {
    fn from(pattern: String) -> Self {
        Self(pattern.to_lowercase())
    }
}

impl Pattern {
    pub(in crate::emulator) fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let Some((first, rest)) = self.0.split_once('*') else { return text.contains(&self.0) };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            let Some(at) = text.find(part) else { return false };
            text = text.get(at + part.len()..).unwrap_or_default();
        }
        text.ends_with(last)
    }
}

/// One call, as rules see it.
#[derive(Clone, Copy, Debug)]
pub(in crate::emulator) struct Call<'a> {
    pub(in crate::emulator) endpoint: &'a str,
    /// Without it the body could not be read: only what asks nothing of it can match.
    pub(in crate::emulator) ask: Option<&'a Ask>,
}

impl When {
    pub(in crate::emulator) fn matches(&self, call: Call<'_>) -> bool {
        let is = |wanted: Option<bool>, actual: fn(&Ask) -> bool| {
            wanted.is_none_or(|wanted| call.ask.is_some_and(|ask| wanted == actual(ask)))
        };
        let like = |wanted: Option<&Patterns>, actual: fn(&Ask) -> &str| {
            wanted.is_none_or(|wanted| call.ask.is_some_and(|ask| wanted.matches(actual(ask))))
        };
        let choice = |wanted: ToolChoice, ask: &Ask| match &ask.choice {
            Choice::None => wanted == ToolChoice::None,
            Choice::Auto => wanted == ToolChoice::Auto,
            Choice::Required => wanted == ToolChoice::Required,
            Choice::Named(_) => wanted == ToolChoice::Named,
        };
        self.endpoint.as_ref().is_none_or(|wanted| wanted.matches(call.endpoint))
            && like(self.text.as_ref(), |ask| &ask.text)
            && like(self.system.as_ref(), |ask| &ask.system)
            && is(self.tools, Ask::has_tools)
            && self.tool_choice.is_none_or(|wanted| call.ask.is_some_and(|ask| choice(wanted, ask)))
            && is(self.tool_results, |ask| ask.tool_result.is_some())
            && is(self.images, |ask| ask.images > 0)
            && is(self.response_format, Ask::has_format)
            && is(self.stream, |ask| ask.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_parts_or_with_stars_the_whole() {
        let matches = |pattern: &str, text| Pattern::from(pattern.to_owned()).matches(text);
        assert!(matches("WEATHER", "the weather in 银川?"));
        assert!(matches("*天气*", "今天天气怎么样"));
        assert!(matches("a*b*c", "a--b--c"));
        assert!(matches("*", "") && matches("", "anything"));
        assert!(!matches("a*b*c", "a--c--b"));
        assert!(!matches("a*a", "a"));
        assert!(!matches("hello*", "say hello"));
        assert!(!matches("hello", "hell"));
    }
}
