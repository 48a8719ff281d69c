//! `repr` of a Python string.

use std::fmt::{self, Write};

/// Writes `text` quoted: in single quotes, unless it has one and no double quote.
pub(super) fn write(out: &mut dyn Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for char in text.chars() {
        match char {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            _ if char == quote => {
                out.write_char('\\')?;
                out.write_char(char)?;
            }
            _ if is_printable(char) => out.write_char(char)?,
            _ => match u32::from(char) {
                code @ 0..=0xff => write!(out, "\\x{code:02x}")?,
                code @ 0x100..=0xffff => write!(out, "\\u{code:04x}")?,
                code => write!(out, "\\U{code:08x}")?,
            },
        }
    }
    out.write_char(quote)
}

/// `str.isprintable` of one character: not in the general categories Other and Separator, but for
/// the space. Rust's own escaping draws the line at the same categories, so it is asked.
fn is_printable(char: char) -> bool {
    match char {
        ' '..='~' => true,
        // What `escape_debug` escapes because it combines is printable in Python.
        _ => char.is_alphanumeric() || is_printable_symbol(char),
    }
}

fn is_printable_symbol(char: char) -> bool {
    let mut buffer = [0; 5];
    // Grapheme extenders are escaped at the start of a string only.
    buffer[0] = b'a';
    let rest = char.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..=rest]).is_ok_and(|pair| pair.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repr(text: &str) -> String {
        let mut out = String::new();
        write(&mut out, text).unwrap();
        out
    }

    #[test]
    fn strings_are_pythons() {
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("it's \"q\""), "'it\\'s \"q\"'");
        assert_eq!(
            repr("é\u{301}北京🌤️\u{200b}\u{a0}\u{1c}\u{2028}\u{e000}"),
            "'é\u{301}北京🌤️\\u200b\\xa0\\x1c\\u2028\\ue000'"
        );
        assert_eq!(repr("\u{f0000}\\"), "'\\U000f0000\\\\'");
    }
}
