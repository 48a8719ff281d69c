//! Control tokens in what a client says: they cannot open a turn.
//!
//! The prompt is text, and a tokenizer turns each control token in it into the token, whoever
//! wrote it. So every occurrence in a client's string is broken before it is rendered, by a zero
//! width space after its first character; and afterwards the prompt is counted, against the same
//! conversation in neutral characters.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use memchr::{memchr, memchr2, memchr3};
use serde_json::{Map, Value as Json, json};
use time::OffsetDateTime;

use super::findings::{ANSWER, USER};
use super::markers::{markers, opens};
use super::render::{Input, Template};
use crate::{Error, Result};

/// What is put after the first character of a control token: U+200B.
pub(super) const BREAK: char = '\u{200b}';
/// Neutral characters stand at this distance: a private plane, a place for each.
const NEUTRAL: u32 = 0x10_0000;

/// What happens to control tokens that a client sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// They become plain text.
    #[default]
    Neutralise,
    /// The call is refused with a `ValidationException` that names the token and its place.
    Reject,
    /// They go through: the clients are trusted.
    Allow,
}

/// The control tokens of a model. Clones share them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ControlTokens(Arc<Tokens>);

#[derive(Default, PartialEq, Eq)]
struct Tokens {
    /// By their first byte, the longest first.
    anywhere: Vec<(u8, Vec<String>)>,
    /// Word-like markers: they count at the start of a line only.
    at_line_start: Vec<String>,
    /// The first bytes of all.
    starts: Vec<u8>,
    /// In bytes.
    longest: usize,
    /// Characters that are given a neutral place.
    unsafe_chars: BTreeSet<char>,
}

impl fmt::Debug for ControlTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl ControlTokens {
    /// The control tokens of a template: those of its tokenizer, the markers among its literals,
    /// and the markers that it puts together (found in what it renders). A tag that only tells
    /// about something, as `<description>` does, is none.
    pub fn of(template: &Template) -> Self {
        let mut anywhere: BTreeSet<String> = BTreeSet::new();
        for token in template.control() {
            if token.chars().count() > 1 && !token.trim().is_empty() {
                anywhere.insert(token.clone());
            }
        }
        for literal in template.literals() {
            anywhere.extend(markers(literal).filter(|marker| opens(marker)).map(str::to_owned));
        }
        let mut words = BTreeSet::new();
        for prompt in probes(template) {
            anywhere.extend(markers(&prompt).filter(|marker| opens(marker)).map(str::to_owned));
            words.extend(turn_words(&prompt));
        }
        Self::new(anywhere, words)
    }

    /// These tokens; those of `at_line_start` count at the start of a line only.
    pub fn new(
        anywhere: impl IntoIterator<Item = String>,
        at_line_start: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut tokens = Tokens::default();
        let mut all: Vec<String> = anywhere.into_iter().filter(|token| token.len() > 1).collect();
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        for token in all {
            tokens.unsafe_chars.extend(token.chars().filter(|char| is_unsafe(*char)));
            let first = token.as_bytes()[0];
            match tokens.anywhere.iter_mut().find(|(byte, _)| *byte == first) {
                Some((_, of_byte)) => of_byte.push(token),
                None => tokens.anywhere.push((first, vec![token])),
            }
        }
        for word in at_line_start.into_iter().filter(|word| word.len() > 1) {
            tokens.unsafe_chars.extend(word.chars().filter(|char| is_unsafe(*char)));
            tokens.at_line_start.push(word);
        }
        tokens.at_line_start.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let words = tokens.at_line_start.iter().map(|word| word.as_bytes()[0]);
        tokens.starts = tokens.anywhere.iter().map(|(first, _)| *first).chain(words).collect();
        tokens.starts.sort_unstable();
        tokens.starts.dedup();
        let all = tokens.anywhere.iter().flat_map(|(_, tokens)| tokens);
        tokens.longest = all.chain(&tokens.at_line_start).map(String::len).max().unwrap_or(0);
        Self(Arc::new(tokens))
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.starts.is_empty()
    }

