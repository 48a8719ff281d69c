//! The cases of each format, cut at every place.

use std::path::Path;

use helan::parse::{Calls, Finish, Format, jsonl};
use serde_json::{Value, json};

use super::{Read, options, read, whole};

/// The cases of `format`.
pub(super) fn cases(format: Format) -> Vec<Value> {
    let file = format!("tests/fixtures/parse/{}.jsonl", format.name());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check(found: &Read, case: &Value) {
    let calls: Vec<_> = found
        .calls
        .iter()
        .map(|(name, _, json)| {
            json!({"name": name, "arguments": serde_json::from_str::<Value>(json).unwrap()})
        })
        .collect();
    let found = json!({"text": found.text, "reasoning": found.reasoning, "tool_calls": calls});
    let expected = json!({
        "text": case["text"], "reasoning": case["reasoning"], "tool_calls": case["tool_calls"],
    });
    assert_eq!(found, expected, "{}", case["input"]);
}

#[test]
fn every_case_wherever_it_is_cut() {
    for format in Format::ALL {
        for case in cases(format) {
            let input = case["input"].as_str().unwrap().as_bytes();
            for calls in [Calls::AsTheyArrive, Calls::Whole] {
                let check = |pieces: &mut dyn Iterator<Item = &[u8]>| {
                    check(&read(format, options(&case, calls), pieces, Finish::End), &case);
                };
                for cut in 0..input.len() {
                    check(&mut [&input[..cut], &input[cut..]].into_iter());
                }
                for size in [1, 2, 3, 7] {
                    check(&mut input.chunks(size));
                }
            }
        }
    }
}

/// Whatever a format's own answer is, it is found from the text alone; except what has no marker.
#[test]
fn detection_reads_every_format_with_markers() {
    for format in [
        Format::Hermes,
        Format::Mistral,
        Format::MistralV11,
        Format::DeepSeekV3,
        Format::DeepSeekV31,
        Format::KimiK2,
        Format::Harmony,
        Format::Think,
        Format::Qwen3,
        Format::Qwen3Coder,
    ] {
        for case in cases(format) {
            let found = whole(
                Format::Detect,
                options(&case, Calls::Whole),
                case["input"].as_str().unwrap(),
            );
            check(&found, &case);
        }
    }
}

#[test]
fn lines_in_lines_out() {
    let lines = concat!(
        r#"{"id":1,"format":"hermes","chunks":["a<tool_","call>{\"name\":\"f\",\"arguments\":{\n\"x\":1}}</tool_call>"]}"#,
        "\n\n",
        r#"{"id":"2","format":"think","prefill":true,"tools":null,"chunks":["hm</think>ja"]}"#,
        "\n",
        r#"{"id":3,"format":"no such","chunks":[]}"#,
        "\n{\n",
    );
    let mut written = Vec::new();
    jsonl(lines.as_bytes(), &mut written).unwrap();
    let written = String::from_utf8(written).unwrap();
    let answers: Vec<Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        answers[..2],
        [
            json!({"id": 1, "text": "a", "reasoning": "", "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}),
            json!({"id": "2", "text": "ja", "reasoning": "hm", "tool_calls": []}),
        ]
    );
    assert_eq!(answers[2]["id"], 3);
    assert!(answers[2]["error"].as_str().unwrap().contains("no such"));
    assert!(answers[3]["error"].is_string());
}
