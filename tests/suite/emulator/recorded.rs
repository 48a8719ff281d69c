//! The scripted model beside a real vLLM 0.32.0: `tests/fixtures/vllm`.

use std::fs;
use std::path::Path;

use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint_with_response_stream::InvokeEndpointWithResponseStreamError;
use serde_json::Value;

use super::{Running, events, invoke, stream};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vllm").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A value with everything taken out that differs from call to call; the order of members stays.
fn shape(value: &Value) -> Value {
    const KEPT: [&str; 6] =
        ["object", "role", "type", "finish_reason", "name", "system_fingerprint"];
    match value {
        Value::String(_) => "…".into(),
        Value::Number(_) => 0.into(),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let kept = KEPT.contains(&name.as_str());
                // The first delta has an empty text.
                let empty = value.as_str() == Some("");
                (name.clone(), if kept || empty { value.clone() } else { shape(value) })
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The kinds of events in a stream, in the order of their first appearance.
fn shapes(text: &str) -> Vec<String> {
    let mut shapes: Vec<String> = Vec::new();
    for event in events(text) {
        // A real model's tokens are empty where a character is not complete.
        if event["choices"][0]["delta"]["reasoning"] == "" {
            continue;
        }
        let shape = shape(&event).to_string();
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

const RULES: &str = r#"
[endpoints.model]
model = "tiny-qwen3"
vision = false
context = 2048
[[rules]]
when.text = "weather?"
when.tools = true
answer.text = "Sure.\n"
answer.tool_calls = [{ name = "get_weather", arguments = { city = "Ningxia" } }]
[[rules]]
answer.reasoning = "one two three four five six seven eight nine ten eleven twelve thirteen"
answer.text = "\n\nThe answer is 42."
"#;

#[tokio::test]
async fn whole_answers_look_like_the_recorded_ones() {
    let running = Running::with(RULES).await;
    for name in ["think", "tool-auto", "tool-named", "history-tool", "completion"] {
        let name = format!("{name}-normal");
        let recorded: Value =
            serde_json::from_str(&fixture(&format!("{name}.response.txt"))).unwrap();
        let answer = invoke(&running, fixture(&format!("{name}.request.json"))).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(shape(&answer).to_string(), shape(&recorded).to_string(), "{name}");
    }
}

#[tokio::test]
async fn streams_look_like_the_recorded_ones() {
    let running = Running::with(RULES).await;
    for name in [
        "chat-stream",
        "chat-stream-contusage",
        "chat-stream-nousage",
        "think-stream",
        "tool-auto-stream",
        "tool-named-stream",
        "completion-stream",
    ] {
        let recorded = fixture(&format!("{name}.response.txt"));
        let answer = stream(&running, fixture(&format!("{name}.request.json"))).await;
        assert_eq!(shapes(&answer), shapes(&recorded), "{name}");
        assert!(
            answer.ends_with("\n\ndata: [DONE]\n\n") && recorded.ends_with("\n\ndata: [DONE]\n\n")
        );
    }
}

#[tokio::test]
async fn refusals_are_the_recorded_ones() {
    let running = Running::with(RULES).await;
    for name in [
        "err-badjson",
        "err-badtemp",
        "err-image",
        "err-nohandler",
        "err-stream-badparam",
        "err-toolbad",
        "err-toolong",
        "maxtokens0",
    ] {
        let request = fixture(&format!("{name}.request.json"));
        let call = running.client().invoke_endpoint().endpoint_name("model");
        let error = call.body(super::blob(request)).send().await.unwrap_err().into_service_error();
        let InvokeEndpointError::ModelError(error) = error else { panic!("{name}: {error:?}") };
        assert_eq!(error.original_status_code(), Some(400), "{name}");
        let recorded = fixture(&format!("{name}.response.txt"));
        assert_eq!(error.original_message(), Some(recorded.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a_long_prompt_is_refused_in_the_recorded_words() {
    let running = Running::with("[endpoints.model]\ncontext = 1000").await;
    let request = fixture("err-inputs-tokens-overflow.request.json");
    let call = running.client().invoke_endpoint_with_response_stream().endpoint_name("model");
    let error = call.body(super::blob(request)).send().await.unwrap_err().into_service_error();
    let InvokeEndpointWithResponseStreamError::ModelError(error) = error else {
        panic!("{error:?}")
    };
    let expected = fixture("err-inputs-tokens-overflow.response.txt");
    let expected = expected.replace("2048", "1000").replace("2049", "1001");
    assert_eq!(error.original_message(), Some(expected.as_str()));
}

#[tokio::test]
async fn a_worker_that_dies_says_what_the_recorded_one_said() {
    let rules = "[[rules]]\nanswer.text = 'a b c d e f'\nfault.error_event = { after = 4 }";
    let running = Running::with(rules).await;
    let answer = stream(&running, fixture("midstream-crash.request.json")).await;
    let recorded = fixture("midstream-crash.response.txt");
    let (_, end) = recorded.rsplit_once("data: {\"error\"").unwrap();
    assert!(answer.ends_with(&format!("data: {{\"error\"{end}")), "{answer}");
    assert_eq!(answer.matches("\"content\":").count(), 4);
    assert!(!answer.contains("\"finish_reason\":\""));
}
