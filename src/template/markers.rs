//! What markers look like in a template's text.

/// No marker is longer, in bytes.
const MAX_MARKER: usize = 80;

/// Tags of these names tell about what stands in a region that another marker opened: a tool's
/// description, a document. They open no turn and no call, and clients write them in XML of their
/// own. A tokenizer's token counts whatever its name is.
const TOLD: [&str; 21] = [
    "name",
    "description",
    "type",
    "parameters",
    "properties",
    "required",
    "enum",
    "items",
    "default",
    "title",
    "text",
    "content",
    "source",
    "url",
    "id",
    "date",
    "context",
    "document",
    "documents",
    "example",
    "important",
];

/// The marker-shaped pieces of `text`: `<|…|>`, `<｜…｜>`, `<name>`, `</name>`, `<name=`, `[NAME]`,
/// `<<SYS>>`.
pub(super) fn markers(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().filter_map(|(at, char)| match char {
        '<' => angled(&text[at..]),
        '[' => bracketed(&text[at..]),
        _ => None,
    })
}

/// Whether `marker` may open or close a turn, a role, a call or reasoning.
pub(super) fn opens(marker: &str) -> bool {
    let name = marker.trim_start_matches(['<', '/']).trim_end_matches('>');
    !TOLD.iter().any(|told| told.eq_ignore_ascii_case(name))
}

fn angled(text: &str) -> Option<&str> {
    if text.starts_with("<<") {
        let end = text.find(">>")? + 2;
        let name = text[2..end - 2].trim_start_matches('/');
        let named = !name.is_empty()
            && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        return named.then_some(&text[..end]);
    }
    let end = text
        .char_indices()
        .skip(1)
        .take(MAX_MARKER)
        .find(|(_, char)| matches!(char, '>' | '<' | '='))?;
    let (end, close) = end;
    let inner = &text[1..end];
    let barred = inner.contains(['|', '｜']);
    match close {
        // A tag with a value: `<function=`.
        '=' if is_tag_name(inner) => Some(&text[..=end]),
        '<' | '=' => None,
        _ if barred
            && inner.chars().any(|char| !matches!(char, '|' | '｜'))
            && !inner.contains(char::is_whitespace) =>
        {
            Some(&text[..=end])
        }
        _ => is_tag_name(inner.trim_start_matches('/')).then_some(&text[..=end]),
    }
}

fn is_tag_name(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | ':' | '.' | '▁'))
}

fn bracketed(text: &str) -> Option<&str> {
    let end =
        text.char_indices().skip(1).take(MAX_MARKER).find(|(_, char)| matches!(char, ']' | '['))?;
    let (end, close) = end;
    let name = text[1..end].trim_start_matches('/');
    let capitals = name.bytes().filter(u8::is_ascii_uppercase).count();
    let shaped = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (close == ']' && shaped && capitals >= 2).then_some(&text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_have_a_shape() {
        let found: Vec<_> = markers("<|a|> <b> </c> <function=x> [INST] [a] <<SYS>> <｜tool▁calls▁begin｜> x < y > z <|turn> a[0] <|").collect();
        assert_eq!(
            found,
            [
                "<|a|>",
                "<b>",
                "</c>",
                "<function=",
                "[INST]",
                "<<SYS>>",
                "<SYS>",
                "<｜tool▁calls▁begin｜>",
                "<|turn>"
            ]
        );
    }
}
