//! Python's idea of white space and of lines.

/// `str.isspace` of one character: Unicode's white space and the four information separators.
pub(crate) fn is_space(char: char) -> bool {
    char.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&char)
}

/// Which ends of a string are stripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Both,
    Left,
    Right,
}

/// `str.strip`, `lstrip` and `rstrip`, of white space or of any character of `chars`.
pub(crate) fn strip<'a>(text: &'a str, chars: Option<&str>, ends: Ends) -> &'a str {
    let strips = |char: char| match chars {
        Some(chars) => chars.contains(char),
        None => is_space(char),
    };
    match ends {
        Ends::Both => text.trim_matches(strips),
        Ends::Left => text.trim_start_matches(strips),
        Ends::Right => text.trim_end_matches(strips),
    }
}

/// `str.splitlines`: each line with its end, if `keep_ends`.
pub(crate) fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut chars) = (0, text.char_indices().peekable());
    while let Some((at, char)) = chars.next() {
        if !is_line_end(char) {
            continue;
        }
        let mut next = at + char.len_utf8();
        if char == '\r' && chars.next_if(|(_, next)| *next == '\n').is_some() {
            next += 1;
        }
        lines.push(&text[start..if keep_ends { next } else { at }]);
        start = next;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

fn is_line_end(char: char) -> bool {
    matches!(
        char,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// `str.split()` without a separator: words between white space, at most `max` cuts.
pub(crate) fn split_space(text: &str, max: Option<usize>) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = strip(text, None, Ends::Left);
    while !rest.is_empty() {
        if max == Some(words.len()) {
            words.push(strip(rest, None, Ends::Right));
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        words.push(&rest[..end]);
        rest = strip(&rest[end..], None, Ends::Left);
    }
    words
}

/// `str.title`: each run of letters begins with a capital.
pub(crate) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for char in text.chars() {
        if inside {
            out.extend(char.to_lowercase());
        } else {
            out.extend(char.to_uppercase());
        }
        inside = char.is_alphabetic();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_pythons_do() {
        assert_eq!(split_lines("a\r\nb\rc\u{2028}\nd\n", false), ["a", "b", "c", "", "d"]);
        assert_eq!(split_lines("a\r\n\nb", true), ["a\r\n", "\n", "b"]);
        assert!(split_lines("", false).is_empty());
    }

    #[test]
    fn words_and_their_remainder() {
        assert_eq!(split_space("  a \u{1c} b  c ", None), ["a", "b", "c"]);
        assert_eq!(split_space("  a  b  c ", Some(1)), ["a", "b  c"]);
    }
}
