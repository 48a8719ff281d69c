//! Strings in JSON, written by hand where that is faster.
//!
//! `serde_json` looks at a string byte by byte for what has to be escaped; a prompt of 100 KB is
//! mostly plain, and is looked at here by the block.

use std::fmt;

use serde::ser::{Error as _, Serialize as _, Serializer};
use serde_json::value::RawValue;

/// Shorter strings are written as they always are.
const LONG: usize = 1024;
const BLOCK: usize = 32;

/// Writes `text` as a JSON string. For serializers of `serde_json` alone.
pub fn quoted<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.len() < LONG {
        return serializer.serialize_str(text);
    }
    let mut json = String::with_capacity(text.len() + text.len() / 64 + 2);
    write_quoted(text, &mut json).map_err(S::Error::custom)?;
    // What is written is looked through again, by many bytes at a time.
    RawValue::from_string(json).map_err(S::Error::custom)?.serialize(serializer)
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Writes `text` between quotation marks, with the escapes of `serde_json`.
///
/// # Errors
/// Those of `out`.
pub fn write_quoted(text: &str, out: &mut impl fmt::Write) -> fmt::Result {
    out.write_char('"')?;
    let mut written = 0;
    for (at, block) in text.as_bytes().chunks(BLOCK).enumerate() {
        // Without a branch for each byte: the compiler compares many at once.
        if !block.iter().fold(false, |any, byte| any | is_special(*byte)) {
            continue;
        }
        for (within, byte) in block.iter().enumerate().filter(|(_, byte)| is_special(**byte)) {
            let here = at * BLOCK + within;
            out.write_str(text.get(written..here).unwrap_or_default())?;
            written = here + 1;
            match byte {
                b'"' => out.write_str("\\\"")?,
                b'\\' => out.write_str("\\\\")?,
                b'\n' => out.write_str("\\n")?,
                b'\r' => out.write_str("\\r")?,
                b'\t' => out.write_str("\\t")?,
                0x08 => out.write_str("\\b")?,
                0x0c => out.write_str("\\f")?,
                _ => write!(out, "\\u{byte:04x}")?,
            }
        }
    }
    out.write_str(text.get(written..).unwrap_or_default())?;
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Long<'a> {
        #[serde(serialize_with = "quoted")]
        text: Cow<'a, str>,
    }

    #[test]
    fn long_text_is_written_as_short_text_is() {
        for text in ["plain ".repeat(400), "\"贺兰\"\n\\\u{1}\u{7f} ".repeat(200), "x".repeat(9)]
        {
            let expected = serde_json::json!({ "text": text });
            let long = Long { text: text.as_str().into() };
            assert_eq!(serde_json::to_string(&long).unwrap(), expected.to_string());
            assert_eq!(serde_json::to_value(&long).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn escapes_are_serde_jsons(text in "(\\PC|[\\x00-\\x7f]){0,200}") {
            let mut json = String::new();
            write_quoted(&text, &mut json).unwrap();
            prop_assert_eq!(json, serde_json::to_string(&text).unwrap());
        }
    }
}
