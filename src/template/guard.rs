//! Control tokens in what a client says, where a container renders the messages itself.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::Value as Json;

use super::control::{BREAK, ControlTokens, Policy};
use crate::Result;

/// A model's control tokens, and what happens to them in a client's strings. Without tokens, the
/// default, nothing is looked at. Text without a token is never copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    tokens: ControlTokens,
    policy: Policy,
}

impl Guard {
    /// Applies `policy` to `tokens`.
    pub fn new(tokens: ControlTokens, policy: Policy) -> Self {
        Self { tokens, policy }
    }

    /// Whether every string passes as it is.
    pub fn is_idle(&self) -> bool {
        self.policy == Policy::Allow || self.tokens.is_empty()
    }

    /// A string that will be rendered by itself; `place` names it in a refusal.
    pub(crate) fn text<'a>(&self, text: Cow<'a, str>, place: impl Display) -> Result<Cow<'a, str>> {
        if self.is_idle() {
            return Ok(text);
        }
        if self.policy == Policy::Reject {
            self.tokens.refuse_text(&text, &place)?;
            return Ok(text);
        }
        let safe = match self.tokens.neutralise(&text) {
            Cow::Owned(safe) => Some(safe),
            Cow::Borrowed(_) => None,
        };
        Ok(safe.map_or(text, Cow::Owned))
    }

    /// Strings that may be rendered side by side, with or without something between them: no
    /// token may reach over a border either.
    pub(crate) fn texts<'a: 't, 't>(
        &self,
        texts: impl Iterator<Item = &'t mut Cow<'a, str>>,
        place: impl Display,
    ) -> Result<()> {
        if self.is_idle() {
            return Ok(());
        }
        let longest = self.tokens.longest();
        // The end of all that came before: as much as a token can reach back.
        let mut before = String::new();
        for text in texts {
            *text = self.text(std::mem::take(text), &place)?;
            if let Some(token) = self.tokens.across(&before, text) {
                if self.policy == Policy::Reject {
                    return Err(self.tokens.refusal(token, &place));
                }
                text.to_mut().insert(0, BREAK);
            }
            before.push_str(&text[text.ceil_char_boundary(text.len().saturating_sub(longest))..]);
            before.drain(..before.ceil_char_boundary(before.len().saturating_sub(longest)));
        }
        Ok(())
    }

    /// Every string of `value`, names of members included.
    pub(crate) fn json<'a>(&self, value: &'a Json, place: impl Display) -> Result<Cow<'a, Json>> {
        if self.is_idle() || !self.tokens.are_in(value) {
            return Ok(Cow::Borrowed(value));
        }
        let mut value = value.clone();
        self.tokens.guard(&mut value, self.policy, &place.to_string())?;
        Ok(Cow::Owned(value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn guard(policy: Policy) -> Guard {
        let tokens = ["<|im_start|>", "<|im", "[INST]"].map(str::to_owned);
        Guard::new(ControlTokens::new(tokens, ["Human:".to_owned()]), policy)
    }

    #[test]
    fn text_without_a_token_is_not_copied() {
        for policy in [Policy::Neutralise, Policy::Reject, Policy::Allow] {
            let guard = guard(policy);
            let told = guard.text("a < b | c".into(), "x").unwrap();
            assert!(matches!(told, Cow::Borrowed("a < b | c")));
            let value = json!({"a": ["[x]", 1]});
            assert!(matches!(guard.json(&value, "x").unwrap(), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn a_refusal_names_token_and_place() {
        let guard = guard(Policy::Reject);
        let message = |error: crate::Error| error.message().to_owned();
        let expected = "The text at system contains [\u{200b}INST], which is a control token of this model. Remove it and try again.";
        assert_eq!(message(guard.text("a[INST]".into(), "system").unwrap_err()), expected);
        let error = guard.json(&json!({"a": ["b", "[INST]"]}), "messages.0").unwrap_err();
        assert!(message(error).starts_with("The text at messages.0.a.1 contains "));
        let mut parts = ["a[IN".into(), "ST]".into()];
        assert_eq!(message(guard.texts(parts.iter_mut(), "system").unwrap_err()), expected);
    }

    #[test]
    fn without_tokens_or_with_trust_all_passes() {
        for guard in [Guard::default(), guard(Policy::Allow)] {
            let mut parts = ["<|im".into(), "_start|>".into()];
            guard.texts(parts.iter_mut(), "x").unwrap();
            assert_eq!(parts, ["<|im", "_start|>"]);
            assert_eq!(guard.json(&json!("[INST]"), "x").unwrap().as_str(), Some("[INST]"));
        }
    }

    proptest! {
        #[test]
        fn no_token_reaches_over_a_border(texts in prop::collection::vec("(<|\\||im|_start|>|\\[|INST|\\]|Hum|an:|\n| |北){0,4}", 0..6)) {
            let guard = guard(Policy::Neutralise);
            let mut told: Vec<Cow<'_, str>> = texts.iter().map(|text| text.as_str().into()).collect();
            guard.texts(told.iter_mut(), "x").unwrap();
            for joined in [told.concat(), told.join("\n")] {
                for token in ["<|im", "[INST]"] {
                    prop_assert!(!joined.contains(token), "{joined:?}");
                }
                prop_assert!(!joined.lines().any(|line| line.trim_start().starts_with("Human:")), "{joined:?}");
            }
            prop_assert_eq!(told.concat().replace(BREAK, ""), texts.concat());
        }
    }
}
