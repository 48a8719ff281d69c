//! Command R: `{message, chat_history, documents, preamble, tools, tool_results, …}` →
//! `{response_id, text, generation_id, chat_history, finish_reason, tool_calls}`; chunks are
//! events that name themselves in `event_type`, the last of which holds the whole answer.
//!
//! Source: Bedrock's user guide, "Cohere Command R and Command R+ models", with the defaults
//! written there; the events are those of Cohere's API v1. `prompt_truncation` concerns
//! conversations that are too long for the model; containers refuse those. There are no citations,
//! and reasoning has no place in the answer: only a raw prompt's text has it, as generated.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::super::prompt::{self, Rejoin};
use super::super::schema::{Schema, malformed};
use super::super::{Chunks, Invocation, Question, Voice};
use super::history::{Call, CallResult, Speaker, Turn, Turns};
use super::tools::{self, Tool};
use super::{finish_reason, top_k, top_p, uuid};
use crate::converse::{
    Adaptation, Ask, ContentBlock, ContentBlockDelta, ContentBlockStart, Conversation,
    DocumentBlock, DocumentSource, Event, InferenceConfiguration, Input, Output, Parameters,
    Response, StopReason,
};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/cohere_command_r.json")).unwrap_or_default()
});

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    message: String,
    chat_history: Vec<Turn>,
    documents: Vec<Value>,
    search_queries_only: bool,
    preamble: Option<String>,
    max_tokens: Option<i32>,
    temperature: Option<f32>,
    p: Option<f32>,
    k: Option<f64>,
    frequency_penalty: Option<Number>,
    presence_penalty: Option<Number>,
    seed: Option<Number>,
    return_prompt: bool,
    tools: Vec<Tool>,
    tool_results: Vec<CallResult>,
    stop_sequences: Option<Vec<String>>,
    raw_prompting: bool,
}

pub(super) fn read(request: Map<String, Value>, invocation: Invocation<'_>) -> Result<Question> {
    let mut body: Body = SCHEMA.take(request)?;
    if body.search_queries_only {
        return Err(Error::not_supported("search_queries_only"));
    }
    if body.return_prompt {
        return Err(Error::not_supported("return_prompt"));
    }
    let parameters = parameters(&mut body);
    let (ask, adapted) = if body.raw_prompting {
        raw(&body, parameters)?
    } else {
        let input = Input::Conversation(conversation(&mut body)?);
        (Ask { input, parameters }, vec![])
    };
    let mut random = invocation.random;
    let voice = Chat {
        raw: body.raw_prompting.then(|| Rejoin::behind(&ask)),
        response_id: uuid(&mut random),
        generation_id: uuid(&mut random),
        text: String::new(),
        calls: vec![],
        open: None,
        reason: "COMPLETE",
        history: history(body),
    };
    Ok(Question { adapted, ..Question::new(ask, voice) })
}

fn parameters(body: &mut Body) -> Parameters {
    let mut fields = Map::new();
    if let Some(k) = top_k(body.k) {
        fields.insert("top_k".to_owned(), k.into());
    }
    for (name, value) in [
        ("frequency_penalty", body.frequency_penalty.take()),
        ("presence_penalty", body.presence_penalty.take()),
        ("seed", body.seed.take()),
    ] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value.into());
        }
    }
    Parameters {
        inference: InferenceConfiguration {
            max_tokens: body.max_tokens,
            stop_sequences: body.stop_sequences.take().filter(|stop| !stop.is_empty()),
            temperature: Some(body.temperature.unwrap_or(0.3)),
            top_p: Some(top_p(body.p.unwrap_or(0.75))),
        },
        additional_request_fields: fields,
        ..Parameters::default()
    }
}

