//! `+`, `~`, `*` and `%` as Python has them, for what `rewrite` respells.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands options over by value")]

use minijinja::value::{Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::filters::escape_html;
use super::repr::to_str;
use super::{budget, printf, value};

/// Names that no template can spell by chance: `a + b + …`,
pub(crate) const ADD: &str = "__helan_add";
/// `a ~ b ~ …`,
pub(crate) const CONCAT: &str = "__helan_concat";
/// `a * b`,
pub(crate) const REPEAT: &str = "__helan_repeat";
/// `a % b`,
pub(crate) const MODULO: &str = "__helan_modulo";
/// `a[b:c]`.
pub(crate) const SLICE: &str = "__helan_slice";

/// Puts them into `env`.
pub(crate) fn install(env: &mut Environment<'_>) {
    env.add_filter(ADD, add_all);
    env.add_filter(CONCAT, concat);
    env.add_filter(REPEAT, repeat);
    env.add_filter(MODULO, modulo);
    env.add_filter(SLICE, sliced);
}

/// Strings at once; anything else two by two, as the engine would.
fn add_all(first: &Value, rest: Rest<Value>) -> Result<Value, Error> {
    let all = || std::iter::once(first).chain(&rest.0);
    if all().all(|value| value.as_str().is_some() && !value.is_safe()) {
        let texts = || all().filter_map(Value::as_str);
        let length = texts().map(str::len).sum();
        budget::charge(length)?;
        let mut out = String::with_capacity(length);
        texts().for_each(|text| out.push_str(text));
        return Ok(Value::from(out));
    }
    rest.0.iter().try_fold(first.clone(), |sum, value| add(&sum, value))
}

/// A string marked safe escapes what is added to it, as `Markup` does.
fn add(left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        budget::charge(a.len() + b.len())?;
        if !left.is_safe() && !right.is_safe() {
            return Ok(Value::from([a, b].concat()));
        }
        let part = |value: &Value, text: &str| {
            if value.is_safe() { text.to_owned() } else { escape_html(text) }
        };
        return Ok(Value::from_safe_string(part(left, a) + &part(right, b)));
    }
    if let Some((a, b)) = integers(left, right) {
        return a.checked_add(b).map(Value::from).ok_or_else(|| unsupported("+", left, right));
    }
    if let Some((a, b)) = floats(left, right) {
        return Ok(Value::from(a + b));
    }
    let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    if !is_list(left) || !is_list(right) || left.is_tuple() != right.is_tuple() {
        return Err(unsupported("+", left, right));
    }
    budget::charge_list(left.len().unwrap_or(0) + right.len().unwrap_or(0))?;
    let items: Vec<Value> =
        left.try_iter()?.checked().chain(right.try_iter()?.checked()).collect::<Result<_, _>>()?;
    Ok(sequence(items, left.is_tuple()))
}

fn sequence(items: Vec<Value>, tuple: bool) -> Value {
    if tuple { Value::from(Tuple::from(items)) } else { value::list(items) }
}

fn concat(first: &Value, rest: Rest<Value>) -> Result<Value, Error> {
    let mut out = budget::Text::default();
    for value in std::iter::once(first).chain(&rest.0) {
        super::repr::write_str(&mut out, value)
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "a value cannot be printed"))?;
    }
    Ok(Value::from(out.0))
}

fn repeat(left: &Value, right: &Value) -> Result<Value, Error> {
    if let Some((a, b)) = integers(left, right) {
        return a.checked_mul(b).map(Value::from).ok_or_else(|| unsupported("*", left, right));
    }
    if let Some((a, b)) = floats(left, right) {
        return Ok(Value::from(a * b));
    }
    let counts = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(i64::from(value.is_true())),
        _ => value.as_i64(),
    };
    let (times, what) = match (counts(left), counts(right)) {
        (_, Some(times)) => (times, left),
        (Some(times), _) => (times, right),
        _ => return Err(unsupported("*", left, right)),
    };
    let times = usize::try_from(times).unwrap_or(0);
    if let Some(text) = what.as_str() {
        budget::charge(text.len().saturating_mul(times))?;
        return Ok(Value::from(text.repeat(times)));
    }
    match (what.kind(), what.len()) {
        (ValueKind::Seq | ValueKind::Iterable, Some(length)) => {
            budget::charge_list(length.saturating_mul(times))?;
            let items: Vec<Value> = what.try_iter()?.checked().collect::<Result<_, _>>()?;
            let items = std::iter::repeat_n(items, times).flatten().collect();
            Ok(sequence(items, what.is_tuple()))
        }
        _ => Err(unsupported("*", left, right)),
    }
}

/// Of numbers the remainder, of a string its formatting.
fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    if left.as_str().is_some() {
        return printf::operator(&to_str(left), right).map(Value::from);
    }
    if let Some((a, b)) = integers(left, right) {
        let rest = a.checked_rem(b).ok_or_else(|| unsupported("%", left, right))?;
        let floors = rest != 0 && (rest < 0) != (b < 0);
        return Ok(Value::from(if floors { rest + b } else { rest }));
    }
    match floats(left, right) {
        Some((a, b)) if b != 0.0 => Ok(Value::from(a - b * (a / b).floor())),
        _ => Err(unsupported("%", left, right)),
    }
}

/// A slice that was made. Of a list it is a view, of a string a copy.
fn sliced(slice: &Value) -> Result<Value, Error> {
    budget::charge(slice.as_str().map_or(0, str::len))?;
    Ok(slice.clone())
}

/// Both as integers; `True` is 1.
fn integers(left: &Value, right: &Value) -> Option<(i128, i128)> {
    let integer = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    };
    integer(left).zip(integer(right))
}

fn floats(left: &Value, right: &Value) -> Option<(f64, f64)> {
    let float = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    };
    float(left).zip(float(right))
}

fn unsupported(operator: &str, left: &Value, right: &Value) -> Error {
    let (left, right) = (left.kind(), right.kind());
    let detail =
        format!("tried to use {operator} operator on unsupported types {left} and {right}");
    Error::new(ErrorKind::InvalidOperation, detail)
}
