//! Filters and tests where `minijinja` differs from Jinja2.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands options over by value")]

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::repr::to_str;
use super::text::{self, Ends};
use super::{budget, cycler, json, methods, operators, printf, value};

/// Names the rewriting of a template's source refers to; no template can spell them by chance.
pub(crate) const ITERATE: &str = "__helan_iterate";
/// The callee of a `{% generation %}` block.
pub(crate) const GENERATION: &str = "__helan_generation";

/// A part of a string, in bytes.
const VIEW: usize = size_of::<&str>();

/// Puts all of it into `env`.
pub(crate) fn install(env: &mut Environment<'_>) {
    env.add_filter("tojson", json::tojson);
    env.add_filter("string", |value: &Value| {
        if value.as_str().is_some() { value.clone() } else { Value::from(to_str(value)) }
    });
    env.add_filter("trim", trim);
    env.add_filter("join", join);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("indent", indent);
    env.add_filter("dictsort", dictsort);
    env.add_filter("format", printf::filter);
    env.add_filter("title", |value: &Value| title(&to_str(value)));
    env.add_filter("upper", |value: &Value| to_str(value).to_uppercase());
    env.add_filter("lower", |value: &Value| to_str(value).to_lowercase());
    env.add_filter("capitalize", |value: &Value| capitalize(&to_str(value)));
    env.add_filter("forceescape", |value: &Value| {
        Value::from_safe_string(escape_html(&to_str(value)))
    });
    env.add_filter("list", list);
    env.add_filter("truncate", truncate);
    env.add_filter("center", |value: &Value, width: Option<usize>| {
        methods::center(&to_str(value), width.unwrap_or(80))
    });
    env.add_filter("wordcount", |value: &Value| word_count(&to_str(value)));
    env.add_filter(ITERATE, run);
    env.add_filter("replace", replace);
    operators::install(env);
    env.add_function(GENERATION, generation);
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    env.add_function("cycler", cycler::cycler);
    env.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined
        ) || (value.kind() == ValueKind::Iterable && value.len().is_some())
    });
    env.add_test("iterable", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq
                | ValueKind::Map
                | ValueKind::String
                | ValueKind::Undefined
                | ValueKind::Iterable
        )
    });
    env.add_test("number", |value: &Value| {
        matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
    });
    env.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
}

fn trim(value: &Value, chars: Option<&str>) -> Value {
    let text = to_str(value);
    Value::from(text::strip(&text, chars, Ends::Both))
}

fn join(
    value: &Value,
    separator: Option<&Value>,
    attribute: Option<&Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let separator = match separator {
        Some(separator) => to_str(separator),
        None => kwargs.get::<Option<Value>>("d")?.map(|value| to_str(&value)).unwrap_or_default(),
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute.clone()),
        None => kwargs.get("attribute")?,
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    for (at, item) in iterate(value)?.try_iter()?.enumerate() {
        if at > 0 {
            budget::charge(separator.len())?;
            out.push_str(&separator);
        }
        let item = match &attribute {
            Some(attribute) => path(&item, attribute)?,
            None => item,
        };
        out.push_str(&to_str(&item));
    }
    Ok(Value::from(out))
}

fn path(value: &Value, attribute: &Value) -> Result<Value, Error> {
    let Some(names) = attribute.as_str() else { return value.get_item(attribute) };
    names.split('.').try_fold(value.clone(), |value, name| match name.parse::<usize>() {
        Ok(at) => value.get_item_by_index(at),
        Err(_) => value.get_attr(name),
    })
}

/// `replace(value, old, new, count=None)`.
fn replace(value: &Value, old: &Value, new: &Value, count: Option<usize>) -> Result<Value, Error> {
    methods::replace(&to_str(value), &to_str(old), &to_str(new), count)
}

/// `len`: of an undefined value it is 0.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("object of type {} has no len()", value.kind()),
        )
    })
}

fn indent(
    value: &Value,
    width: Option<&Value>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let width: Option<Value> = match width {
        Some(width) => Some(width.clone()),
        None => kwargs.get("width")?,
    };
    let first = first.or(kwargs.get("first")?).unwrap_or(false);
    let blank = blank.or(kwargs.get("blank")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let indention = match &width {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(width.as_usize().unwrap_or(0).min(1024)),
        },
    };
    // Jinja2 appends a line end before it splits, so that a last line end is kept.
    let text = to_str(value) + "\n";
    let lines = text::split_lines(&text, false);
    budget::charge(lines.len().saturating_mul(indention.len() + VIEW))?;
    let mut out = String::with_capacity(text.len());
    for (at, line) in lines.into_iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if if at == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}

