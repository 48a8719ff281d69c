//! OpenAI's chat completions, as gpt-oss is asked on `InvokeModel`; what other families share.

mod answers;
mod refusals;
mod requests;

use serde_json::{Value, json};

/// `created` of every answer: the harness's clock.
pub(super) const CREATED: u64 = 1_795_168_800;
/// The harness's model id.
pub(super) const MODEL: &str = "suite.model-v1:0";

/// The id of an answer, which no test can know beforehand, taken out.
pub(super) fn without_id(mut answer: Value, start: &str) -> Value {
    let members = answer.as_object_mut().unwrap();
    let id = members.shift_remove("id").unwrap();
    assert!(id.as_str().unwrap().starts_with(start), "{id}");
    answer
}

/// One answer out of a stream's chunks, as OpenAI's clients put them together: texts and fragments
/// are joined, calls found by their `index`. `piece` is `delta` or, for Mistral, `message`.
pub(super) fn folded(chunks: &[Value], piece: &str) -> Value {
    let mut message = json!({"role": null, "content": ""});
    let mut calls: Vec<Value> = vec![];
    let mut last = Value::Null;
    for chunk in chunks {
        assert_eq!(chunk.get("id"), chunks[0].get("id"));
        // Every chunk has its choice: langchain-aws 1.9 looks at `choices[0]` of each.
        let choice = &chunk["choices"][0];
        assert!(last.is_null() || last["choices"][0]["finish_reason"].is_null(), "after the last");
        for (name, said) in choice[piece].as_object().unwrap() {
            match (name.as_str(), said) {
                ("role", role) => message["role"] = role.clone(),
                ("tool_calls", pieces) => {
                    for piece in pieces.as_array().unwrap() {
                        call(&mut calls, piece);
                    }
                }
                (name, Value::String(text)) => {
                    let before = message.get(name).and_then(Value::as_str).unwrap_or_default();
                    message[name] = format!("{before}{text}").into();
                }
                // Clients add a delta's text to what they have, so `null` may not be one.
                (name, other) => panic!("{name}: {other}"),
            }
        }
        last = chunk.clone();
    }
    if !calls.is_empty() {
        if message["content"] == "" {
            message["content"] = Value::Null;
        }
        message["tool_calls"] = calls.into();
    }
    let choice = last["choices"][0].as_object_mut().unwrap();
    choice.shift_remove(piece);
    choice.insert("message".into(), message);
    if let Some(object) = last.get_mut("object") {
        assert_eq!(*object, "chat.completion.chunk");
        *object = "chat.completion".into();
    }
    parsed(last)
}

fn call(calls: &mut Vec<Value>, piece: &Value) {
    let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
    if index == calls.len() {
        let mut call = piece.clone();
        call.as_object_mut().unwrap().shift_remove("index");
        assert!(call["id"].is_string() && call["function"]["name"].is_string(), "{call}");
        calls.push(call);
        return;
    }
    let before = calls[index]["function"]["arguments"].as_str().unwrap();
    let more = piece["function"]["arguments"].as_str().unwrap();
    calls[index]["function"]["arguments"] = format!("{before}{more}").into();
}

/// Arguments as the values they are: their blanks are the model's own in a stream.
pub(super) fn parsed(mut answer: Value) -> Value {
    let calls = answer["choices"][0]["message"].get_mut("tool_calls");
    for call in calls.into_iter().flat_map(|calls| calls.as_array_mut().unwrap()) {
        let arguments = &mut call["function"]["arguments"];
        *arguments = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
    }
    answer
}
