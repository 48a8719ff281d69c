//! What is answered.

use helan::converse::{Event, Fold, StopReason};
use helan::family::openai::{Reasoning, Shape, Style, Usage, voice};
use helan::family::{Chunks, Voice};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

use super::{CREATED, MODEL, folded, parsed, without_id};
use crate::family::{answer, any_answer, call, chunks, reasoning, text, whole};

fn request() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

fn said(message: &Value, finish_reason: &str) -> Value {
    json!({
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": null,
            "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46},
    })
}

fn chunk(delta: &Value) -> Value {
    json!({
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}],
    })
}

fn last(finish_reason: &str) -> Value {
    let mut last = chunk(&json!({}));
    last["choices"][0]["finish_reason"] = finish_reason.into();
    last["usage"] = json!({"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46});
    last
}

fn streamed(name: &str, events: &[Event]) -> Vec<Value> {
    let chunks = chunks(name, &request(), events);
    chunks.into_iter().map(|chunk| without_id(chunk, "chatcmpl-")).collect()
}

#[test]
fn the_documented_answer() {
    let events =
        answer(&[reasoning(&["Where", "?"]), text(&["在", "宁夏。"])], StopReason::EndTurn, None);
    assert_eq!(
        without_id(whole("openai", &request(), &events), "chatcmpl-"),
        said(
            &json!({"role": "assistant", "content": "<reasoning>Where?</reasoning>在宁夏。"}),
            "stop"
        )
    );
    assert_eq!(
        streamed("openai", &events),
        [
            chunk(&json!({"role": "assistant", "content": ""})),
            chunk(&json!({"content": "<reasoning>Where"})),
            chunk(&json!({"content": "?"})),
            chunk(&json!({"content": "</reasoning>在"})),
            chunk(&json!({"content": "宁夏。"})),
            last("stop"),
        ]
    );
}

#[test]
fn calls_of_tools() {
    let events = answer(
        &[call("a", "weather", &["{\"city\": ", "\"银川\"}"]), call("b", "now", &[])],
        StopReason::ToolUse,
        None,
    );
    let called = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    assert_eq!(
        without_id(whole("openai", &request(), &events), "chatcmpl-"),
        said(
            &json!({"role": "assistant", "content": null, "tool_calls": [
                called("a", "weather", "{\"city\":\"银川\"}"), called("b", "now", "{}")]}),
            "tool_calls"
        )
    );
    let begun = |index: u32, id: &str, name: &str| {
        let mut call = called(id, name, "");
        call["index"] = index.into();
        chunk(&json!({ "tool_calls": [call] }))
    };
    let piece = |index: u32, arguments: &str| {
        chunk(&json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
    };
    assert_eq!(
        streamed("openai", &events),
        [
            chunk(&json!({"role": "assistant", "content": ""})),
            begun(0, "a", "weather"),
            piece(0, "{\"city\": "),
            piece(0, "\"银川\"}"),
            begun(1, "b", "now"),
            piece(1, "{}"),
            last("tool_calls"),
        ]
    );
}

#[test]
fn reasoning_is_closed_wherever_it_ends() {
    let content = |said: &[_], stop_reason| {
        let events = answer(said, stop_reason, None);
        let content =
            whole("openai", &request(), &events)["choices"][0]["message"]["content"].clone();
        let folded = folded(&chunks("openai", &request(), &events), "delta");
        assert_eq!(folded["choices"][0]["message"]["content"], content);
        content
    };
    assert_eq!(content(&[reasoning(&["A"])], StopReason::MaxTokens), "<reasoning>A</reasoning>");
    assert_eq!(
        content(&[reasoning(&["A"]), call("a", "f", &["{}"])], StopReason::ToolUse),
        "<reasoning>A</reasoning>"
    );
    assert_eq!(
        content(&[reasoning(&["A"]), text(&["B"]), reasoning(&["C"])], StopReason::EndTurn),
        "<reasoning>A</reasoning>B<reasoning>C</reasoning>"
    );
}

#[test]
fn why_it_ended() {
    for (stop_reason, finish_reason) in [
        (StopReason::EndTurn, "stop"),
        (StopReason::StopSequence, "stop"),
        (StopReason::MaxTokens, "length"),
        (StopReason::ModelContextWindowExceeded, "length"),
        (StopReason::ContentFiltered, "content_filter"),
        (StopReason::GuardrailIntervened, "content_filter"),
        (StopReason::MalformedToolUse, "stop"),
    ] {
        let events = answer(&[text(&["x"])], stop_reason, None);
        let choice = &whole("openai", &request(), &events)["choices"][0];
        assert_eq!(choice["finish_reason"], finish_reason);
    }
    let broken = answer(&[call("a", "f", &["{\"ci"])], StopReason::MalformedToolUse, None);
    let choice = &whole("openai", &request(), &broken)["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    // What the model wrote, not a string that holds it.
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], "{\"ci");
}

fn usage_of(change: impl Fn(&mut helan::converse::TokenUsage)) -> Value {
    let mut events = answer(&[text(&["x"])], StopReason::EndTurn, None);
    if let Some(Event::Metadata(metadata)) = events.last_mut() {
        change(&mut metadata.usage);
    }
    whole("openai", &request(), &events)["usage"].clone()
}

#[test]
fn counts_are_not_invented() {
    assert_eq!(
        usage_of(|usage| usage.cache_read_input_tokens = Some(100)),
        json!({"prompt_tokens": 112, "completion_tokens": 34, "total_tokens": 146,
            "prompt_tokens_details": {"cached_tokens": 100}})
    );
    assert_eq!(usage_of(|usage| usage.input_tokens = 0), json!({"completion_tokens": 34}));
    assert_eq!(usage_of(|usage| (usage.input_tokens, usage.output_tokens) = (0, 0)), Value::Null);
}

fn in_style(style: Style, events: &[Event]) -> (Value, Vec<Value>) {
    let voice = || {
        let now = datetime!(2026-11-20 10:00:00 UTC);
        Box::new(voice(Some("m".to_owned()), now, fastrand::Rng::with_seed(7), style))
    };
    let mut fold = Fold::default();
    events.iter().cloned().for_each(|event| fold.push(event));
    let whole = voice().whole(fold.finish().unwrap()).unwrap();
    let (mut out, mut streaming) = (Chunks::default(), voice());
    for event in events {
        streaming.chunks(event, &mut out).unwrap();
    }
    let chunks = out.iter().map(|chunk| serde_json::from_slice(chunk).unwrap()).collect();
    (serde_json::from_slice(&whole).unwrap(), chunks)
}

#[test]
fn usage_is_told_where_it_is_asked_for() {
    let events = answer(&[text(&["x"])], StopReason::EndTurn, None);
    let ends = |usage| {
        let (_, chunks) = in_style(Style { usage, ..Style::default() }, &events);
        let ends = chunks.into_iter().skip(2);
        ends.map(|end| {
            (end["choices"].as_array().unwrap().len(), end["usage"]["total_tokens"].clone())
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(ends(Usage::Beside), [(1, json!(46))]);
    assert_eq!(ends(Usage::Apart), [(1, Value::Null), (0, json!(46))]);
    assert_eq!(ends(Usage::Untold), [(1, Value::Null)]);
}

#[test]
fn reasoning_has_the_member_that_it_is_asked_for_in() {
    let events = answer(&[reasoning(&["A", "B"]), text(&["C"])], StopReason::EndTurn, None);
    for (style, name) in
        [(Reasoning::Reasoning, "reasoning"), (Reasoning::ReasoningContent, "reasoning_content")]
    {
        let style = Style { reasoning: style, ..Style::default() };
        let (whole, chunks) = in_style(style, &events);
        assert_eq!(
            whole["choices"][0]["message"],
            json!({"role": "assistant", "content": "C", name: "AB"})
        );
        assert_eq!(chunks[1]["choices"][0]["delta"], json!({ name: "A" }));
        assert_eq!(folded(&chunks, "delta"), whole);
    }
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(
        events in any_answer(),
        reasoning in prop::sample::select(
            vec![Reasoning::Inlined, Reasoning::Reasoning, Reasoning::ReasoningContent]
        ),
        shape in prop::sample::select(vec![Shape::OpenAi, Shape::Mistral]),
    ) {
        let (whole, chunks) = in_style(Style { reasoning, shape, usage: Usage::Beside }, &events);
        let piece = if shape == Shape::OpenAi { "delta" } else { "message" };
        prop_assert_eq!(folded(&chunks, piece), parsed(whole));
    }
}
