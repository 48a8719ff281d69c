//! What holds for any bytes and any ask.

use std::collections::HashSet;
use std::fmt;

use helan::container::openai::OpenAi;
use helan::container::{Container as _, Mode};
use helan::converse::{Ask, Event, Input, Prompt};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::{ask, cut, decode, stream};

/// Lines that engines might send, in any order: most make no sense together.
fn line() -> impl Strategy<Value = String> {
    let choice = prop_oneof![
        "[a-z贺\n ]{0,6}".prop_map(|text| json!({"delta": {"content": text}})),
        "[a-z贺\n ]{0,6}".prop_map(|text| json!({"delta": {"reasoning": text}})),
        "[a-z]{0,3}".prop_map(|text| json!({"text": text})),
        (0_u32..3, "[a-z0]{0,2}", "[f-g]{0,1}", r#"(\{|\}|"|a|:|1|null| ){0,4}"#)
            .prop_map(|(index, id, name, text)| json!({"delta": {"tool_calls": [
                {"index": index, "id": id, "function": {"name": name, "arguments": text}}]}})),
        r#"(\{\}|\{"a":1\}|null)"#.prop_map(|text| json!({"message": {"tool_calls": [
            {"function": {"name": "f", "arguments": text}}]}})),
        "(stop|length|tool_calls|content_filter|abort)".prop_map(|r| json!({"finish_reason": r})),
        Just(json!({"delta": null})),
    ];
    let data = prop_oneof![
        20 => choice.prop_map(|choice| json!({"choices": [choice]}).to_string()),
        1 => Just(json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}).to_string()),
        1 => Just(json!({"error": "x", "code": 500}).to_string()),
        1 => Just("[DONE]".to_owned()),
        1 => "[ -~]{0,9}",
    ];
    (data, "(data: |data:|)", "(\n|\r\n|\n\n|)")
        .prop_map(|(data, before, after)| before + &data + &after)
}

/// Blocks are numbered without gaps, none overlaps another, starts stand first, and the end is an
/// end.
fn check_grammar(events: &[Event], is_whole: bool) {
    let (mut index, mut open, mut ended) = (0, false, 0);
    for event in events {
        match event {
            Event::MessageStart(_) => panic!("a messageStart"),
            Event::ContentBlockStart(event) => {
                assert!(!open && ended == 0 && event.content_block_index == index);
                open = true;
            }
            Event::ContentBlockDelta(event) => {
                assert!(ended == 0 && event.content_block_index == index);
                open = true;
            }
            Event::ContentBlockStop(event) => {
                assert!(open && ended == 0 && event.content_block_index == index);
                (open, index) = (false, index + 1);
            }
            Event::MessageStop(_) => {
                assert!(!open && ended == 0);
                ended = 1;
            }
            Event::Metadata(_) => {
                assert_eq!(ended, 1);
                ended = 2;
            }
        }
    }
    assert_eq!(ended == 2, is_whole);
}

proptest! {
    #[test]
    fn any_cut_of_any_lines_gives_the_same(
        lines in proptest::collection::vec(line(), 0..12),
        cuts in proptest::collection::vec(1_usize..60, 1..9),
    ) {
        let text = lines.concat();
        let whole = stream(&text);
        check_grammar(&whole.events, whole.end.is_ok());
        let told = whole.told();
        prop_assert_eq!(decode(Mode::Stream, cut(text.as_bytes(), &cuts)).told(), told);
        let body = decode(Mode::Unary, cut(text.as_bytes(), &cuts));
        check_grammar(&body.events, body.end.is_ok());
    }

    #[test]
    fn no_bytes_panic(noise in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..500) {
        for mode in [Mode::Stream, Mode::Unary] {
            decode(mode, [&noise[..]]).told();
            let mut recorded = super::fixture("tool-auto-stream.response.txt").into_bytes();
            recorded.splice(at..at, noise.iter().copied());
            let decoded = decode(mode, [&recorded[..]]);
            check_grammar(&decoded.events, decoded.end.is_ok());
        }
        let text = String::from_utf8_lossy(&noise);
        let error = OpenAi::default().refusal(None, &text);
        prop_assert!(!error.message().is_empty());
    }

    #[test]
    fn no_refusal_panics(text in r#"([{}\[\]":\\]|message|error|code|ErrorInfo\(message=|'|, type=|贺|\\u|4|0){0,30}"#) {
        OpenAi::default().refusal(Some(400), &text);
    }

    #[test]
    fn every_body_is_json_without_a_key_twice(ask in asks(), streamed: bool) {
        let mode = if streamed { Mode::Stream } else { Mode::Unary };
        if let Ok(payload) = OpenAi::default().encode(&ask, mode) {
            let text = std::str::from_utf8(&payload.body).unwrap();
            let Unique = serde_json::from_str(text).expect("JSON with unique keys");
            let value: Value = serde_json::from_str(text).unwrap();
            prop_assert_eq!(value.get("stream").is_some(), streamed);
            prop_assert!(value.get("messages").is_some() != value.get("prompt").is_some());
            let first = if value.get("prompt").is_some() { "{\"prompt\":" } else { "{\"messages\":" };
            prop_assert!(text.starts_with(first));
        }
    }
}

