//! What is asked.

use helan::family::Invocation;
use serde_json::{Value, json};
use time::macros::datetime;

use crate::family::{as_converse, family, read};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn asked(body: &Value) -> Value {
    as_converse(&read("openai", body).ask)
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "weather", "description": "Tells it.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}})
}

#[test]
fn the_documented_request() {
    assert_eq!(
        asked(&json!({
            "model": "suite.model-v1:0",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": "贺兰山在哪里?"},
            ],
            "max_completion_tokens": 150,
            "temperature": 0.5,
            "top_p": 0.25,
            "stop": "。",
            "reasoning_effort": "low",
            "stream": false,
        })),
        json!({
            "system": [{"text": "Be brief."}],
            "messages": [user("贺兰山在哪里?")],
            "inferenceConfig": {"maxTokens": 150, "temperature": 0.5, "topP": 0.25,
                "stopSequences": ["。"]},
            "outputConfig": {"effort": "low"},
        })
    );
}

#[test]
fn what_the_hub_does_not_know_reaches_the_container() {
    let kept = json!({
        "seed": 7,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "logit_bias": {"50256": -100},
        "user": "u-1",
        "metadata": {"a": "b"},
        "store": false,
        "service_tier": "auto",
        "top_k": 20,
        "chat_template_kwargs": {"enable_thinking": false},
        "response_format": {"type": "json_object"},
    });
    let mut body = json!({
        "messages": [{"role": "user", "content": "Hi"}],
        // Ours to set, or the default.
        "n": 1, "logprobs": false, "stream_options": {"include_usage": true}, "modalities": ["text"],
        // OpenAI's clients write what is not set so.
        "temperature": null, "stop": null, "tools": null, "max_tokens": null,
    });
    let members = body.as_object_mut().unwrap();
    members.extend(kept.as_object().unwrap().clone());
    assert_eq!(
        asked(&body),
        json!({"messages": [user("Hi")], "additionalModelRequestFields": kept})
    );
}

#[test]
fn both_names_of_the_limit() {
    for body in [
        json!({"max_tokens": 5}),
        json!({"max_completion_tokens": 5}),
        json!({"max_completion_tokens": 5, "max_tokens": 5}),
    ] {
        let mut body = body;
        body["messages"] = json!([{"role": "user", "content": "Hi"}]);
        assert_eq!(asked(&body)["inferenceConfig"], json!({"maxTokens": 5}), "{body}");
    }
}

#[test]
fn a_schema_of_the_answer() {
    let asked = |format: Value| {
        asked(&json!({"messages": [{"role": "user", "content": "Hi"}], "response_format": format}))
    };
    assert_eq!(
        asked(json!({"type": "json_schema", "json_schema": {"name": "city", "strict": true,
            "description": "A city.", "schema": {"type": "object", "b": 1, "a": 2}}}))["outputConfig"],
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "name": "city", "description": "A city.",
            "schema": "{\"type\":\"object\",\"b\":1,\"a\":2}"}}}})
    );
    assert_eq!(asked(json!({"type": "text"})), json!({"messages": [user("Hi")]}));
}

#[test]
fn results_of_tools_are_one_turn_behind_the_calls() {
    let call = |id: &str, arguments: Value| {
        json!({"id": id, "type": "function",
            "function": {"name": "weather", "arguments": arguments}})
    };
    let called = |id: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": "weather", "input": input}});
    let result = |id: &str, text: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": text}]}});
    let body = json!({
        "messages": [
            {"role": "user", "content": "Weather?"},
            // As a client sends an answer back, with what its types add.
            {"role": "assistant", "content": null, "refusal": null, "audio": null,
                "function_call": null, "annotations": [], "reasoning_content": "Two cities.",
                "tool_calls": [
                    call("a", json!("{\"city\": \"银川\"}")),
                    call("b", json!({"city": "中卫"})),
                    call("c", json!("")),
                ]},
            {"role": "tool", "tool_call_id": "b", "name": "weather", "content": "sun"},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "snow"}]},
            {"role": "tool", "tool_call_id": "c", "content": "?"},
            {"role": "user", "content": "And?"},
            {"role": "user", "content": "Well?"},
        ],
        "tools": [weather(), {"type": "function", "function": {"name": "now", "description": null}}],
        "tool_choice": "required",
    });
    assert_eq!(
        asked(&body),
        json!({
            "messages": [
                user("Weather?"),
                {"role": "assistant", "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Two cities."}}},
                    called("a", json!({"city": "银川"})),
                    called("b", json!({"city": "中卫"})),
                    called("c", json!({})),
                ]},
                {"role": "user", "content": [
                    result("b", "sun"), result("a", "snow"), result("c", "?"), {"text": "And?"},
                ]},
                // Two in a row stay two, as OpenAI has it.
                user("Well?"),
            ],
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "weather", "description": "Tells it.", "inputSchema": {
                        "json": {"type": "object", "properties": {"city": {"type": "string"}}}}}},
                    {"toolSpec": {"name": "now", "inputSchema": {
                        "json": {"type": "object", "properties": {}}}}},
                ],
                "toolChoice": {"any": {}},
            },
        })
    );
}