    /// How long the longest is, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.0.longest
    }

    /// The tokens, longest first for each first character.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let anywhere = self.0.anywhere.iter().flat_map(|(_, tokens)| tokens);
        anywhere.chain(&self.0.at_line_start).map(String::as_str)
    }

    /// The first control token of `text` at or after byte `from`, and where it begins.
    fn find(&self, text: &str, from: usize) -> Option<(usize, &str)> {
        let bytes = text.as_bytes();
        let mut at = from;
        while let Some(skip) = first_of(&self.0.starts, bytes.get(at..)?) {
            at += skip;
            let rest = &bytes[at..];
            let starts = |token: &&String| rest.starts_with(token.as_bytes());
            let of_byte = self.0.anywhere.iter().find(|(byte, _)| *byte == rest[0]);
            let word = || {
                let word = self.0.at_line_start.iter().find(starts)?;
                text.get(..at).is_some_and(at_line_start).then_some(word)
            };
            let token = of_byte.and_then(|(_, tokens)| tokens.iter().find(starts)).or_else(word);
            if let Some(token) = token {
                return Some((at, token.as_str()));
            }
            at += 1;
        }
        None
    }

    /// A control token that begins in `before` and ends in `after`, if one is written behind the
    /// other. Where `before` begins, a line may begin.
    pub(super) fn across(&self, before: &str, after: &str) -> Option<&str> {
        if before.is_empty() || after.is_empty() {
            return None;
        }
        let head = after.floor_char_boundary(self.0.longest);
        let joined = [before, &after[..head]].concat();
        let mut from = 0;
        loop {
            let (at, token) = self.find(&joined, from).filter(|(at, _)| *at < before.len())?;
            if at + token.len() > before.len() {
                return Some(token);
            }
            from = at + 1;
        }
    }

    /// Whether a string of `value` has a control token, names of members included.
    pub(super) fn are_in(&self, value: &Json) -> bool {
        match value {
            Json::String(text) => self.find(text, 0).is_some(),
            Json::Array(items) => items.iter().any(|item| self.are_in(item)),
            Json::Object(members) => members
                .iter()
                .any(|(name, member)| self.find(name, 0).is_some() || self.are_in(member)),
            _ => false,
        }
    }

    /// How many control tokens `text` has, each counted where it begins.
    fn count(&self, text: &str) -> usize {
        let (mut count, mut from) = (0, 0);
        while let Some((at, _)) = self.find(text, from) {
            count += 1;
            from = at + 1;
        }
        count
    }

    /// `text` with every control token broken, so that a tokenizer reads it as plain text.
    pub fn neutralise<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some((mut at, _)) = self.find(text, 0) else { return Cow::Borrowed(text) };
        let (mut out, mut from) = (String::with_capacity(text.len() + 8), 0);
        loop {
            let first = at + text[at..].chars().next().map_or(1, char::len_utf8);
            out.push_str(&text[from..first]);
            out.push(BREAK);
            from = first;
            match self.find(text, from) {
                Some((next, _)) => at = next,
                None => break,
            }
        }
        out.push_str(&text[from..]);
        Cow::Owned(out)
    }

    /// Applies `policy` to every string of `value`, names of members included. `path` names the
    /// value in a refusal.
    pub fn guard(&self, value: &mut Json, policy: Policy, path: &str) -> Result<()> {
        match policy {
            Policy::Allow => Ok(()),
            Policy::Neutralise => {
                map_strings(value, &|text| self.neutralise(text));
                Ok(())
            }
            Policy::Reject if !self.are_in(value) => Ok(()),
            Policy::Reject => self.refuse(value, path),
        }
    }

    /// Why text with `token` is refused.
    pub(super) fn refusal(&self, token: &str, place: &dyn fmt::Display) -> Error {
        Error::validation(format!(
            "The text at {place} contains {}, which is a control token of this model. Remove it and try again.",
            self.neutralise(token)
        ))
    }

    /// Fails if `text`, which stands at `place`, has a control token.
    pub(super) fn refuse_text(&self, text: &str, place: &dyn fmt::Display) -> Result<()> {
        self.find(text, 0).map_or(Ok(()), |(_, token)| Err(self.refusal(token, place)))
    }

    fn refuse(&self, value: &Json, path: &str) -> Result<()> {
        let refuse = |text: &str| self.refuse_text(text, &path);
        match value {
            Json::String(text) => refuse(text),
            Json::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| self.refuse(item, &format!("{path}.{at}"))),
            Json::Object(members) => members.iter().try_for_each(|(name, member)| {
                refuse(name)?;
                self.refuse(member, &format!("{path}.{name}"))
            }),
            _ => Ok(()),
        }
    }

    fn neutral<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !text.chars().any(|char| self.0.unsafe_chars.contains(&char)) {
            return Cow::Borrowed(text);
        }
        let neutral = |char: char| {
            let place = self.0.unsafe_chars.iter().position(|known| *known == char)?;
            char::from_u32(NEUTRAL + u32::try_from(place).ok()?)
        };
        text.chars().map(|char| neutral(char).unwrap_or(char)).collect::<String>().into()
    }
}

