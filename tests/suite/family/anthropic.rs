//! Anthropic's requests: Messages, as Bedrock and as Anthropic's own API are sent them.

use helan::converse::{ContentBlock, Input};
use helan::family::Family;
use helan::family::anthropic::{Anthropic, Envelope};
use serde_json::{Value, json};

use super::{as_converse, invocation, read, refusal};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A request with `members` beside those that every one has.
fn request(members: &Value) -> Value {
    let mut request = json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hello, world"}],
    });
    let object = request.as_object_mut().unwrap();
    object.extend(members.as_object().unwrap().clone());
    request
}

/// What a request with `members` asks, as Converse would put it.
#[track_caller]
fn asked(members: &Value) -> Value {
    as_converse(&read("anthropic", &request(members)).ask)
}

#[track_caller]
fn turns(messages: &Value) -> Value {
    asked(&json!({"messages": messages}))["messages"].clone()
}

#[track_caller]
fn refused(members: &Value) -> String {
    refusal("anthropic", &request(members))
}

fn malformed(words: &str) -> String {
    format!("Malformed input request: {words}, please reformat your input and try again.")
}

fn weather() -> Value {
    json!({
        "name": "get_weather",
        "description": "The weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    })
}

fn weather_spec() -> Value {
    json!({"toolSpec": {
        "name": "get_weather",
        "description": "The weather of a city",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }})
}

#[test]
fn the_documented_request() {
    let shown = asked(&json!({
        "system": "You are a poet.",
        "temperature": 0.5, "top_p": 0.25, "top_k": 40,
        "stop_sequences": ["END"],
    }));
    assert_eq!(
        shown,
        json!({
            "system": [{"text": "You are a poet."}],
            "messages": [{"role": "user", "content": [{"text": "Hello, world"}]}],
            "inferenceConfig": {"maxTokens": 1024, "temperature": 0.5, "topP": 0.25,
                "stopSequences": ["END"]},
            "additionalModelRequestFields": {"top_k": 40},
        })
    );
    // What was not said is the model's own affair.
    assert_eq!(asked(&json!({}))["inferenceConfig"], json!({"maxTokens": 1024}));
    assert_eq!(asked(&json!({"top_k": 0}))["additionalModelRequestFields"], Value::Null);
}

#[test]
fn any_version_is_taken_but_there_must_be_one() {
    for version in ["bedrock-2023-05-31", "2026-10-21", ""] {
        asked(&json!({"anthropic_version": version}));
    }
    assert_eq!(
        refusal(
            "anthropic",
            &json!({"max_tokens": 1, "messages": [{"role": "user", "content": "x"}]})
        ),
        malformed("#: required key [anthropic_version] not found")
    );
}

#[test]
fn what_the_user_shows() {
    let content = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "document", "title": "Prices", "context": "Of 2026", "citations": {"enabled": true},
            "source": {"type": "text", "media_type": "text/plain", "data": "a, b"}},
        {"type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
        {"type": "document", "source": {"type": "content", "content": [
            {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}},
        {"type": "search_result", "source": "https://example.org", "title": "Helan",
            "content": [{"type": "text", "text": "A mountain"}]},
        {"type": "text", "text": "What is all this?", "citations": null},
    ]);
    assert_eq!(
        turns(&json!([{"role": "user", "content": content}])),
        json!([{"role": "user", "content": [
            {"image": {"format": "png", "source": {"bytes": PNG}}},
            {"document": {"name": "Prices", "context": "Of 2026", "citations": {"enabled": true},
                "format": "txt", "source": {"text": "a, b"}}},
            {"document": {"name": "document", "format": "pdf", "source": {"bytes": "JVBERi0="}}},
            {"document": {"name": "document",
                "source": {"content": [{"text": "one"}, {"text": "two"}]}}},
            {"searchResult": {"source": "https://example.org", "title": "Helan",
                "content": [{"text": "A mountain"}]}},
            {"text": "What is all this?"},
        ]}])
    );
}

#[test]
fn a_round_with_tools() {
    let shown = asked(&json!({
        "tools": [weather()],
        "tool_choice": {"type": "auto"},
        "messages": [
            {"role": "user", "content": "Weather in Yinchuan?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "A tool.", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2VjcmV0"},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather",
                    "input": {"city": "银川"}, "caller": {"type": "direct"}},
                {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                    {"type": "text", "text": "4 °C"},
                    {"type": "image",
                        "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
                ]},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "no city",
                    "is_error": true},
                {"type": "text", "text": "Well?"},
            ]},
        ],
    }));
    assert_eq!(
        shown["messages"],
        json!([
            {"role": "user", "content": [{"text": "Weather in Yinchuan?"}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "A tool.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
                {"text": "Let me look."},
                {"toolUse": {"toolUseId": "toolu_1", "name": "get_weather",
                    "input": {"city": "银川"}}},
                {"toolUse": {"toolUseId": "toolu_2", "name": "get_weather", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "toolu_1", "content": [
                    {"text": "4 °C"},
                    {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}},
                ]}},
                {"toolResult": {"toolUseId": "toolu_2", "content": [{"text": "no city"}],
                    "status": "error"}},
                {"text": "Well?"},
            ]},
        ])
    );
    assert_eq!(shown["toolConfig"], json!({"tools": [weather_spec()], "toolChoice": {"auto": {}}}));
}

