//! Prompts that their author has templated already, and what is generated behind them.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Chunks, Voice};
use crate::converse::{
    Adaptation, Ask, ContentBlock, ContentBlockDelta, ContentBlockStart, Event, ImageBlock, Input,
    Parameters, Prompt, ReasoningContent, ReasoningContentBlockDelta, Response, StopReason,
};
use crate::parse::starts_in_reasoning;
use crate::{Error, Result};

/// The BOS marker of DeepSeek as AWS's own blog once wrote it, with the letters for spaces
/// replaced; no tokenizer knows it.
const BLOG_BOS: &str = "<｜begin_of_sentence｜>";
const BOS: &str = "<｜begin▁of▁sentence｜>";

/// The question that a prompt is.
pub(super) fn ask(
    mut text: String,
    images: Vec<ImageBlock>,
    parameters: Parameters,
) -> (Ask, Vec<Adaptation>) {
    let mut adapted = vec![];
    if text.starts_with(BLOG_BOS) {
        text.replace_range(..BLOG_BOS.len(), BOS);
        adapted.push(Adaptation::BosRespelled);
    }
    (Ask { input: Input::Prompt(Prompt { text, images }), parameters }, adapted)
}

/// The text of an answer as the model generated it.
///
/// Most containers give it as it is. One that told reasoning apart gets it rejoined as the
/// templates of DeepSeek and Qwen write it, between `<think>` and `</think>`; the opening one only
/// where the prompt has not written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejoin {
    opened: bool,
    state: State,
    in_call: bool,
    has_arguments: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    Reasoning {
        ends_with_break: bool,
    },
    /// Behind `</think>`, before any text.
    Closed,
}

impl Rejoin {
    /// For what is generated behind `prompt`.
    pub(super) fn behind(prompt: &Ask) -> Self {
        let opened =
            matches!(&prompt.input, Input::Prompt(prompt) if starts_in_reasoning(&prompt.text));
        Self { opened, state: State::Text, in_call: false, has_arguments: false }
    }

    /// Appends the text that `event` adds.
    pub(super) fn event(&mut self, event: &Event, out: &mut String) {
        match event {
            Event::ContentBlockDelta(event) => match &event.delta {
                ContentBlockDelta::Text(text) => self.text(text, out),
                ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) => {
                    self.reasoning(text, out);
                }
                ContentBlockDelta::ToolUse(call) => {
                    self.text(&call.input, out);
                    self.has_arguments |= !call.input.is_empty();
                }
                _ => {}
            },
            Event::ContentBlockStart(event) => {
                if let ContentBlockStart::ToolUse(call) = &event.start {
                    self.open_call(&call.name, out);
                }
            }
            Event::ContentBlockStop(_) => self.close_call(out),
            Event::MessageStop(_) => self.close(out),
            _ => {}
        }
    }

    /// The text of a whole answer.
    pub(super) fn whole(mut self, answer: &Response) -> String {
        let crate::converse::Output::Message(message) = &answer.output;
        let mut out = String::new();
        for block in &message.content {
            match block {
                ContentBlock::Text(text) => self.text(text, &mut out),
                ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(reasoning)) => {
                    self.reasoning(&reasoning.text, &mut out);
                }
                ContentBlock::ToolUse(call) => {
                    self.open_call(&call.name, &mut out);
                    self.text(&call.input.to_string(), &mut out);
                    self.has_arguments = true;
                    self.close_call(&mut out);
                }
                _ => {}
            }
        }
        self.close(&mut out);
        out
    }

    /// A call, though no tool was offered: it is shown as the models themselves write it.
    fn open_call(&mut self, name: &str, out: &mut String) {
        self.text(&format!("{{\"name\": {}, \"arguments\": ", Value::from(name)), out);
        self.in_call = true;
        self.has_arguments = false;
    }

    fn close_call(&mut self, out: &mut String) {
        if std::mem::take(&mut self.in_call) {
            out.push_str(if self.has_arguments { "}" } else { "{}}" });
        }
    }

    fn reasoning(&mut self, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.state, State::Reasoning { .. }) {
            if !self.opened {
                out.push_str("<think>");
                if !text.starts_with('\n') {
                    out.push('\n');
                }
            }
            self.opened = false;
        }
        out.push_str(text);
        self.state = State::Reasoning { ends_with_break: text.ends_with('\n') };
    }

    fn text(&mut self, text: &str, out: &mut String) {
        if text.is_empty() {
            return;
        }
        self.close(out);
        if self.state == State::Closed {
            if !text.starts_with('\n') {
                out.push_str("\n\n");
            }
            self.state = State::Text;
        }
        out.push_str(text);
    }

    fn close(&mut self, out: &mut String) {
        if let State::Reasoning { ends_with_break } = self.state {
            out.push_str(if ends_with_break { "</think>" } else { "\n</think>" });
            self.state = State::Closed;
        }
    }
}

/// `length` where a limit of tokens ended the text, else `stop`: the documentations of the families
/// that answer prompts know no other.
pub(super) fn stop_or_length(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "length",
        _ => "stop",
    }
}

/// Says `{<member>: [{text, stop_reason}]}`, whole and in chunks.
pub(super) struct Texts {
    member: &'static str,
    text: Rejoin,
    stop_reason: &'static str,
    /// Used again for each event.
    said: String,
}

impl Texts {
    /// For what is generated behind `prompt`.
    pub(super) fn behind(prompt: &Ask, member: &'static str) -> Self {
        Self { member, text: Rejoin::behind(prompt), stop_reason: "stop", said: String::new() }
    }
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
    stop_reason: Option<&'static str>,
}

/// An object with one member: a list of one text.
struct Texted<'a>(&'static str, Text<'a>);

impl Serialize for Texted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, [&self.1])])
    }
}

impl Voice for Texts {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        let stop_reason = match event {
            Event::MessageStop(stop) => {
                self.stop_reason = stop_or_length(stop.stop_reason);
                None
            }
            Event::Metadata(_) => Some(self.stop_reason),
            _ => None,
        };
        if self.said.is_empty() && stop_reason.is_none() {
            return Ok(());
        }
        out.push(&Texted(self.member, Text { text: &self.said, stop_reason }))
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        let stop_reason = Some(stop_or_length(answer.stop_reason));
        serde_json::to_vec(&Texted(self.member, Text { text: &text, stop_reason }))
            .map_err(|error| Error::internal().because(error))
    }
}
