//! Methods of Python's `str`, `dict` and `list`, where `minijinja-contrib`'s differ or are missing.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::text::{self, Ends};
use super::{budget, value};

/// The engine asks this for every method call on a value.
pub(crate) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => string(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Seq => sequence(value, method, args)?,
        ValueKind::Map if method == "copy" && args.is_empty() => Some(value.clone()),
        _ => None,
    };
    match own {
        Some(result) => Ok(result),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn string(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let ends = match method {
        "strip" => Some(Ends::Both),
        "lstrip" => Some(Ends::Left),
        "rstrip" => Some(Ends::Right),
        _ => None,
    };
    if let Some(ends) = ends {
        let (chars,): (Option<&str>,) = from_args(args)?;
        return Ok(Some(Value::from(text::strip(text, chars, ends))));
    }
    let result = match method {
        "split" | "rsplit" => split(text, method == "rsplit", args)?,
        "splitlines" => {
            let (keep, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
            let keep = keep.or(kwargs.get("keepends")?).unwrap_or(false);
            strings(text::split_lines(text, keep))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let last = method == "rpartition";
            let cut = if last { text.rsplit_once(separator) } else { text.split_once(separator) };
            let parts = match cut {
                Some((before, after)) => [before, separator, after],
                None if last => ["", "", text],
                None => [text, "", ""],
            };
            Value::from(minijinja::value::Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "startswith" | "endswith" if args.len() > 1 => {
            let (wanted, from, to): (&Value, i64, Option<i64>) = from_args(args)?;
            let part = slice(text, from, to);
            return call_on(&part, method, wanted).map(Some);
        }
        "title" => Value::from(text::title(text)),
        "casefold" => Value::from(text.to_lowercase()),
        "swapcase" => Value::from(swap_case(text)),
        "isspace" => Value::from(!text.is_empty() && text.chars().all(text::is_space)),
        "index" | "rindex" => {
            let (wanted,): (&str,) = from_args(args)?;
            let at = if method == "index" { text.find(wanted) } else { text.rfind(wanted) };
            let at =
                at.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        "ljust" | "rjust" | "center" | "zfill" => justify(text, method, args)?,
        "replace" => {
            let (old, new, count, kwargs): (&str, &str, Option<i64>, Kwargs) = from_args(args)?;
            let count =
                count.or(kwargs.get("count")?).and_then(|count| usize::try_from(count).ok());
            replace(text, old, new, count)?
        }
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            let mut out = String::new();
            for (at, item) in items.try_iter()?.enumerate() {
                if at > 0 {
                    budget::charge(text.len())?;
                    out.push_str(text);
                }
                let Some(item) = item.as_str() else {
                    let detail =
                        format!("sequence item {at}: expected str instance, {} found", item.kind());
                    return Err(Error::new(ErrorKind::InvalidOperation, detail));
                };
                budget::charge(item.len())?;
                out.push_str(item);
            }
            Value::from(out)
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

fn sequence(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match method {
        "copy" if args.is_empty() => Some(value.clone()),
        "index" => {
            let (wanted,): (&Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|item| item == *wanted);
            let at =
                at.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "value is not in list"))?;
            Some(Value::from(at))
        }
        _ => None,
    })
}

/// `str.replace`; a negative count, which is none here, replaces all.
pub(crate) fn replace(
    text: &str,
    old: &str,
    new: &str,
    count: Option<usize>,
) -> Result<Value, Error> {
    let count = count.unwrap_or(usize::MAX).min(text.matches(old).count());
    budget::charge(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(old, new, count)))
}

fn strings(parts: Vec<&str>) -> Value {
    // What comes next fails, if there is no room for them.
    let parts = if budget::charge_list(parts.len()).is_ok() { parts } else { vec![] };
    value::list(parts.into_iter().map(Value::from).collect())
}

fn split(text: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (separator, max, kwargs): (Option<&Value>, Option<i64>, Kwargs) = from_args(args)?;
    let max = max.or(kwargs.get("maxsplit")?).and_then(|max| usize::try_from(max).ok());
    let named: Option<Value> = kwargs.get("sep")?;
    let separator = separator.or(named.as_ref()).filter(|separator| !separator.is_none());
    let Some(separator) = separator else {
        return Ok(strings(match (from_right, max) {
            (true, Some(max)) => split_space_right(text, max),
            _ => text::split_space(text, max),
        }));
    };
    let separator = separator
        .as_str()
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "must be str or None"))?;
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    Ok(strings(match (from_right, max) {
        (false, None) => text.split(separator).collect(),
        (false, Some(max)) => text.splitn(max.saturating_add(1), separator).collect(),
        (true, max) => {
            let mut parts: Vec<_> = match max {
                Some(max) => text.rsplitn(max.saturating_add(1), separator).collect(),
                None => text.rsplit(separator).collect(),
            };
            parts.reverse();
            parts
        }
    }))
}

fn split_space_right(text: &str, max: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text::strip(text, None, Ends::Right);
    while !rest.is_empty() {
        if words.len() == max {
            words.push(text::strip(rest, None, Ends::Left));
            break;
        }
        let start = rest
            .rfind(text::is_space)
            .map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
        words.push(&rest[start..]);
        rest = text::strip(&rest[..start], None, Ends::Right);
    }
    words.reverse();
    words
}

/// `text[from:to]`, counted in characters, from the end where negative.
fn slice(text: &str, from: i64, to: Option<i64>) -> String {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let place = |at: i64| {
        usize::try_from(if at < 0 { (at + length).max(0) } else { at.min(length) }).unwrap_or(0)
    };
    let (from, to) = (place(from), place(to.unwrap_or(length)));
    text.chars().skip(from).take(to.saturating_sub(from)).collect()
}

fn call_on(text: &str, method: &str, wanted: &Value) -> Result<Value, Error> {
    let matches = |wanted: &Value| {
        wanted.as_str().is_some_and(|wanted| {
            if method == "startswith" { text.starts_with(wanted) } else { text.ends_with(wanted) }
        })
    };
    Ok(Value::from(if wanted.as_str().is_some() {
        matches(wanted)
    } else {
        wanted.try_iter()?.any(|one| matches(&one))
    }))
}

fn swap_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_uppercase() {
            out.extend(char.to_lowercase());
        } else {
            out.extend(char.to_uppercase());
        }
    }
    out
}

/// Wider than any layout; a template that asks for more is refused rather than served.
const MAX_WIDTH: usize = 4096;

fn justify(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, fill): (usize, Option<&str>) = from_args(args)?;
    if width > MAX_WIDTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "width too large"));
    }
    let missing = width.saturating_sub(text.chars().count());
    let fill = if method == "zfill" { "0" } else { fill.unwrap_or(" ") };
    Ok(Value::from(match method {
        "ljust" => text.to_owned() + &fill.repeat(missing),
        "center" => centered(text, width, fill),
        "zfill" if text.starts_with(['-', '+']) => {
            format!("{}{}{}", &text[..1], fill.repeat(missing), &text[1..])
        }
        _ => fill.repeat(missing) + text,
    }))
}

/// The filter `center`.
pub(crate) fn center(text: &str, width: usize) -> String {
    centered(text, width.min(MAX_WIDTH), " ")
}

fn centered(text: &str, width: usize, fill: &str) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    fill.repeat(left) + text + &fill.repeat(missing - left)
}
