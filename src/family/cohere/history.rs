//! `chat_history`, `message` and `tool_results` → the turns of a conversation.
//!
//! Cohere's calls have no ids: a result repeats the call it answers. They are counted here, in
//! order. A result whose call nobody has made in the history brings it along, as in Cohere's
//! single-step flow.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::schema::malformed;
use crate::Result;
use crate::converse::{
    ContentBlock, Message, Role, SystemContentBlock, ToolResultBlock, ToolResultContentBlock,
    ToolUseBlock,
};

/// A turn of `chat_history`; the answer repeats them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) role: Speaker,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<Call>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_results: Vec<CallResult>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Speaker {
    User,
    Chatbot,
    System,
    Tool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) name: String,
    /// An object, unless a model's call was cut.
    pub(super) parameters: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CallResult {
    pub(super) call: Call,
    pub(super) outputs: Vec<Value>,
}

/// The conversation so far.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) system: Vec<SystemContentBlock>,
    pub(super) messages: Vec<Message>,
    /// How many calls there were.
    pub(super) calls: usize,
    /// The calls that wait for their results.
    open: Vec<(String, Call)>,
}

impl Turns {
    /// Appends a turn of the history; `at` points to it in a refusal.
    pub(super) fn push(&mut self, turn: &Turn, at: &str) -> Result<()> {
        let message = turn.message.as_deref().unwrap_or_default();
        match turn.role {
            Speaker::System if self.messages.is_empty() => self.instruct(message),
            Speaker::System => {
                self.all_answered(at)?;
                self.say(Role::System, text(message));
            }
            Speaker::User => {
                self.all_answered(at)?;
                self.say(Role::User, text(message));
            }
            Speaker::Chatbot => {
                self.all_answered(at)?;
                let calls: Vec<_> =
                    turn.tool_calls.iter().map(|call| self.call(call.clone())).collect();
                self.say(Role::Assistant, text(message).into_iter().chain(calls));
            }
            Speaker::Tool => {
                self.results(&turn.tool_results, &format!("{at}/tool_results"))?;
                self.say(Role::User, text(message));
            }
        }
        Ok(())
    }

    /// Appends a system prompt.
    pub(super) fn instruct(&mut self, message: &str) {
        if !message.trim().is_empty() {
            self.system.push(SystemContentBlock::Text(message.to_owned()));
        }
    }

    /// Appends what the call itself says: the message, and the results of tools. Those of calls
    /// that the history has come first, else the message that led to them does.
    pub(super) fn finish(&mut self, message: &str, results: &[CallResult]) -> Result<()> {
        let is_answer = !self.open.is_empty();
        if is_answer {
            self.results(results, "tool_results")?;
            self.all_answered("message")?;
        }
        self.say(Role::User, text(message));
        if self.messages.last().is_none_or(|last| last.role != Role::User) {
            return Err(malformed("#/message: expected minLength: 1, actual: 0"));
        }
        if !is_answer {
            self.results(results, "tool_results")?;
        }
        Ok(())
    }

    /// Puts `blocks` before the words of the user's last turn.
    pub(super) fn before_last_words(&mut self, blocks: Vec<ContentBlock>) {
        if let Some(last) = self.messages.last_mut() {
            let words =
                last.content.iter().position(|block| matches!(block, ContentBlock::Text(_)));
            let at = words.unwrap_or(last.content.len());
            last.content.splice(at..at, blocks);
        }
    }

    /// Cohere does not ask for turns that alternate; Converse and templates do.
    fn say(&mut self, role: Role, blocks: impl IntoIterator<Item = ContentBlock>) {
        let mut blocks = blocks.into_iter().peekable();
        if blocks.peek().is_none() {
            return; // nothing was said
        }
        match self.messages.last_mut() {
            Some(last) if last.role == role && role != Role::System => last.content.extend(blocks),
            _ => self.messages.push(Message { content: blocks.collect(), role }),
        }
    }

    fn call(&mut self, call: Call) -> ContentBlock {
        let tool_use_id = format!("call_{}", self.calls);
        self.calls += 1;
        self.open.push((tool_use_id.clone(), call.clone()));
        let Call { name, parameters: input } = call;
        ContentBlock::ToolUse(ToolUseBlock { input, name, tool_use_id, kind: None })
    }

    fn results(&mut self, results: &[CallResult], at: &str) -> Result<()> {
        if self.open.is_empty() {
            let calls: Vec<_> =
                results.iter().map(|result| self.call(result.call.clone())).collect();
            self.say(Role::Assistant, calls);
        }
        for (index, result) in results.iter().enumerate() {
            let Some(open) = self.open.iter().position(|(_, call)| *call == result.call) else {
                return Err(malformed(&format!(
                    "#/{at}/{index}/call: no call that waits for its result has this name and \
                     these parameters"
                )));
            };
            let (tool_use_id, _) = self.open.remove(open);
            let content = result.outputs.iter().map(output).collect();
            let block = ToolResultBlock { content, status: None, tool_use_id, kind: None };
            self.say(Role::User, [ContentBlock::ToolResult(block)]);
        }
        Ok(())
    }

    fn all_answered(&self, at: &str) -> Result<()> {
        match self.open.first() {
            None => Ok(()),
            Some(_) => Err(malformed(&format!(
                "#/{at}: the results of the tools that were called before are expected here"
            ))),
        }
    }
}

fn text(message: &str) -> Option<ContentBlock> {
    (!message.trim().is_empty()).then(|| ContentBlock::Text(message.to_owned()))
}

/// What a tool gave: its words where there is nothing but `text`, else the object.
fn output(output: &Value) -> ToolResultContentBlock {
    let members = output.as_object().map(Map::len);
    match output.get("text") {
        Some(Value::String(text)) if members == Some(1) => {
            ToolResultContentBlock::Text(text.clone())
        }
        _ => ToolResultContentBlock::Json(output.clone()),
    }
}
