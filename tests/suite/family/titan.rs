//! Amazon Titan Text.

use helan::converse::StopReason;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{answer, any_answer, as_converse, chunks, read, reasoning, refusal, text, whole};

const PROMPT: &str = "User: 你好\nBot:";

#[test]
fn the_documented_request_and_its_defaults() {
    let question = read(
        "titan",
        &json!({"inputText": PROMPT, "textGenerationConfig":
            {"temperature": 0.25, "topP": 0.5, "maxTokenCount": 64, "stopSequences": ["User:"]}}),
    );
    assert_eq!(
        as_converse(&question.ask),
        json!({"prompt": PROMPT, "inferenceConfig": {"maxTokens": 64, "temperature": 0.25,
            "topP": 0.5, "stopSequences": ["User:"]}})
    );
    for body in [
        json!({"inputText": "Hi"}),
        json!({"inputText": "Hi", "textGenerationConfig": {}}),
        json!({"inputText": "Hi", "textGenerationConfig": {"stopSequences": []}}),
    ] {
        assert_eq!(
            as_converse(&read("titan", &body).ask),
            json!({"prompt": "Hi", "inferenceConfig":
                {"maxTokens": 512, "temperature": 0.7_f32, "topP": 0.9_f32}})
        );
    }
}

#[test]
fn the_documented_answer() {
    let request = json!({"inputText": PROMPT});
    let events = answer(&[text(&["你", "好"])], StopReason::EndTurn, None);
    assert_eq!(
        whole("titan", &request, &events),
        json!({"inputTextTokenCount": 12, "results":
            [{"tokenCount": 34, "outputText": "你好", "completionReason": "FINISHED"}]})
    );
    // langchain-aws reads `outputText` of every chunk, litellm of every chunk that has it.
    let chunk = |text: &str| {
        json!({"outputText": text, "index": 0, "totalOutputTextTokenCount": null,
            "completionReason": null, "inputTextTokenCount": null})
    };
    assert_eq!(
        chunks("titan", &request, &events),
        [
            chunk("你"),
            chunk("好"),
            json!({"outputText": "", "index": 0, "totalOutputTextTokenCount": 34,
                "completionReason": "FINISHED", "inputTextTokenCount": 12}),
        ]
    );
}

#[test]
fn why_it_ended() {
    let request = json!({"inputText": PROMPT});
    for (reason, said) in [
        (StopReason::MaxTokens, "LENGTH"),
        (StopReason::ModelContextWindowExceeded, "LENGTH"),
        (StopReason::StopSequence, "STOP_CRITERIA_MET"),
        (StopReason::ContentFiltered, "CONTENT_FILTERED"),
    ] {
        let events = answer(&[text(&["x"])], reason, None);
        assert_eq!(whole("titan", &request, &events)["results"][0]["completionReason"], said);
        let chunks = chunks("titan", &request, &events);
        assert_eq!(chunks.last().unwrap()["completionReason"], said);
    }
}

#[test]
fn the_text_is_as_generated() {
    let events = answer(&[reasoning(&["hm"]), text(&["yes"])], StopReason::EndTurn, None);
    assert_eq!(
        whole("titan", &json!({"inputText": "x"}), &events)["results"][0]["outputText"],
        "<think>\nhm\n</think>\n\nyes"
    );
}

#[test]
fn what_is_wrong_is_told_in_bedrocks_words() {
    let config = |config: Value| json!({"inputText": "x", "textGenerationConfig": config});
    for (request, words) in [
        (json!({}), "#: required key [inputText] not found"),
        (json!({"inputText": ""}), "#/inputText: expected minLength: 1, actual: 0"),
        (json!({"inputText": "x", "prompt": 1}), "#: extraneous key [prompt] is not permitted"),
        (
            config(json!({"max_tokens": 1})),
            "#/textGenerationConfig: extraneous key [max_tokens] is not permitted",
        ),
        (
            config(json!({"maxTokenCount": 0})),
            "#/textGenerationConfig/maxTokenCount: 0 is not greater or equal to 1",
        ),
        (
            config(json!({"temperature": 2})),
            "#/textGenerationConfig/temperature: 2 is not less or equal to 1",
        ),
        (
            config(json!({"stopSequences": "User:"})),
            "#/textGenerationConfig/stopSequences: expected type: JSONArray, found: String",
        ),
    ] {
        assert_eq!(
            refusal("titan", &request),
            format!("Malformed input request: {words}, please reformat your input and try again.")
        );
    }
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer()) {
        let request = json!({"inputText": PROMPT});
        let chunks = chunks("titan", &request, &events);
        let text: String =
            chunks.iter().map(|chunk| chunk["outputText"].as_str().unwrap()).collect();
        let (last, before) = chunks.split_last().unwrap();
        for chunk in before {
            prop_assert!(chunk["completionReason"].is_null());
        }
        let folded = json!({"inputTextTokenCount": last["inputTextTokenCount"], "results": [{
            "tokenCount": last["totalOutputTextTokenCount"], "outputText": text,
            "completionReason": last["completionReason"]}]});
        prop_assert_eq!(folded, whole("titan", &request, &events));
    }
}
