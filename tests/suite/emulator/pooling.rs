//! Models of vectors and scores: what each container takes and answers.

use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use serde_json::{Value, json};

use super::{Running, blob, invoke, stream};

async fn speaking(dialect: &str) -> Running {
    Running::with(&format!(
        "[endpoints.model]\ndialect = '{dialect}'\ndimensions = 4\ncontext = 8\n"
    ))
    .await
}

async fn answered(running: &Running, body: &Value) -> Value {
    serde_json::from_slice(&invoke(running, body.to_string()).await).unwrap()
}

async fn refused(running: &Running, body: &Value) -> (i32, Value) {
    let call =
        running.client().invoke_endpoint().endpoint_name("model").body(blob(body.to_string()));
    let error = call.send().await.unwrap_err().into_service_error();
    let InvokeEndpointError::ModelError(error) = error else { panic!("{error:?}") };
    let words = serde_json::from_str(error.original_message().unwrap()).unwrap();
    (error.original_status_code().unwrap(), words)
}

#[tokio::test]
async fn the_same_vector_in_each_shape() {
    let text = "贺兰山";
    let tei = speaking("tei").await;
    let plain = answered(&tei, &json!({"inputs": text})).await;
    assert_eq!(plain.as_array().unwrap().len(), 1);
    assert_eq!(plain[0].as_array().unwrap().len(), 4);
    let two = answered(&tei, &json!({"inputs": ["x", text]})).await;
    assert_eq!(two[1], plain[0]);
    assert_ne!(two[0], plain[0]);
    let raw = answered(&tei, &json!({"inputs": [text], "normalize": false})).await;
    assert_ne!(raw, plain);
    assert_eq!(stream(&tei, json!({"inputs": text}).to_string()).await, plain.to_string());

    let lmi = speaking("lmi-embeddings").await;
    let written = String::from_utf8(invoke(&lmi, json!({"inputs": text}).to_string()).await);
    assert_eq!(written.unwrap(), plain.to_string().replace(',', ", "), "as Python writes it");

    let vllm = answered(&speaking("embeddings").await, &json!({"input": [text]})).await;
    assert_eq!(vllm["data"][0], json!({"index": 0, "object": "embedding", "embedding": plain[0]}));
    assert_eq!(vllm["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));

    let features = answered(&speaking("hf-features").await, &json!({"inputs": [text, ""]})).await;
    let rows = |at: usize| features[at][0].as_array().unwrap().len();
    assert_eq!((rows(0), rows(1)), (3, 1));
}

#[tokio::test]
async fn scores_in_each_shape() {
    let texts = ["tea", "Ningxia in the west"];
    let tei = speaking("tei-rerank").await;
    let ranks = answered(&tei, &json!({"query": "Ningxia west", "texts": texts})).await;
    assert_eq!((&ranks[0]["index"], &ranks[1]["index"]), (&json!(1), &json!(0)));
    let vllm = speaking("rerank").await;
    let body = json!({"query": "Ningxia west", "documents": texts});
    let results = answered(&vllm, &body).await["results"].clone();
    assert_eq!(results[0]["relevance_score"], ranks[0]["score"]);
    assert_eq!(results[0]["document"], json!({"text": texts[1]}));
}

#[tokio::test]
async fn refusals() {
    let long = "a b c d e f g h i";
    let tei = speaking("tei").await;
    for (body, status, words) in [
        (
            json!({"inputs": vec!["x"; 33]}),
            413,
            json!({"error": "batch size 33 > maximum allowed batch size 32", "error_type": "Validation"}),
        ),
        (
            json!({"inputs": long}),
            413,
            json!({"error": "`inputs` must have less than 8 tokens. Given: 9", "error_type": "Validation"}),
        ),
        (
            json!({"inputs": []}),
            400,
            json!({"error": "`inputs` cannot be empty", "error_type": "Empty"}),
        ),
    ] {
        assert_eq!(refused(&tei, &body).await, (status, words));
    }
    let cut = |direction: &str| json!({"inputs": long, "truncate": true, "truncation_direction": direction});
    let right = answered(&tei, &cut("Right")).await;
    assert_eq!(right, answered(&tei, &json!({"inputs": "a b c d e f g h"})).await);
    assert_ne!(right, answered(&tei, &cut("Left")).await);

    let vllm = speaking("embeddings").await;
    let (status, words) = refused(&vllm, &json!({"input": long})).await;
    assert_eq!((status, &words["error"]["code"]), (400, &json!(400)));
    let message = words["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("This model's maximum context length is 8 tokens."), "{message}");
    answered(&vllm, &json!({"input": long, "truncate_prompt_tokens": -1})).await;
    let (status, _) = refused(&speaking("rerank").await, &json!({"documents": ["x"]})).await;
    assert_eq!(status, 400);
    let (status, words) = refused(&speaking("hf-features").await, &json!({"text": "x"})).await;
    assert_eq!((status, &words["code"]), (400, &json!(400)));
    let (status, words) = refused(&speaking("lmi-embeddings").await, &json!({})).await;
    assert_eq!((status, &words["code"]), (424, &json!(424)));
}