#[test]
fn which_tool_is_called() {
    let tools = |choice: Value| {
        let asked = asked(&json!({"messages": [{"role": "user", "content": "Hi"}],
            "tools": [weather()], "tool_choice": choice, "parallel_tool_calls": false}));
        // It goes with the tools.
        let fields = &asked["additionalModelRequestFields"];
        let is_offered = !asked["toolConfig"].is_null();
        assert_eq!(
            *fields,
            if is_offered { json!({"parallel_tool_calls": false}) } else { Value::Null }
        );
        asked["toolConfig"].clone()
    };
    assert_eq!(tools(json!("auto"))["toolChoice"], json!({"auto": {}}));
    assert_eq!(tools(json!("none")), Value::Null);
    assert_eq!(
        tools(json!({"type": "function", "function": {"name": "weather"}}))["toolChoice"],
        json!({"tool": {"name": "weather"}})
    );
    assert_eq!(tools(Value::Null)["toolChoice"], Value::Null);
    // Nothing to choose from.
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "tool_choice": "auto"});
    assert_eq!(asked(&body)["toolConfig"], Value::Null);
}

#[test]
fn a_conversation_may_end_with_calls() {
    let body = json!({"messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "a", "function": {"name": "weather", "arguments": "{\"ci"}}]},
    ]});
    assert_eq!(
        asked(&body)["messages"][1]["content"],
        json!([{"toolUse": {"toolUseId": "a", "name": "weather", "input": "{\"ci"}}])
    );
}

#[test]
fn instructions_within_a_conversation_are_turns() {
    let body = json!({"messages": [
        {"role": "system", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
        {"role": "developer", "content": "C"},
        {"role": "user", "content": ""},
        {"role": "system", "content": "D"},
        {"role": "assistant", "content": null},
    ]});
    assert_eq!(
        asked(&body),
        json!({
            "system": [{"text": "A"}, {"text": "B"}, {"text": "C"}],
            "messages": [
                user(""),
                {"role": "system", "content": [{"text": "D"}]},
                {"role": "assistant", "content": [{"text": ""}]},
            ],
        })
    );
}

#[test]
fn images_are_read_from_data_urls() {
    let url = |media_type: &str| format!("data:{media_type};base64,{PNG}");
    let body = json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url("image/png"), "detail": "low"}},
        {"type": "image_url", "image_url": url("IMAGE/JPG")},
        {"type": "image_url", "image_url": {"url": url("image/webp;charset=utf-8")}},
    ]}]});
    let image = |format: &str| json!({"image": {"format": format, "source": {"bytes": PNG}}});
    assert_eq!(
        asked(&body)["messages"][0]["content"],
        json!([{"text": "What is it?"}, image("png"), image("jpeg"), image("webp")])
    );
}

#[test]
fn reasoning_that_was_inlined_is_reasoning_again() {
    let asked = |content: &str| {
        asked(&json!({"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": content},
        ]}))["messages"][1]["content"]
            .clone()
    };
    assert_eq!(
        asked("<reasoning>A\nB</reasoning>Hello"),
        json!([{"reasoningContent": {"reasoningText": {"text": "A\nB"}}}, {"text": "Hello"}])
    );
    for text in ["<reasoning>A", "So <reasoning>A</reasoning>"] {
        assert_eq!(asked(text), json!([{"text": text}]));
    }
}

#[test]
fn model_and_stream_may_say_again_what_the_path_says() {
    let read = |model_id: &str, streamed: bool, more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let invocation = Invocation {
            model_id,
            streamed,
            now: datetime!(2026-11-20 10:00:00 UTC),
            random: fastrand::Rng::with_seed(7),
        };
        let read = family("openai").read(body.to_string().as_bytes(), invocation);
        read.map(|_| ()).map_err(|error| error.message().to_owned())
    };
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/openai.gpt-oss-20b-1:0";
    for (model_id, streamed, more) in [
        ("m", false, json!({"model": "m", "stream": false})),
        ("m", true, json!({"stream": true})),
        (arn, true, json!({"model": arn})),
        (arn, true, json!({"model": "openai.gpt-oss-20b-1:0"})),
    ] {
        assert_eq!(read(model_id, streamed, more), Ok(()));
    }
    for (model_id, streamed, more, at) in [
        ("m", false, json!({"model": "n"}), "#/model: the model is not"),
        (arn, false, json!({"model": "1:0"}), "#/model: the model is not"),
        ("m", false, json!({"stream": true}), "#/stream: true is for"),
        ("m", true, json!({"stream": false}), "#/stream: false is for"),
    ] {
        let refused = read(model_id, streamed, more).unwrap_err();
        assert!(refused.contains(at), "{refused}");
    }
}
