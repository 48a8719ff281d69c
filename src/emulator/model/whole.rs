//! An answer in one piece.

use serde_json::{Value, json};

use super::ask::{Ask, Choice};
use super::dialect::Writer;
use super::events::{FINGERPRINT, usage};
use super::generated::Generated;
use super::script::{Script, Token};
use super::{Event, Manner, Piece};
use crate::emulator::rules::Reasoning;

/// The answer as the one event of its own stream, so that faults find their place: those that
/// come `after` one event leave it whole, and only the end of the stream is theirs.
pub(super) fn events(ask: &Ask, script: &Script, manner: &Manner<'_>) -> Vec<Event> {
    let pause = manner.pause.map(|pause| {
        Event::Pause(pause.saturating_mul(u32::try_from(script.tokens.len()).unwrap_or(u32::MAX)))
    });
    let json = match &ask.inputs {
        Some(inputs) => Generated { ask, inputs, script, manner }.whole(),
        None if ask.chat => chat(ask, script, manner),
        None => completion(script, manner),
    };
    pause.into_iter().chain([Event::Data { json, finish: false }]).collect()
}

/// What is played of it. A broken answer is broken JSON.
pub(super) fn pieces(events: Vec<Event>, writer: &Writer<'_>) -> Vec<Piece> {
    let piece = |event| match event {
        Event::Data { json, .. } => Some(Piece::Bytes(writer.json(&json).into())),
        Event::Error { message, kind, status } => {
            Some(Piece::Bytes(writer.said.failure(&message, &kind, status).into()))
        }
        Event::Pause(time) => Some(Piece::Wait { time, flush: false }),
        Event::Stall(time) => Some(Piece::Wait { time, flush: true }),
        Event::Throw(failure) => Some(Piece::Throw(failure)),
        Event::Cut => Some(Piece::Cut),
        Event::Done => None,
    };
    events.into_iter().filter_map(piece).collect()
}

fn chat(ask: &Ask, script: &Script, manner: &Manner<'_>) -> Value {
    let mut message = json!({
        "role": "assistant",
        "content": null,
        "refusal": null,
        "annotations": null,
        "audio": null,
        "function_call": null,
    });
    let (mut reasoning, mut content) = (String::new(), String::new());
    for token in &script.tokens {
        match token {
            Token::Reasoning(text) => reasoning.push_str(text),
            Token::Text(text) => content.push_str(text),
            _ => {}
        }
    }
    let forced = matches!(ask.choice, Choice::Required | Choice::Named(_));
    let calls = if script.ends_in_a_call() {
        // vLLM's parser finds no call that is not closed, and leaves the model's own words.
        content.push_str(&raw_calls(script));
        Vec::new()
    } else {
        finished_calls(script)
    };
    if !content.is_empty() || (forced && !calls.is_empty()) {
        message["content"] = content.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let name = match manner.reasoning {
        Reasoning::OldField => "reasoning_content",
        _ => "reasoning",
    };
    let shown = !reasoning.is_empty() && ask.show_reasoning;
    message[name] = if shown { reasoning.into() } else { Value::Null };
    json!({
        "id": script.id,
        "object": "chat.completion",
        "created": script.created,
        "model": manner.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": script.finish,
            "stop_reason": script.stop,
            "token_ids": null,
            "routed_experts": null,
        }],
        "service_tier": null,
        "system_fingerprint": FINGERPRINT,
        "usage": usage(script.usage, script.usage.completion, true),
        "prompt_logprobs": null,
        "prompt_token_ids": null,
        "prompt_text": null,
        "kv_transfer_params": null,
        "ec_transfer_params": null,
        "metrics": null,
    })
}

fn finished_calls(script: &Script) -> Vec<Value> {
    let begun = |at| script.tokens.contains(&Token::Call(at));
    let calls = script.calls.iter().enumerate().filter(|(at, _)| begun(*at));
    calls
        .map(|(_, call)| {
            json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })
        })
        .collect()
}

/// What the model wrote, in the syntax of its template, as far as it came.
fn raw_calls(script: &Script) -> String {
    let mut raw = String::new();
    let mut open = false;
    for token in &script.tokens {
        match token {
            Token::Call(at) => {
                if std::mem::replace(&mut open, true) {
                    raw.push_str("}</tool_call>");
                }
                let name = script.calls.get(*at).map_or("", |call| call.name.as_str());
                raw.push_str("<tool_call>{\"name\": \"");
                raw.push_str(name);
                raw.push_str("\", \"arguments\": ");
            }
            Token::Arguments(_, text) => raw.push_str(text),
            _ => {}
        }
    }
    raw
}

fn completion(script: &Script, manner: &Manner<'_>) -> Value {
    let text: String = script
        .tokens
        .iter()
        .filter_map(|token| match token {
            Token::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    json!({
        "id": script.id,
        "object": "text_completion",
        "created": script.created,
        "model": manner.model,
        "choices": [{
            "index": 0,
            "text": text,
            "logprobs": null,
            "finish_reason": script.finish,
            "stop_reason": script.stop,
            "token_ids": null,
            "prompt_logprobs": null,
            "prompt_token_ids": null,
            "routed_experts": null,
        }],
        "service_tier": null,
        "system_fingerprint": FINGERPRINT,
        "usage": usage(script.usage, script.usage.completion, false),
        "kv_transfer_params": null,
        "ec_transfer_params": null,
        "metrics": null,
    })
}