#[test]
fn tool_choices() {
    for (choice, expected) in [
        (json!({"type": "any"}), json!({"any": {}})),
        (json!({"type": "tool", "name": "get_weather"}), json!({"tool": {"name": "get_weather"}})),
    ] {
        let shown = asked(&json!({"tools": [weather()], "tool_choice": choice}));
        assert_eq!(shown["toolConfig"]["toolChoice"], expected);
        assert_eq!(shown["additionalModelRequestFields"], Value::Null);
    }
    let none = asked(&json!({"tools": [weather()], "tool_choice": {"type": "none"}}));
    assert_eq!(none["toolConfig"], Value::Null);
    for kind in ["auto", "any"] {
        let one = json!({"type": kind, "disable_parallel_tool_use": true});
        let shown = asked(&json!({"tools": [weather()], "tool_choice": one}));
        assert_eq!(shown["additionalModelRequestFields"], json!({"parallel_tool_calls": false}));
    }
    assert_eq!(
        refused(&json!({"tool_choice": {"type": "any"}})),
        "tool_choice: tool_choice may only be specified while providing tools."
    );
    assert_eq!(
        refused(&json!({"tools": [weather()], "tool_choice": {"type": "tool", "name": "other"}})),
        "tool_choice: the tool that it names was not found in the provided tools."
    );
    assert_eq!(
        refused(&json!({"tools": [weather(), weather()]})),
        "tools: Tool names must be unique."
    );
    assert_eq!(
        refused(&json!({"tools": [weather()], "tool_choice": {"type": "maybe"}})),
        malformed("#/tool_choice/type: maybe is not a valid enum value")
    );
}

#[test]
fn members_of_a_tool() {
    let tool = json!({
        "type": "custom", "name": "find", "strict": true, "eager_input_streaming": true,
        "defer_loading": true, "allowed_callers": ["direct"],
        "input_schema": {"type": "object"}, "input_examples": [{"q": "x"}],
    });
    assert_eq!(
        asked(&json!({"tools": [tool]}))["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "find", "strict": true,
            "inputSchema": {"json": {"type": "object", "examples": [{"q": "x"}]}}}}]})
    );
    assert_eq!(asked(&json!({"tools": []}))["toolConfig"], Value::Null);
    for kind in ["bash_20250124", "web_search_20250305", "computer_20250124"] {
        assert_eq!(
            refused(&json!({"tools": [weather(), {"type": kind, "name": "x"}]})),
            format!("The tool type {kind} is not supported by this gateway yet.")
        );
    }
    assert_eq!(
        refused(&json!({"tools": [{"name": "x"}]})),
        malformed("#/tools/0: required key [input_schema] not found")
    );
}

