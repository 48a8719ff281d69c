//! The container `text`: what it sends, and what it makes of each dialect's answers.

mod answers;
mod encode;
mod errors;
mod properties;

use std::fmt::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use helan::clock::Clock;
use helan::container::text::{Dialect, Options, Text};
use helan::container::{Container as _, Mode};
use helan::converse::{
    Ask, ContentBlockDelta, ContentBlockStart, Event, Input, Parameters, Prompt,
    ReasoningContentBlockDelta, Request,
};
use helan::template::Template;
use helan::{Error, Result};
use serde_json::Value;
use time::macros::datetime;

/// A `ChatML` with a BOS token, tools and a switch.
const TEMPLATE: &str = "{{ bos_token }}{% if tools %}tools: {{ tools | tojson }}\n{% endif %}\
{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}\
{% for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}\
{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking %}<think>\n{% endif %}{% endif %}";

fn template() -> Template {
    Template::new(TEMPLATE, [("bos_token", "<s>"), ("eos_token", "<|im_end|>")]).unwrap()
}

fn options(dialect: Dialect) -> Options {
    Options { dialect, template: Some(template()), ..Options::default() }
}

fn text(options: Options) -> Text {
    Text::new(options, Clock::manual(datetime!(2026-11-20 23:22:04 UTC), 7))
}

/// A container of which nothing but the template is known.
fn known(dialect: Dialect) -> &'static Text {
    static ALL: LazyLock<Vec<Text>> = LazyLock::new(|| Dialect::ALL.map(options).map(text).into());
    let at = Dialect::ALL.iter().position(|known| *known == dialect).unwrap();
    &ALL[at]
}

/// The ask of a Converse request.
fn ask(request: &str) -> Ask {
    Ask::from(serde_json::from_str::<Request>(request).expect("a Converse request"))
}

/// An ask of "hi" with these further members.
fn hi(members: &str) -> Ask {
    ask(&format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]{members}}}"#))
}

fn prompt(text: &str) -> Ask {
    let prompt = Prompt { text: text.to_owned(), images: vec![] };
    Ask { input: Input::Prompt(prompt), parameters: Parameters::default() }
}

/// The body for `ask`.
fn body(options: Options, ask: &Ask, mode: Mode) -> Result<String> {
    let payload = text(options).encode(ask, mode)?;
    Ok(String::from_utf8(payload.body.to_vec()).unwrap())
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a decoder gave, and how it ended.
fn decode<'a>(
    text: &Text,
    ask: &Ask,
    mode: Mode,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Result<()>) {
    let mut decoder = text.decoder(ask, mode, fastrand::Rng::with_seed(7));
    let mut events = vec![];
    for piece in pieces {
        if let Err(error) = decoder.push(Bytes::copy_from_slice(piece), &mut events) {
            return (events, Err(error));
        }
    }
    let end = decoder.finish(&mut events);
    (events, end)
}

/// The same in few words; blocks as they stand, deltas joined.
fn told(events: &[Event]) -> String {
    let (mut out, mut open) = (String::new(), None);
    for event in events {
        match event {
            Event::MessageStart(_) => panic!("whoever drives the decoder sends messageStart"),
            Event::ContentBlockStart(start) => {
                assert_eq!(open, None, "one block at a time");
                open = Some(start.content_block_index);
                let ContentBlockStart::ToolUse(tool) = &start.start else { panic!("a tool") };
                let _ = write!(out, "{}(", tool.name);
            }
            Event::ContentBlockDelta(delta) => {
                let (kind, more) = match &delta.delta {
                    ContentBlockDelta::Text(text) => ("text: ", text),
                    ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) => {
                        ("reasoning: ", text)
                    }
                    ContentBlockDelta::ToolUse(tool) => ("", &tool.input),
                    _ => panic!("no such delta is generated"),
                };
                if open.is_none() {
                    open = Some(delta.content_block_index);
                    out += kind;
                }
                assert_eq!(open, Some(delta.content_block_index));
                out += more;
            }
            Event::ContentBlockStop(stop) => {
                assert_eq!(open.take(), Some(stop.content_block_index));
                out += "\n";
            }
            Event::MessageStop(stop) => {
                assert_eq!(open, None);
                out += stop.stop_reason.as_str();
                if let Some(sequence) = &stop.stop_sequence {
                    let _ = write!(out, " {sequence}");
                }
                if let Some(fields) = &stop.additional_model_response_fields {
                    let _ = write!(out, " {fields}");
                }
            }
            Event::Metadata(metadata) => {
                let usage = &metadata.usage;
                let _ = write!(out, " {}+{}", usage.input_tokens, usage.output_tokens);
            }
        }
    }
    out
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error: Error = result.expect_err("a refusal");
    error.to_string()
}