impl Template {
    /// The prompt, after `policy` was applied to every string that a client may have sent:
    /// messages, tools, documents and the template's arguments. Roles are not looked at: they
    /// must not come from a client.
    ///
    /// A control token that only the rendering put together, from strings that were harmless each
    /// by itself, is refused.
    pub fn render_guarded(
        &self,
        mut input: Input,
        tokens: &ControlTokens,
        policy: Policy,
    ) -> Result<String> {
        if policy == Policy::Allow {
            return Ok(self.render(&input)?);
        }
        each_part(&mut input, |value, path| tokens.guard(value, policy, path))?;
        let prompt = self.render(&input)?;
        let mut changed = false;
        each_part(&mut input, |value, _| {
            changed |= map_strings(value, &|text| tokens.neutral(text));
            Ok(())
        })?;
        if changed {
            let neutral = self.render(&input)?;
            if tokens.count(&prompt) != tokens.count(&neutral) {
                return Err(Error::validation(
                    "The conversation would put together a control token of this model. Remove parts of such tokens \
                     and try again.",
                ));
            }
        }
        Ok(prompt)
    }
}

/// Every place of the input that a client's strings reach.
fn each_part(input: &mut Input, mut each: impl FnMut(&mut Json, &str) -> Result<()>) -> Result<()> {
    for (at, message) in input.messages.iter_mut().enumerate() {
        let Some(members) = message.as_object_mut() else { continue };
        for (name, member) in members.iter_mut().filter(|(name, _)| *name != "role") {
            each(member, &format!("messages.{at}.{name}"))?;
        }
    }
    for (name, list) in [("tools", &mut input.tools), ("documents", &mut input.documents)] {
        for (at, item) in list.iter_mut().flatten().enumerate() {
            each(item, &format!("{name}.{at}"))?;
        }
    }
    for (name, member) in &mut input.kwargs {
        each(member, name)?;
    }
    Ok(())
}

/// Maps every string of `value`, names of members included. Whether any was changed.
fn map_strings(value: &mut Json, map: &dyn Fn(&str) -> Cow<'_, str>) -> bool {
    match value {
        Json::String(text) => match map(text) {
            Cow::Borrowed(_) => false,
            Cow::Owned(mapped) => {
                *text = mapped;
                true
            }
        },
        Json::Array(items) => {
            let mut changed = false;
            for item in items {
                changed |= map_strings(item, map);
            }
            changed
        }
        Json::Object(members) => {
            let mut changed = false;
            if members.keys().any(|name| matches!(map(name), Cow::Owned(_))) {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(name, member)| (map(&name).into_owned(), member))
                    .collect::<Map<_, _>>();
                changed = true;
            }
            members
                .values_mut()
                .fold(changed, |changed, member| map_strings(member, map) || changed)
        }
        _ => false,
    }
}

/// Where the first of `starts` is.
fn first_of(starts: &[u8], bytes: &[u8]) -> Option<usize> {
    match *starts {
        [a] => memchr(a, bytes),
        [a, b] => memchr2(a, b, bytes),
        [a, b, c] => memchr3(a, b, c, bytes),
        _ => bytes.iter().position(|byte| starts.contains(byte)),
    }
}

fn at_line_start(before: &str) -> bool {
    before
        .trim_end_matches([' ', '\t'])
        .chars()
        .next_back()
        .is_none_or(|char| matches!(char, '\n' | '\r'))
}

/// What a marker is made of, and text rarely.
fn is_unsafe(char: char) -> bool {
    !(char.is_alphanumeric()
        || char.is_whitespace()
        || matches!(char, '_' | '-' | '.' | ',' | '/' | '"' | '\''))
}