#[test]
fn thinking_is_switched() {
    let switched = |thinking: Value| {
        asked(&json!({"thinking": thinking}))["additionalModelRequestFields"].clone()
    };
    let as_sent =
        |on: bool| json!({"chat_template_kwargs": {"enable_thinking": on, "thinking": on}});
    assert_eq!(switched(json!({"type": "enabled", "budget_tokens": 1024})), as_sent(true));
    assert_eq!(switched(json!({"type": "adaptive", "display": "summarized"})), as_sent(true));
    assert_eq!(switched(json!({"type": "disabled"})), as_sent(false));
    assert_eq!(
        refused(&json!({"thinking": {"type": "enabled"}})),
        malformed("#/thinking: required key [budget_tokens] not found")
    );
    assert_eq!(
        refused(&json!({"thinking": {"type": "enabled", "budget_tokens": 100}})),
        malformed("#/thinking/budget_tokens: 100 is not greater or equal to 1024")
    );
}

#[test]
fn output_is_configured_as_in_converse() {
    let format =
        json!({"type": "json_schema", "schema": {"type": "object", "required": ["b", "a"]}});
    let text_format = json!({"type": "json_schema", "structure": {"jsonSchema": {
        "schema": r#"{"type":"object","required":["b","a"]}"#}}});
    assert_eq!(
        asked(&json!({"output_config": {"effort": "xhigh", "format": format}}))["outputConfig"],
        json!({"effort": "xhigh", "textFormat": text_format})
    );
    assert_eq!(
        asked(&json!({"output_format": format}))["outputConfig"],
        json!({"textFormat": text_format})
    );
    assert_eq!(asked(&json!({"output_config": {"format": null}}))["outputConfig"], Value::Null);
    assert_eq!(
        refused(&json!({"output_config": {"task_budget": {"type": "tokens", "total": 1}}})),
        malformed("#/output_config: extraneous key [task_budget] is not permitted")
    );
}

#[test]
fn cache_points_stand_behind_what_is_cached() {
    let cached = json!({"type": "ephemeral"});
    let hour = json!({"type": "ephemeral", "ttl": "1h", "scope": "global"});
    let tool = {
        let mut tool = weather();
        tool["cache_control"] = cached.clone();
        tool
    };
    let shown = asked(&json!({
        "system": [{"type": "text", "text": "Be brief.", "cache_control": hour}],
        "tools": [tool],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": cached}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                {"type": "text", "text": "4 °C", "cache_control": cached}]}]},
        ],
        "cache_control": cached,
    }));
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(
        shown["system"],
        json!([{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}])
    );
    assert_eq!(shown["toolConfig"]["tools"], json!([weather_spec(), point]));
    assert_eq!(shown["messages"][0]["content"], json!([{"text": "Hi"}, point]));
    assert_eq!(
        shown["messages"][2]["content"],
        json!([{"toolResult": {"toolUseId": "t", "content": [{"text": "4 °C"}]}}, point, point])
    );
    let refused = refused(&json!({"cache_control": {"type": "ephemeral", "ttl": "2h"}}));
    assert_eq!(refused, malformed("#/cache_control/ttl: 2h is not a valid enum value"));
}

#[test]
fn turns_of_one_speaker_become_one() {
    assert_eq!(
        turns(&json!([
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": "d"},
            {"role": "system", "content": [{"type": "text", "text": "note"}]},
            {"role": "user", "content": "e"},
        ])),
        json!([
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [{"text": "c"}, {"text": "d"}]},
            {"role": "system", "content": [{"text": "note"}]},
            {"role": "user", "content": [{"text": "e"}]},
        ])
    );
}

#[test]
fn an_answer_may_be_begun() {
    let cached = json!({"type": "ephemeral"});
    let question = read(
        "anthropic",
        &request(&json!({"messages": [
            {"role": "user", "content": "Name it."},
            {"role": "assistant", "content": [
                {"type": "text", "text": "It is (", "cache_control": cached}]},
        ]})),
    );
    let Input::Conversation(conversation) = &question.ask.input else { panic!("a prompt") };
    assert!(question.ask.has_cache_point());
    // What the answer goes on from stands last.
    assert_eq!(
        conversation.messages[1].content.last(),
        Some(&ContentBlock::Text("It is (".into()))
    );
    for nothing in [json!(""), json!([])] {
        assert_eq!(
            turns(&json!([
                {"role": "user", "content": "x"}, {"role": "assistant", "content": nothing}])),
            json!([{"role": "user", "content": [{"text": "x"}]}])
        );
    }
}

#[test]
fn what_says_nothing_is_left_out() {
    assert_eq!(
        turns(&json!([
            {"role": "user", "content": [
                {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "x"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "c2ln"},
                {"type": "text", "text": "y"}]},
            {"role": "user", "content": "z"},
        ])),
        json!([
            {"role": "user", "content": [{"text": "x"}]},
            {"role": "assistant", "content": [{"text": "y"}]},
            {"role": "user", "content": [{"text": "z"}]},
        ])
    );
}

#[test]
fn a_tool_that_was_searched_is_named() {
    let shown = asked(&json!({"tools": [weather()], "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "t", "name": "get_weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
            {"type": "tool_reference", "tool_name": "get_weather"}]}]},
    ]}));
    assert_eq!(
        shown["messages"][2]["content"][0]["toolResult"]["content"],
        json!([{"text": "get_weather"}])
    );
}

