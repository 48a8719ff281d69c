//! Arguments that come as bare text, given the type that the tool's schema asks for.

use serde_json::Value;

use super::json::{Status, quoted};
use super::python::Literal;

/// A tool that was offered to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// The JSON schema of its arguments, an object's; `null` where there is none.
    pub schema: Value,
}

/// What a schema lets a value be; nothing where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u8);

const STRING: u8 = 1;
const NUMBER: u8 = 2;
const BOOLEAN: u8 = 4;
const OBJECT: u8 = 8;
const ARRAY: u8 = 16;
const NULL: u8 = 32;

impl Kinds {
    /// The kinds of argument `name` of `tool`.
    pub(super) fn of(tool: Option<&Tool>, name: &str) -> Self {
        let mut kinds = 0;
        if let Some(tool) = tool
            && let Some(schema) = tool.schema.get("properties").and_then(|all| all.get(name))
        {
            collect(schema, &tool.schema, 8, &mut kinds);
        }
        Self(kinds)
    }

    /// Whether any text is the value, as it is: then it can be passed on as it comes.
    pub(super) fn is_text(self) -> bool {
        self.0 == STRING
    }
}

fn collect(schema: &Value, root: &Value, depth: u8, kinds: &mut u8) {
    if depth == 0 {
        return;
    }
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = pointer.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    {
        collect(target, root, depth - 1, kinds);
    }
    match schema.get("type") {
        Some(Value::String(kind)) => *kinds |= named(kind),
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).for_each(|kind| *kinds |= named(kind));
        }
        _ => {
            let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
            values.chain(schema.get("const")).for_each(|value| *kinds |= kind(value));
        }
    }
    for member in ["anyOf", "oneOf", "allOf"] {
        for variant in schema.get(member).and_then(Value::as_array).into_iter().flatten() {
            collect(variant, root, depth - 1, kinds);
        }
    }
}

/// JSON Schema's names, and those that Python programs write in their place.
fn named(kind: &str) -> u8 {
    match kind {
        "string" | "str" | "text" | "enum" => STRING,
        "integer" | "int" | "number" | "float" | "double" => NUMBER,
        "boolean" | "bool" => BOOLEAN,
        "object" | "dict" => OBJECT,
        "array" | "list" => ARRAY,
        "null" => NULL,
        _ => 0,
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Number(_) => NUMBER,
        Value::String(_) => STRING,
        Value::Array(_) => ARRAY,
        Value::Object(_) => OBJECT,
    }
}

/// `text` as the JSON of one of `kinds`; a string where it is none of them. Where the schema does
/// not say, what reads as JSON is JSON.
pub(super) fn coerce(text: &str, kinds: Kinds) -> String {
    if kinds.is_text() {
        return quoted(text);
    }
    let bare = text.trim();
    let wanted = if kinds.0 == 0 { !STRING } else { kinds.0 };
    if let Ok(value) = serde_json::from_str::<Value>(bare)
        && (kind(&value) & wanted != 0 || (kinds.0 == 0 && value.is_string()))
    {
        return bare.to_owned();
    }
    if wanted & (BOOLEAN | NULL | OBJECT | ARRAY) != 0
        && let Some(json) = python(bare)
        && let Ok(value) = serde_json::from_str::<Value>(&json)
        && kind(&value) & wanted != 0
    {
        return json;
    }
    if wanted & BOOLEAN != 0 {
        for truth in ["true", "false"] {
            if bare.eq_ignore_ascii_case(truth) {
                return truth.to_owned();
            }
        }
    }
    quoted(text)
}

/// A Python literal as JSON.
fn python(text: &str) -> Option<String> {
    let (mut literal, mut json) = (Literal::default(), String::new());
    let (read, status) = literal.feed(text, &mut |part| json.push_str(part));
    let whole = match status {
        Status::Bad => false,
        Status::Done => read == text.len(),
        Status::More => literal.finish(&mut |part| json.push_str(part)),
    };
    whole.then_some(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kinds, Tool, coerce};

    #[test]
    fn a_schema_gives_the_type() {
        let tool = Tool {
            name: "f".to_owned(),
            schema: json!({
                "properties": {
                    "s": {"type": "string"}, "i": {"type": "integer"}, "b": {"type": "boolean"},
                    "o": {"type": "object"}, "a": {"anyOf": [{"type": "array"}, {"type": "null"}]},
                    "n": {"type": ["string", "null"]}, "e": {"enum": ["1", "2"]}, "r": {"$ref": "#/$defs/T"},
                },
                "$defs": {"T": {"type": "number"}},
            }),
        };
        for (name, text, expected) in [
            ("s", "07", "\"07\""),
            ("s", "null", "\"null\""),
            ("s", "a\n\"b\"", r#""a\n\"b\"""#),
            ("i", " 7 ", "7"),
            ("i", "seven", "\"seven\""),
            ("b", "True", "true"),
            ("b", "TRUE", "true"),
            ("b", "yes", "\"yes\""),
            ("o", "{\"a\": [1]}", "{\"a\": [1]}"),
            ("o", "{'a': True}", "{\"a\":true}"),
            ("a", "null", "null"),
            ("a", "['x', 1]", "[\"x\",1]"),
            ("n", "null", "null"),
            ("n", "12", "\"12\""),
            ("e", "1", "\"1\""),
            ("r", "1.5", "1.5"),
            ("unknown", "12", "12"),
            ("unknown", "a b", "\"a b\""),
        ] {
            assert_eq!(coerce(text, Kinds::of(Some(&tool), name)), expected, "{name}: {text}");
        }
    }
}
