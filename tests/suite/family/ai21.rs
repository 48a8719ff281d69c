//! AI21's Jamba.

use helan::converse::StopReason;
use proptest::prelude::*;
use serde_json::json;

use super::openai::{CREATED, MODEL, folded, parsed, without_id};
use super::{answer, any_answer, as_converse, chunks, read, refusal, text, whole};

#[test]
fn the_documented_request_and_its_defaults() {
    let body = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "temperature": 0.5, "top_p": 0.25, "max_tokens": 64, "stop": ["。"], "n": 1,
        "frequency_penalty": 0.5, "presence_penalty": 1.5,
    });
    assert_eq!(
        as_converse(&read("ai21", &body).ask),
        json!({
            "system": [{"text": "Be brief."}],
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.25,
                "stopSequences": ["。"]},
            "additionalModelRequestFields": {"frequency_penalty": 0.5, "presence_penalty": 1.5},
        })
    );
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "temperature": null});
    assert_eq!(
        as_converse(&read("ai21", &body).ask)["inferenceConfig"],
        json!({"maxTokens": 4096, "temperature": 1.0, "topP": 1.0})
    );
}

#[test]
fn the_answer_is_openais() {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let events = answer(&[text(&["Hello"])], StopReason::EndTurn, None);
    assert_eq!(
        without_id(whole("ai21", &body, &events), "chatcmpl-"),
        json!({
            "object": "chat.completion",
            "created": CREATED,
            "model": MODEL,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"},
                "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46},
        })
    );
}

#[test]
fn what_is_refused() {
    let with = |name: &str, value: serde_json::Value| {
        refusal("ai21", &json!({"messages": [{"role": "user", "content": "Hi"}], name: value}))
    };
    assert!(
        with("temperature", json!(2.5)).contains("#/temperature: 2.5 is not less or equal to 2")
    );
    assert!(with("top_p", json!(2)).contains("#/top_p: 2 is not less or equal to 1"));
    assert!(with("presence_penalty", json!("x")).contains("#/presence_penalty: expected type"));
    assert_eq!(with("n", json!(3)), "n above 1 is not supported by this gateway yet.");
    let jurassic = json!({"prompt": "x", "maxTokens": 5});
    assert!(refusal("ai21", &jurassic).contains("#: required key [messages] not found"));
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer()) {
        let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        let chunks = chunks("ai21", &body, &events);
        prop_assert_eq!(folded(&chunks, "delta"), parsed(whole("ai21", &body, &events)));
    }
}