#[test]
fn a_line_for_billing_is_not_the_models() {
    let billing =
        "x-anthropic-billing-header: cc_version=2.1.197.0df; cc_entrypoint=cli; cch=eb6c6;";
    let system = |system: Value| asked(&json!({"system": system}))["system"].clone();
    let blocks = json!([{"type": "text", "text": billing}, {"type": "text", "text": "Be brief."}]);
    assert_eq!(system(blocks), json!([{"text": "Be brief."}]));
    assert_eq!(system(json!(format!("{billing}\nBe brief."))), json!([{"text": "Be brief."}]));
    let mentioned = format!("What is {billing}");
    assert_eq!(system(json!(mentioned)), json!([{"text": mentioned}]));
}

#[test]
fn what_has_no_effect_is_taken() {
    let plain = asked(&json!({}));
    assert_eq!(
        asked(&json!({
            "anthropic_beta": ["interleaved-thinking-2025-05-14"],
            "metadata": {"user_id": "someone"},
            "service_tier": "auto",
            "speed": "standard",
            "diagnostics": {"previous_message_id": null},
            "context_management": {"edits": [
                {"type": "clear_thinking_20251015", "keep": "all"},
                {"type": "clear_tool_uses_20250919"}]},
        })),
        plain
    );
}

#[test]
fn what_a_conversation_must_be_is_told_in_the_apis_words() {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "t", "input": {}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    let user = |content: Value| json!({"role": "user", "content": content});
    let assistant = |content: Value| json!({"role": "assistant", "content": content});
    let empty = "messages.1: all messages must have non-empty content except for the optional \
                 final assistant message";
    for (messages, words) in [
        (json!([assistant(json!("x"))]), "messages: first message must use the \"user\" role"),
        (json!([user(json!("x")), user(json!(""))]), empty),
        (json!([user(json!("x")), assistant(json!([])), user(json!("y"))]), empty),
        (
            json!([user(json!([call("a")]))]),
            "messages.0: `tool_use` blocks can only be in `assistant` messages",
        ),
        (
            json!([user(json!("x")), assistant(json!([result("a")]))]),
            "messages.1: `tool_result` blocks can only be in `user` messages",
        ),
        (
            json!([user(json!("x")), {"role": "system", "content": [call("a")]}]),
            "messages.1: `tool_use` blocks can only be in `assistant` messages",
        ),
        (
            json!([user(json!([result("a")]))]),
            "messages.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each \
             `tool_result` block must have a corresponding `tool_use` block in the previous \
             message.",
        ),
        (
            json!([
                user(json!("x")),
                user(json!("y")),
                assistant(json!([call("a"), call("b")])),
                user(json!([result("b")]))
            ]),
            "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: \
             a. Each `tool_use` block must have a corresponding `tool_result` block in the next \
             message.",
        ),
        (
            json!([
                user(json!("x")),
                assistant(json!([call("a")])),
                user(json!([result("a"), result("a")]))
            ]),
            "messages.2: each tool_use must have a single result. Found multiple `tool_result` \
             blocks with id: a",
        ),
        (
            json!([user(json!("x")), assistant(json!([call("a"), call("a")]))]),
            "messages.1: `tool_use` ids must be unique",
        ),
    ] {
        assert_eq!(refused(&json!({"messages": messages})), words);
    }
    // Calls in the last turn are what the model goes on from; results may come in any order, and
    // in several messages.
    let calls = assistant(json!([call("a"), call("b")]));
    turns(&json!([user(json!("x")), calls]));
    turns(&json!([
        user(json!("x")),
        calls,
        user(json!([result("b")])),
        user(json!([result("a")]))
    ]));
}

