//! The rules of a conversation, in Bedrock's words.
//!
//! Two rules that only some of Bedrock's models have are not kept, because clients rely on the
//! models that lack them: text and tool results may share a turn, and the last turn may be the
//! assistant's (the answer goes on from it).

use std::collections::HashSet;

use super::pattern;
use crate::converse::{
    ContentBlock, DocumentBlock, GuardContent, Message, Role, ToolResultBlock,
    ToolResultContentBlock, ToolResultStatus, ToolUseBlock,
};
use crate::{Error, Result};

const IMAGES: usize = 20;
const DOCUMENTS: usize = 5;

pub(super) fn check(messages: &[Message], has_tools: bool) -> Result<()> {
    order(messages)?;
    let mut documents = 0;
    for (turn, message) in messages.iter().enumerate() {
        content(turn, message, has_tools)?;
        documents += count(message, |block| matches!(block, ContentBlock::Document(_)));
    }
    if documents > DOCUMENTS {
        return refuse(format!("You can't include more than {DOCUMENTS} documents in a request."));
    }
    pairs(messages)
}

fn refuse<T>(message: impl Into<std::borrow::Cow<'static, str>>) -> Result<T> {
    Err(Error::validation(message))
}

/// Who speaks when. A system turn may stand anywhere.
fn order(messages: &[Message]) -> Result<()> {
    let first = messages.iter().find(|message| message.role != Role::System);
    if first.is_none_or(|message| message.role != Role::User) {
        return refuse(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        );
    }
    let speaks_twice = |two: &[Message]| two[0].role == two[1].role && two[0].role != Role::System;
    if messages.windows(2).any(speaks_twice) {
        return refuse(
            "A conversation must alternate between user and assistant roles. Make sure the \
             conversation alternates between user and assistant roles and try again.",
        );
    }
    Ok(())
}

/// What one turn holds.
fn content(turn: usize, message: &Message, has_tools: bool) -> Result<()> {
    if message.content.is_empty() {
        return refuse(format!(
            "The content field in the Message object at messages.{turn} is empty. Add a \
             ContentBlock object to the content field and try again."
        ));
    }
    let mut called_here = HashSet::new();
    for (index, block) in message.content.iter().enumerate() {
        let at = format_args!("messages.{turn}.content.{index}");
        match block {
            ContentBlock::Text(text) if text.trim().is_empty() => {
                return refuse(format!(
                    "The text field in the ContentBlock object at {at} is blank. Add text to the \
                     text field, and try again."
                ));
            }
            ContentBlock::ToolUse(_) | ContentBlock::ToolResult(_) if !has_tools => {
                return refuse(
                    "The toolConfig field must be defined when using toolUse and toolResult \
                     content blocks.",
                );
            }
            ContentBlock::ToolUse(call) => {
                only_in(Role::Assistant, message.role, "toolUse", at)?;
                called_here.insert(call.tool_use_id.as_str());
            }
            ContentBlock::ReasoningContent(_) => {
                only_in(Role::Assistant, message.role, "reasoningContent", at)?;
            }
            ContentBlock::ToolResult(result) => {
                // The service's own tools answer in the turn that called them.
                let answers_itself = called_here.contains(result.tool_use_id.as_str());
                if !answers_itself {
                    only_in(Role::User, message.role, "toolResult", at)?;
                }
                tool_result(result, at)?;
            }
            ContentBlock::Document(document) => document_name(document)?,
            _ => {}
        }
    }
    together(turn, message)
}

fn only_in(wanted: Role, role: Role, block: &str, at: std::fmt::Arguments<'_>) -> Result<()> {
    if role == wanted {
        return Ok(());
    }
    let (role, wanted) = (role.as_str(), wanted.as_str());
    refuse(format!(
        "The {block} block at {at} can't be in a message with the role {role}. Move it to a message \
         with the role {wanted}, and try again."
    ))
}

fn tool_result(result: &ToolResultBlock, at: std::fmt::Arguments<'_>) -> Result<()> {
    if result.status == Some(ToolResultStatus::Error) && result.content.is_empty() {
        return refuse(format!(
            "The content field at {at}.toolResult cannot be empty when status value is error."
        ));
    }
    for block in &result.content {
        if let ToolResultContentBlock::Document(document) = block {
            document_name(document)?;
        }
    }
    Ok(())
}

fn document_name(document: &DocumentBlock) -> Result<()> {
    if pattern::is_document_name(&document.name) {
        return Ok(());
    }
    refuse(
        "The document file name can only contain alphanumeric characters, whitespace characters, \
         hyphens, parentheses, and square brackets. The name can't contain more than one \
         consecutive whitespace character. Check that the file name conforms to these restrictions \
         and retry your request.",
    )
}

