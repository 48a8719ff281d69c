//! What the scripted model calls a token: a rule that anyone can count by hand.
//!
//! A token is a run of up to eight ASCII letters and digits, with one blank before it if there
//! is one; or any other single character. So `Hello, world!` is four (`Hello` `,` ` world` `!`)
//! and `贺兰山` three.

/// The longest run of letters and digits in one token.
const RUN: usize = 8;

/// The tokens of `text`; put together they are `text` again.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (token, after) = rest.split_at_checked(length(rest)?)?;
        rest = after;
        Some(token)
    })
}

/// How many tokens `text` has.
pub(super) fn count(text: &str) -> u64 {
    split(text).map(|_| 1).sum()
}

/// The length in bytes of the first token.
fn length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let blank = usize::from(first == ' ');
    let run = text.bytes().skip(blank).take(RUN).take_while(u8::is_ascii_alphanumeric).count();
    Some(if run == 0 { first.len_utf8() } else { blank + run })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_words_and_single_characters() {
        let tokens = |text| split(text).collect::<Vec<_>>();
        assert_eq!(tokens("Hello, world!"), ["Hello", ",", " world", "!"]);
        assert_eq!(tokens("贺兰山 a"), ["贺", "兰", "山", " a"]);
        assert_eq!(tokens("  x"), [" ", " x"]);
        assert_eq!(tokens("123456789"), ["12345678", "9"]);
        assert_eq!(tokens("{\"a\":1}"), ["{", "\"", "a", "\"", ":", "1", "}"]);
        assert_eq!(count(""), 0);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in ".*") {
            prop_assert_eq!(split(&text).collect::<String>(), text);
        }
    }
}