/// The message alone, which is a prompt.
fn raw(body: &Body, parameters: Parameters) -> Result<(Ask, Vec<Adaptation>)> {
    let others = [
        ("chat_history", !body.chat_history.is_empty()),
        ("documents", !body.documents.is_empty()),
        ("preamble", body.preamble.as_deref().is_some_and(|preamble| !preamble.is_empty())),
        ("tools", !body.tools.is_empty()),
        ("tool_results", !body.tool_results.is_empty()),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, is_there)| *is_there) {
        return Err(malformed(&format!(
            "#: raw_prompting sends nothing but message: remove [{name}]"
        )));
    }
    if body.message.is_empty() {
        return Err(malformed("#/message: expected minLength: 1, actual: 0"));
    }
    Ok(prompt::ask(body.message.clone(), vec![], parameters))
}

fn conversation(body: &mut Body) -> Result<Conversation> {
    let mut turns = Turns::default();
    turns.instruct(body.preamble.as_deref().unwrap_or_default());
    for (index, turn) in body.chat_history.iter().enumerate() {
        turns.push(turn, &format!("chat_history/{index}"))?;
    }
    turns.finish(&body.message, &body.tool_results)?;
    let documents = std::mem::take(&mut body.documents);
    turns.before_last_words(documents.into_iter().enumerate().map(document).collect());
    let tools = tools::configuration(std::mem::take(&mut body.tools));
    if turns.calls > 0 && tools.is_none() {
        return Err(malformed("#: required key [tools] not found"));
    }
    Ok(Conversation { system: turns.system, messages: turns.messages, tools })
}

/// A document by its title. Cohere's are objects of strings; those beside `title` and the text are
/// told line by line.
fn document((index, document): (usize, Value)) -> ContentBlock {
    let mut name = format!("Document {}", index + 1);
    let text = match document {
        Value::String(text) => text,
        Value::Object(mut members) => {
            if let Some(Value::String(title)) = members.get("title")
                && !title.is_empty()
            {
                name.clone_from(title);
                members.shift_remove("title");
            }
            let is_text = |name: &str| members.get(name).is_some_and(Value::is_string);
            let only = |name: &str| members.len() == 1 && is_text(name);
            let words = ["snippet", "text"].into_iter().find(|name| only(name));
            match words.and_then(|name| members.remove(name)) {
                Some(Value::String(text)) => text,
                _ => lines(&members),
            }
        }
        other => other.to_string(),
    };
    ContentBlock::Document(DocumentBlock {
        citations: None,
        context: None,
        format: None,
        name,
        source: DocumentSource::Text(text),
    })
}

fn lines(members: &Map<String, Value>) -> String {
    let mut out = String::new();
    for (name, value) in members {
        // A String takes everything.
        let _ = match value {
            Value::String(text) => writeln!(out, "{name}: {text}"),
            other => writeln!(out, "{name}: {other}"),
        };
    }
    out
}

/// What the answer repeats: everything that was said before it.
fn history(body: Body) -> Vec<Turn> {
    let Body { mut chat_history, message, tool_results, .. } = body;
    let turn = |role, message| Turn { role, message, tool_calls: vec![], tool_results: vec![] };
    if !message.trim().is_empty() {
        chat_history.push(turn(Speaker::User, Some(message)));
    }
    if !tool_results.is_empty() {
        chat_history.push(Turn { tool_results, ..turn(Speaker::Tool, None) });
    }
    chat_history
}

struct Chat {
    /// Only a raw prompt's answer is told as it was generated.
    raw: Option<Rejoin>,
    response_id: String,
    generation_id: String,
    history: Vec<Turn>,
    text: String,
    calls: Vec<Call>,
    /// The call that is being streamed, and its arguments so far.
    open: Option<(String, String)>,
    reason: &'static str,
}

#[derive(Serialize)]
struct Answer<'a> {
    response_id: &'a str,
    text: &'a str,
    generation_id: &'a str,
    chat_history: &'a [Turn],
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "<[Call]>::is_empty")]
    tool_calls: &'a [Call],
}

