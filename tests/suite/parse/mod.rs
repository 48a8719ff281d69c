//! Generated text to structure: cases of each format, written from the models' own templates and
//! documents (`tests/fixtures/parse/`), and what holds for any text.

mod cases;
mod events;
mod properties;
mod stops;

use helan::parse::{Calls, Finish, Format, Options, Outcome, Parser, Piece, Start, Tool};
use serde_json::Value;

/// What the pieces of an answer are together.
#[derive(Clone, Debug, Default, PartialEq)]
struct Read {
    text: String,
    reasoning: String,
    /// Name, id and arguments of each complete call.
    calls: Vec<(String, Option<String>, String)>,
    /// What broken calls were made of, and whether they were cut.
    broken: Vec<(String, bool)>,
    outcome: Outcome,
    pieces: usize,
}

/// Reads `pieces`; fails where the order of the events is wrong.
fn read<'a>(
    format: Format,
    options: Options,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    how: Finish,
) -> Read {
    let mut parser = Parser::new(format, options);
    let mut read = Read::default();
    let mut open: Option<(String, Option<String>, String)> = None;
    let mut next = 0;
    let mut count = 0;
    let mut out = |piece: Piece<'_>| {
        count += 1;
        match piece {
            Piece::Text(text) | Piece::Reasoning(text) => {
                assert!(!text.is_empty() && open.is_none(), "{piece:?}");
                match piece {
                    Piece::Text(_) => read.text.push_str(text),
                    _ => read.reasoning.push_str(text),
                }
            }
            Piece::CallStart { index, name, id } => {
                assert!(open.is_none() && index == next, "{piece:?}");
                open = Some((name.to_owned(), id.map(ToOwned::to_owned), String::new()));
            }
            Piece::CallArguments { index, fragment } => {
                assert_eq!(index, next);
                open.as_mut().expect("an open call").2.push_str(fragment);
            }
            Piece::CallEnd { index } => {
                assert_eq!(index, next);
                let call = open.take().expect("an open call");
                let arguments: Value = serde_json::from_str(&call.2).expect("arguments in JSON");
                assert!(arguments.is_object(), "{arguments}");
                read.calls.push(call);
                next += 1;
            }
            Piece::CallBroken { index, raw, cut } => {
                assert_eq!(index, next);
                open.take().expect("an open call");
                read.broken.push((raw.to_owned(), cut));
                if !cut {
                    read.text.push_str(raw);
                }
                next += 1;
            }
        }
    };
    for piece in pieces {
        parser.push(piece, &mut out);
    }
    let outcome = parser.finish(how, &mut out);
    assert!(open.is_none(), "a call was left open");
    assert_eq!(outcome.calls as usize, read.calls.len());
    read.outcome = outcome;
    read.pieces = count;
    read
}

/// Reads a whole text that the model ended.
fn whole(format: Format, options: Options, text: &str) -> Read {
    read(format, options, [text.as_bytes()], Finish::End)
}

fn tools(value: &Value) -> Option<Vec<Tool>> {
    let tool = |tool: &Value| Tool {
        name: tool["function"]["name"].as_str().unwrap().to_owned(),
        schema: tool["function"]["parameters"].clone(),
    };
    value.as_array().map(|tools| tools.iter().map(tool).collect())
}

fn start(prefill: bool) -> Start {
    if prefill { Start::Reasoning } else { Start::Text }
}

fn options(case: &Value, calls: Calls) -> Options {
    Options {
        start: start(case["prefill"] == true),
        tools: tools(&case["tools"]),
        calls,
        ..Options::default()
    }
}
