//! Python's `str` and `repr`.

use std::fmt::{self, Write};

use minijinja::Value;
use minijinja::value::{DynObject, ValueKind};

use super::{budget, literal};

/// How deep a value may nest and still be printed; JSON that was parsed nests 128 deep at most.
const MAX_DEPTH: usize = 200;

/// `str(value)`: strings as they are, an undefined value as nothing.
pub(crate) fn to_str(value: &Value) -> String {
    let mut out = budget::Text::default();
    // What nests too deep is cut; where there is no room, the render fails in the end.
    let _ = write_str(&mut out, value);
    out.0
}

/// `str(value)`, written out.
pub(crate) fn write_str(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None if value.is_undefined() => Ok(()),
        None => write_repr(out, value, 0),
    }
}

/// What a container prints as.
pub(crate) fn render(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write_repr(f, value, 0)
}

/// `repr(value)`.
pub(crate) fn write_repr(out: &mut dyn Write, value: &Value, depth: usize) -> fmt::Result {
    if depth > MAX_DEPTH {
        return Err(fmt::Error);
    }
    match value.kind() {
        ValueKind::Undefined => out.write_str("Undefined"),
        ValueKind::None => out.write_str("None"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => write_number(out, value),
        ValueKind::String => literal::write(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable if value.len().is_some() => {
            let tuple = value.is_tuple();
            write_items(out, value, depth, tuple)
        }
        ValueKind::Map => {
            out.write_char('{')?;
            let object = value.as_object();
            let pairs = object.and_then(DynObject::try_iter_pairs);
            for (at, (key, member)) in pairs.into_iter().flatten().enumerate() {
                if at > 0 {
                    out.write_str(", ")?;
                }
                write_repr(out, &key, depth + 1)?;
                out.write_str(": ")?;
                write_repr(out, &member, depth + 1)?;
            }
            out.write_char('}')
        }
        _ => write!(out, "{value}"),
    }
}

fn write_items(out: &mut dyn Write, value: &Value, depth: usize, tuple: bool) -> fmt::Result {
    out.write_char(if tuple { '(' } else { '[' })?;
    let mut written = 0;
    for item in value.try_iter().into_iter().flatten() {
        if written > 0 {
            out.write_str(", ")?;
        }
        write_repr(out, &item, depth + 1)?;
        written += 1;
    }
    if tuple && written == 1 {
        out.write_char(',')?;
    }
    out.write_char(if tuple { ')' } else { ']' })
}

fn write_number(out: &mut dyn Write, value: &Value) -> fmt::Result {
    if value.is_integer() {
        return write!(out, "{value}");
    }
    match f64::try_from(value.clone()) {
        Ok(float) => out.write_str(&float_repr(float)),
        Err(_) => write!(out, "{value}"),
    }
}

/// `repr(float)`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
pub(crate) fn float_repr(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{float:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{float}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_pythons() {
        for (float, python) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (123_456_789_012_345.0, "123456789012345.0"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float_repr(float), python);
        }
    }
}