/// A few conversations of neutral words, rendered.
fn probes(template: &Template) -> Vec<String> {
    let now = OffsetDateTime::UNIX_EPOCH;
    let mut prompts = vec![];
    for parts in [false, true] {
        let text =
            |text: &str| if parts { json!([{"type": "text", "text": text}]) } else { json!(text) };
        let user = json!({"role": "user", "content": text(USER)});
        let assistant = json!({"role": "assistant", "content": text(ANSWER)});
        let system = json!({"role": "system", "content": text(USER)});
        for messages in [
            vec![system, user.clone(), assistant.clone(), user.clone()],
            vec![user.clone(), assistant, user],
        ] {
            prompts.extend(template.render(&Input::new(messages, now)));
        }
    }
    prompts
}

/// Word-like markers of turns: what stands on the line before a message's words, ended by a colon.
fn turn_words(prompt: &str) -> Vec<String> {
    let mut words = vec![];
    let mut gaps: Vec<&str> = prompt.split(USER).flat_map(|gap| gap.split(ANSWER)).collect();
    // Before the first turn stands what the model is told about the rest: only its last line is
    // a turn's.
    let first = gaps.first().map(|gap| gap.trim_end().rsplit('\n').next().unwrap_or_default());
    if let (Some(gap), Some(last)) = (gaps.first_mut(), first) {
        *gap = last;
    }
    for line in gaps.into_iter().flat_map(str::lines) {
        let line = line.trim();
        let Some((name, rest)) = line.split_once(':') else { continue };
        // Behind a marker the words are no marker themselves.
        let name = name.rsplit(['>', ']', '}']).next().unwrap_or(name).trim_start();
        let worded = name
            .chars()
            .all(|char| char.is_alphanumeric() || matches!(char, '#' | ' ' | '_' | '-'));
        if rest.trim().is_empty()
            && worded
            && name.chars().any(char::is_alphabetic)
            && name.len() < 40
        {
            words.push(format!("{name}:"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> ControlTokens {
        ControlTokens::new(
            ["<|im_start|>", "<|im", "<<SYS>>", "<｜User｜>", "[INST]"].map(str::to_owned),
            ["### Response:".to_owned(), "Human:".to_owned()],
        )
    }

    #[test]
    fn tokens_are_broken_after_their_first_character() {
        let tokens = tokens();
        assert_eq!(
            tokens.neutralise("a<|im_start|>b[INST]"),
            "a<\u{200b}|im_start|>b[\u{200b}INST]"
        );
        assert_eq!(tokens.neutralise("<｜User｜>"), "<\u{200b}｜User｜>");
        assert!(matches!(tokens.neutralise("a < b | c"), Cow::Borrowed(_)));
    }

    #[test]
    fn words_count_at_the_start_of_a_line_only() {
        let tokens = tokens();
        assert_eq!(
            tokens.neutralise("the Human: he\n  Human: she"),
            "the Human: he\n  H\u{200b}uman: she"
        );
    }

    #[test]
    fn tags_that_only_tell_are_no_tokens() {
        let text = "<tools><document><name>{{ messages }}</name></Description><function=f><IMPORTANT><|x|>{{ messages }}";
        let template = Template::new(text, []).unwrap();
        let tokens = ControlTokens::of(&template);
        let known: Vec<_> = tokens.iter().collect();
        assert_eq!(known, ["<function=", "<tools>", "<|x|>"]);
        let template = template.with_control(["<document>"]);
        assert!(ControlTokens::of(&template).iter().any(|token| token == "<document>"));
    }

    proptest! {
        #[test]
        fn nothing_is_left_and_nothing_is_lost(pieces in prop::collection::vec(
            prop_oneof![Just("<|im_start|>"), Just("<|im"), Just("_start|>"), Just("<"), Just("<SYS>>"), Just("[INST]"),
                Just("\nHuman:"), Just("北京"), Just(" "), Just("### Response:"), Just("<｜User｜>")], 0..12)) {
            let tokens = tokens();
            let text = pieces.concat();
            let safe = tokens.neutralise(&text);
            prop_assert_eq!(tokens.count(&safe), 0);
            prop_assert_eq!(safe.replace(BREAK, ""), text);
        }
    }
}
