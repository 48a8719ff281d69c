//! Models that are asked in OpenAI's words: Qwen and many others.

use helan::converse::StopReason;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::openai::{CREATED, MODEL, folded, parsed, without_id};
use super::{
    answer, any_answer, as_converse, chunks, prompt, read, reasoning, refusal, text, whole,
};

fn request() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5})
}

#[test]
fn a_chat() {
    for name in ["qwen", "deepseek"] {
        assert_eq!(
            as_converse(&read(name, &request()).ask),
            json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "inferenceConfig": {"maxTokens": 5}})
        );
        let events =
            answer(&[reasoning(&["\nHm", "."]), text(&["Hello"])], StopReason::EndTurn, None);
        assert_eq!(
            without_id(whole(name, &request(), &events), "chatcmpl-"),
            json!({
                "object": "chat.completion",
                "created": CREATED,
                "model": MODEL,
                "choices": [{
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hello",
                        "reasoning_content": "\nHm."},
                    "logprobs": null,
                    "finish_reason": "stop",
                }],
                "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46},
            })
        );
        // langchain-aws 1.9 reads `choices[0].delta.content`, and takes `stop` and `length` alone
        // for the end: then the metrics must be in the same chunk.
        let last = chunks(name, &request(), &events).pop().unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], "stop");
        assert_eq!(last["usage"]["total_tokens"], 46);
    }
}

#[test]
fn stop_sequences_under_langchains_name() {
    // langchain-aws 1.9 writes `stop_sequences` into every provider's body.
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stop_sequences": ["。"]});
    assert_eq!(
        as_converse(&read("qwen", &body).ask)["inferenceConfig"],
        json!({"stopSequences": ["。"]})
    );
}

#[test]
fn reasoning_alone_leaves_an_empty_text() {
    // langchain-aws 1.9 takes `message.content` of Qwen for a string.
    let events = answer(&[reasoning(&["Hm"])], StopReason::MaxTokens, None);
    let message = &whole("qwen", &request(), &events)["choices"][0]["message"];
    assert_eq!(message["content"], "");
}

#[test]
fn what_looks_inlined_is_text() {
    let said = "<reasoning>A</reasoning>B";
    let body = json!({"messages": [
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": said}]});
    let asked = as_converse(&read("qwen", &body).ask);
    assert_eq!(asked["messages"][1]["content"], json!([{"text": said}]));
}

#[test]
fn a_prompt_is_completed() {
    // langchain-aws 1.9 asks Writer's models so and reads `choices[0].text`.
    let body = json!({"prompt": "Hi"});
    assert_eq!(prompt(&read("qwen", &body).ask), "Hi");
    let events = answer(&[text(&["Hello"])], StopReason::EndTurn, None);
    assert_eq!(whole("qwen", &body, &events)["choices"][0]["text"], "Hello");
    assert!(refusal("qwen", &json!({})).contains("required key [messages] not found"));
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer()) {
        let chunks = chunks("qwen", &request(), &events);
        prop_assert_eq!(folded(&chunks, "delta"), parsed(whole("qwen", &request(), &events)));
    }
}
