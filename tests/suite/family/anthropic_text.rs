//! Anthropic's older text completion.

use helan::converse::StopReason;
use proptest::prelude::*;
use serde_json::json;

use super::{answer, any_answer, as_converse, chunks, prompt, read, refusal, text, whole};

#[test]
fn the_documented_request() {
    let text = "\n\nHuman: Where is Helan?\n\nAssistant:";
    let question = read(
        "anthropic",
        &json!({"prompt": text, "max_tokens_to_sample": 200, "temperature": 0.5, "top_p": 0.25,
            "top_k": 250, "stop_sequences": ["END"]}),
    );
    assert_eq!(prompt(&question.ask), text);
    assert_eq!(
        as_converse(&question.ask),
        json!({"prompt": text, "inferenceConfig": {"maxTokens": 200, "temperature": 0.5,
            "topP": 0.25, "stopSequences": ["END", "\n\nHuman:"]},
            "additionalModelRequestFields": {"top_k": 250}})
    );
    let short = read(
        "anthropic",
        &json!({"prompt": text, "max_tokens_to_sample": 1,
        "stop_sequences": ["\n\nHuman:"]}),
    );
    assert_eq!(
        as_converse(&short.ask)["inferenceConfig"],
        json!({"maxTokens": 1, "temperature": 1.0, "topP": 1.0, "stopSequences": ["\n\nHuman:"]})
    );
    assert_eq!(
        refusal("anthropic", &json!({"prompt": text, "max_tokens": 1})),
        format!(
            "Malformed input request: {}, please reformat your input and try again.",
            "#: required key [max_tokens_to_sample] not found#: extraneous key [max_tokens] is not \
             permitted"
        )
    );
}

#[test]
fn the_documented_answer() {
    let request = json!({"prompt": "\n\nHuman: Hi\n\nAssistant:", "max_tokens_to_sample": 20});
    let events = answer(&[text(&[" Hel", "lo"])], StopReason::StopSequence, Some("\n\nHuman:"));
    assert_eq!(
        whole("anthropic", &request, &events),
        json!({"type": "completion", "completion": " Hello", "stop_reason": "stop_sequence",
            "stop": "\n\nHuman:"})
    );
    assert_eq!(
        chunks("anthropic", &request, &events),
        [
            json!({"type": "completion", "completion": " Hel", "stop_reason": null, "stop": null}),
            json!({"type": "completion", "completion": "lo", "stop_reason": null, "stop": null}),
            json!({"type": "completion", "completion": "", "stop_reason": "stop_sequence",
                "stop": "\n\nHuman:"}),
        ]
    );
    let cut = answer(&[text(&["x"])], StopReason::MaxTokens, None);
    assert_eq!(whole("anthropic", &request, &cut)["stop_reason"], "max_tokens");
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer()) {
        let request = json!({"prompt": "x", "max_tokens_to_sample": 20});
        let chunks = chunks("anthropic", &request, &events);
        let mut folded = chunks.last().unwrap().clone();
        let text: String =
            chunks.iter().map(|chunk| chunk["completion"].as_str().unwrap()).collect();
        folded["completion"] = text.into();
        prop_assert_eq!(folded, whole("anthropic", &request, &events));
    }
}
