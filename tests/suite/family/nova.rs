//! Amazon Nova.

use helan::converse::{BlockOrder, Event, Fold, StopReason};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{answer, any_answer, as_converse, call, chunks, read, reasoning, refusal, text, whole};

fn hi() -> Value {
    json!([{"role": "user", "content": [{"text": "你好"}]}])
}

fn tools() -> Value {
    json!({"tools": [{"toolSpec": {"name": "get_weather", "description": "Weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}}}}],
        "toolChoice": {"auto": {}}})
}

#[test]
fn the_documented_request() {
    let messages = json!([
        {"role": "user", "content": [
            {"image": {"format": "png", "source": {"bytes": "iVBORw0K"}}},
            {"text": "What is the weather here?"},
        ]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"toolUse": {"toolUseId": "a", "name": "get_weather", "input": {"city": "银川"}}},
        ]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "status": "success",
            "content": [{"json": {"sky": "clear"}}, {"text": "warm"}]}}]},
        {"role": "assistant", "content": [{"text": "It is"}]},
    ]);
    let question = read(
        "nova",
        &json!({
            "schemaVersion": "messages-v1",
            "system": [{"text": "Be brief."}],
            "messages": messages,
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.25, "topP": 0.5, "topK": 20,
                "stopSequences": ["END"]},
            "toolConfig": tools(),
        }),
    );
    assert_eq!(
        as_converse(&question.ask),
        json!({
            "system": [{"text": "Be brief."}],
            "messages": messages,
            "toolConfig": tools(),
            "inferenceConfig":
                {"maxTokens": 64, "temperature": 0.25, "topP": 0.5, "stopSequences": ["END"]},
            "additionalModelRequestFields": {"top_k": 20},
        })
    );
}

#[test]
fn the_documented_defaults() {
    for config in [json!({}), json!({"topK": 0, "stopSequences": []})] {
        assert_eq!(
            as_converse(&read("nova", &json!({"messages": hi(), "inferenceConfig": config})).ask),
            json!({"messages": hi(),
                "inferenceConfig": {"temperature": 0.7_f32, "topP": 0.9_f32}})
        );
    }
}

