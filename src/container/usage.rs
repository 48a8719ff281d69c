//! Tokens.

use serde::Deserialize;

use super::json::Count;
use crate::converse::TokenUsage;

/// Token counts, as OpenAI names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) prompt_tokens: Count,
    #[serde(default)]
    pub(super) completion_tokens: Count,
    #[serde(default)]
    pub(super) prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct PromptDetails {
    #[serde(default)]
    pub(super) cached_tokens: Count,
    #[serde(default)]
    pub(super) created_cache_tokens: Count,
}

/// What was counted, as Bedrock tells it. Nothing is invented: what the container did not count
/// is zero.
///
/// Only with `split` are tokens that were read from or written to a cache told apart; then
/// `inputTokens` excludes them, and what the container does not report is zero.
pub(super) fn usage(counted: Usage, split: bool) -> TokenUsage {
    let prompt = counted.prompt_tokens.0.unwrap_or_default();
    let output_tokens = counted.completion_tokens.0.unwrap_or_default();
    let mut usage = TokenUsage { input_tokens: prompt, output_tokens, ..TokenUsage::default() };
    if split {
        let details = counted.prompt_tokens_details.unwrap_or_default();
        // Both are parts of the prompt; no count may make it larger than it was.
        let read = details.cached_tokens.0.unwrap_or_default().min(prompt);
        let written = details.created_cache_tokens.0.unwrap_or_default().min(prompt - read);
        usage.cache_read_input_tokens = Some(read);
        usage.cache_write_input_tokens = Some(written);
        usage.input_tokens = prompt - read - written;
    }
    usage.total_tokens = prompt.saturating_add(output_tokens);
    usage
}

/// Tokens that a model only read, as vLLM's pooling models count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Read {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
}

impl Read {
    /// How many; older versions tell the total alone. No text has no token: zero is no count.
    pub(super) fn tokens(self) -> Option<u32> {
        self.prompt_tokens.0.or(self.total_tokens.0).filter(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str, split: bool) -> String {
        serde_json::to_string(&usage(serde_json::from_str(json).unwrap(), split)).unwrap()
    }

    #[test]
    fn tokens_of_a_cache_are_told_apart_only_where_it_was_asked_for() {
        let json = r#"{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
            "prompt_tokens_details":{"cached_tokens":64,"created_cache_tokens":16}}"#;
        assert_eq!(told(json, false), r#"{"inputTokens":100,"outputTokens":7,"totalTokens":107}"#);
        assert_eq!(
            told(json, true),
            r#"{"cacheReadInputTokens":64,"cacheWriteInputTokens":16,"inputTokens":20,"outputTokens":7,"totalTokens":107}"#
        );
    }

    #[test]
    fn what_is_not_reported_is_zero() {
        for json in [
            r#"{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":null}"#,
            r#"{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":null}}"#,
        ] {
            assert_eq!(
                told(json, true),
                r#"{"cacheReadInputTokens":0,"cacheWriteInputTokens":0,"inputTokens":3,"outputTokens":2,"totalTokens":5}"#
            );
        }
        assert_eq!(told("{}", false), r#"{"inputTokens":0,"outputTokens":0,"totalTokens":0}"#);
    }

    #[test]
    fn counts_that_contradict_each_other_do_not_wrap() {
        let json = r#"{"prompt_tokens":3,"completion_tokens":4294967295,
            "prompt_tokens_details":{"cached_tokens":9,"created_cache_tokens":9}}"#;
        assert_eq!(
            told(json, true),
            r#"{"cacheReadInputTokens":3,"cacheWriteInputTokens":0,"inputTokens":0,"outputTokens":4294967295,"totalTokens":4294967295}"#
        );
    }
}
