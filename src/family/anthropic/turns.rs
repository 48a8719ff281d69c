//! Messages as Converse's turns.
//!
//! What the Messages API refuses beyond its schema is refused in its own words, which Bedrock
//! passes on as they are. Turns of the same speaker become one, as the API's reference has it.

use std::collections::HashSet;

use serde::Deserialize;

use super::blocks::{Block, CacheControl, Said};
use crate::converse::{ContentBlock, Message, Role};
use crate::{Error, Result};

/// One of `messages`.
#[derive(Deserialize)]
pub(super) struct Sent {
    role: Role,
    content: Said<Block>,
}

/// A turn, and which of `messages` it began with.
struct Turn {
    at: usize,
    message: Message,
}

/// The turns that `messages` are; `cached` marks the end of the last.
pub(super) fn turns(messages: Vec<Sent>, cached: Option<CacheControl>) -> Result<Vec<Message>> {
    let mut turns: Vec<Turn> = Vec::with_capacity(messages.len());
    let last = messages.len().saturating_sub(1);
    for (at, sent) in messages.into_iter().enumerate() {
        let Sent { role, content } = sent;
        let content = match content {
            // An answer may have been empty; there is nothing to go on from, either.
            Said::Text(text) if text.is_empty() && at == last && role == Role::Assistant => vec![],
            Said::Blocks(blocks) if blocks.is_empty() && at == last && role == Role::Assistant => {
                vec![]
            }
            Said::Text(text) if text.is_empty() => return Err(empty(at)),
            Said::Blocks(blocks) if blocks.is_empty() => return Err(empty(at)),
            Said::Text(text) => vec![ContentBlock::Text(text)],
            Said::Blocks(blocks) => converted(at, role, blocks)?,
        };
        if content.is_empty() {
            continue;
        }
        match turns.last_mut() {
            Some(turn) if turn.message.role == role => turn.message.content.extend(content),
            _ => turns.push(Turn { at, message: Message { content, role } }),
        }
    }
    let first = turns.iter().find(|turn| turn.message.role != Role::System);
    if first.is_none_or(|turn| turn.message.role != Role::User) {
        return Err(Error::validation("messages: first message must use the \"user\" role"));
    }
    pairs(&turns)?;
    let mut messages: Vec<Message> = turns.into_iter().map(|turn| turn.message).collect();
    if let Some(last) = messages.last_mut() {
        last.content.extend(cached.map(|cached| ContentBlock::CachePoint(cached.into())));
        end_with_content(last);
    }
    Ok(messages)
}

fn empty(at: usize) -> Error {
    Error::validation(format!(
        "messages.{at}: all messages must have non-empty content except for the optional final \
         assistant message"
    ))
}

fn converted(at: usize, role: Role, blocks: Vec<Block>) -> Result<Vec<ContentBlock>> {
    let mut content = Vec::with_capacity(blocks.len());
    for block in blocks {
        let name = block.name();
        let speaker = match block {
            Block::Text(_) => role,
            Block::Thinking(_) | Block::RedactedThinking(_) | Block::ToolUse(_) => Role::Assistant,
            _ => Role::User,
        };
        if speaker != role {
            let speaker = speaker.as_str();
            return Err(Error::validation(format!(
                "messages.{at}: `{name}` blocks can only be in `{speaker}` messages"
            )));
        }
        let cached = block.cache_control();
        let block = block.into_converse();
        let cached = cached.filter(|_| block.is_some());
        content.extend(block);
        content.extend(cached.map(|cached| ContentBlock::CachePoint(cached.into())));
    }
    Ok(content)
}

/// An answer goes on from the last block of an assistant's last turn: that must be what it says.
fn end_with_content(last: &mut Message) {
    if last.role != Role::Assistant {
        return;
    }
    let said = last.content.iter().rposition(|block| !matches!(block, ContentBlock::CachePoint(_)));
    if let Some(said) = said {
        let block = last.content.remove(said);
        last.content.push(block);
    }
}

/// Every call of a tool is answered in the next turn, and nothing else is.
fn pairs(turns: &[Turn]) -> Result<()> {
    let mut open: (usize, Vec<&str>) = (0, vec![]);
    for turn in turns.iter().filter(|turn| turn.message.role != Role::System) {
        let mut calls = vec![];
        let mut answered = HashSet::new();
        for block in &turn.message.content {
            match block {
                ContentBlock::ToolUse(call) => calls.push(call.tool_use_id.as_str()),
                ContentBlock::ToolResult(result) => {
                    let id = result.tool_use_id.as_str();
                    if !open.1.contains(&id) {
                        return Err(unexpected(turn.at, id));
                    }
                    if !answered.insert(id) {
                        return Err(Error::validation(format!(
                            "messages.{}: each tool_use must have a single result. Found multiple \
                             `tool_result` blocks with id: {}",
                            turn.at,
                            shown(id)
                        )));
                    }
                }
                _ => {}
            }
        }
        if let Some(id) = open.1.iter().find(|id| !answered.contains(**id)) {
            return Err(Error::validation(format!(
                "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately \
                 after: {}. Each `tool_use` block must have a corresponding `tool_result` block in \
                 the next message.",
                open.0,
                shown(id)
            )));
        }
        let mut ids = HashSet::new();
        if !calls.iter().all(|id| ids.insert(*id)) {
            return Err(Error::validation(format!(
                "messages.{}: `tool_use` ids must be unique",
                turn.at
            )));
        }
        open = (turn.at, calls);
    }
    Ok(()) // calls in the last turn are what the caller lets the model go on from
}

fn unexpected(at: usize, id: &str) -> Error {
    Error::validation(format!(
        "messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {}. Each \
         `tool_result` block must have a corresponding `tool_use` block in the previous message.",
        shown(id)
    ))
}

/// As much of an id as a refusal repeats.
fn shown(id: &str) -> &str {
    id.char_indices().nth(64).map_or(id, |(end, _)| &id[..end])
}
