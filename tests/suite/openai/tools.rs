//! Tool calls in streams and whole answers.

use serde_json::{Value, json};

use super::{sse, stream, unary};

const CALL: &str = r#"{"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]}}"#;
const DONE: &str = r#"{"delta":{},"finish_reason":"tool_calls"}"#;

fn arguments(index: u32, text: &str) -> String {
    let piece = json!({"index": index, "function": {"arguments": text}});
    json!({"delta": {"tool_calls": [piece]}}).to_string()
}

fn call(index: u32, id: &str, name: &str, text: &str) -> String {
    let piece = json!({"index": index, "id": id, "function": {"name": name, "arguments": text}});
    json!({"delta": {"content": null, "tool_calls": [piece]}}).to_string()
}

#[track_caller]
fn folded(choices: &[&str]) -> (Value, Value) {
    let mut answer = stream(sse(choices)).folded();
    (answer["output"]["message"]["content"].take(), answer["stopReason"].take())
}

#[test]
fn a_call_streams_as_claudes_do() {
    let (one, two) = (arguments(0, "{\"a\""), arguments(0, ": 1}"));
    let lines = stream(sse(&[CALL, &one, &two, DONE])).lines();
    assert_eq!(
        lines[..6],
        [
            r#"{"contentBlockStart":{"contentBlockIndex":0,"start":{"toolUse":{"name":"f","toolUseId":"call_a"}}}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{"input":""}}}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\""}}}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{"input":": 1}"}}}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
            r#"{"messageStop":{"stopReason":"tool_use"}}"#,
        ]
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    for text in ["", " ", "null", "{}"] {
        let lines = stream(sse(&[CALL, &arguments(0, text), DONE])).lines();
        assert_eq!(
            lines[2..5],
            [
                r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}}"#,
                r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
                r#"{"messageStop":{"stopReason":"tool_use"}}"#,
            ],
            "{text:?}"
        );
    }
    let (content, stop) = folded(&[CALL, &arguments(0, "nu"), &arguments(0, "ll"), DONE]);
    assert_eq!((content[0]["toolUse"]["input"].clone(), stop), (json!({}), json!("tool_use")));
}

#[test]
fn calls_follow_each_other_as_blocks() {
    let content = json!([
        {"text": "Let me see."},
        {"toolUse": {"input": {"a": 1}, "name": "f", "toolUseId": "call_a"}},
        {"toolUse": {"input": {"b": [2]}, "name": "g", "toolUseId": "call_b"}},
    ]);
    let text = r#"{"delta":{"content":"Let me see."}}"#;
    let second = call(1, "call_b", "g", "");
    let (a1, a2) = (arguments(0, "{\"a\":"), arguments(0, "1}"));
    let (b1, b2) = (arguments(1, "{\"b\":"), arguments(1, "[2]}"));
    let in_turn = folded(&[text, CALL, &a1, &a2, &second, &b1, &b2, DONE]);
    assert_eq!(in_turn, (content.clone(), json!("tool_use")));
    let interleaved = folded(&[text, CALL, &second, &b1, &a1, &b2, &a2, DONE]);
    assert_eq!(interleaved, (content, json!("tool_use")));
}

#[test]
fn interleaved_calls_never_overlap() {
    let second = call(1, "call_b", "g", "{\"b\":");
    let pieces =
        [CALL.to_owned(), second, arguments(0, "{\"a\":1"), arguments(1, "2}"), arguments(0, "}")];
    let mut choices: Vec<_> = pieces.iter().map(String::as_str).collect();
    choices.push(DONE);
    let lines = stream(sse(&choices)).lines();
    let indices: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            let (name, body) = event.as_object().unwrap().iter().next().unwrap();
            Some(format!("{}{}", name.strip_prefix("contentBlock")?, body["contentBlockIndex"]))
        })
        .collect();
    let expected =
        ["Start0", "Delta0", "Delta0", "Delta0", "Stop0", "Start1", "Delta1", "Delta1", "Stop1"];
    assert_eq!(indices, expected);
}

#[test]
fn the_next_call_begins_as_soon_as_the_last_is_whole() {
    let text = format!(
        "data: {{\"choices\":[{}]}}\n\ndata: {{\"choices\":[{}]}}\n\n",
        call(0, "call_a", "f", "{\"a\":{}}"),
        call(1, "call_b", "g", "{"),
    );
    let decoded = stream(text); // no end yet
    let names: Vec<_> = decoded.events.iter().map(helan::converse::Event::name).collect();
    let expected = [
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockDelta",
    ];
    assert_eq!(names, expected);
}

