//! Strings that end an answer, found in text that comes in pieces.

/// Finds the first of some strings to be complete. What could begin one is held back, and
/// nothing else; where the pieces are cut makes no difference.
#[derive(Debug, Default)]
pub(super) struct Stops {
    all: Vec<String>,
    held: String,
    met: Option<String>,
}

impl Stops {
    /// These strings; empty ones are ignored.
    pub(super) fn new(all: &[String]) -> Self {
        let all = all.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { all, held: String::new(), met: None }
    }

    /// Takes the next piece and gives what is in front of the first string. What comes behind it
    /// is dropped.
    pub(super) fn push(&mut self, text: &str, out: &mut dyn FnMut(&str)) {
        if self.met.is_some() || text.is_empty() {
            return;
        }
        if self.all.is_empty() {
            return out(text);
        }
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        // The one that ends first, and of those the longest: an engine stops there.
        let found = self
            .all
            .iter()
            .filter_map(|stop| Some((all.find(stop)?, stop)))
            .min_by_key(|(at, stop)| (at + stop.len(), *at));
        let end = if let Some((at, stop)) = found {
            self.met = Some(stop.clone());
            at
        } else {
            let end = all.len() - beginning(&all, &self.all, false);
            all.get(end..).unwrap_or_default().clone_into(&mut self.held);
            end
        };
        give(&all, end, out);
    }

    /// Takes the end, and gives what was held back; says which string was met.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&str)) -> Option<String> {
        give(&self.held, self.held.len(), out);
        self.held.clear();
        self.met.take()
    }
}

/// Drops a model's end token where it stands at the very end of the text: there, and nowhere
/// else, engines leave it.
#[derive(Debug, Default)]
pub(super) struct EndTokens {
    all: Vec<String>,
    held: String,
}

impl EndTokens {
    pub(super) fn new(all: &[String]) -> Self {
        let all = all.iter().filter(|token| !token.is_empty()).cloned().collect();
        Self { all, held: String::new() }
    }

    pub(super) fn push(&mut self, text: &str, out: &mut dyn FnMut(&str)) {
        if self.all.is_empty() {
            return out(text);
        }
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        let end = all.len() - beginning(&all, &self.all, true);
        all.get(end..).unwrap_or_default().clone_into(&mut self.held);
        give(&all, end, out);
    }

    /// Takes the end: a token that is whole is dropped, the beginning of one is text.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        let held = std::mem::take(&mut self.held);
        // The end may also begin a longer token: `</s>` inside `a</s>` is found from behind.
        let token = self.all.iter().filter(|token| held.ends_with(*token)).map(String::len).max();
        give(&held, held.len() - token.unwrap_or_default(), out);
    }

    /// Whether `text` is one.
    pub(super) fn has(&self, text: &str) -> bool {
        self.all.iter().any(|token| token == text)
    }
}

fn give(text: &str, end: usize, out: &mut dyn FnMut(&str)) {
    if let Some(text) = text.get(..end).filter(|text| !text.is_empty()) {
        out(text);
    }
}

/// How many bytes at the end of `text` begin one of `all`; with `whole`, or are one.
fn beginning(text: &str, all: &[String], whole: bool) -> usize {
    let longest = |pattern: &String| {
        let most = pattern.len() - usize::from(!whole);
        (1..=most.min(text.len())).rev().find(|len| {
            pattern.as_bytes().get(..*len).is_some_and(|p| text.as_bytes().ends_with(p))
        })
    };
    all.iter().filter_map(longest).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stopped(all: &[&str], pieces: &[&str]) -> (String, Option<String>) {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        let (mut stops, mut text) = (Stops::new(&all), String::new());
        for piece in pieces {
            stops.push(piece, &mut |piece| text.push_str(piece));
        }
        let met = stops.finish(&mut |piece| text.push_str(piece));
        (text, met)
    }

    fn ended(all: &[&str], pieces: &[&str]) -> String {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        let (mut ends, mut text) = (EndTokens::new(&all), String::new());
        for piece in pieces {
            ends.push(piece, &mut |piece| text.push_str(piece));
        }
        ends.finish(&mut |piece| text.push_str(piece));
        text
    }

    #[test]
    fn the_first_to_be_complete_ends_the_text() {
        let met = |text: &str, stop: &str| (text.to_owned(), Some(stop.to_owned()));
        assert_eq!(stopped(&["END"], &["a E", "N", "D b"]), met("a ", "END"));
        assert_eq!(stopped(&["abcd", "bc"], &["xab", "cd"]), met("xa", "bc"));
        assert_eq!(stopped(&["c", "abc"], &["xabc"]), met("x", "abc"));
        assert_eq!(stopped(&["。"], &["一。二"]), met("一", "。"));
        assert_eq!(stopped(&["END", ""], &["a EN"]), ("a EN".to_owned(), None));
        assert_eq!(stopped(&[], &["a", "b"]), ("ab".to_owned(), None));
    }

    #[test]
    fn an_end_token_is_one_at_the_end_alone() {
        assert_eq!(ended(&["</s>"], &["a</s>b</", "s>"]), "a</s>b");
        assert_eq!(ended(&["</s>"], &["a</s"]), "a</s");
        assert_eq!(ended(&["<|eot_id|>", "<|eom_id|>"], &["a<|eo", "m_id|>"]), "a");
        assert_eq!(ended(&[], &["a</s>"]), "a</s>");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(
            text in "[ab贺]{0,24}",
            all in proptest::collection::vec("[ab贺]{0,4}", 0..4),
            cut in 1_usize..6,
        ) {
            let all: Vec<_> = all.iter().map(String::as_str).collect();
            let chars: Vec<_> = text.chars().collect();
            let pieces: Vec<String> = chars.chunks(cut).map(|piece| piece.iter().collect()).collect();
            let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(stopped(&all, &pieces), stopped(&all, &[&text]));
            prop_assert_eq!(ended(&all, &pieces), ended(&all, &[&text]));
        }
    }
}
