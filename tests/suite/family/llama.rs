//! Meta's Llama.

use helan::converse::{ImageFormat, Input, StopReason};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{answer, any_answer, as_converse, chunks, read, refusal, text, whole};

const PROMPT: &str = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n你好<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn the_documented_request_and_its_defaults() {
    let question = read(
        "llama",
        &json!({"prompt": PROMPT, "max_gen_len": 64, "temperature": 0.25, "top_p": 0.5}),
    );
    assert_eq!(
        as_converse(&question.ask),
        json!({"prompt": PROMPT,
            "inferenceConfig": {"maxTokens": 64, "temperature": 0.25, "topP": 0.5}})
    );
    assert_eq!(
        as_converse(&read("llama", &json!({"prompt": "Hi"})).ask)["inferenceConfig"],
        json!({"maxTokens": 512, "temperature": 0.5, "topP": 0.9_f32})
    );
}

#[test]
fn images_are_told_by_their_first_bytes() {
    let question = read("llama", &json!({"prompt": "<|image|>What is it?", "images": [PNG]}));
    let Input::Prompt(prompt) = &question.ask.input else { panic!("a conversation") };
    assert_eq!(prompt.images.len(), 1);
    assert_eq!(prompt.images[0].format, ImageFormat::Png);
    assert_eq!(
        refusal("llama", &json!({"prompt": "x", "images": [PNG, "AAAA"]})),
        "Malformed input request: #/images/1: the image is no PNG, JPEG, GIF or WebP, please \
         reformat your input and try again."
    );
    let refused = refusal("llama", &json!({"prompt": "x", "images": ["no base64!"]}));
    assert!(refused.contains("#/images"), "{refused}");
}

#[test]
fn the_documented_answer() {
    let request = json!({"prompt": PROMPT});
    let events = answer(&[text(&["你", "好"])], StopReason::EndTurn, None);
    assert_eq!(
        whole("llama", &request, &events),
        json!({"generation": "你好", "prompt_token_count": 12, "generation_token_count": 34,
            "stop_reason": "stop"})
    );
    assert_eq!(
        chunks("llama", &request, &events),
        [
            json!({"generation": "你", "prompt_token_count": null,
                "generation_token_count": null, "stop_reason": null}),
            json!({"generation": "好", "prompt_token_count": null,
                "generation_token_count": null, "stop_reason": null}),
            json!({"generation": "", "prompt_token_count": 12, "generation_token_count": 34,
                "stop_reason": "stop"}),
        ]
    );
}

proptest! {
    #[test]
    fn chunks_fold_to_the_whole(events in any_answer()) {
        let request = json!({"prompt": PROMPT});
        let chunks = chunks("llama", &request, &events);
        let mut folded = chunks.last().unwrap().clone();
        let text: String =
            chunks.iter().map(|chunk| chunk["generation"].as_str().unwrap()).collect();
        folded["generation"] = Value::String(text);
        prop_assert_eq!(folded, whole("llama", &request, &events));
    }
}
