//! Renders line by line: a program in any language may compare this renderer with its own.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::macros::format_description;

use super::{Input, Template};

/// A line of the question. Unknown members are ignored.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(default)]
    id: Json,
    template_file: PathBuf,
    messages: Vec<Json>,
    #[serde(default)]
    tools: Option<Vec<Json>>,
    #[serde(default)]
    add_generation_prompt: bool,
    #[serde(default)]
    kwargs: Option<Map<String, Json>>,
    #[serde(default)]
    now: Json,
}

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: &'a Json,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Answers each line `{"id","template_file","messages","tools","add_generation_prompt","kwargs","now"}`
/// with a line `{"id","ok","text"}` or `{"id","ok":false,"error"}`, until `reader` ends.
///
/// The strings are rendered as they are: no control token is neutralised. `now` is the time for
/// `strftime_now`: an ISO 8601 date or time, or seconds since the epoch; without it, the epoch.
/// A template that comes without a tokenizer has the tokens `<s>` and `</s>`; `kwargs` may name
/// others. Fails only when reading or writing does.
pub fn jsonl(reader: impl BufRead, mut writer: impl Write) -> io::Result<()> {
    let mut templates: HashMap<PathBuf, Result<Template, String>> = HashMap::new();
    for line in reader.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let (id, result) = match serde_json::from_str::<Question>(&line) {
            Ok(question) => (question.id.clone(), answer(&mut templates, question)),
            Err(error) => {
                let id = serde_json::from_str::<Json>(&line)
                    .ok()
                    .and_then(|line| line.get("id").cloned());
                (id.unwrap_or_default(), Err(error.to_string()))
            }
        };
        let answer = Answer {
            id: &id,
            ok: result.is_ok(),
            text: result.as_deref().ok(),
            error: result.as_ref().err().map(String::as_str),
        };
        serde_json::to_writer(&mut writer, &answer)?;
        writer.write_all(b"\n")?;
        writer.flush()?;
    }
    Ok(())
}

fn answer(
    templates: &mut HashMap<PathBuf, Result<Template, String>>,
    question: Question,
) -> Result<String, String> {
    let template = templates
        .entry(question.template_file.clone())
        .or_insert_with(|| load(&question.template_file))
        .as_ref()
        .map_err(Clone::clone)?;
    let mut kwargs = question.kwargs.unwrap_or_default();
    let documents = match kwargs.remove("documents") {
        Some(Json::Array(documents)) => Some(documents),
        _ => None,
    };
    let input = Input {
        messages: question.messages,
        tools: question.tools,
        documents,
        add_generation_prompt: question.add_generation_prompt,
        kwargs,
        now: now(&question.now)?,
    };
    template.render(&input).map_err(|error| super::explain(&error))
}

fn load(path: &Path) -> Result<Template, String> {
    let template = Template::load(path).map_err(|error| super::explain(&error))?;
    Ok(if template.tokens().is_empty() {
        template.with_tokens([("bos_token", "<s>"), ("eos_token", "</s>")])
    } else {
        template
    })
}

fn now(now: &Json) -> Result<OffsetDateTime, String> {
    let wrong = || format!("`now` is no time: {now}");
    let text = match now {
        Json::Null => return Ok(OffsetDateTime::UNIX_EPOCH),
        Json::Number(seconds) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole seconds are what a template can show"
            )]
            let seconds = seconds
                .as_i64()
                .or_else(|| seconds.as_f64().map(|float| float as i64))
                .ok_or_else(wrong)?;
            return OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| wrong());
        }
        Json::String(text) => text.trim(),
        _ => return Err(wrong()),
    };
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(at);
    }
    let text = text.replacen(' ', "T", 1);
    if let Ok(at) = OffsetDateTime::parse(&text, &Iso8601::DEFAULT) {
        return Ok(at);
    }
    if let Ok(at) = time::PrimitiveDateTime::parse(&text, &Iso8601::DEFAULT) {
        return Ok(at.assume_utc());
    }
    time::Date::parse(&text, format_description!("[year]-[month]-[day]"))
        .map(|date| date.midnight().assume_utc())
        .map_err(|_| wrong())
}
