//! Reranking: Cohere's native body, and the containers that score documents.

use helan::Code;
use helan::container::rerank::{Dialect, Options, Reranker};
use helan::family::rerank::{Cohere, Rerank as _};
use helan::rerank::{Answer, Ask, Rank};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(body: &Value) -> Ask {
    Cohere.read(body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn documents(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn cohere_asks() {
    let body = json!({
        "query": "What is the capital?", "documents": ["one", "two"], "top_n": 1, "api_version": 2,
    });
    let ask = Ask {
        query: "What is the capital?".to_owned(),
        documents: documents(&["one", "two"]),
        top_n: Some(1),
    };
    assert_eq!(read(&body), ask);
    let objects = json!({
        "query": "q",
        "documents": [
            {"text": "plain", "title": "not ranked"},
            {"title": "宁夏", "rank": 1, "tags": ["a", "b"]},
            "bare",
        ],
    });
    assert_eq!(
        read(&objects).documents,
        ["plain", "title: 宁夏\nrank: 1\ntags: [\"a\",\"b\"]\n", "bare"]
    );
    assert_eq!(read(&objects).top_n, None);
}

#[test]
fn cohere_answers() {
    let results = vec![Rank { index: 2, score: 0.875 }, Rank { index: 0, score: 0.25 }];
    let answer = Cohere.whole(&Answer { results, tokens: Some(9) }).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&answer).unwrap(),
        json!({"results": [
            {"index": 2, "relevance_score": 0.875}, {"index": 0, "relevance_score": 0.25},
        ]})
    );
}

#[test]
fn cohere_refuses() {
    for (body, words) in [
        (
            json!({"query": "q", "documents": ["d"], "api_version": 1}),
            "#/api_version: 1 is not greater or equal to 2", // recorded
        ),
        (json!({"query": "q"}), "#: required key [documents] not found"),
        (
            json!({"query": "q", "documents": []}),
            "#/documents: expected minimum item count: 1, found: 0",
        ),
        (
            json!({"query": "q", "documents": [1]}),
            "#/documents/0: no subschema matched out of the total 2 subschemas",
        ),
        (
            json!({"query": "q", "documents": ["d"], "top_n": 0}),
            "#/top_n: 0 is not greater or equal to 1",
        ),
        (
            json!({"query": "q", "documents": ["d"], "return_documents": true}),
            "#: extraneous key [return_documents] is not permitted",
        ),
    ] {
        let refused = Cohere.read(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(refused.code(), Code::Validation);
        assert_eq!(
            refused.message(),
            format!("Malformed input request: {words}, please reformat your input and try again.")
        );
    }
    let limited = json!({"query": "q", "documents": ["d"], "max_tokens_per_doc": 9}).to_string();
    let refused = Cohere.read(limited.as_bytes()).unwrap_err();
    assert_eq!(refused.message(), "max_tokens_per_doc is not supported by this gateway yet.");
}

fn container(dialect: Dialect) -> Reranker {
    Reranker::new(Options::new(dialect))
}

#[test]
fn payloads() {
    let texts = documents(&["one", "two"]);
    let payload = |options| {
        let payload = Reranker::new(options).encode("q", &texts).unwrap();
        serde_json::from_slice::<Value>(&payload.body).unwrap()
    };
    assert_eq!(
        payload(Options::new(Dialect::Tei)),
        json!({"query": "q", "texts": ["one", "two"], "raw_scores": false, "return_text": false,
               "truncate": true})
    );
    assert_eq!(
        payload(Options { model: Some("m".to_owned()), ..Options::new(Dialect::VLlm) }),
        json!({"model": "m", "query": "q", "documents": ["one", "two"],
               "truncate_prompt_tokens": -1})
    );
    assert_eq!((container(Dialect::Tei).batch(), container(Dialect::VLlm).batch()), (32, 128));
    let told = Options { max_batch: Some(3), ..Options::new(Dialect::Tei) };
    assert_eq!(Reranker::new(told).batch(), 3);
}

#[test]
fn scores_of_each_dialect() {
    let results = vec![Rank { index: 1, score: 0.5 }, Rank { index: 0, score: 0.25 }];
    for (dialect, body, tokens) in [
        (Dialect::Tei, json!([{"index": 1, "score": 0.5}, {"index": 0, "score": 0.25}]), None),
        (
            Dialect::VLlm,
            json!({
                "id": "rerank-1", "model": "m",
                "usage": {"prompt_tokens": 21, "total_tokens": 21},
                "results": [
                    {"index": 1, "document": {"text": "two"}, "relevance_score": 0.5},
                    {"index": 0, "document": {"text": "one"}, "relevance_score": 0.25},
                ],
            }),
            Some(21),
        ),
        (
            // vLLM's score API.
            Dialect::VLlm,
            json!({
                "id": "score-1", "object": "list", "usage": {"total_tokens": 5},
                "data": [
                    {"index": 1, "object": "score", "score": 0.5},
                    {"index": 0, "object": "score", "score": 0.25},
                ],
            }),
            Some(5),
        ),
    ] {
        let answer = container(dialect).decode(2, body.to_string().as_bytes()).unwrap();
        assert_eq!(answer, Answer { results: results.clone(), tokens }, "{dialect:?}");
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (dialect, body, code) in [
        (Dialect::Tei, json!([{"index": 0, "score": 0.5}]), Code::ModelError),
        (
            Dialect::Tei,
            json!([{"index": 0, "score": 0.5}, {"index": 2, "score": 0.5}]),
            Code::ModelError,
        ),
        (
            Dialect::Tei,
            json!([{"index": 0, "score": 0.5}, {"index": 1, "score": null}]),
            Code::ModelError,
        ),
        (Dialect::VLlm, json!({"results": []}), Code::ModelError),
        (Dialect::VLlm, json!([]), Code::ModelError),
        (
            Dialect::Tei,
            json!({"error": "batch size 33 > maximum allowed batch size 32", "error_type": "validation"}),
            Code::Validation,
        ),
    ] {
        let error = container(dialect).decode(2, body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{dialect:?} {body}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_a_parser_panic(body in vec(any::<u8>(), 0..80), text in "\\PC{0,60}") {
        for body in [body.as_slice(), text.as_bytes()] {
            let _ = Cohere.read(body);
            for dialect in [Dialect::Tei, Dialect::VLlm] {
                let _ = container(dialect).decode(1, body);
            }
        }
    }

    #[test]
    fn a_cut_answer_is_no_answer(score in -1.0_f32..1.0, cut in 0..40_usize) {
        for (dialect, body) in [
            (Dialect::Tei, json!([{"index": 0, "score": score}])),
            (Dialect::VLlm, json!({"results": [{"index": 0, "relevance_score": score}]})),
        ] {
            let body = body.to_string();
            let whole = container(dialect).decode(1, body.as_bytes()).unwrap();
            prop_assert!((whole.results[0].score - score).abs() < f32::EPSILON);
            let cut = cut.min(body.len() - 1);
            let error = container(dialect).decode(1, &body.as_bytes()[..cut]).unwrap_err();
            prop_assert_eq!(error.code(), Code::ModelError);
        }
    }
}
