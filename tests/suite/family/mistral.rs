//! Mistral AI's text completion and chat.

use helan::converse::StopReason;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::openai::{folded, parsed};
use super::{answer, any_answer, as_converse, call, chunks, read, refusal, text, whole};

const PROMPT: &str = "<s>[INST] 贺兰山在哪里? [/INST]";

fn chat() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

#[test]
fn the_documented_prompt_and_its_defaults() {
    let body = json!({"prompt": PROMPT, "max_tokens": 64, "stop": ["。"], "temperature": 0.25,
        "top_p": 0.5, "top_k": 50});
    assert_eq!(
        as_converse(&read("mistral", &body).ask),
        json!({
            "prompt": PROMPT,
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.25, "topP": 0.5,
                "stopSequences": ["。"]},
            "additionalModelRequestFields": {"top_k": 50},
        })
    );
    assert_eq!(
        as_converse(&read("mistral", &json!({"prompt": PROMPT})).ask),
        json!({"prompt": PROMPT,
            "inferenceConfig": {"maxTokens": 512, "temperature": 0.5, "topP": 0.9_f32}})
    );
    // langchain-aws 1.9 writes `stop_sequences`.
    let body = json!({"prompt": PROMPT, "stop_sequences": ["。"]});
    let asked = as_converse(&read("mistral", &body).ask);
    assert_eq!(asked["inferenceConfig"]["stopSequences"], json!(["。"]));
}

#[test]
fn the_documented_text() {
    let events = answer(&[text(&["在", "宁夏。"])], StopReason::MaxTokens, None);
    let said = |text: &str, stop_reason: Option<&str>| json!({"outputs": [{"text": text, "stop_reason": stop_reason}]});
    let body = json!({"prompt": PROMPT});
    assert_eq!(whole("mistral", &body, &events), said("在宁夏。", Some("length")));
    // The first is as litellm's users have recorded it.
    assert_eq!(
        chunks("mistral", &body, &events),
        [said("在", None), said("宁夏。", None), said("", Some("length"))]
    );
}

#[test]
fn the_documented_chat() {
    let body = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "name": "f", "content": "sun"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d",
            "parameters": {"type": "object"}}}],
        "tool_choice": "any",
        "max_tokens": 64, "temperature": 0.5, "top_p": 0.25,
    });
    assert_eq!(
        as_converse(&read("mistral", &body).ask),
        json!({
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "Weather?"}]},
                {"role": "assistant", "content": [
                    {"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "a", "content": [{"text": "sun"}]}}]},
            ],
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "f", "description": "d",
                    "inputSchema": {"json": {"type": "object"}}}}],
                "toolChoice": {"any": {}},
            },
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.25},
        })
    );
}

/// `stop_reason` is documented; litellm 1.106 reads `finish_reason` of `choices`.
#[test]
fn the_documented_answer_of_a_chat() {
    let said = |message: Value, reason: Option<&str>| {
        json!({"choices": [
            {"index": 0, "message": message, "finish_reason": reason, "stop_reason": reason}]})
    };
    let events = answer(
        &[text(&["Let me see."]), call("a", "f", &["{\"x\":", "1}"])],
        StopReason::ToolUse,
        None,
    );
    assert_eq!(
        whole("mistral", &chat(), &events),
        said(
            json!({"role": "assistant", "content": "Let me see.", "tool_calls": [
                {"id": "a", "type": "function",
                    "function": {"name": "f", "arguments": "{\"x\":1}"}}]}),
            Some("tool_calls")
        )
    );
    let streamed = chunks("mistral", &chat(), &events);
    assert_eq!(streamed[0], said(json!({"role": "assistant", "content": ""}), None));
    assert_eq!(streamed[1], said(json!({"content": "Let me see."}), None));
    assert_eq!(streamed.last(), Some(&said(json!({}), Some("tool_calls"))));

    // Mistral has no word for it.
    let filtered = answer(&[text(&["x"])], StopReason::ContentFiltered, None);
    assert_eq!(whole("mistral", &chat(), &filtered)["choices"][0]["stop_reason"], "stop");
}

#[test]
fn what_is_refused() {
    let many: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    for (body, words) in [
        (json!({}), "#: required key [prompt] not found"),
        (json!({"prompt": "x", "seed": 1}), "#: extraneous key [seed] is not permitted"),
        (
            json!({"prompt": "x", "temperature": 1.5}),
            "#/temperature: 1.5 is not less or equal to 1",
        ),
        (json!({"prompt": "x", "top_k": 201}), "#/top_k: 201 is not less or equal to 200"),
        (json!({"prompt": "x", "top_k": 0}), "#/top_k: 0 is not greater or equal to 1"),
        (
            json!({"prompt": "x", "stop": many}),
            "#/stop: expected maximum item count: 10, found: 11",
        ),
        (
            json!({"prompt": "x", "stop": ["a"], "stop_sequences": ["b"]}),
            "#: stop and stop_sequences contradict each other",
        ),
        (
            json!({"messages": [{"role": "user", "content": "x"}], "tool_choice": "some"}),
            "#/tool_choice: some is not a valid enum value",
        ),
    ] {
        assert_eq!(
            refusal("mistral", &body),
            format!("Malformed input request: {words}, please reformat your input and try again."),
        );
    }
}

proptest! {
    #[test]
    fn chunks_of_a_text_fold_to_the_whole(events in any_answer()) {
        let body = json!({"prompt": PROMPT});
        let chunks = chunks("mistral", &body, &events);
        let mut folded = chunks.last().unwrap().clone();
        let said = |chunk: &Value| chunk["outputs"][0]["text"].as_str().unwrap().to_owned();
        folded["outputs"][0]["text"] = chunks.iter().map(said).collect::<String>().into();
        prop_assert_eq!(folded, whole("mistral", &body, &events));
    }

    #[test]
    fn chunks_of_a_chat_fold_to_the_whole(events in any_answer()) {
        let chunks = chunks("mistral", &chat(), &events);
        prop_assert_eq!(folded(&chunks, "message"), parsed(whole("mistral", &chat(), &events)));
    }
}