#[test]
fn what_cannot_be_told_is_refused_by_name() {
    let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let url = json!({"type": "url", "url": "https://example.org/a.png"});
    let file = json!({"type": "file", "file_id": "file_1"});
    let document = json!({"type": "content", "content": [{"type": "image", "source": url}]});
    for (members, words) in [
        (json!({"model": "x"}), "#: extraneous key [model] is not permitted"),
        (json!({"stream": true}), "#: extraneous key [stream] is not permitted"),
        (json!({"mcp_servers": []}), "#: extraneous key [mcp_servers] is not permitted"),
        (json!({"container": "c"}), "#: extraneous key [container] is not permitted"),
        (json!({"inference_geo": "us"}), "#: extraneous key [inference_geo] is not permitted"),
        (
            json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}),
            "#/context_management/edits/0/type: compact_20260112 is not a valid enum value",
        ),
        (json!({"max_tokens": 0}), "#/max_tokens: 0 is not greater or equal to 1"),
        (json!({"max_tokens": 3_000_000_000_u32}), "#/max_tokens: this value cannot be used"),
        (json!({"temperature": 1.5}), "#/temperature: 1.5 is not less or equal to 1"),
        (json!({"messages": []}), "#/messages: expected minimum item count: 1, found: 0"),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "#/messages/0/role: tool is not a valid enum value",
        ),
        (
            json!({"messages": [{"role": "user", "content": 1}]}),
            "#/messages/0/content: expected type: String or JSONArray, found: Integer",
        ),
        (
            block(json!({"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}})),
            "#/messages/0/content/0/type: server_tool_use is not a valid enum value",
        ),
        (block(json!({"type": "text"})), "#/messages/0/content/0: required key [text] not found"),
        (
            block(json!({"type": "image", "source": url})),
            "#/messages/0/content/0/source/type: url is not a valid enum value",
        ),
        (
            block(json!({"type": "document", "source": file})),
            "#/messages/0/content/0/source/type: file is not a valid enum value",
        ),
        (
            block(json!({"type": "document", "source": document})),
            "#/messages/0/content/0/source/content/0/type: image is not a valid enum value",
        ),
        (
            block(json!({"type": "tool_result", "tool_use_id": "a",
                "content": [{"type": "browser_state"}]})),
            "#/messages/0/content/0/content/0/type: browser_state is not a valid enum value",
        ),
        (
            json!({"system": [{"type": "image"}]}),
            "#/system/0/type: image is not a valid enum value",
        ),
    ] {
        assert_eq!(refused(&members), malformed(words));
    }
    let broken = json!({"type": "base64", "media_type": "image/png", "data": "no base64!"});
    let refused = refused(&block(json!({"type": "image", "source": broken})));
    assert!(refused.contains("messages"), "{refused}");
}

#[test]
fn anthropics_own_envelope() {
    let body = json!({"model": "claude", "stream": true, "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(
        Envelope::read(body.to_string().as_bytes()).unwrap(),
        Envelope { model: "claude".into(), stream: true }
    );
    let question = Anthropic::MESSAGES.read(body.to_string().as_bytes(), invocation(true)).unwrap();
    assert_eq!(
        as_converse(&question.ask),
        json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "inferenceConfig": {"maxTokens": 5}})
    );
    for (body, words) in [
        (json!({"max_tokens": 5}), "#: required key [model] not found"),
        (json!({"model": 1}), "#/model: expected the name of a model"),
        (json!({"model": "x", "stream": "yes"}), "#/stream: expected true or false"),
        (
            json!({"model": "x", "prompt": "y", "max_tokens_to_sample": 1}),
            "#: required key [max_tokens] not found#: required key [messages] not found#: \
             extraneous key [prompt] is not permitted#: extraneous key [max_tokens_to_sample] is \
             not permitted",
        ),
    ] {
        let refused =
            Anthropic::MESSAGES.read(body.to_string().as_bytes(), invocation(false)).unwrap_err();
        assert_eq!(refused.message(), malformed(words));
    }
}