#[derive(Serialize)]
struct Chunk<'a> {
    is_finished: bool,
    #[serde(flatten)]
    told: Told<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event_type", rename_all = "kebab-case")]
enum Told<'a> {
    StreamStart { generation_id: &'a str },
    TextGeneration { text: &'a str },
    ToolCallsGeneration { tool_calls: &'a [Call] },
    StreamEnd { response: Answer<'a>, finish_reason: &'static str },
}

impl Told<'_> {
    fn push(self, out: &mut Chunks) -> Result<()> {
        let is_finished = matches!(self, Self::StreamEnd { .. });
        out.push(&Chunk { is_finished, told: self })
    }
}

impl Chat {
    /// The answer becomes the last turn of the history.
    fn finish(&mut self) -> Answer<'_> {
        self.history.push(Turn {
            role: Speaker::Chatbot,
            message: Some(self.text.clone()),
            tool_calls: self.calls.clone(),
            tool_results: vec![],
        });
        Answer {
            response_id: &self.response_id,
            text: &self.text,
            generation_id: &self.generation_id,
            chat_history: &self.history,
            finish_reason: self.reason,
            tool_calls: &self.calls,
        }
    }

    /// Takes the text of `event`, and calls.
    fn take(&mut self, event: &Event) {
        if let Some(raw) = &mut self.raw {
            raw.event(event, &mut self.text);
            return;
        }
        match event {
            Event::ContentBlockDelta(event) => match &event.delta {
                ContentBlockDelta::Text(text) => self.text.push_str(text),
                ContentBlockDelta::ToolUse(call) => {
                    if let Some((_, arguments)) = &mut self.open {
                        arguments.push_str(&call.input);
                    }
                }
                _ => {}
            },
            Event::ContentBlockStart(event) => {
                if let ContentBlockStart::ToolUse(call) = &event.start {
                    self.open = Some((call.name.clone(), String::new()));
                }
            }
            Event::ContentBlockStop(_) => {
                if let Some((name, arguments)) = self.open.take() {
                    self.calls.push(Call { name, parameters: parsed(arguments) });
                }
            }
            _ => {}
        }
    }
}

impl Voice for Chat {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        let before = self.text.len();
        self.take(event);
        if let Some(text) = self.text.get(before..).filter(|text| !text.is_empty()) {
            Told::TextGeneration { text }.push(out)?;
        }
        match event {
            Event::MessageStart(_) => {
                Told::StreamStart { generation_id: &self.generation_id }.push(out)
            }
            Event::MessageStop(stop) => {
                self.reason = reason(stop.stop_reason);
                if self.calls.is_empty() {
                    return Ok(());
                }
                Told::ToolCallsGeneration { tool_calls: &self.calls }.push(out)
            }
            Event::Metadata(_) => {
                let response = self.finish();
                let finish_reason = response.finish_reason;
                Told::StreamEnd { response, finish_reason }.push(out)
            }
            _ => Ok(()),
        }
    }

    fn whole(mut self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        self.reason = reason(answer.stop_reason);
        if let Some(raw) = self.raw {
            self.text = raw.whole(&answer);
        } else {
            let Output::Message(message) = answer.output;
            for block in message.content {
                match block {
                    ContentBlock::Text(text) => self.text.push_str(&text),
                    ContentBlock::ToolUse(call) => {
                        self.calls.push(Call { name: call.name, parameters: call.input });
                    }
                    _ => {}
                }
            }
        }
        serde_json::to_vec(&self.finish()).map_err(|error| Error::internal().because(error))
    }
}

/// As the fold of a stream has it: no arguments are an empty object, and what is no JSON is text.
fn parsed(arguments: String) -> Value {
    if arguments.trim().is_empty() {
        return Map::new().into();
    }
    serde_json::from_str(&arguments).unwrap_or(Value::String(arguments))
}

fn reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::StopSequence => "STOP_SEQUENCE",
        other => finish_reason(other),
    }
}
