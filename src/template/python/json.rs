//! The `tojson` filter: Python's `json.dumps(value, ensure_ascii=False)`, with no HTML escaping.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands options over by value")]

use std::fmt::Write;

use minijinja::value::{DynObject, Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::budget;
use super::repr::float_repr;

const MAX_DEPTH: usize = 200;

struct Dump {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
    out: String,
}

/// `tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(crate) fn tojson(
    value: &Value,
    positional: Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let option = |at: usize, name: &str| -> Result<Option<Value>, Error> {
        let given: Option<Value> = kwargs.get(name)?;
        Ok(given.or_else(|| positional.get(at).cloned()).filter(|value| !value.is_none()))
    };
    let indent = option(1, "indent")?.map(|indent| match indent.as_str() {
        Some(text) => text.to_owned(),
        None => " ".repeat(indent.as_usize().unwrap_or(0).min(64)),
    });
    let mut dump = Dump {
        ensure_ascii: option(0, "ensure_ascii")?.is_some_and(|value| value.is_true()),
        item_separator: if indent.is_some() { "," } else { ", " }.to_owned(),
        indent,
        key_separator: ": ".to_owned(),
        sort_keys: option(3, "sort_keys")?.is_some_and(|value| value.is_true()),
        out: String::new(),
    };
    if let Some(separators) = option(2, "separators")? {
        let mut both = separators.try_iter()?;
        if let (Some(item), Some(key)) = (both.next(), both.next()) {
            dump.item_separator = item.to_string();
            dump.key_separator = key.to_string();
        }
    }
    kwargs.assert_all_used()?;
    dump.value(value, 0)?;
    Ok(Value::from(dump.out))
}

impl Dump {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "maximum recursion depth exceeded",
            ));
        }
        // Separators, quotes and indents, more or less.
        budget::charge(8 + depth)?;
        match value.kind() {
            ValueKind::Seq => self.items(value, depth),
            ValueKind::Iterable if value.len().is_some() => self.items(value, depth),
            ValueKind::Map if !is_namespace(value) => self.members(value, depth),
            _ => match scalar(value) {
                Some(Scalar::Text(text)) => {
                    budget::charge(text.len())?;
                    self.string(&text);
                    Ok(())
                }
                Some(Scalar::Bare(text)) => {
                    self.out.push_str(&text);
                    Ok(())
                }
                None => Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("Object of type {} is not JSON serializable", value.kind()),
                )),
            },
        }
    }

    fn items(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('[');
        let mut any = false;
        for item in value.try_iter()? {
            self.between(any, depth + 1);
            any = true;
            self.value(&item, depth + 1)?;
        }
        self.close(any, depth);
        self.out.push(']');
        Ok(())
    }

    fn members(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut members: Vec<(Value, Value)> =
            value.as_object().and_then(DynObject::try_iter_pairs).into_iter().flatten().collect();
        if self.sort_keys {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        self.out.push('{');
        for (at, (key, member)) in members.iter().enumerate() {
            self.between(at > 0, depth + 1);
            match scalar(key) {
                Some(Scalar::Text(text) | Scalar::Bare(text)) => self.string(&text),
                None => {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        format!("keys must be str, int, float, bool or None, not {}", key.kind()),
                    ));
                }
            }
            self.out.push_str(&self.key_separator);
            self.value(member, depth + 1)?;
        }
        self.close(!members.is_empty(), depth);
        self.out.push('}');
        Ok(())
    }

    fn between(&mut self, any: bool, depth: usize) {
        if any {
            self.out.push_str(&self.item_separator);
        }
        self.line(depth);
    }

    fn close(&mut self, any: bool, depth: usize) {
        if any {
            self.line(depth);
        }
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            for _ in 0..depth {
                self.out.push_str(indent);
            }
        }
    }

    fn string(&mut self, text: &str) {
        let out = &mut self.out;
        out.push('"');
        for char in text.chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..='\u{1f}' => escape(out, char),
                '\u{7f}'.. if self.ensure_ascii && char != '\u{7f}' => escape(out, char),
                _ => out.push(char),
            }
        }
        out.push('"');
    }
}

fn escape(out: &mut String, char: char) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        // Writing into a string does not fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

enum Scalar {
    Text(String),
    Bare(String),
}

fn scalar(value: &Value) -> Option<Scalar> {
    Some(match value.kind() {
        ValueKind::String => Scalar::Text(value.as_str()?.to_owned()),
        ValueKind::None => Scalar::Bare("null".to_owned()),
        ValueKind::Bool => Scalar::Bare(value.is_true().to_string()),
        ValueKind::Number if value.is_integer() => Scalar::Bare(value.to_string()),
        ValueKind::Number => Scalar::Bare(match f64::try_from(value.clone()) {
            Ok(float) if float.is_nan() => "NaN".to_owned(),
            Ok(float) if float.is_infinite() => {
                if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            Ok(float) => float_repr(float),
            Err(_) => return None,
        }),
        _ => return None,
    })
}

/// A template's `namespace` is no dictionary to Python.
fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().contains("amespace"))
}
