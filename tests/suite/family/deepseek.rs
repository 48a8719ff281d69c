//! `DeepSeek`'s text completion.

use helan::converse::{Adaptation, StopReason};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    answer, any_answer, as_converse, call, chunks, prompt, read, reasoning, refusal, text, whole,
};

const PROMPT: &str = "<｜begin▁of▁sentence｜><｜User｜>贺兰山在哪里？<｜Assistant｜><think>\n";

#[test]
fn the_documented_request() {
    let question = read(
        "deepseek",
        &json!({"prompt": PROMPT, "max_tokens": 512, "temperature": 0.5, "top_p": 0.9, "stop": ["。"]}),
    );
    assert_eq!(
        as_converse(&question.ask),
        json!({"prompt": PROMPT, "inferenceConfig": {"maxTokens": 512, "temperature": 0.5,
            "topP": 0.9_f32, "stopSequences": ["。"]}})
    );
    assert_eq!(question.adapted, []);
}

#[test]
fn the_spelling_of_the_blog_becomes_the_tokenizers_own() {
    let spelled = PROMPT.replace('▁', "_");
    let question = read("deepseek", &json!({"prompt": spelled}));
    assert_eq!(prompt(&question.ask), PROMPT);
    assert_eq!(question.adapted, [Adaptation::BosRespelled]);
    let inside = format!("x{spelled}");
    assert_eq!(prompt(&read("deepseek", &json!({"prompt": inside})).ask), inside);
}

#[test]
fn the_documented_answer() {
    let request = json!({"prompt": PROMPT});
    let events = answer(&[text(&["在", "宁夏。"])], StopReason::EndTurn, None);
    assert_eq!(
        whole("deepseek", &request, &events),
        json!({"choices": [{"text": "在宁夏。", "stop_reason": "stop"}]})
    );
    assert_eq!(
        chunks("deepseek", &request, &events),
        [
            json!({"choices": [{"text": "在", "stop_reason": null}]}),
            json!({"choices": [{"text": "宁夏。", "stop_reason": null}]}),
            json!({"choices": [{"text": "", "stop_reason": "stop"}]}),
        ]
    );
    let cut = answer(&[text(&["在"])], StopReason::MaxTokens, None);
    assert_eq!(whole("deepseek", &request, &cut)["choices"][0]["stop_reason"], "length");
}

#[test]
fn reasoning_that_a_container_split_off_is_rejoined() {
    let events =
        answer(&[reasoning(&["Ningxia", "?"]), text(&["宁夏"])], StopReason::EndTurn, None);
    let said = |request: &Value| whole("deepseek", request, &events)["choices"][0]["text"].clone();
    assert_eq!(said(&json!({"prompt": PROMPT})), "Ningxia?\n</think>\n\n宁夏");
    assert_eq!(
        said(&json!({"prompt": "<｜User｜>Hi<｜Assistant｜>"})),
        "<think>\nNingxia?\n</think>\n\n宁夏"
    );
    let with_breaks = answer(&[reasoning(&["\nA\n"]), text(&["\n\nB"])], StopReason::EndTurn, None);
    assert_eq!(
        whole("deepseek", &json!({"prompt": "x"}), &with_breaks)["choices"][0]["text"],
        "<think>\nA\n</think>\n\nB"
    );
}

#[test]
fn a_call_that_nobody_offered_is_shown_as_text() {
    let events = answer(&[call("a", "look_up", &["{\"q\":", "1}"])], StopReason::ToolUse, None);
    let request = json!({"prompt": "x"});
    let said = "{\"name\": \"look_up\", \"arguments\": {\"q\":1}}";
    assert_eq!(whole("deepseek", &request, &events)["choices"][0]["text"], said);
}

#[test]
fn what_is_wrong_is_told_in_bedrocks_words() {
    for (request, words) in [
        (json!({}), "#: required key [prompt] not found"),
        (json!({"prompt": 1}), "#/prompt: expected type: String, found: Integer"),
        (json!({"prompt": "x", "top_k": 5}), "#: extraneous key [top_k] is not permitted"),
        (
            json!({"prompt": "x", "temperature": 1.5}),
            "#/temperature: 1.5 is not less or equal to 1",
        ),
        (json!({"prompt": "x", "max_tokens": 0}), "#/max_tokens: 0 is not greater or equal to 1"),
        (json!({"prompt": "x", "stop": "a"}), "#/stop: expected type: JSONArray, found: String"),
    ] {
        assert_eq!(
            refusal("deepseek", &request),
            format!("Malformed input request: {words}, please reformat your input and try again.")
        );
    }
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer(), opened in any::<bool>()) {
        let request = json!({"prompt": if opened { PROMPT } else { "Hi" }});
        let mut text = String::new();
        let mut reason = Value::Null;
        for chunk in chunks("deepseek", &request, &events) {
            text.push_str(chunk["choices"][0]["text"].as_str().unwrap());
            prop_assert!(reason.is_null(), "a chunk after the last");
            reason = chunk["choices"][0]["stop_reason"].clone();
        }
        prop_assert_eq!(
            json!({"choices": [{"text": text, "stop_reason": reason}]}),
            whole("deepseek", &request, &events)
        );
    }
}