/// What a turn's blocks must be together.
fn together(turn: usize, message: &Message) -> Result<()> {
    let images = count(message, |block| matches!(block, ContentBlock::Image(_)));
    if images > IMAGES {
        return refuse(format!(
            "You can't include more than {IMAGES} images in a message. Remove images from \
             messages.{turn}.content, and try again."
        ));
    }
    let has_document = |block: &ContentBlock| matches!(block, ContentBlock::Document(_));
    let has_text = |block: &ContentBlock| {
        matches!(block, ContentBlock::Text(_) | ContentBlock::GuardContent(GuardContent::Text(_)))
    };
    if count(message, has_document) > 0 && count(message, has_text) == 0 {
        return refuse("A text block must be included when using documents.");
    }
    Ok(())
}

fn count(message: &Message, is_meant: impl Fn(&ContentBlock) -> bool) -> usize {
    message.content.iter().filter(|block| is_meant(block)).count()
}

/// Every call of a tool is answered in the next turn, and nothing else is.
fn pairs(messages: &[Message]) -> Result<()> {
    let mut open: Vec<&str> = vec![];
    for (turn, message) in messages.iter().enumerate() {
        if message.role == Role::System {
            continue;
        }
        let calls: Vec<&ToolUseBlock> = message.content.iter().filter_map(as_call).collect();
        let results: Vec<&str> = message.content.iter().filter_map(as_result).collect();
        unique(turn, "toolUse", calls.iter().map(|call| call.tool_use_id.as_str()))?;
        let answered = unique(turn, "toolResult", results.iter().copied())?;
        // In the assistant's turn, only calls of the same turn are answered: see `content`.
        if message.role == Role::User && results.len() > open.len() {
            return refuse(format!(
                "The number of toolResult blocks at messages.{turn}.content exceeds the number of \
                 toolUse blocks of previous turn."
            ));
        }
        let missing: Vec<&str> = open.iter().copied().filter(|id| !answered.contains(id)).collect();
        if !missing.is_empty() {
            return refuse(format!(
                "Expected toolResult blocks at messages.{turn}.content for the following Ids: {}",
                listed(&missing)
            ));
        }
        open = calls
            .into_iter()
            .filter(|call| call.kind.as_deref() != Some("server_tool_use"))
            .map(|call| call.tool_use_id.as_str())
            .filter(|id| !answered.contains(id))
            .collect();
    }
    Ok(()) // calls in the last turn are what the caller lets the model go on from
}

fn as_call(block: &ContentBlock) -> Option<&ToolUseBlock> {
    if let ContentBlock::ToolUse(call) = block { Some(call) } else { None }
}

fn as_result(block: &ContentBlock) -> Option<&str> {
    if let ContentBlock::ToolResult(result) = block { Some(&result.tool_use_id) } else { None }
}

fn unique<'a>(
    turn: usize,
    block: &str,
    ids: impl Iterator<Item = &'a str>,
) -> Result<HashSet<&'a str>> {
    let mut seen = HashSet::new();
    let twice: Vec<&str> = ids.filter(|id| !seen.insert(*id)).collect();
    if twice.is_empty() {
        return Ok(seen);
    }
    refuse(format!(
        "The {block} blocks at messages.{turn}.content contain duplicate Ids: {}",
        listed(&twice)
    ))
}

