//! Raw markup in the content of a container that was started without parsers.

use helan::converse::{Input, Prompt};

use super::*;

const TOOLS: &str = r#"{"messages":[{"role":"user","content":[{"text":"weather?"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{"type":"object","properties":{"city":{"type":"string"}}}}}}]}}"#;

/// The message's content and the stop reason of `content`, streamed by pieces of `size`
/// characters and as a whole: both are the same, but for the ids of calls.
#[track_caller]
fn told_as(options: &Options, ask: &Ask, content: &str, reason: &str) -> (Value, String) {
    let whole = format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{}}},"finish_reason":"{reason}"}}]}}"#,
        serde_json::to_string(content).unwrap()
    );
    let whole = decode_as(options.clone(), ask, Mode::Unary, [whole.as_bytes()]).folded();
    let whole = without_ids(whole);
    let chars: Vec<char> = content.chars().collect();
    for size in [1, 2, 3, 7, 1000] {
        let mut choices: Vec<String> = chars
            .chunks(size)
            .map(|piece| {
                let piece = serde_json::to_string(&piece.iter().collect::<String>()).unwrap();
                format!(r#"{{"index":0,"delta":{{"content":{piece}}},"finish_reason":null}}"#)
            })
            .collect();
        choices.push(format!(r#"{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}"#));
        let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
        let bytes = sse(&choices);
        let streamed = decode_as(options.clone(), ask, Mode::Stream, [bytes.as_bytes()]).folded();
        assert_eq!(without_ids(streamed), whole, "pieces of {size}");
    }
    let reason = whole["stopReason"].as_str().unwrap().to_owned();
    (whole["output"]["message"]["content"].clone(), reason)
}

fn without_ids(mut answer: Value) -> Value {
    for block in answer["output"]["message"]["content"].as_array_mut().unwrap() {
        if let Some(tool) = block.get_mut("toolUse") {
            tool.as_object_mut().unwrap().remove("toolUseId");
        }
    }
    answer
}

fn told(ask: &Ask, content: &str, reason: &str) -> (Value, String) {
    told_as(&Options::default(), ask, content, reason)
}

#[test]
fn thoughts_and_calls_are_found() {
    let (content, reason) = told(&plain(), "<think>\nhm\n</think>\n\nyes", "stop");
    let expected = r#"[{"reasoningContent":{"reasoningText":{"text":"hm"}}},{"text":"yes"}]"#;
    assert_eq!((content.to_string().as_str(), reason.as_str()), (expected, "end_turn"));
    let call = "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"西安\"}}\n</tool_call>";
    let (content, reason) = told(&ask(TOOLS), &format!("<think>\nhm\n</think>\n{call}"), "stop");
    let expected = r#"[{"reasoningContent":{"reasoningText":{"text":"hm"}}},{"toolUse":{"input":{"city":"西安"},"name":"get_weather"}}]"#;
    assert_eq!((content.to_string().as_str(), reason.as_str()), (expected, "tool_use"));
}

#[test]
fn what_is_no_markup_stays_text() {
    for content in ["a <think>b</think>", "1 < 2", "<thin", "<tool_call> is a tag", "</think>x"] {
        let (told, reason) = told(&plain(), content, "stop");
        assert_eq!(told, serde_json::json!([{"text": content}]));
        assert_eq!(reason, "end_turn");
    }
    // No tool was offered.
    let call = r#"<tool_call>{"name":"f","arguments":{}}</tool_call>"#;
    assert_eq!(told(&plain(), call, "stop").0, serde_json::json!([{"text": call}]));
    for cut in [r#"Hi <tool_call>{"na"#, "a <tool_cal", "[TOOL_CALLS]f", r#"{"name": "f"#] {
        let (content, reason) = told(&plain(), cut, "length");
        assert_eq!((content, reason.as_str()), (serde_json::json!([{"text": cut}]), "max_tokens"));
    }
    let harmony =
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes";
    let expected = r#"[{"reasoningContent":{"reasoningText":{"text":"hm"}}},{"text":"yes"}]"#;
    assert_eq!(told(&plain(), harmony, "stop").0.to_string(), expected);
}

#[test]
fn a_call_that_was_cut_shows_no_marker() {
    let (content, reason) =
        told(&ask(TOOLS), r#"Sure.<tool_call>{"name": "get_weather", "arg"#, "length");
    assert_eq!(reason, "max_tokens");
    assert!(!content.to_string().contains("tool_call>"), "{content}");
}

#[test]
fn a_template_that_opens_thinking_is_told_of() {
    let options = Options { opens_thinking: true, ..Options::default() };
    let (content, _) = told_as(&options, &plain(), "hm\n</think>\n\nyes", "stop");
    let expected = r#"[{"reasoningContent":{"reasoningText":{"text":"hm"}}},{"text":"yes"}]"#;
    assert_eq!(content.to_string(), expected);
}

#[test]
fn a_container_that_marks_something_itself_is_believed() {
    let delta = |delta: &str| format!(r#"{{"index":0,"delta":{delta},"finish_reason":null}}"#);
    let end = r#"{"index":0,"delta":{},"finish_reason":"stop"}"#;
    let bytes =
        sse(&[&delta(r#"{"reasoning":"hm"}"#), &delta(r#"{"content":"<think>a</think>"}"#), end]);
    let told = decode_as(Options::default(), &plain(), Mode::Stream, [bytes.as_bytes()]).folded();
    assert_eq!(told["output"]["message"]["content"][1]["text"], "<think>a</think>");
    let call = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#;
    let bytes = sse(&[&delta(r#"{"content":"so <"}"#), &delta(call), end]);
    let told =
        decode_as(Options::default(), &ask(TOOLS), Mode::Stream, [bytes.as_bytes()]).folded();
    assert_eq!(told["output"]["message"]["content"][0]["text"], "so <");
    assert_eq!(told["output"]["message"]["content"][1]["toolUse"]["name"], "f");
    assert_eq!(told["stopReason"], "tool_use");
}

#[test]
fn it_can_be_left_alone() {
    let raw = "<think>a</think>b";
    let options = Options { markup: false, ..Options::default() };
    assert_eq!(told_as(&options, &plain(), raw, "stop").0, serde_json::json!([{"text": raw}]));
    let prompt = Prompt { text: "x".into(), images: vec![] };
    let ask = Ask { input: Input::Prompt(prompt), ..plain() };
    assert_eq!(told(&ask, raw, "stop").0, serde_json::json!([{"text": raw}]));
}
