//! Tokens counted by the real binary: by the model's tokenizer, by the endpoint, and not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helan::tokenizer::{Passage, Tokenizer};
use serde_json::{Value, json};

use super::*;

const COUNT: &str = "/model/m/count-tokens";
const REFUSED: &str = "The provided model doesn't support counting tokens.";

fn tokenizer() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizer/tokenizer.json").to_owned()
}

/// How many tokens the tokenizer of the fixtures, whose counts are Python's, finds in a prompt.
fn tokens(prompt: &str) -> u32 {
    Tokenizer::load(tokenizer().as_ref()).unwrap().count(&Passage::new(prompt)).unwrap()
}

fn model(more: &str) -> String {
    format!("tokenizer = \"{}\"\n{more}", tokenizer())
}

fn converse(text: &str) -> String {
    let converse = json!({ "messages": [{ "role": "user", "content": [{ "text": text }] }],
        "system": [{ "text": "You are 助手." }] });
    json!({ "input": { "converse": converse } }).to_string()
}

fn prompt(text: &str) -> String {
    format!(
        "<|im_start|>system\nYou are 助手.<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    )
}

fn invoke(body: &Value) -> String {
    json!({ "input": { "invokeModel": { "body": STANDARD.encode(body.to_string()) } } }).to_string()
}

async fn calls(pair: &Pair) -> Value {
    let head = "GET /_emulator/requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    send(pair.emulator.address, &[head.as_bytes()]).await.json()
}

const TEXT: &str = "贺兰山在哪里？ Where is Helan Mountain?";

#[tokio::test]
async fn a_conversation_is_counted_as_its_template_renders_it() {
    for contract in ["openai", "completions", "tgi", "lmi", "hf"] {
        let more = format!("contract = \"{contract}\"\ntemplate = \"chatml\"\n");
        let pair = pair("[[rules]]\nanswer.text = \"no\"\n", &model(&more));
        let answer = post(pair.gateway.address, COUNT, &converse(TEXT)).await;
        assert_eq!(answer.status, 200, "{contract}: {answer:?}");
        assert_eq!(answer.json(), json!({ "inputTokens": tokens(&prompt(TEXT)) }), "{contract}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(calls(&pair).await, json!([]), "nobody was called");
    }
}

#[tokio::test]
async fn what_only_a_container_of_messages_can_be_asked_is_counted_too() {
    let pair = pair("", &model("template = \"chatml\"\nfamily = \"anthropic\"\n"));
    let body = json!({ "anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
        "system": "You are 助手.", "messages": [{ "role": "user", "content": TEXT }] });
    let answer = post(pair.gateway.address, COUNT, &invoke(&body)).await;
    assert_eq!(answer.json(), json!({ "inputTokens": tokens(&prompt(TEXT)) }));
    let mut body = body;
    body["output_config"] = json!({ "effort": "high" });
    let answer = post(pair.gateway.address, COUNT, &invoke(&body)).await;
    assert_eq!(answer.json(), json!({ "inputTokens": tokens(&prompt(TEXT)) }), "{answer:?}");
}

#[tokio::test]
async fn a_long_text_is_counted_by_a_thread_of_its_own_and_one_that_is_too_long_is_refused() {
    let pair = pair("", &model("template = \"chatml\"\n"));
    let long = TEXT.repeat(2_000);
    let answer = post(pair.gateway.address, COUNT, &converse(&long)).await;
    assert_eq!(answer.json(), json!({ "inputTokens": tokens(&prompt(&long)) }));
    let answer = post(pair.gateway.address, COUNT, &converse(&"a".repeat(2_000_000))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().starts_with("The prompt is too long to count"), "{answer:?}");
}

/// The BOS that the container adds is left out, whoever wrote it, so that the model reads one, not
/// two; it is counted although this tokenizer's file does not tell that it is added.
#[tokio::test]
async fn one_bos_and_not_two() {
    let text = "[INST] 你好, Where? [/INST]";
    let written = format!("<s>{text}");
    for (contract, counted) in [("tgi", tokens(text) + 1), ("openai", tokens(text) + 1)] {
        let more =
            format!("contract = \"{contract}\"\ntemplate = \"mistral-v3\"\nfamily = \"mistral\"\n");
        let pair = pair("", &model(&more));
        for (written, expected) in [(written.as_str(), counted), (text, tokens(text))] {
            let body = invoke(&json!({ "prompt": written }));
            let answer = post(pair.gateway.address, COUNT, &body).await;
            assert_eq!(answer.json(), json!({ "inputTokens": expected }), "{contract} {written}");
        }
    }
}

#[tokio::test]
async fn anthropics_route_counts_without_a_limit_of_tokens() {
    let pair = pair("", &model("template = \"chatml\"\n"));
    let path = "/anthropic/v1/messages/count_tokens";
    let mut body = json!({ "model": "m", "system": "You are 助手.",
        "messages": [{ "role": "user", "content": TEXT }] });
    let answer = post(pair.gateway.address, path, &body.to_string()).await;
    assert_eq!(answer.json(), json!({ "input_tokens": tokens(&prompt(TEXT)) }));
    body["max_tokens"] = json!(100);
    let answer = post(pair.gateway.address, path, &body.to_string()).await;
    assert_eq!(answer.json(), json!({ "input_tokens": tokens(&prompt(TEXT)) }));
    body["messages"] = json!([]);
    let answer = post(pair.gateway.address, path, &body.to_string()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{answer:?}");
}

#[tokio::test]
async fn the_endpoint_is_asked_for_one_token() {
    let rules = "[[rules]]\nanswer.text = \"one two three\"\nanswer.usage = { prompt_tokens = 123, completion_tokens = 1, cached_tokens = 100 }\n";
    let pair = pair(rules, "count_tokens = \"endpoint\"\nunary = \"stream\"\n");
    let body = json!({ "input": { "converse": {
        "messages": [{ "role": "user", "content": [{ "text": "hi" }, { "cachePoint": { "type": "default" } }] }],
        "toolConfig": { "tools": [{ "toolSpec": { "name": "t", "inputSchema": { "json": {} } } }],
            "toolChoice": { "any": {} } } } } });
    let answer = post(pair.gateway.address, COUNT, &body.to_string()).await;
    assert_eq!(answer.json(), json!({ "inputTokens": 123 }), "cached tokens are counted too");
    let sent = calls(&pair).await;
    let payload: Value = serde_json::from_str(sent[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(payload["max_tokens"], 1, "{payload}");
    assert_ne!(payload["tool_choice"], "required", "{payload}");
    assert!(payload["tools"].is_array(), "{payload}");
}

#[tokio::test]
async fn an_endpoint_that_does_not_count_is_no_way_to_count() {
    let pair = pair(
        "dialect = \"hf\"\n[[rules]]\nanswer.text = \"one\"\n",
        "contract = \"hf\"\ntemplate = \"chatml\"\ncount_tokens = \"endpoint\"\n",
    );
    let answer = post(pair.gateway.address, COUNT, &converse("hi")).await;
    assert_eq!((answer.status, answer.message().as_str()), (400, REFUSED));
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused_in_bedrocks_words() {
    for more in [
        "",
        "template = \"chatml\"\n",
        &model("contract = \"raw\"\n"),
        &model("count_tokens = \"off\"\ntemplate = \"chatml\"\n"),
        &model(""),
    ] {
        let pair = pair("", more);
        let answer = post(pair.gateway.address, COUNT, &converse("hi")).await;
        assert_eq!((answer.status, answer.message().as_str()), (400, REFUSED), "{more}");
        let route = "/anthropic/v1/messages/count_tokens";
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        let answer = post(pair.gateway.address, route, body).await;
        assert_eq!(answer.json()["error"]["message"], REFUSED, "{more}");
    }
}

#[tokio::test]
async fn a_request_that_is_wrong_is_told_so() {
    let pair = pair("", &model("template = \"chatml\"\n"));
    let image = json!({ "image": { "format": "png", "source": { "bytes": "iVBORw==" } } });
    let message = |content: Value| json!({ "role": "user", "content": content });
    for (body, words) in [
        ("{}".to_owned(), "Value at 'input' failed to satisfy constraint: Member must not be null"),
        (json!({ "input": {} }).to_string(), "Member must have one of converse and invokeModel"),
        (
            json!({ "input": { "converse": {}, "invokeModel": { "body": "e30=" } } }).to_string(),
            "Member must have one of converse and invokeModel",
        ),
        (json!({ "input": { "invokeModel": { "body": "{}" } } }).to_string(), "base64"),
        (json!({ "input": { "invokeModel": { "body": "e30=" } } }).to_string(), "Malformed input"),
        (
            json!({ "input": { "converse": { "messages": [message(json!([]))] } } }).to_string(),
            "content",
        ),
        (
            json!({ "input": { "converse": { "messages": [message(json!([image]))] } } })
                .to_string(),
            "The tokens of an image cannot be counted for this model.",
        ),
        ("nothing".to_owned(), "JSON"),
    ] {
        let answer = post(pair.gateway.address, COUNT, &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.message().contains(words), "{body}: {answer:?}");
    }
}

/// Containers that do not say how long the prompt was.
#[tokio::test]
async fn the_usage_is_complete_with_a_tokenizer_and_not_invented_without() {
    let ask = json!({ "messages": [{ "role": "user", "content": [{ "text": TEXT }] }],
        "system": [{ "text": "You are 助手." }] })
    .to_string();
    for (contract, dialect) in [("hf", "hf"), ("tgi", "tgi"), ("lmi", "lmi")] {
        let rules = format!("dialect = \"{dialect}\"\n[[rules]]\nanswer.text = \"one two\"\n");
        let served =
            format!("contract = \"{contract}\"\ntemplate = \"chatml\"\nunary = \"invoke\"\n");
        let with = pair(&rules, &model(&served));
        let usage = post(with.gateway.address, PATH, &ask).await.json()["usage"].clone();
        assert_eq!(usage["inputTokens"], tokens(&prompt(TEXT)), "{contract}: {usage}");
        let count = |name: &str| usage[name].as_u64().unwrap();
        assert_eq!(count("totalTokens"), count("inputTokens") + count("outputTokens"));
        let streamed = post(with.gateway.address, "/model/m/converse-stream", &ask).await;
        let counted = format!("\"inputTokens\":{}", tokens(&prompt(TEXT)));
        if contract == "hf" {
            let text = String::from_utf8_lossy(&streamed.body).into_owned();
            assert!(text.contains(&counted), "{text}");
        }
        let without = pair(&rules, &served);
        let usage = post(without.gateway.address, PATH, &ask).await.json()["usage"].clone();
        assert_eq!(usage["inputTokens"], 0, "{contract}: {usage}");
    }
}

#[test]
fn check_loads_the_tokenizer() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let run = |config: &str| {
        let text = format!("[auth]\nmode = \"none\"\n[models.m]\nendpoint = \"e\"\n{config}");
        std::fs::write(path("helan.toml"), text).unwrap();
        let arguments = ["check", "--config", &path("helan.toml")];
        let done = Command::new(env!("CARGO_BIN_EXE_helan")).args(arguments).env_clear().output();
        let done = done.unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    };
    let size = Tokenizer::load(tokenizer().as_ref()).unwrap().vocabulary();
    let counted = format!("tokens are counted by a vocabulary of {size}");
    // The one that lies beside the template's files.
    std::fs::copy(tokenizer(), path("tokenizer.json")).unwrap();
    std::fs::write(path("tokenizer_config.json"), r#"{"chat_template": "{{ messages }}"}"#)
        .unwrap();
    for config in [
        "template = \"./\"\n",
        "template = \"tokenizer_config.json\"\n",
        "template = \"chatml\"\ntokenizer = \"tokenizer.json\"\n",
        "template = \"chatml\"\ntokenizer = \".\"\n",
    ] {
        let (fine, said) = run(config);
        assert!(fine && said.contains(&counted), "{config}: {said}");
    }
    let (fine, said) = run("template = \"./\"\ncount_tokens = \"off\"\n");
    assert!(fine && !said.contains("counted"), "{said}");
    let (fine, said) = run("count_tokens = \"endpoint\"\n");
    assert!(fine && said.contains("tokens are counted by the endpoint"), "{said}");
    std::fs::write(path("tokenizer.json"), r#"{"added_tokens": []}"#).unwrap();
    let (fine, said) = run("template = \"./\"\n");
    assert!(!fine && said.contains("is no tokenizer that can be used"), "{said}");
    let (fine, said) = run("template = \"./\"\ncount_tokens = \"off\"\n");
    assert!(fine, "{said}");
}