/// Ids are short, their number is not.
fn listed(ids: &[&str]) -> String {
    const NAMED: usize = 20;
    let more = if ids.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", ids[..ids.len().min(NAMED)].join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::converse::Request;

    fn checked(messages: &Value) -> Result<(), String> {
        let body = json!({
            "messages": messages,
            "toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]},
        });
        let request = Request::parse(body.to_string().as_bytes()).unwrap();
        request.validate().map_err(|error| error.message().to_owned())
    }

    fn turn(role: &str, content: &Value) -> Value {
        json!({"role": role, "content": content})
    }

    fn user(content: &Value) -> Value {
        turn("user", content)
    }

    fn assistant(content: &Value) -> Value {
        turn("assistant", content)
    }

    fn text(text: &str) -> Value {
        json!({"text": text})
    }

    fn call(id: &str) -> Value {
        json!({"toolUse": {"toolUseId": id, "name": "t", "input": {}}})
    }

    fn result(id: &str) -> Value {
        json!({"toolResult": {"toolUseId": id, "content": [{"text": "ok"}]}})
    }

    #[track_caller]
    fn accepted(messages: &Value) {
        assert_eq!(checked(messages), Ok(()));
    }

    #[track_caller]
    fn refused(messages: &Value, message: &str) {
        assert_eq!(checked(messages), Err(message.to_owned()));
    }

    const START: &str = "A conversation must start with a user message. Try again with a \
                         conversation that starts with a user message.";
    const ALTERNATE: &str = "A conversation must alternate between user and assistant roles. Make \
                             sure the conversation alternates between user and assistant roles and \
                             try again.";

    #[test]
    fn who_speaks_when() {
        let (hi, yes, note) = (
            user(&json!([text("hi")])),
            assistant(&json!([text("yes")])),
            turn("system", &json!([text("be brief")])),
        );
        accepted(&json!([hi]));
        accepted(&json!([hi, yes]));
        accepted(&json!([hi, yes, hi]));
        for messages in [
            json!([note, hi]),
            json!([hi, note]),
            json!([hi, note, yes]),
            json!([hi, yes, note, hi]),
            json!([hi, note, note, yes]),
        ] {
            accepted(&messages);
        }
        refused(&json!([]), START);
        refused(&json!([yes]), START);
        refused(&json!([note]), START);
        refused(&json!([note, yes, hi]), START);
        refused(&json!([hi, hi]), ALTERNATE);
        refused(&json!([hi, yes, yes]), ALTERNATE);
    }

    #[test]
    fn a_conversation_is_needed() {
        let request = Request::parse(b"{}").unwrap();
        assert_eq!(
            request.validate().unwrap_err().message(),
            "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member \
             must not be null"
        );
    }

    #[test]
    fn a_turn_says_something() {
        refused(
            &json!([user(&json!([]))]),
            "The content field in the Message object at messages.0 is empty. Add a ContentBlock \
             object to the content field and try again.",
        );
        for blank in ["", " ", "\n\t", "\u{3000}"] {
            refused(
                &json!([user(&json!([text("hi")])), assistant(&json!([text("a"), text(blank)]))]),
                "The text field in the ContentBlock object at messages.1.content.1 is blank. Add \
                 text to the text field, and try again.",
            );
        }
    }

    #[test]
    fn blocks_stay_in_the_turns_of_their_speaker() {
        let thought = json!({"reasoningContent": {"reasoningText": {"text": "hm"}}});
        let said = |block: &str, role: &str, at: &str, wanted: &str| {
            format!(
                "The {block} block at {at} can't be in a message with the role {role}. Move it to \
                 a message with the role {wanted}, and try again."
            )
        };
        refused(
            &json!([user(&json!([text("hi"), thought]))]),
            &said("reasoningContent", "user", "messages.0.content.1", "assistant"),
        );
        refused(
            &json!([user(&json!([call("a")]))]),
            &said("toolUse", "user", "messages.0.content.0", "assistant"),
        );
        refused(
            &json!([user(&json!([text("hi")])), assistant(&json!([result("a")]))]),
            &said("toolResult", "assistant", "messages.1.content.0", "user"),
        );
        refused(
            &json!([user(&json!([text("hi")])), turn("system", &json!([call("a")]))]),
            &said("toolUse", "system", "messages.1.content.0", "assistant"),
        );
        accepted(&json!([user(&json!([text("hi")])), assistant(&json!([thought, text("yes")]))]));
    }

    #[test]
    fn tools_are_configured_where_they_are_used() {
        let body = json!({"messages": [
            user(&json!([text("hi")])), assistant(&json!([call("a")])), user(&json!([result("a")])),
        ]});
        let request = Request::parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(
            request.validate().unwrap_err().message(),
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        );
    }

    #[test]
    fn every_call_is_answered_in_the_next_turn() {
        let hi = user(&json!([text("hi")]));
        let calls = assistant(&json!([text("let me see"), call("a"), call("b")]));
        let answers = |results: Value| json!([hi, calls, user(&results)]);
        accepted(&answers(json!([result("a"), result("b")])));
        accepted(&answers(json!([result("b"), text("and now?"), result("a")])));
        // The ids may come back in a later turn: some models count them anew.
        accepted(&json!([
            hi,
            assistant(&json!([call("f:0")])),
            user(&json!([result("f:0")])),
            assistant(&json!([call("f:0")])),
            user(&json!([result("f:0")])),
        ]));
        accepted(&json!([hi, calls])); // the model goes on from its own calls
        let expected = |ids: &str| {
            format!("Expected toolResult blocks at messages.2.content for the following Ids: {ids}")
        };
        refused(&answers(json!([result("a")])), &expected("b"));
        refused(&answers(json!([text("never mind")])), &expected("a, b"));
        refused(&answers(json!([result("a"), result("c")])), &expected("b"));
        refused(
            &answers(json!([result("a"), result("b"), result("c")])),
            "The number of toolResult blocks at messages.2.content exceeds the number of toolUse \
             blocks of previous turn.",
        );
        refused(
            &json!([user(&json!([result("a")]))]),
            "The number of toolResult blocks at messages.0.content exceeds the number of toolUse \
             blocks of previous turn.",
        );
        // Answered once, they are not open any more.
        refused(
            &json!([
                hi,
                assistant(&json!([call("a")])),
                user(&json!([result("a")])),
                assistant(&json!([text("done")])),
                user(&json!([result("a")]))
            ]),
            "The number of toolResult blocks at messages.4.content exceeds the number of toolUse \
             blocks of previous turn.",
        );
        // A system turn in between changes nothing.
        accepted(&json!([
            hi,
            calls,
            turn("system", &json!([text("note")])),
            user(&json!([result("a"), result("b")]))
        ]));
    }

    #[test]
    fn ids_are_given_once_in_a_turn() {
        let hi = user(&json!([text("hi")]));
        refused(
            &json!([hi, assistant(&json!([call("a"), call("b"), call("a")]))]),
            "The toolUse blocks at messages.1.content contain duplicate Ids: a",
        );
        refused(
            &json!([hi, assistant(&json!([call("a")])), user(&json!([result("a"), result("a")]))]),
            "The toolResult blocks at messages.2.content contain duplicate Ids: a",
        );
    }

    #[test]
    fn the_services_own_tools_answer_in_the_turn_that_called_them() {
        let hi = user(&json!([text("hi")]));
        let own = json!({"toolUse": {
            "toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use",
        }});
        accepted(&json!([hi, assistant(&json!([own, result("s"), text("found")])), hi]));
        accepted(&json!([hi, assistant(&json!([own, text("found")])), hi]));
        refused(
            &json!([hi, assistant(&json!([own, call("a")])), hi]),
            "Expected toolResult blocks at messages.2.content for the following Ids: a",
        );
    }

    #[test]
    fn a_failed_tool_says_why() {
        let hi = user(&json!([text("hi")]));
        let failed = |status: &str| {
            json!([
                hi,
                assistant(&json!([call("a")])),
                user(&json!([
                    {"toolResult": {"toolUseId": "a", "content": [], "status": status}},
                ]))
            ])
        };
        accepted(&failed("success"));
        refused(
            &failed("error"),
            "The content field at messages.2.content.0.toolResult cannot be empty when status value \
             is error.",
        );
    }

    #[test]
    fn documents_have_decent_names_and_a_text_beside_them() {
        let document =
            |name: &str| json!({"document": {"name": name, "source": {"text": "content"}}});
        let name = "The document file name can only contain alphanumeric characters, whitespace \
                    characters, hyphens, parentheses, and square brackets. The name can't contain \
                    more than one consecutive whitespace character. Check that the file name \
                    conforms to these restrictions and retry your request.";
        accepted(&json!([user(&json!([document("a_b (1)"), text("read")]))]));
        refused(&json!([user(&json!([document("a.pdf"), text("read")]))]), name);
        refused(
            &json!([
                user(&json!([text("hi")])),
                assistant(&json!([call("a")])),
                user(&json!([
                    {"toolResult": {"toolUseId": "a", "content": [document("a  b")]}},
                ]))
            ]),
            name,
        );
        let lonely = "A text block must be included when using documents.";
        refused(&json!([user(&json!([document("a")]))]), lonely);
        accepted(&json!([user(
            &json!([document("a"), {"guardContent": {"text": {"text": "q"}}}])
        )]));
        let five: Vec<_> = (0..5).map(|at| document(&format!("d{at}"))).collect();
        let many = |more: usize| {
            let mut content = five.clone();
            content.extend((0..more).map(|at| document(&format!("e{at}"))));
            content.push(text("read"));
            json!([user(&json!(content))])
        };
        accepted(&many(0));
        refused(&many(1), "You can't include more than 5 documents in a request.");
    }

    #[test]
    fn a_message_has_twenty_images_at_most() {
        let image = json!({"image": {"format": "png", "source": {"bytes": "iVBOR//+"}}});
        accepted(&json!([user(&json!(vec![image.clone(); 20]))]));
        refused(
            &json!([user(&json!(vec![image; 21]))]),
            "You can't include more than 20 images in a message. Remove images from \
             messages.0.content, and try again.",
        );
    }

    #[test]
    fn a_refusal_stays_short_and_quick() {
        let calls: Vec<_> = (0..50_000).map(|at| call(&format!("id{at}"))).collect();
        let hi = user(&json!([text("hi")]));
        let message = checked(&json!([hi, assistant(&json!(calls)), hi])).unwrap_err();
        assert!(message.ends_with(", id18, id19, …"), "{message}");
    }
}