fn blocks() -> impl Strategy<Value = Value> {
    let block = prop_oneof![
        ".{0,8}".prop_map(|text| json!({"text": text})),
        Just(json!({"image": {"format": "png", "source": {"bytes": "AAAA"}}})),
        ("[a-z\"<]{1,4}", ".{0,8}").prop_map(|(name, text)| json!({"document": {"name": name, "source": {"text": text}}})),
        "[a-z\"]{0,6}".prop_map(|text| json!({"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": text, "b": [1.5, null]}}})),
        ".{0,6}".prop_map(|text| json!({"toolResult": {"toolUseId": "t", "content": [{"text": text}, {"json": {"x": text}},
            {"image": {"format": "png", "source": {"bytes": "AAAA"}}}], "status": "error"}})),
        ".{0,6}".prop_map(|text| json!({"reasoningContent": {"reasoningText": {"text": text}}})),
        Just(json!({"cachePoint": {"type": "default"}})),
    ];
    proptest::collection::vec(block, 0..4).prop_map(Value::Array)
}

prop_compose! {
    fn conversations()(
        turns in proptest::collection::vec(("(user|assistant|system)", blocks()), 0..4),
        limit in proptest::option::of(1_i32..),
        temperature in proptest::option::of(0_f32..=1.0),
        stop in proptest::option::of(proptest::collection::vec(".{1,4}", 0..3)),
        tools in 0_usize..3,
        field in "(top_k|max_tokens|temperature|stop|response_format|tool_choice|stream|model|x)",
    ) -> Ask {
        let messages: Vec<_> =
            turns.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect();
        let mut request = json!({
            "messages": messages,
            "system": [{"text": "s"}],
            "inferenceConfig": {},
            "additionalModelRequestFields": {field: 1},
        });
        if let Some(limit) = limit {
            request["inferenceConfig"]["maxTokens"] = limit.into();
        }
        if let Some(temperature) = temperature {
            request["inferenceConfig"]["temperature"] = temperature.into();
        }
        if let Some(stop) = stop {
            request["inferenceConfig"]["stopSequences"] = stop.into();
        }
        if tools > 0 {
            let tool = json!({"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}});
            request["toolConfig"] = json!({"tools": vec![tool; tools], "toolChoice": {"auto": {}}});
        }
        ask(&request.to_string())
    }
}

fn asks() -> impl Strategy<Value = Ask> {
    (conversations(), proptest::option::of(".{0,20}")).prop_map(|(mut ask, prompt)| {
        if let Some(text) = prompt {
            ask.input = Input::Prompt(Prompt { text, images: vec![] });
        }
        ask
    })
}

/// Any JSON in which no object has a key twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
                Ok(Unique)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
                Ok(Unique)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
                Ok(Unique)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
                Ok(Unique)
            }

            fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
                Ok(Unique)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
                while seq.next_element::<Unique>()?.is_some() {}
                Ok(Unique)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut keys = HashSet::new();
                while let Some((key, Unique)) = map.next_entry::<String, Unique>()? {
                    if !keys.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format!("{key} stands there twice")));
                    }
                }
                Ok(Unique)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[test]
fn a_key_that_stands_there_twice_is_seen() {
    assert!(serde_json::from_str::<Unique>(r#"{"a":{"b":1,"c":[null],"b":"2"}}"#).is_err());
    assert!(serde_json::from_str::<Unique>(r#"{"a":{"b":1},"b":[{"a":-1.5},{"a":true}]}"#).is_ok());
}