#[test]
fn the_older_samples_names() {
    let config = json!({"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.5, "top_k": 3});
    let shown =
        as_converse(&read("nova", &json!({"messages": hi(), "inferenceConfig": config})).ask);
    assert_eq!(shown["inferenceConfig"], json!({"maxTokens": 9, "temperature": 0.5, "topP": 0.5}));
    assert_eq!(shown["additionalModelRequestFields"], json!({"top_k": 3}));
}

/// litellm (`bedrock/invoke/…nova`) writes a cache point as a member beside the text it ends.
#[test]
fn a_cache_point_beside_a_text_is_a_block_behind_it() {
    let point = json!({"type": "default"});
    let question = read(
        "nova",
        &json!({
            "system": [{"text": "Long.", "cachePoint": point}],
            "messages": [{"role": "user", "content": [
                {"text": "Long too.", "cachePoint": point}, {"text": "你好"},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ]}],
        }),
    );
    let shown = as_converse(&question.ask);
    assert_eq!(shown["system"], json!([{"text": "Long."}, {"cachePoint": point}]));
    assert_eq!(
        shown["messages"][0]["content"],
        json!([{"text": "Long too."}, {"cachePoint": point}, {"text": "你好"},
            {"cachePoint": {"type": "default", "ttl": "1h"}}])
    );
    assert!(question.ask.has_cache_point());
}

#[test]
fn reasoning_is_switched_wherever_it_is_asked_for() {
    let enabled = json!({"type": "enabled", "maxReasoningEffort": "low"});
    for body in [
        json!({"messages": hi(), "reasoningConfig": enabled}),
        json!({"messages": hi(), "inferenceConfig": {"reasoningConfig": enabled}}),
        json!({"messages": hi(), "additionalModelRequestFields": {"reasoningConfig": enabled}}),
    ] {
        let shown = as_converse(&read("nova", &body).ask);
        assert_eq!(
            shown["additionalModelRequestFields"],
            json!({"chat_template_kwargs": {"enable_thinking": true, "thinking": true}})
        );
        assert_eq!(shown["outputConfig"], json!({"effort": "low"}));
    }
    let off = json!({"messages": hi(), "reasoningConfig": {"type": "disabled"}});
    let shown = as_converse(&read("nova", &off).ask);
    assert_eq!(
        shown["additionalModelRequestFields"],
        json!({"chat_template_kwargs": {"enable_thinking": false, "thinking": false}})
    );
    assert!(shown.get("outputConfig").is_none());
}

#[test]
fn fields_that_converse_has_for_nova_are_taken_too() {
    let fields = json!({"inferenceConfig": {"topK": 7}, "repetition_penalty": 1.5});
    let body = json!({"messages": hi(), "additionalModelRequestFields": fields});
    assert_eq!(
        as_converse(&read("nova", &body).ask)["additionalModelRequestFields"],
        json!({"top_k": 7, "repetition_penalty": 1.5})
    );
    let twice = json!({"messages": hi(), "inferenceConfig": {"topK": 7},
        "additionalModelRequestFields": {"top_k": 8}});
    assert!(refusal("nova", &twice).contains("[top_k] conflicts with topK"));
}

#[test]
fn the_recorded_answer() {
    let request = json!({"messages": hi(), "toolConfig": tools()});
    let events = answer(
        &[
            reasoning(&["h", "m"]),
            text(&["你", "好"]),
            call("tooluse_1", "get_weather", &["{\"city\":", "\"银川\"}"]),
        ],
        StopReason::ToolUse,
        None,
    );
    let usage = json!({"inputTokens": 12, "outputTokens": 34, "totalTokens": 46,
        "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0});
    assert_eq!(
        whole("nova", &request, &events),
        json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm"}}},
                {"text": "你好"},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather",
                    "input": {"city": "银川"}}},
            ]}},
            "stopReason": "tool_use",
            "usage": usage,
        })
    );
    let delta = |index: u32, delta: Value| json!({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}});
    let stop = |index: u32| json!({"contentBlockStop": {"contentBlockIndex": index}});
    assert_eq!(
        chunks("nova", &request, &events),
        [
            json!({"messageStart": {"role": "assistant"}}),
            delta(0, json!({"reasoningContent": {"text": "h"}})),
            delta(0, json!({"reasoningContent": {"text": "m"}})),
            stop(0),
            delta(1, json!({"text": "你"})),
            delta(1, json!({"text": "好"})),
            stop(1),
            json!({"contentBlockStart": {"contentBlockIndex": 2, "start":
                {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather"}}}}),
            delta(2, json!({"toolUse": {"input": ""}})),
            delta(2, json!({"toolUse": {"input": "{\"city\":"}})),
            delta(2, json!({"toolUse": {"input": "\"银川\"}"}})),
            stop(2),
            json!({"messageStop": {"stopReason": "tool_use"}}),
            json!({"metadata": {"usage": usage, "metrics": {}, "trace": {}}}),
        ]
    );
}

#[test]
fn what_is_wrong_is_told_in_bedrocks_words() {
    let content = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let config = |config: Value| json!({"messages": hi(), "inferenceConfig": config});
    for (request, words) in [
        (json!({}), "#: required key [messages] not found"),
        (json!({"messages": []}), "#/messages: expected minimum item count: 1, found: 0"),
        (
            json!({"messages": [{"role": "user", "content": "Hi"}]}),
            "#/messages/0/content: expected type: JSONArray, found: String",
        ),
        (
            json!({"messages": [{"role": "system", "content": []}]}),
            "#/messages/0/role: system is not a valid enum value",
        ),
        (
            json!({"messages": hi(), "schemaVersion": "messages-v2"}),
            "#/schemaVersion: messages-v2 is not a valid enum value",
        ),
        (
            json!({"messages": hi(), "max_tokens": 5}),
            "#: extraneous key [max_tokens] is not permitted",
        ),
        (
            content(json!({"type": "text", "text": "Hi"})),
            "#/messages/0/content/0: extraneous key [type] is not permitted",
        ),
        (
            content(json!({"image": {"format": "bmp", "source": {"bytes": "AAAA"}}})),
            "#/messages/0/content/0/image/format: bmp is not a valid enum value",
        ),
        (
            content(json!({"image": {"format": "png", "source": {"bytes": "no base64!"}}})),
            "#/messages/0/content/0/image/source/bytes: Member must be base64 (standard \
             alphabet, with padding)",
        ),
        (
            content(json!({})),
            "#/messages/0/content/0: Member must have exactly one member set: [text, image, \
             document, video, audio, toolUse, toolResult, guardContent, cachePoint, \
             reasoningContent, citationsContent, searchResult, toolAddition, toolRemoval]",
        ),
        (
            config(json!({"maxTokens": 0})),
            "#/inferenceConfig/maxTokens: 0 is not greater or equal to 1",
        ),
        (
            config(json!({"temperature": 1.5})),
            "#/inferenceConfig/temperature: 1.5 is not less or equal to 1",
        ),
        (
            config(json!({"maxTokens": 5, "max_new_tokens": 5})),
            "#/inferenceConfig: this value cannot be used",
        ),
    ] {
        let refused = refusal("nova", &request);
        let told =
            format!("Malformed input request: {words}, please reformat your input and try again.");
        assert_eq!(refused, told, "{request}");
    }
}

#[test]
fn the_rules_of_a_conversation_are_converses() {
    let said = |messages: Value| refusal("nova", &json!({"messages": messages}));
    let turn = |role: &str| json!({"role": role, "content": [{"text": "x"}]});
    assert!(said(json!([turn("assistant")])).starts_with("A conversation must start with a user"));
    assert!(said(json!([turn("user"), turn("user")])).starts_with("A conversation must alternate"));
    let used = json!([turn("user"), {"role": "assistant", "content":
        [{"toolUse": {"toolUseId": "a", "name": "t", "input": {}}}]}]);
    assert!(said(used).starts_with("The toolConfig field must be defined"));
    let refused = refusal("nova", &json!({"messages": hi(), "guardrailConfig": {}}));
    assert_eq!(refused, "guardrailConfig is not supported by this gateway yet.");
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer()) {
        let request = json!({"messages": hi()});
        let mut fold = Fold::new(BlockOrder::AsGenerated);
        let mut usage = Value::Null;
        for mut chunk in chunks("nova", &request, &events) {
            prop_assert!(usage.is_null(), "a chunk after the last");
            if let Some(metadata) = chunk.get_mut("metadata") {
                usage = metadata["usage"].take();
            } else {
                fold.push(serde_json::from_value::<Event>(chunk).unwrap());
            }
        }
        let answer = fold.finish().unwrap();
        let folded = json!({
            "output": answer.output, "stopReason": answer.stop_reason, "usage": usage,
        });
        prop_assert_eq!(folded, whole("nova", &request, &events));
    }
}
