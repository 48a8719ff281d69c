//! Lines of generated text in, lines of structure out.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Finish, Format, Options, Parser, Piece, Start, Tool};

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    format: String,
    #[serde(default)]
    prefill: Option<bool>,
    /// As in an `OpenAI` request, with or without `function` around each.
    #[serde(default)]
    tools: Option<Vec<Value>>,
    chunks: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Answer {
    id: Value,
    text: String,
    reasoning: String,
    tool_calls: Vec<Call>,
}

#[derive(Debug, Serialize)]
struct Call {
    name: String,
    arguments: Box<RawValue>,
}

#[derive(Serialize)]
struct Failure {
    id: Value,
    error: String,
}

/// Reads lines `{"id","format","prefill","tools","chunks":[…]}` and writes one line for each:
/// `{"id","text","reasoning","tool_calls":[{"name","arguments"}]}`, or `{"id","error"}` where the
/// line could not be read. Blank lines are passed over. Fails only as reading and writing do.
pub fn jsonl(reader: impl BufRead, mut writer: impl Write) -> io::Result<()> {
    for line in reader.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let written = match serde_json::from_str::<Line>(&line) {
            Ok(line) => answer(line),
            Err(error) => Err(Failure { id: Value::Null, error: error.to_string() }),
        };
        match written {
            Ok(answer) => serde_json::to_writer(&mut writer, &answer)?,
            Err(failure) => serde_json::to_writer(&mut writer, &failure)?,
        }
        writer.write_all(b"\n")?;
    }
    writer.flush()
}

fn answer(line: Line) -> Result<Answer, Failure> {
    let Line { id, format, prefill, tools, chunks } = line;
    let format: Format = match format.parse() {
        Ok(format) => format,
        Err(error) => return Err(Failure { id, error: format!("{error}: {format}") }),
    };
    let start = if prefill == Some(true) { Start::Reasoning } else { Start::Text };
    let tools = tools.map(|tools| tools.iter().filter_map(tool).collect());
    let mut answer = Answer { id, ..Answer::default() };
    let mut open: Option<(String, String)> = None;
    let mut out = |piece: Piece<'_>| match piece {
        Piece::Text(text) => answer.text.push_str(text),
        Piece::Reasoning(text) => answer.reasoning.push_str(text),
        Piece::CallStart { name, .. } => open = Some((name.to_owned(), String::new())),
        Piece::CallArguments { fragment, .. } => {
            if let Some((_, arguments)) = &mut open {
                arguments.push_str(fragment);
            }
        }
        Piece::CallEnd { .. } => {
            if let Some((name, arguments)) = open.take()
                // A line end can only be a blank between members here.
                && let Ok(arguments) = RawValue::from_string(arguments.replace(['\n', '\r'], " "))
            {
                answer.tool_calls.push(Call { name, arguments });
            }
        }
        Piece::CallBroken { raw, .. } => {
            open = None;
            answer.text.push_str(raw);
        }
    };
    let mut parser = Parser::new(format, Options { start, tools, ..Options::default() });
    for chunk in chunks {
        parser.push(chunk.as_bytes(), &mut out);
    }
    parser.finish(Finish::End, &mut out);
    Ok(answer)
}

fn tool(value: &Value) -> Option<Tool> {
    let tool = value.get("function").unwrap_or(value);
    let name = tool.get("name")?.as_str()?.to_owned();
    Some(Tool { name, schema: tool.get("parameters").cloned().unwrap_or_default() })
}
