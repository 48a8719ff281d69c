//! Embeddings and reranking through the real binary: batches, headers, refusals, failures.

use serde_json::{Value, json};

use super::*;

const INVOKE: &str = "/model/m/invoke";

const FAULTS: &str = r##"
[[rules]]
when.text = "#throttle"
fault.service.code = "ThrottlingException"
[[rules]]
when.text = "#slow"
fault.delay_ms = 60000
[[rules]]
when.text = "#broken"
fault.truncate = { after = 0 }
"##;

fn serving(dialect: &str, more: &str) -> Pair {
    let rules = format!("dialect = \"{dialect}\"\ndimensions = 16\n{more}\n{FAULTS}");
    pair(&rules, &format!("contract = \"{dialect}\"\n"))
}

fn cohere(texts: &[String]) -> String {
    json!({"texts": texts, "input_type": "search_document"}).to_string()
}

/// What the emulator counted: started, completed, cancelled, failed.
async fn calls(pair: &Pair) -> [u64; 4] {
    let request = b"GET /_emulator/calls HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let calls = send(pair.emulator.address, &[request]).await.json();
    ["started", "completed", "cancelled", "failed"].map(|name| calls[name].as_u64().unwrap())
}

#[tokio::test]
async fn a_question_over_the_limit_is_asked_in_batches() {
    let pair = serving("tei", "");
    let address = pair.gateway.address;
    let texts: Vec<String> = (0..96).map(|n| format!("text {n}")).collect();
    let answer = post(address, INVOKE, &cohere(&texts)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(calls(&pair).await[0], 3, "96 texts, 32 at once");
    let vectors = answer.json()["embeddings"].clone();
    for at in [0, 31, 32, 95] {
        let alone = post(address, INVOKE, &cohere(&texts[at..=at])).await;
        assert_eq!(alone.json()["embeddings"][0], vectors[at], "vector {at} is that of its text");
    }
    // TEI counts no tokens that SageMaker would hand on, so nobody does.
    assert_eq!(answer.header("X-Amzn-Bedrock-Input-Token-Count"), None);
    assert_eq!(answer.header("X-Amzn-Bedrock-Output-Token-Count"), None);
    assert!(answer.header("X-Amzn-Bedrock-Invocation-Latency").is_some());
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

#[tokio::test]
async fn tokens_are_told_where_the_container_counts_them() {
    let pair = serving("embeddings", "");
    let answer = post(pair.gateway.address, INVOKE, r#"{"inputText":"one two three"}"#).await;
    assert_eq!(answer.json()["inputTextTokenCount"], 3);
    assert_eq!(answer.header("X-Amzn-Bedrock-Input-Token-Count"), Some("3"));
    assert_eq!(answer.header("X-Amzn-Bedrock-Output-Token-Count"), None);
    let mut log = pair.gateway.log();
    while !log.contains(r#""operation":"InvokeModel""#) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        log = pair.gateway.log();
    }
    assert!(log.contains(r#""family":"titan-embed-v2""#), "{log}");
    assert!(log.contains(r#""input_tokens":3"#), "{log}");
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let metrics = send(pair.gateway.admin.unwrap(), &[request]).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(
        metrics.lines().any(|line| line.contains("token") && line.ends_with(" 3")),
        "{metrics}"
    );
}

#[tokio::test]
async fn each_container_has_the_models_own_vectors() {
    let mut vectors: Vec<Value> = vec![];
    for dialect in ["tei", "embeddings", "lmi-embeddings"] {
        let pair = serving(dialect, "");
        let answer = post(pair.gateway.address, INVOKE, r#"{"inputText":"贺兰山"}"#).await;
        vectors.push(answer.json()["embedding"].clone());
    }
    assert_eq!(vectors[0].as_array().unwrap().len(), 16);
    assert!(vectors.iter().all(|vector| *vector == vectors[0]), "{vectors:?}");
    let pair = serving("hf-features", "");
    let answer = post(pair.gateway.address, INVOKE, r#"{"inputText":"贺兰山"}"#).await;
    let vector = answer.json()["embedding"].clone();
    let square: f64 = vector.as_array().unwrap().iter().map(|n| n.as_f64().unwrap().powi(2)).sum();
    assert!((square - 1.0).abs() < 1e-5, "pooled, and of length 1: {vector}");
}

#[tokio::test]
async fn documents_come_back_in_order_from_all_batches() {
    for dialect in ["tei-rerank", "rerank"] {
        let pair = serving(dialect, "");
        let mut documents: Vec<String> = (0..40).map(|n| format!("nothing {n}")).collect();
        documents[37] = "Ningxia lies west".to_owned();
        documents[3] = "west".to_owned();
        let body = json!({
            "query": "Ningxia west", "documents": documents, "top_n": 3, "api_version": 2,
        });
        let answer = post(pair.gateway.address, INVOKE, &body.to_string()).await;
        let results = answer.json()["results"].as_array().unwrap().clone();
        assert_eq!(results.len(), 3);
        assert_eq!((&results[0]["index"], &results[1]["index"]), (&json!(37), &json!(3)));
        let counted = answer.header("X-Amzn-Bedrock-Input-Token-Count");
        assert_eq!(counted.is_some(), dialect == "rerank");
        assert_eq!(calls(&pair).await[0], if dialect == "rerank" { 1 } else { 2 });
    }
}

#[tokio::test]
async fn other_operations_are_refused_in_bedrocks_words() {
    for dialect in ["tei", "rerank"] {
        let pair = serving(dialect, "");
        let address = pair.gateway.address;
        let answer =
            post(address, "/model/m/invoke-with-response-stream", r#"{"inputText":"x"}"#).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.message(), "The model is unsupported for streaming.");
        for operation in ["converse", "converse-stream"] {
            let answer = post(address, &format!("/model/m/{operation}"), ASK).await;
            assert_eq!(answer.status, 400, "{operation}");
            assert!(
                answer.message().starts_with("This action doesn't support the model"),
                "{answer:?}"
            );
        }
        let answer = post(address, INVOKE, r#"{"prompt":"x"}"#).await;
        assert!(answer.message().starts_with("Malformed input request: #: "), "{answer:?}");
        assert_eq!(calls(&pair).await[0], 0, "nothing of it reached the container");
    }
}

#[tokio::test]
async fn one_batch_that_fails_fails_the_call() {
    let pair = serving("tei", "context = 8");
    let address = pair.gateway.address;
    let mut texts: Vec<String> = (0..40).map(|n| format!("text {n}")).collect();
    for (text, status, words) in [
        ("#throttle", 429, "Too many requests"),
        ("#broken", 424, "could not be read"),
        (
            "one two three four five six seven eight nine",
            400,
            "Input is too long for requested model",
        ),
    ] {
        texts[35] = text.to_owned();
        let answer = post(address, INVOKE, &cohere(&texts)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.message().contains(words), "{answer:?}");
    }
    // More dimensions than the model has.
    let wide = json!({"inputText": "x", "dimensions": 256}).to_string();
    let answer = post(address, INVOKE, &wide).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.message(),
        "The model's embeddings have 16 dimensions. It cannot return 256."
    );
}

#[tokio::test]
async fn a_caller_who_leaves_takes_all_batches_along() {
    let pair = serving("tei", "");
    let texts: Vec<String> = (0..96).map(|n| format!("#slow {n}")).collect();
    let body = cohere(&texts);
    let head = head(pair.gateway.address, "POST", INVOKE, body.as_bytes(), now());
    let mut stream = TcpStream::connect(pair.gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    while calls(&pair).await[0] < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(stream);
    while calls(&pair).await != [3, 0, 3, 0] {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
