//! The `format` filter: Python's `%` formatting.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands options over by value")]

use std::fmt::Write;

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::budget;
use super::repr::{to_str, write_repr};

/// `"%s of %d"|format("one", 2)`, or with names: `"%(a)s"|format(a=1)`.
pub(crate) fn filter(pattern: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<String, Error> {
    format(&to_str(pattern), args.0, false, &|name| kwargs.get::<Value>(name))
}

/// `pattern % right`: a tuple has several values, a dictionary has names.
pub(crate) fn operator(pattern: &str, right: &Value) -> Result<String, Error> {
    let args = if right.is_tuple() { right.try_iter()?.collect() } else { vec![right.clone()] };
    // Python lets anything that has items be left over, but a tuple.
    let may_rest = !right.is_tuple()
        && matches!(
            right.kind(),
            ValueKind::Map | ValueKind::Seq | ValueKind::Iterable | ValueKind::Undefined
        );
    format(pattern, args, may_rest, &|name| match right.kind() {
        ValueKind::Map => right.get_attr(name),
        _ => Err(fault("format requires a mapping")),
    })
}

fn format(
    pattern: &str,
    args: Vec<Value>,
    may_rest: bool,
    named: &dyn Fn(&str) -> Result<Value, Error>,
) -> Result<String, Error> {
    let mut args = args.into_iter();
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let spec = Spec::parse(&mut rest)?;
        if spec.conversion == '%' {
            out.push('%');
            continue;
        }
        let value = match &spec.name {
            Some(name) => named(name)?,
            None => args.next().ok_or_else(|| fault("not enough arguments for format string"))?,
        };
        let text = spec.apply(&value)?;
        budget::charge(text.len())?;
        out.push_str(&text);
    }
    out.push_str(rest);
    if args.next().is_some() && !may_rest {
        return Err(fault("not all arguments converted during string formatting"));
    }
    Ok(out)
}

fn fault(detail: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// Widths above this are no layout but an attack on memory.
const MAX_WIDTH: usize = 1024;

struct Spec {
    name: Option<String>,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

impl Spec {
    /// What follows a `%`.
    fn parse(rest: &mut &str) -> Result<Self, Error> {
        let mut name = None;
        if let Some(named) = rest.strip_prefix('(') {
            let (inner, after) =
                named.split_once(')').ok_or_else(|| fault("incomplete format key"))?;
            name = Some(inner.to_owned());
            *rest = after;
        }
        let flags = take(rest, |char| "-+ #0".contains(char));
        let width = take(rest, |char| char.is_ascii_digit());
        let precision = match rest.strip_prefix('.') {
            Some(after) => {
                *rest = after;
                Some(take(rest, |char| char.is_ascii_digit()).parse().unwrap_or(0))
            }
            None => None,
        };
        let conversion = rest.chars().next().ok_or_else(|| fault("incomplete format"))?;
        *rest = &rest[conversion.len_utf8()..];
        let width = if width.is_empty() { 0 } else { width.parse().unwrap_or(usize::MAX) };
        if width > MAX_WIDTH || precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(fault("width too large"));
        }
        Ok(Self { name, flags, width, precision, conversion })
    }

    fn apply(&self, value: &Value) -> Result<String, Error> {
        let text = match self.conversion {
            's' => self.cut(to_str(value)),
            'r' => {
                let mut text = String::new();
                // Writing into a string does not fail; what nests too deep is cut.
                let _ = write_repr(&mut text, value, 0);
                self.cut(text)
            }
            'd' | 'i' | 'u' => self.signed(&match value.as_i64() {
                Some(integer) => integer.to_string(),
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "%d of a float truncates in Python, too"
                )]
                None => (number(value)?.trunc() as i128).to_string(),
            }),
            'x' => format!(
                "{:x}",
                value.as_i64().ok_or_else(|| fault("%x format: an integer is required"))?
            ),
            'X' => format!(
                "{:X}",
                value.as_i64().ok_or_else(|| fault("%X format: an integer is required"))?
            ),
            'o' => format!(
                "{:o}",
                value.as_i64().ok_or_else(|| fault("%o format: an integer is required"))?
            ),
            'f' | 'F' => {
                self.signed(&format!("{:.*}", self.precision.unwrap_or(6), number(value)?))
            }
            'e' => self.signed(&exponent(number(value)?, self.precision.unwrap_or(6))),
            'c' => to_str(value),
            _ => return Err(fault("unsupported format character")),
        };
        Ok(self.pad(text))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text,
        }
    }

    fn signed(&self, text: &str) -> String {
        match () {
            () if text.starts_with('-') => text.to_owned(),
            () if self.flags.contains('+') => format!("+{text}"),
            () if self.flags.contains(' ') => format!(" {text}"),
            () => text.to_owned(),
        }
    }

    fn pad(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return text;
        }
        if self.flags.contains('-') {
            return text + &" ".repeat(missing);
        }
        if self.flags.contains('0') && !matches!(self.conversion, 's' | 'r' | 'c') {
            let sign = usize::from(text.starts_with(['-', '+', ' ']));
            return format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]);
        }
        " ".repeat(missing) + &text
    }
}

fn take(rest: &mut &str, wanted: impl Fn(char) -> bool) -> String {
    let end = rest.find(|char| !wanted(char)).unwrap_or(rest.len());
    let (taken, after) = rest.split_at(end);
    *rest = after;
    taken.to_owned()
}

fn number(value: &Value) -> Result<f64, Error> {
    f64::try_from(value.clone()).map_err(|_| fault("a real number is required"))
}

fn exponent(float: f64, precision: usize) -> String {
    let text = format!("{float:.precision$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let mut out = String::new();
    let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
    out
}
