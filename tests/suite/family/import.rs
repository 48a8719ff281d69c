//! The three formats of Custom Model Import.

use helan::converse::{Input, StopReason};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::openai::{CREATED, folded, parsed, without_id};
use super::{answer, any_answer, as_converse, chunks, read, reasoning, refusal, text, whole};

const PROMPT: &str = "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n";
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn the_older_completion() {
    // As litellm 1.106 writes it for `bedrock/qwen3/<arn>`, whose answer it reads at `generation`.
    let body = json!({"prompt": PROMPT, "max_gen_len": 64, "temperature": 0.5, "top_p": 0.25,
        "top_k": 20, "stop": ["。"]});
    assert_eq!(
        as_converse(&read("import", &body).ask),
        json!({
            "prompt": PROMPT,
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.25,
                "stopSequences": ["。"]},
            "additionalModelRequestFields": {"top_k": 20},
        })
    );
    let events = answer(&[text(&["你", "好"])], StopReason::EndTurn, None);
    let said = |text: &str, counts: [Option<u32>; 2], stop_reason: Option<&str>| {
        json!({"generation": text, "prompt_token_count": counts[0],
            "generation_token_count": counts[1], "stop_reason": stop_reason, "logprobs": null})
    };
    for body in [body, json!({"prompt": PROMPT}), json!({"prompt": PROMPT, "max_tokens": null})] {
        assert_eq!(
            whole("import", &body, &events),
            said("你好", [Some(12), Some(34)], Some("stop"))
        );
        assert_eq!(
            chunks("import", &body, &events),
            [
                said("你", [None; 2], None),
                said("好", [None; 2], None),
                said("", [Some(12), Some(34)], Some("stop")),
            ]
        );
    }
}

#[test]
fn images_beside_a_prompt() {
    let body = json!({"prompt": "<|image|>What?", "images": [PNG]});
    let Input::Prompt(prompt) = read("import", &body).ask.input else { panic!("turns") };
    assert_eq!(prompt.images.len(), 1);
}

#[test]
fn the_completion_of_openai() {
    let body = json!({"prompt": PROMPT, "max_tokens": 64, "temperature": 0.5, "stop": "END",
        "structured_outputs": {"regex": "[a-z]+"}, "seed": 7, "echo": false, "n": 1});
    assert_eq!(
        as_converse(&read("import", &body).ask),
        json!({
            "prompt": PROMPT,
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "stopSequences": ["END"]},
            "additionalModelRequestFields": {
                "structured_outputs": {"regex": "[a-z]+"}, "seed": 7, "echo": false},
        })
    );
    let events = answer(&[text(&["你", "好"])], StopReason::StopSequence, Some("END"));
    let said = |text: &str, end: Option<(&str, &str)>| {
        let mut said = json!({"object": "text_completion", "created": CREATED, "choices": [{
            "index": 0, "text": text, "logprobs": null,
            "finish_reason": end.map(|(reason, _)| reason),
            "stop_reason": end.map(|(_, sequence)| sequence),
        }]});
        if end.is_some() {
            said["usage"] =
                json!({"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46});
        }
        said
    };
    let end = Some(("stop", "END"));
    assert_eq!(without_id(whole("import", &body, &events), "cmpl-"), said("你好", end));
    let chunks = chunks("import", &body, &events);
    let chunks: Vec<_> = chunks.into_iter().map(|chunk| without_id(chunk, "cmpl-")).collect();
    assert_eq!(chunks, [said("你", None), said("好", None), said("", end)]);
}

#[test]
fn a_schema_of_the_answer() {
    let body = json!({"prompt": "x", "response_format": {
        "type": "json_schema", "json_schema": {"name": "car", "schema": {"type": "object"}}}});
    assert_eq!(
        as_converse(&read("import", &body).ask)["outputConfig"]["textFormat"]["structure"],
        json!({"jsonSchema": {"name": "car", "schema": "{\"type\":\"object\"}"}})
    );
    let body = json!({"prompt": "x", "response_format": {"type": "json_object"}});
    assert_eq!(
        as_converse(&read("import", &body).ask)["additionalModelRequestFields"],
        json!({"response_format": {"type": "json_object"}})
    );
}

#[test]
fn the_chat_of_openai() {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 64});
    let events = answer(&[reasoning(&["Hm"]), text(&["Hello"])], StopReason::MaxTokens, None);
    assert_eq!(
        without_id(whole("import", &body, &events), "chatcmpl-"),
        json!({
            "object": "chat.completion",
            "created": CREATED,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"},
                "logprobs": null,
                "finish_reason": "length",
            }],
            "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46},
        })
    );
}

#[test]
fn what_is_refused() {
    for (body, words) in [
        (json!({}), "#: required key [prompt] not found"),
        (json!({"prompt": ["a", "b"]}), "#/prompt: expected type: String, found: JSONArray"),
        (
            json!({"prompt": "x", "max_gen_len": 1, "max_tokens": 1}),
            "#: extraneous key [max_tokens] is not permitted",
        ),
        (json!({"prompt": "x", "inputs": "y"}), "#: extraneous key [inputs] is not permitted"),
        (
            json!({"prompt": "x", "messages": [{"role": "user", "content": "y"}]}),
            "#: extraneous key [prompt] is not permitted",
        ),
        (
            json!({"prompt": "x", "model": "y"}),
            "#/model: the model is not the one that the path names",
        ),
        (
            json!({"prompt": "x", "max_tokens": 1, "stream": true}),
            "#/stream: true is for InvokeModelWithResponseStream, and this is InvokeModel",
        ),
        (
            json!({"prompt": "x", "images": ["AAAA"]}),
            "#/images/0: the image is no PNG, JPEG, GIF or WebP",
        ),
    ] {
        assert_eq!(
            refusal("import", &body),
            format!("Malformed input request: {words}, please reformat your input and try again."),
        );
    }
    for (body, name) in [
        (json!({"prompt": "x", "n": 2}), "n above 1"),
        (json!({"prompt": "x", "max_tokens": 1, "logprobs": 0}), "logprobs"),
        (json!({"prompt": "x", "logprobs": true}), "logprobs"),
    ] {
        let words = format!("{name} is not supported by this gateway yet.");
        assert_eq!(refusal("import", &body), words);
    }
}

proptest! {
    #[test]
    fn chunks_of_the_older_completion_fold_to_the_whole(events in any_answer()) {
        let body = json!({"prompt": PROMPT});
        let chunks = chunks("import", &body, &events);
        let mut folded = chunks.last().unwrap().clone();
        let text: String =
            chunks.iter().map(|chunk| chunk["generation"].as_str().unwrap()).collect();
        folded["generation"] = text.into();
        prop_assert_eq!(folded, whole("import", &body, &events));
    }

    #[test]
    fn chunks_of_a_completion_fold_to_the_whole(events in any_answer()) {
        let body = json!({"prompt": PROMPT, "max_tokens": 64});
        let chunks = chunks("import", &body, &events);
        let mut folded = chunks.last().unwrap().clone();
        let said = |chunk: &Value| chunk["choices"][0]["text"].as_str().unwrap().to_owned();
        folded["choices"][0]["text"] = chunks.iter().map(said).collect::<String>().into();
        prop_assert_eq!(folded, whole("import", &body, &events));
    }

    #[test]
    fn chunks_of_a_chat_fold_to_the_whole(events in any_answer()) {
        let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        let chunks = chunks("import", &body, &events);
        prop_assert_eq!(folded(&chunks, "delta"), parsed(whole("import", &body, &events)));
    }
}
