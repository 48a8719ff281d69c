//! What is refused, and in what words.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::family::{family, invocation, refusal};

#[track_caller]
fn refused(more: &Value, words: &str) {
    let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(
        refusal("openai", &body),
        format!("Malformed input request: {words}, please reformat your input and try again."),
    );
}

#[test]
fn members_that_are_wrong() {
    assert!(refusal("openai", &json!({})).contains("#: required key [messages] not found"));
    for (more, words) in [
        (json!({"messages": []}), "#/messages: expected minimum item count: 1, found: 0"),
        (json!({"max_tokens": 0}), "#/max_tokens: 0 is not greater or equal to 1"),
        (
            json!({"max_tokens": 1, "max_completion_tokens": 2}),
            "#: max_tokens and max_completion_tokens contradict each other",
        ),
        (json!({"temperature": 2.5}), "#/temperature: 2.5 is not less or equal to 2"),
        (json!({"stop": [1]}), "#/stop/0: expected type: String, found: Integer"),
        (json!({"stop": 1}), "#/stop: expected type: String or JSONArray, found: Integer"),
        (
            json!({"stop": "a", "stop_sequences": ["b"]}),
            "#: stop and stop_sequences contradict each other",
        ),
        (json!({"prompt": "x"}), "#: extraneous key [prompt] is not permitted"),
        (json!({"chat_template": "x"}), "#: extraneous key [chat_template] is not permitted"),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "#/response_format: required key [json_schema] not found",
        ),
        (
            json!({"structured_outputs": {"regex": "a"},
                "response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
            "#: response_format and structured_outputs contradict each other",
        ),
        (json!({"reasoning_effort": ""}), "#/reasoning_effort: expected minLength: 1, actual: 0"),
    ] {
        refused(&more, words);
    }
}

#[test]
fn what_no_answer_can_hold_is_refused_by_its_name() {
    for (more, name) in [
        (json!({"n": 2}), "n above 1"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"top_logprobs": 3}), "logprobs"),
        (json!({"functions": []}), "functions"),
        (json!({"function_call": "auto"}), "function_call"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"audio": {"voice": "alloy"}}), "audio"),
        (json!({"web_search_options": {}}), "web_search_options"),
    ] {
        let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let words = format!("{name} is not supported by this gateway yet.");
        assert_eq!(refusal("openai", &body), words);
    }
}

#[test]
fn tools_that_are_wrong() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (more, words) in [
        (
            json!({"tools": [{"type": "custom"}]}),
            "#/tools/0/type: custom is not a valid enum value",
        ),
        (
            json!({"tools": [{"type": "function", "function": {}}]}),
            "#/tools/0/function: required key [name] not found",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]}),
            "#/tools/0/function/parameters: expected type: JSONObject, found: String",
        ),
        (
            json!({"tools": [tool], "tool_choice": "any"}),
            "#/tool_choice: any is not a valid enum value",
        ),
        (
            json!({"tools": [tool], "tool_choice": {"type": "allowed_tools"}}),
            "#/tool_choice/type: allowed_tools is not a valid enum value",
        ),
        (
            json!({"tools": [tool], "tool_choice": {}}),
            "#/tool_choice: required key [type] not found",
        ),
        (
            json!({"tools": [tool], "tool_choice": {"type": "function"}}),
            "#/tool_choice/function: required key [name] not found",
        ),
        (
            json!({"tools": [tool], "tool_choice": named("g")}),
            "#/tool_choice/function/name: no tool has this name",
        ),
        (
            json!({"tool_choice": "required"}),
            "#/tool_choice: a call is required, but there is no tool",
        ),
    ] {
        refused(&more, words);
    }
}