#[test]
fn tgi_repeats_the_id_and_calls_everything_0() {
    let first = call(0, "0", "f", "{");
    let rest = r#"{"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"0","type":"function","function":{"name":null,"arguments":"}"}}]}}"#;
    let (content, stop) = folded(&[&first, rest, r#"{"finish_reason":"stop"}"#]);
    let id = content[0]["toolUse"]["toolUseId"].as_str().unwrap();
    let random = id.strip_prefix("tooluse_").expect("an id of ours");
    assert!(random.len() == 22 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!((content.as_array().unwrap().len(), stop), (1, json!("tool_use")));
    // TGI 2: a lone call for an array, an object for text.
    let lone = r#"{"delta":{"tool_calls":{"index":0,"id":"","function":{"name":"f","arguments":{"a":"}"}}}},"finish_reason":"eos_token"}"#;
    let (content, stop) = folded(&[lone]);
    assert_eq!((&content[0]["toolUse"]["input"], stop), (&json!({"a":"}"}), json!("tool_use")));
}

#[test]
fn engines_that_do_not_number_their_calls_are_understood() {
    let same_index =
        folded(&[&call(0, "a1", "f", "{\"a\":1}"), &call(0, "b2", "f", "{\"a\":2}"), DONE]);
    let no_index = folded(&[
        r#"{"delta":{"tool_calls":[{"id":"a1","function":{"name":"f","arguments":"{\"a\":1}"}}]}}"#,
        r#"{"delta":{"tool_calls":[{"id":"b2","function":{"name":"f","arguments":"{\"a\":"}}]}}"#,
        r#"{"delta":{"tool_calls":[{"function":{"arguments":"2}"}}]}}"#,
        DONE,
    ]);
    let expected = json!([
        {"toolUse": {"input": {"a": 1}, "name": "f", "toolUseId": "a1"}},
        {"toolUse": {"input": {"a": 2}, "name": "f", "toolUseId": "b2"}},
    ]);
    assert_eq!(same_index, (expected.clone(), json!("tool_use")));
    assert_eq!(no_index, (expected, json!("tool_use")));
}

#[test]
fn a_number_that_is_used_again_is_another_call() {
    // Without arguments, only the id tells them apart.
    let (content, _) = folded(&[&call(0, "a1", "f", ""), &call(0, "b2", "g", ""), DONE]);
    let expected = json!([
        {"toolUse": {"input": {}, "name": "f", "toolUseId": "a1"}},
        {"toolUse": {"input": {}, "name": "g", "toolUseId": "b2"}},
    ]);
    assert_eq!(content, expected);
    // With the same id, only a name behind whole arguments does.
    let (content, stop) =
        folded(&[&call(0, "0", "f", "{\"a\":1}"), &call(0, "0", "g", "{\"b\":2}"), DONE]);
    let told: Vec<_> = (0..2)
        .map(|at| (&content[at]["toolUse"]["name"], &content[at]["toolUse"]["input"]))
        .collect();
    assert_eq!(told, [(&json!("f"), &json!({"a": 1})), (&json!("g"), &json!({"b": 2}))]);
    assert_eq!(stop, "tool_use");
    // A name that is repeated while the arguments come is the same call.
    let (content, _) = folded(&[&call(0, "x", "f", "{\"a\""), &call(0, "x", "f", ":1}"), DONE]);
    assert_eq!(content, json!([{"toolUse": {"input": {"a": 1}, "name": "f", "toolUseId": "x"}}]));
}

#[test]
fn ids_are_the_containers_where_bedrock_could_have_given_them() {
    let long = "x".repeat(65);
    for (id, kept) in [
        ("functions.get_temperature:0", true),
        ("chatcmpl-tool-8746f28c653ae4db", true),
        ("call_a", true),
        ("", false),
        ("17", false),
        ("a b", false),
        ("贺兰", false),
        (&long, false),
    ] {
        let (content, _) = folded(&[&call(0, id, "f", "{}"), DONE]);
        let given = content[0]["toolUse"]["toolUseId"].as_str().unwrap();
        assert_eq!(given == id, kept, "{id}");
        assert!(kept || given.starts_with("tooluse_"), "{id}");
    }
    let (content, _) = folded(&[&call(0, "same", "f", "{}"), &call(1, "same", "f", "{}"), DONE]);
    assert_eq!(content[0]["toolUse"]["toolUseId"], "same");
    assert_ne!(content[1]["toolUse"]["toolUseId"], "same");
}

#[test]
fn words_around_a_call_keep_their_order() {
    let (content, stop) = folded(&[
        r#"{"delta":{"content":"\n\n"}}"#,
        CALL,
        &arguments(0, "{\"a\""),
        r#"{"delta":{"content":"after"}}"#, // while the call is open
        &arguments(0, ":1}"),
        r#"{"delta":{"content":" all"}}"#,
        DONE,
    ]);
    let expected = json!([
        {"toolUse": {"input": {"a": 1}, "name": "f", "toolUseId": "call_a"}},
        {"text": "after all"},
    ]);
    assert_eq!((content, stop), (expected, json!("tool_use")));
}

#[test]
fn broken_arguments_are_kept_and_told() {
    for text in ["[0]", "7", "{\"a\":", "{\"a\":1}}", "{} {}", "\"x\"", "not JSON"] {
        let (content, stop) = folded(&[CALL, &arguments(0, text), DONE]);
        assert_eq!(stop, "malformed_tool_use", "{text}");
        assert_ne!(content[0]["toolUse"]["input"], json!({}), "{text}");
    }
    let (_, stop) = folded(&[CALL, &arguments(0, "{\"a\":"), r#"{"finish_reason":"length"}"#]);
    assert_eq!(stop, "max_tokens");
    // The limit fell before the arguments: not a call without any.
    let (_, stop) = folded(&[CALL, r#"{"finish_reason":"length"}"#]);
    assert_eq!(stop, "max_tokens");
    let (_, stop) = folded(&[CALL, &arguments(0, "{"), r#"{"finish_reason":"content_filter"}"#]);
    assert_eq!(stop, "content_filtered");
    // What follows a whole object spoils it, and is kept.
    let (content, stop) = folded(&[CALL, &arguments(0, "{\"a\":1}"), &arguments(0, "}"), DONE]);
    assert_eq!(
        (&content[0]["toolUse"]["input"], stop),
        (&json!("{\"a\":1}}"), json!("malformed_tool_use"))
    );
    // So it does behind the block's end.
    let late =
        [CALL, &arguments(0, "{}"), r#"{"delta":{"content":"a"}}"#, &arguments(0, "}"), DONE];
    assert_eq!(folded(&late).1, "malformed_tool_use");
    // One whole call does not make up for a cut one.
    let cut = call(1, "call_b", "g", "{\"b\":");
    let (_, stop) = folded(&[CALL, &arguments(0, "{}"), &cut, r#"{"finish_reason":"length"}"#]);
    assert_eq!(stop, "max_tokens");
    // A whole one that the limit followed is a call.
    let (_, stop) = folded(&[CALL, &arguments(0, "{}"), r#"{"finish_reason":"length"}"#]);
    assert_eq!(stop, "tool_use");
    let (content, stop) = folded(&[&arguments(0, "{}"), DONE]); // a call of nothing
    assert_eq!((content, stop), (json!([]), json!("malformed_tool_use")));
}

#[test]
fn whole_answers_hold_calls_too() {
    let mut answer = unary(
        r#"{"choices":[{"message":{"content":"\n","reasoning_content":"r","tool_calls":[
            {"id":"0","function":{"name":"f","arguments":"{\"a\": 1}"}},
            {"id":"0","function":{"name":"f","arguments":{"a": 2}}},
            {"id":"c","function":{"name":"g","arguments":""}}]},"finish_reason":"stop"}]}"#,
    )
    .folded();
    assert_eq!(answer["stopReason"], "tool_use");
    let content = answer["output"]["message"]["content"].as_array_mut().unwrap();
    let ids: Vec<_> = content[1..].iter_mut().map(|b| b["toolUse"]["toolUseId"].take()).collect();
    assert!(ids[0] != ids[1] && ids[2] == "c");
    assert_eq!(
        json!(content),
        json!([
            {"reasoningContent": {"reasoningText": {"text": "r"}}},
            {"toolUse": {"input": {"a": 1}, "name": "f", "toolUseId": null}},
            {"toolUse": {"input": {"a": 2}, "name": "f", "toolUseId": null}},
            {"toolUse": {"input": {}, "name": "g", "toolUseId": null}},
        ])
    );
}

#[test]
fn memory_is_bounded() {
    let endless = arguments(0, &"x".repeat(1 << 20));
    let mut choices = vec![CALL];
    choices.extend(std::iter::repeat_n(endless.as_str(), 9));
    assert_eq!(stream(sse(&choices)).error().code(), helan::Code::ModelStreamError);
    let words = json!({"delta": {"content": "x".repeat(1 << 19)}}).to_string();
    let waiting = [CALL, "{}", &words, &words, &words];
    assert_eq!(stream(sse(&waiting)).error().code(), helan::Code::ModelStreamError);
    let many: Vec<_> = (0..2000).map(|at| arguments(at, "")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(stream(sse(&many)).error().code(), helan::Code::ModelStreamError);
    let line = format!("data: {{\"choices\":\"{}", "x".repeat(17 << 20));
    assert_eq!(stream(line).error().code(), helan::Code::ModelStreamError);
}
