//! Anthropic's answers and chunks.

use helan::converse::{
    Blob, ContentBlockDelta, Event, MetadataEvent, ReasoningContentBlockDelta, StopReason,
    TokenUsage,
};
use helan::family::Family;
use helan::family::anthropic::Anthropic;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{answer, any_answer, call, chunks, invocation, reasoning, text, whole};

fn request(members: &Value) -> Value {
    let mut request = json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hello"}],
    });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

fn plain() -> Value {
    request(&json!({}))
}

/// The message that a client makes of chunks: it trusts nothing about their order.
#[track_caller]
fn folded(chunks: &[Value]) -> Value {
    let (first, rest) = chunks.split_first().unwrap();
    assert_eq!(first["type"], "message_start");
    let mut message = first["message"].clone();
    assert_eq!(message["content"], json!([]));
    let mut open: Option<(Value, String)> = None;
    let mut is_stopped = false;
    for chunk in rest {
        assert!(!is_stopped, "a chunk behind message_stop");
        let content = message["content"].as_array_mut().unwrap();
        match chunk["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(open.is_none(), "two blocks are open");
                assert_eq!(chunk["index"], content.len());
                open = Some((chunk["content_block"].clone(), String::new()));
            }
            "content_block_delta" => {
                assert_eq!(chunk["index"], content.len());
                let (block, input) = open.as_mut().expect("a delta outside of a block");
                let delta = &chunk["delta"];
                let (kind, from, to) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text", "text"),
                    "thinking_delta" => ("thinking", "thinking", "thinking"),
                    "signature_delta" => ("thinking", "signature", "signature"),
                    "input_json_delta" => {
                        assert_eq!(block["type"], "tool_use");
                        input.push_str(delta["partial_json"].as_str().unwrap());
                        continue;
                    }
                    other => panic!("{other}"),
                };
                assert_eq!(block["type"], kind);
                let text = block[to].as_str().unwrap().to_owned() + delta[from].as_str().unwrap();
                block[to] = text.into();
            }
            "content_block_stop" => {
                assert_eq!(chunk["index"], content.len());
                let (mut block, input) = open.take().expect("a block that was not open");
                if !input.is_empty() {
                    block["input"] = serde_json::from_str(&input).unwrap();
                }
                content.push(block);
            }
            "message_delta" => {
                assert!(open.is_none(), "a block is still open");
                for (name, value) in chunk["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in chunk["usage"].as_object().unwrap() {
                    message["usage"][name] = value.clone();
                }
            }
            "message_stop" => is_stopped = true,
            other => panic!("{other}"),
        }
    }
    assert!(is_stopped, "no message_stop");
    message
}

#[test]
fn the_documented_answer() {
    let events = answer(&[text(&["Hel", "lo"])], StopReason::EndTurn, None);
    let mut whole = whole("anthropic", &plain(), &events);
    let id = whole["id"].take();
    let id = id.as_str().unwrap().strip_prefix("msg_bdrk_").unwrap();
    assert_eq!(id.len(), 24);
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(
        whole,
        json!({
            "id": null, "model": "suite.model-v1:0", "type": "message", "role": "assistant",
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 12, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "output_tokens": 34},
        })
    );
    let chunks = chunks("anthropic", &plain(), &events);
    assert_eq!(chunks[0]["message"]["id"].as_str().unwrap().len(), "msg_bdrk_".len() + 24);
    assert_eq!(
        chunks[0]["message"]["usage"],
        json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 0})
    );
    assert_eq!(
        chunks[1..],
        [
            json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": "Hel"}}),
            json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": "lo"}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"input_tokens": 12, "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 0, "output_tokens": 34}}),
            json!({"type": "message_stop"}),
        ]
    );
}

#[test]
fn thinking_and_calls() {
    let events = answer(
        &[
            reasoning(&["The weather", " is asked for."]),
            text(&["Let me look."]),
            call("tooluse_1", "get_weather", &["{\"city\":", "\"银川\"}"]),
            call("tooluse_2", "now", &[]),
        ],
        StopReason::ToolUse,
        None,
    );
    // sha256("The weather is asked for."), in base64
    let signature = SIGNATURE;
    let whole = whole("anthropic", &plain(), &events);
    assert_eq!(
        whole["content"],
        json!([
            {"type": "thinking", "thinking": "The weather is asked for.", "signature": signature},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "tooluse_1", "name": "get_weather",
                "input": {"city": "银川"}},
            {"type": "tool_use", "id": "tooluse_2", "name": "now", "input": {}},
        ])
    );
    assert_eq!(whole["stop_reason"], "tool_use");
    let chunks = chunks("anthropic", &plain(), &events);
    assert_eq!(
        chunks[1..6],
        [
            json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
            json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "thinking_delta", "thinking": "The weather"}}),
            json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "thinking_delta", "thinking": " is asked for."}}),
            json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "signature_delta", "signature": signature}}),
            json!({"type": "content_block_stop", "index": 0}),
        ]
    );
    assert_eq!(
        chunks[9..13],
        [
            json!({"type": "content_block_start", "index": 2, "content_block": {
                "type": "tool_use", "id": "tooluse_1", "name": "get_weather", "input": {}}}),
            json!({"type": "content_block_delta", "index": 2,
                "delta": {"type": "input_json_delta", "partial_json": ""}}),
            json!({"type": "content_block_delta", "index": 2,
                "delta": {"type": "input_json_delta", "partial_json": "{\"city\":"}}),
            json!({"type": "content_block_delta", "index": 2,
                "delta": {"type": "input_json_delta", "partial_json": "\"银川\"}"}}),
        ]
    );
}

