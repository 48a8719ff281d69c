//! The bytes of a stream, as each kind of container writes them.

use std::fmt::Write as _;

use serde_json::Value;

use super::refused::Said;
use super::{Event, Piece, python};
use crate::emulator::rules::{Dialect, Quirk};

/// What is played: one piece of bytes for each event.
pub(super) fn pieces(events: &[Event], writer: &Writer<'_>) -> Vec<Piece> {
    let mut texts = Vec::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        let next = events.get(at + 1);
        texts.push(match event {
            Event::Data { json, .. } => Ok(writer.event(&writer.json(json), next)),
            Event::Error { message, kind, status } => {
                Ok(writer.event(&writer.said.failure(message, kind, *status), next))
            }
            Event::Done => Ok(writer.done()),
            Event::Pause(time) => Err(Piece::Wait { time: *time, flush: false }),
            Event::Stall(time) => Err(Piece::Wait { time: *time, flush: true }),
            Event::Throw(failure) => Err(Piece::Throw(failure.clone())),
            Event::Cut => Err(Piece::Cut),
        });
    }
    texts.retain(|text| !matches!(text, Ok(text) if text.is_empty()));
    if writer.has(Quirk::NoLastNewline)
        && let Some(Ok(text)) = texts.last_mut()
    {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    texts
        .into_iter()
        .map(|text| text.map_or_else(|piece| piece, |text| Piece::Bytes(text.into())))
        .collect()
}

/// How bytes are written.
pub(super) struct Writer<'a> {
    pub(super) said: Said,
    pub(super) quirks: &'a [Quirk],
}

impl Writer<'_> {
    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    fn end(&self) -> &'static str {
        if self.has(Quirk::Crlf) { "\r\n" } else { "\n" }
    }

    fn field(&self) -> &'static str {
        match self.said.dialect {
            dialect if !dialect.is_sse() => "",
            Dialect::Tgi if self.said.to_inputs => "data:",
            _ if self.has(Quirk::NoSpace) => "data:",
            _ => "data: ",
        }
    }

    pub(super) fn json(&self, json: &Value) -> String {
        let has_blanks = self.said.to_inputs && self.said.dialect.has_blanks();
        if has_blanks { python(json) } else { json.to_string() }
    }

    fn event(&self, json: &str, next: Option<&Event>) -> String {
        let (field, end) = (self.field(), self.end());
        let mut out = String::with_capacity(json.len() + 16);
        if self.has(Quirk::Comments) && self.said.dialect.is_sse() {
            let _ = write!(out, ": keep-alive{end}{end}");
        }
        let _ = write!(out, "{field}{json}");
        if self.has(Quirk::GluedDone) && next == Some(&Event::Done) {
            return out;
        }
        out.push_str(end);
        if self.said.dialect.is_sse() {
            out.push_str(end);
        }
        out
    }

    fn done(&self) -> String {
        let (field, end) = (self.field(), self.end());
        match self.said.dialect {
            _ if self.has(Quirk::NoDone) => String::new(),
            Dialect::Jsonlines => end.to_owned(),
            dialect if dialect.is_sse() && !self.said.to_inputs => {
                format!("{field}[DONE]{end}{end}")
            }
            _ => String::new(),
        }
    }
}