/// Pairs in the order of their keys, or values, lower-cased as `str.lower` does.
fn dictsort(
    value: &Value,
    case_sensitive: Option<bool>,
    by: Option<&str>,
    reverse: Option<bool>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let case_sensitive = case_sensitive.or(kwargs.get("case_sensitive")?).unwrap_or(false);
    let by_value = match by {
        Some(by) => by == "value",
        None => kwargs.get::<Option<&str>>("by")? == Some("value"),
    };
    let reverse = reverse.or(kwargs.get("reverse")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let object = value.as_object().filter(|_| value.kind() == ValueKind::Map);
    let Some(object) = object else {
        return Err(Error::new(ErrorKind::InvalidOperation, "dictsort needs a mapping"));
    };
    let mut pairs: Vec<(Value, [Value; 2])> = object
        .try_iter_pairs()
        .into_iter()
        .flatten()
        .map(|(key, member)| {
            let by = if by_value { &member } else { &key };
            let order = match by.as_str() {
                Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
                _ => by.clone(),
            };
            (order, [key, member])
        })
        .collect();
    pairs.sort_by(|(a, _), (b, _)| if reverse { b.cmp(a) } else { a.cmp(b) });
    Ok(value::list(
        pairs
            .into_iter()
            .map(|(_, pair)| Value::from(minijinja::value::Tuple::from(pair)))
            .collect(),
    ))
}

fn list(value: &Value) -> Result<Value, Error> {
    let value = iterate(value)?;
    budget::charge_list(value.len().unwrap_or(0))?;
    let items: Vec<Value> = value.try_iter()?.checked().collect::<Result<_, _>>()?;
    Ok(value::list(items))
}

/// What `for` runs over. Each turn writes the template data of the loop's body: so many bytes.
fn run(value: &Value, body: Option<usize>) -> Result<Value, Error> {
    let value = iterate(value)?;
    budget::charge(value.len().unwrap_or(0).saturating_mul(body.unwrap_or(0)))?;
    Ok(value)
}

/// What `for` runs over: a string is its characters, and knows its last; nothing is no list.
fn iterate(value: &Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        budget::charge_list(text.len())?;
        return Ok(value::list(text.chars().map(Value::from).collect()));
    }
    if value.is_none() {
        return Err(Error::new(ErrorKind::InvalidOperation, "'NoneType' object is not iterable"));
    }
    Ok(value.clone())
}

/// Jinja2's `escape`.
pub(crate) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(char),
        }
    }
    out
}

/// A `{% generation %}` block renders as its body.
fn generation(
    state: &mut State<'_, '_>,
    args: Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let _ = args;
    let caller: Value = kwargs.get("caller")?;
    caller.call(state, &[])
}

/// Jinja2's `title`: a capital after each space, hyphen or opening bracket.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut first = true;
    for char in text.chars() {
        if first {
            out.extend(char.to_uppercase());
        } else {
            out.extend(char.to_lowercase());
        }
        first = text::is_space(char) || matches!(char, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect(),
        None => String::new(),
    }
}

/// `truncate(value, length=255, killwords=False, end="...", leeway=5)`.
fn truncate(value: &Value, options: Rest<Value>, kwargs: Kwargs) -> Result<String, Error> {
    let option = |at: usize, name: &str| -> Result<Option<Value>, Error> {
        Ok(options.get(at).cloned().or(kwargs.get(name)?))
    };
    let length = option(0, "length")?.and_then(|length| length.as_usize()).unwrap_or(255);
    let kill_words = option(1, "killwords")?.is_some_and(|kill| kill.is_true());
    let end = option(2, "end")?.map_or_else(|| "...".to_owned(), |end| to_str(&end));
    let leeway = option(3, "leeway")?.and_then(|leeway| leeway.as_usize()).unwrap_or(5);
    kwargs.assert_all_used()?;
    let text = to_str(value);
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let cut: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if kill_words {
        cut.as_str()
    } else {
        cut.rsplit_once(' ').map_or(cut.as_str(), |(kept, _)| kept)
    };
    Ok([kept, &end].concat())
}

/// How many runs of `\w` there are.
fn word_count(text: &str) -> usize {
    text.split(|char: char| !(char.is_alphanumeric() || char == '_'))
        .filter(|word| !word.is_empty())
        .count()
}