const SIGNATURE: &str = "R6m7Y67Cv6XiikHiAoCEAfGrgIUakxHkfzwd4GPWpSs=";

#[test]
fn thinking_that_is_not_shown_is_signed() {
    let events = answer(&[reasoning(&["secret", "!"]), text(&["Yes"])], StopReason::EndTurn, None);
    let omitted = request(&json!({"thinking": {"type": "adaptive", "display": "omitted"}}));
    let shown = whole("anthropic", &plain(), &events);
    let hidden = whole("anthropic", &omitted, &events);
    assert_eq!(hidden["content"][0]["thinking"], "");
    assert_eq!(hidden["content"][0]["signature"], shown["content"][0]["signature"]);
    assert_eq!(folded(&chunks("anthropic", &omitted, &events)), hidden);
    assert!(!hidden.to_string().contains("secret"));
}

#[test]
fn what_a_model_signed_or_redacted_is_passed_on() {
    let delta = |index, delta| Event::delta(index, ContentBlockDelta::ReasoningContent(delta));
    let redacted = |bytes: &[u8]| ReasoningContentBlockDelta::RedactedContent(Blob::new(bytes));
    let mut events = answer(&[], StopReason::EndTurn, None);
    events.splice(
        1..1,
        [
            delta(0, ReasoningContentBlockDelta::Text("hm".into())),
            delta(0, ReasoningContentBlockDelta::Signature("own".into())),
            Event::stop(0),
            delta(1, redacted(b"a")),
            delta(1, redacted(b"bc")),
            Event::stop(1),
        ],
    );
    let whole = whole("anthropic", &plain(), &events);
    assert_eq!(
        whole["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "own"},
            {"type": "redacted_thinking", "data": "YWJj"},
        ])
    );
    assert_eq!(folded(&chunks("anthropic", &plain(), &events)), whole);
}

#[test]
fn reasons_to_stop() {
    let stopped = |request: &Value, reason, sequence| {
        let events = answer(&[text(&["x"])], reason, sequence);
        let whole = whole("anthropic", request, &events);
        assert_eq!(folded(&chunks("anthropic", request, &events)), whole);
        (whole["stop_reason"].clone(), whole["stop_sequence"].clone())
    };
    for (reason, word) in [
        (StopReason::EndTurn, "end_turn"),
        (StopReason::ToolUse, "tool_use"),
        (StopReason::MaxTokens, "max_tokens"),
        (StopReason::ContentFiltered, "refusal"),
        (StopReason::GuardrailIntervened, "refusal"),
        (StopReason::ModelContextWindowExceeded, "model_context_window_exceeded"),
    ] {
        assert_eq!(stopped(&plain(), reason, None), (json!(word), Value::Null));
    }
    let (one, two) = (json!({"stop_sequences": ["A"]}), json!({"stop_sequences": ["A", "B"]}));
    for (request, told, shown) in [
        (&two, Some("B"), json!("B")),
        (&two, None, Value::Null),
        (&one, None, json!("A")), // it can be no other
    ] {
        let stopped = stopped(&self::request(request), StopReason::StopSequence, told);
        assert_eq!(stopped, (json!("stop_sequence"), shown));
    }
}