#[test]
fn messages_that_are_wrong() {
    let part = |part: Value| json!([{"role": "user", "content": [part]}]);
    let url = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
    let only = "#/messages/0/content/0/image_url: only a data URL of a PNG, JPEG, GIF or WebP can \
                be read, such as data:image/png;base64,…";
    for (messages, words) in [
        (
            json!([{"role": "function", "content": "x"}]),
            "#/messages/0/role: function is not a valid enum value",
        ),
        (json!([{"content": "x"}]), "#/messages/0: required key [role] not found"),
        (json!(["x"]), "#/messages/0: expected type: JSONObject, found: String"),
        (
            json!([{"role": "user", "content": null}]),
            "#/messages/0: required key [content] not found",
        ),
        (
            json!([{"role": "assistant", "content": "x", "refusal": "No."}]),
            "#/messages/0: extraneous key [refusal] is not permitted",
        ),
        (
            json!([{"role": "assistant", "audio": {"id": "a"}}]),
            "#/messages/0: extraneous key [audio] is not permitted",
        ),
        (
            part(json!({"type": "input_audio", "input_audio": {}})),
            "#/messages/0/content/0/type: input_audio is not a valid enum value",
        ),
        (
            part(json!({"type": "file", "file": {}})),
            "#/messages/0/content/0/type: file is not a valid enum value",
        ),
        (
            json!([{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]),
            "#/messages/0/content/0/type: refusal is not a valid enum value",
        ),
        (
            json!([{"role": "system", "content": [{"type": "image_url", "image_url": "x"}]}]),
            "#/messages/0/content/0/type: image_url is not a valid enum value",
        ),
        (url("https://example.com/a.png"), only),
        (url("data:image/bmp;base64,Qk0="), only),
        (url("data:image/png,abc"), only),
        (url("data:image/png;base64,a-b_"), only),
        (url("data:image/png;base64,"), only),
    ] {
        refused(&json!({ "messages": messages }), words);
    }
}

#[test]
fn calls_and_results_belong_together() {
    let hi = json!({"role": "user", "content": "Hi"});
    let calls = json!({"role": "assistant", "tool_calls": [
        {"id": "a", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "function": {"name": "f", "arguments": "{}"}},
    ]});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
    for (messages, words) in [
        (
            json!([hi, result("a")]),
            "#/messages/1/tool_call_id: no tool call a before waits for a result",
        ),
        (
            json!([hi, calls, result("a"), result("a")]),
            "#/messages/3/tool_call_id: no tool call a before waits for a result",
        ),
        (
            json!([hi, calls, result("b"), hi]),
            "#/messages/3: the tool call a has no message of a tool behind it",
        ),
        (
            json!([hi, calls, hi]),
            "#/messages/2: the tool call a has no message of a tool behind it",
        ),
        (
            json!([hi, calls, result("a")]),
            "#/messages: the tool call b has no message of a tool behind it",
        ),
    ] {
        refused(&json!({ "messages": messages }), words);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        "[a-z{}\"<>:,/ ]{0,12}".prop_map(Value::from),
        Just(json!("user")),
        Just(json!("assistant")),
        Just(json!("tool")),
        Just(json!("function")),
        Just(json!("image_url")),
        Just(json!("data:image/png;base64,")),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let name = prop::sample::select(vec![
        "messages",
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "tool_calls",
        "id",
        "function",
        "name",
        "arguments",
        "tool_call_id",
        "tools",
        "tool_choice",
        "response_format",
        "json_schema",
        "schema",
        "prompt",
        "max_tokens",
        "stop",
        "stream",
        "stream_options",
    ]);
    words.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    /// No body panics, whatever it holds, and every refusal is the caller's to mend.
    #[test]
    fn any_body_is_read_or_refused(body in any_json(), messages in any_json()) {
        let mut nearly = body.clone();
        if let Some(members) = nearly.as_object_mut() {
            members.insert("messages".into(), json!([messages.clone()]));
        }
        for body in [body, nearly, json!({"messages": [messages]})] {
            for name in ["ai21", "deepseek", "import", "mistral", "openai", "qwen"] {
                let text = body.to_string();
                if let Err(error) = family(name).read(text.as_bytes(), invocation(false)) {
                    prop_assert_eq!(error.code(), helan::Code::Validation, "{}: {}", name, text);
                }
            }
        }
    }
}
