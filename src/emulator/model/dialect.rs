//! The bytes of a stream, as each kind of container writes them.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Event, Piece};
use crate::emulator::rules::{Dialect, Quirk};

pub(super) fn content_type(dialect: Dialect) -> &'static str {
    match dialect {
        // EMD says so too, and then sends something else.
        Dialect::Sse | Dialect::Emd => "text/event-stream; charset=utf-8",
        Dialect::Jsonlines => "application/jsonlines",
    }
}

/// What is played: one piece of bytes for each event.
pub(super) fn pieces(events: &[Event], dialect: Dialect, quirks: &[Quirk]) -> Vec<Piece> {
    let writer = Writer { dialect, quirks };
    let mut texts = Vec::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        let next = events.get(at + 1);
        texts.push(match event {
            Event::Data { json, .. } => Ok(writer.event(&json.to_string(), next)),
            Event::Error { message, kind, status } => {
                Ok(writer.event(&writer.error(message, kind, *status), next))
            }
            Event::Done => Ok(writer.done()),
            Event::Pause(time) => Err(Piece::Wait { time: *time, flush: false }),
            Event::Stall(time) => Err(Piece::Wait { time: *time, flush: true }),
            Event::Throw(failure) => Err(Piece::Throw(failure.clone())),
            Event::Cut => Err(Piece::Cut),
        });
    }
    texts.retain(|text| !matches!(text, Ok(text) if text.is_empty()));
    if quirks.contains(&Quirk::NoLastNewline)
        && let Some(Ok(text)) = texts.last_mut()
    {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    texts
        .into_iter()
        .map(|text| text.map_or_else(|piece| piece, |text| Piece::Bytes(text.into())))
        .collect()
}

struct Writer<'a> {
    dialect: Dialect,
    quirks: &'a [Quirk],
}

impl Writer<'_> {
    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    fn end(&self) -> &'static str {
        if self.has(Quirk::Crlf) { "\r\n" } else { "\n" }
    }

    fn field(&self) -> &'static str {
        match self.dialect {
            Dialect::Sse if self.has(Quirk::NoSpace) => "data:",
            Dialect::Sse => "data: ",
            Dialect::Jsonlines | Dialect::Emd => "",
        }
    }

    fn event(&self, json: &str, next: Option<&Event>) -> String {
        let (field, end) = (self.field(), self.end());
        let mut out = String::with_capacity(json.len() + 16);
        if self.has(Quirk::Comments) && self.dialect == Dialect::Sse {
            let _ = write!(out, ": keep-alive{end}{end}");
        }
        let _ = write!(out, "{field}{json}");
        if self.has(Quirk::GluedDone) && next == Some(&Event::Done) {
            return out;
        }
        out.push_str(end);
        if self.dialect == Dialect::Sse {
            out.push_str(end);
        }
        out
    }

    fn done(&self) -> String {
        let (field, end) = (self.field(), self.end());
        match self.dialect {
            _ if self.has(Quirk::NoDone) => String::new(),
            Dialect::Sse => format!("{field}[DONE]{end}{end}"),
            Dialect::Jsonlines => end.to_owned(),
            Dialect::Emd => String::new(),
        }
    }

    /// Written with Python's blanks, as vLLM writes an error into a stream.
    fn error(&self, message: &str, kind: &str, status: u16) -> String {
        let (message, kind) = (Value::from(message), Value::from(kind));
        match self.dialect {
            Dialect::Emd => format!("{{\"error\": {message}}}"),
            Dialect::Sse | Dialect::Jsonlines => format!(
                "{{\"error\": {{\"message\": {message}, \"type\": {kind}, \"param\": null, \
                 \"code\": {status}}}}}"
            ),
        }
    }
}
