//! Whether an answer is the right one. Every call's text is compared, token by token; with `full`,
//! also all checksums, the JSON and the order of events.

use anyhow::{Context as _, Result, bail, ensure};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use serde_json::Value;

use crate::frames::{Frame, Reader};
use crate::load::Api;
use crate::spec::Spec;

/// What is due.
#[derive(Clone)]
pub struct Due {
    pub api: Api,
    pub stream: bool,
    pub full: bool,
    /// A full gateway may say so.
    pub refusals: bool,
    tokens: usize,
    text: String,
}

impl Due {
    pub fn new(spec: Spec, api: Api, stream: bool, full: bool, refusals: bool) -> Self {
        Self { api, stream, full, refusals, tokens: spec.tokens().count(), text: spec.text() }
    }
}

/// What an answer is, if it is none that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// The gateway was full, and said so as it should.
    Refused,
}

/// Reads one answer.
pub struct Judge<'a> {
    due: &'a Due,
    status: StatusCode,
    /// A status of a full gateway, with all that belongs to it.
    refused: bool,
    reader: Reader,
    body: Vec<u8>,
    /// How much of the text has come.
    said: usize,
    /// Events that carried text.
    pub tokens: usize,
    /// All events.
    pub events: usize,
    kinds: Vec<String>,
    ended: bool,
}

impl<'a> Judge<'a> {
    pub fn new(due: &'a Due, status: StatusCode, headers: &HeaderMap) -> Self {
        let reader = Reader::new(due.full);
        let (body, kinds) = (vec![], vec![]);
        let kind = headers.get("x-amzn-errortype").and_then(|kind| kind.to_str().ok());
        let refused = due.refusals
            && status == StatusCode::SERVICE_UNAVAILABLE
            && kind.is_some_and(|kind| kind.starts_with("ServiceUnavailableException"))
            && headers.contains_key(RETRY_AFTER);
        Self {
            due,
            status,
            refused,
            reader,
            body,
            said: 0,
            tokens: 0,
            events: 0,
            kinds,
            ended: false,
        }
    }

    pub fn push(&mut self, data: &[u8]) -> Result<()> {
        if !self.due.stream || self.status != StatusCode::OK {
            self.body.extend_from_slice(data);
            return Ok(());
        }
        self.reader.push(data);
        while let Some(frame) = self.reader.next()? {
            self.events += 1;
            self.event(&frame)?;
        }
        Ok(())
    }

    fn event(&mut self, frame: &Frame) -> Result<()> {
        let kind = frame.header(":event-type").with_context(|| {
            format!("an exception: {}", String::from_utf8_lossy(frame.payload()))
        })?;
        let mark: &[u8] = match self.due.api {
            Api::Bedrock => b"\"text\":\"",
            Api::Sagemaker => b"\"content\":\"",
        };
        let mut rest = frame.payload();
        let before = self.said;
        while let Some(place) = memmem::find(rest, mark) {
            rest = &rest[place + mark.len()..];
            let end = memchr::memchr(b'"', rest).context("a string that does not end")?;
            let due = self.due.text.as_bytes().get(self.said..self.said + end);
            ensure!(
                due == Some(&rest[..end]),
                "after {} letters came {:?}",
                self.said,
                String::from_utf8_lossy(&rest[..end])
            );
            self.said += end;
        }
        self.tokens += usize::from(self.said > before);
        self.ended = match self.due.api {
            Api::Bedrock => kind == "metadata",
            Api::Sagemaker => memmem::find(frame.payload(), b"[DONE]").is_some(),
        };
        if self.due.full && self.due.api == Api::Bedrock {
            let _: Value = serde_json::from_slice(frame.payload()).context("an event's JSON")?;
            if self.kinds.last().is_none_or(|last| last != kind) {
                self.kinds.push(kind.to_owned());
            }
        }
        Ok(())
    }

    /// After the last byte.
    pub fn finish(self) -> Result<Verdict> {
        if self.refused {
            let body: Value = serde_json::from_slice(&self.body).context("a refusal's JSON")?;
            ensure!(body["message"].is_string(), "a refusal without a word: {body}");
            return Ok(Verdict::Refused);
        }
        if self.status != StatusCode::OK {
            let text = String::from_utf8_lossy(&self.body);
            bail!("{}: {}", self.status, text.chars().take(300).collect::<String>());
        }
        if !self.due.stream {
            self.whole()?;
            return Ok(Verdict::Right);
        }
        ensure!(self.reader.is_empty(), "the stream ended inside a frame");
        ensure!(self.ended, "the stream was cut after {} events", self.events);
        ensure!(
            self.said == self.due.text.len(),
            "{} of {} letters came",
            self.said,
            self.due.text.len()
        );
        ensure!(
            self.tokens == self.due.tokens,
            "{} tokens came in {} events",
            self.due.tokens,
            self.tokens
        );
        if self.due.full && self.due.api == Api::Bedrock {
            let due = [
                "messageStart",
                "contentBlockDelta",
                "contentBlockStop",
                "messageStop",
                "metadata",
            ];
            ensure!(self.kinds == due, "events in this order: {:?}", self.kinds);
        }
        Ok(Verdict::Right)
    }

    fn whole(&self) -> Result<()> {
        if !self.due.full {
            let found = memmem::find(&self.body, self.due.text.as_bytes());
            ensure!(found.is_some(), "not the answer: {}", String::from_utf8_lossy(&self.body));
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&self.body).context("the answer's JSON")?;
        let (text, reason, due) = match self.due.api {
            Api::Bedrock => ("/output/message/content/0/text", &body["stopReason"], "end_turn"),
            Api::Sagemaker => {
                ("/choices/0/message/content", &body["choices"][0]["finish_reason"], "stop")
            }
        };
        let text = body.pointer(text).and_then(Value::as_str);
        ensure!(text == Some(self.due.text.as_str()), "another text: {body}");
        ensure!(reason == due, "ended for another reason: {body}");
        Ok(())
    }
}