#[test]
fn tokens_are_counted_or_left_out() {
    let with = |usage: TokenUsage| {
        let mut events = answer(&[text(&["x"])], StopReason::EndTurn, None);
        let Some(Event::Metadata(MetadataEvent { usage: told, .. })) = events.last_mut() else {
            panic!("no metadata")
        };
        *told = usage;
        let delta = chunks("anthropic", &plain(), &events).remove(4);
        (whole("anthropic", &plain(), &events)["usage"].clone(), delta["usage"].clone())
    };
    let (whole, delta) = with(TokenUsage {
        cache_read_input_tokens: Some(80),
        cache_write_input_tokens: Some(7),
        input_tokens: 20,
        output_tokens: 5,
        total_tokens: 112,
        ..TokenUsage::default()
    });
    let all = json!({"input_tokens": 20, "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 80, "output_tokens": 5});
    assert_eq!((whole, delta), (all.clone(), all));
    let (_, delta) =
        with(TokenUsage { output_tokens: 5, total_tokens: 5, ..TokenUsage::default() });
    assert_eq!(delta, json!({"output_tokens": 5}));
}

#[test]
fn input_that_the_limit_cut_is_no_object() {
    let events = answer(&[call("t", "f", &["{\"a\": \"b"])], StopReason::MaxTokens, None);
    assert_eq!(
        whole("anthropic", &plain(), &events)["content"][0]["input"],
        json!({"INVALID_JSON": "{\"a\": \"b"})
    );
}

#[test]
fn an_empty_text_is_no_block() {
    let events =
        answer(&[text(&[""]), reasoning(&["hm"]), text(&["", "x"])], StopReason::EndTurn, None);
    let whole = whole("anthropic", &plain(), &events);
    assert_eq!(whole["content"].as_array().unwrap().len(), 2);
    assert_eq!(folded(&chunks("anthropic", &plain(), &events)), whole);
    let nothing = answer(&[text(&[""])], StopReason::EndTurn, None);
    assert_eq!(super::whole("anthropic", &plain(), &nothing)["content"], json!([]));
}

#[test]
fn anthropics_own_messages_have_other_ids() {
    let body = json!({"model": "claude", "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}]});
    let mut voice =
        Anthropic::MESSAGES.read(body.to_string().as_bytes(), invocation(true)).unwrap().voice;
    let mut out = helan::family::Chunks::default();
    voice.chunks(&Event::message_start(), &mut out).unwrap();
    let start = out.iter().next().unwrap();
    // Whoever sends it as a server-sent event reads its name at the start.
    assert!(start.starts_with(br#"{"type":"message_start","#));
    let start: Value = serde_json::from_slice(start).unwrap();
    let id = start["message"]["id"].as_str().unwrap();
    assert_eq!((&id[..4], id.len()), ("msg_", 28));
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer(), is_omitted in any::<bool>()) {
        let display = if is_omitted { "omitted" } else { "summarized" };
        let request = request(&json!({"thinking": {"type": "adaptive", "display": display}}));
        prop_assert_eq!(
            folded(&chunks("anthropic", &request, &events)),
            whole("anthropic", &request, &events)
        );
    }

    /// Whatever stands in the place of any of its values, a request is read or refused.
    #[test]
    fn no_request_panics(at in any::<proptest::sample::Index>(), value in value()) {
        let mut request = every_member();
        let places = places(&request, "");
        *request.pointer_mut(&places[at.index(places.len())]).unwrap() = value;
        let _ = super::family("anthropic").read(request.to_string().as_bytes(), invocation(false));
    }
}

/// A request that has every kind of everything.
fn every_member() -> Value {
    let image = json!({"type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    request(&json!({
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop_sequences": ["x"],
        "tools": [{"name": "t", "description": "x", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "t", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
                image,
                {"type": "document", "title": "x", "context": "x", "citations": {"enabled": true},
                    "source": {"type": "content", "content": "x"}},
                {"type": "search_result", "source": "x", "title": "x",
                    "content": [{"type": "text", "text": "x"}]},
            ]},
            {"role": "system", "content": "x"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "x", "signature": "x"},
                {"type": "redacted_thinking", "data": "AAAA"},
                {"type": "tool_use", "id": "a", "name": "t", "input": {"x": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a",
                "is_error": true, "content": [{"type": "text", "text": "x"}, image]}]},
        ],
    }))
}

#[test]
fn the_request_with_everything_is_read() {
    super::read("anthropic", &every_member());
}

/// Where each value of `value` is.
fn places(value: &Value, at: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect()
        }
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(nth, value)| (format!("{at}/{nth}"), value)).collect()
        }
        _ => vec![],
    };
    std::iter::once(at.to_owned())
        .chain(below.iter().flat_map(|(at, value)| places(value, at)))
        .collect()
}

fn member() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "type",
        "text",
        "source",
        "content",
        "tools",
        "tool_choice",
        "system",
        "messages",
        "role",
        "thinking",
        "output_config",
        "cache_control",
        "name",
        "id",
        "input",
        "tool_use_id",
        "data",
        "prompt",
        "max_tokens_to_sample",
        "media_type",
        "input_schema",
        "signature",
    ])
    .prop_map(ToOwned::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let words = proptest::sample::select(vec![
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "base64",
        "ephemeral",
        "user",
        "assistant",
        "auto",
        "enabled",
        "image/png",
        "AAAA",
        "银",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((member(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
