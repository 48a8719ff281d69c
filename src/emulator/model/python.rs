//! JSON as Python's `json.dumps` writes it: with a blank behind each comma and colon.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

struct Blanks;

impl Formatter for Blanks {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// The JSON of `value`.
pub(super) fn python(value: &Value) -> String {
    let mut out = Vec::new();
    // A value and a vector have nothing to fail by.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Blanks));
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commas_and_colons_have_blanks() {
        let value = json!({"a": [1, null, {}], "b": {"贺": "兰\n"}, "c": []});
        assert_eq!(python(&value), r#"{"a": [1, null, {}], "b": {"贺": "兰\n"}, "c": []}"#);
    }
}
