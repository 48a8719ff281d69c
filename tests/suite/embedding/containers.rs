//! Containers of embeddings: their payloads and answers, as their documentation and sources show.

use helan::Code;
use helan::container::embedding::{Dialect, Embedder, Options};
use helan::embed::{Answer, Ask, Pooling, Purpose, Truncate};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

const DIALECTS: [Dialect; 4] = [Dialect::Tei, Dialect::OpenAi, Dialect::Lmi, Dialect::HuggingFace];

fn container(dialect: Dialect) -> Embedder {
    Embedder::new(Options::new(dialect))
}

fn asked(truncate: Truncate) -> Ask {
    Ask { truncate, ..Ask::new(vec!["one".to_owned(), "贺兰山".to_owned()]) }
}

#[track_caller]
fn payload(container: &Embedder, ask: &Ask) -> Value {
    let payload = container.encode(&ask.inputs, ask).unwrap();
    assert_eq!(payload.content_type, "application/json");
    serde_json::from_slice(&payload.body).unwrap()
}

#[track_caller]
fn answered(dialect: Dialect, count: usize, body: &Value) -> Answer {
    container(dialect).decode(count, body.to_string().as_bytes()).unwrap()
}

#[test]
fn payloads() {
    let texts = json!(["one", "贺兰山"]);
    for (dialect, truncate, expected) in [
        (
            Dialect::Tei,
            Truncate::None,
            json!({"inputs": texts, "normalize": true, "truncate": false}),
        ),
        (
            Dialect::Tei,
            Truncate::Start,
            json!({"inputs": texts, "normalize": true, "truncate": true,
                   "truncation_direction": "Left"}),
        ),
        (
            Dialect::Tei,
            Truncate::End,
            json!({"inputs": texts, "normalize": true, "truncate": true,
                   "truncation_direction": "Right"}),
        ),
        (Dialect::OpenAi, Truncate::None, json!({"input": texts, "encoding_format": "float"})),
        (
            Dialect::OpenAi,
            Truncate::Start,
            json!({"input": texts, "encoding_format": "float", "truncate_prompt_tokens": -1,
                   "truncation_side": "left"}),
        ),
        (
            Dialect::OpenAi,
            Truncate::End,
            json!({"input": texts, "encoding_format": "float", "truncate_prompt_tokens": -1,
                   "truncation_side": "right"}),
        ),
        (Dialect::Lmi, Truncate::None, json!({"inputs": texts})),
        (Dialect::HuggingFace, Truncate::None, json!({"inputs": texts})),
        (
            Dialect::HuggingFace,
            Truncate::End,
            json!({"inputs": texts, "parameters": {"truncation": true}}),
        ),
    ] {
        let found = payload(&container(dialect), &asked(truncate));
        assert_eq!(found, expected, "{dialect:?} {truncate:?}");
    }
    let raw = Ask { normalize: false, ..asked(Truncate::None) };
    assert_eq!(payload(&container(Dialect::Tei), &raw)["normalize"], false);
    let named = Options { model: Some("bge-m3".to_owned()), ..Options::new(Dialect::OpenAi) };
    assert_eq!(payload(&Embedder::new(named), &raw)["model"], "bge-m3");
}

#[test]
fn what_a_container_cannot_be_told_is_refused_by_name() {
    for (dialect, truncate) in [
        (Dialect::Lmi, Truncate::Start),
        (Dialect::Lmi, Truncate::End),
        (Dialect::HuggingFace, Truncate::Start),
    ] {
        let ask = asked(truncate);
        let refused = container(dialect).encode(&ask.inputs, &ask).unwrap_err();
        assert_eq!(refused.code(), Code::Validation);
        assert!(refused.message().starts_with("truncate, with the container"), "{refused}");
    }
}

#[test]
fn a_model_hears_what_a_text_is_for() {
    let prefixed = Embedder::new(Options {
        query_prefix: "query: ".to_owned(),
        document_prefix: "passage: ".to_owned(),
        ..Options::new(Dialect::Tei)
    });
    for (purpose, expected) in [
        (Some(Purpose::SearchQuery), "query: one"),
        (Some(Purpose::SearchDocument), "passage: one"),
        (Some(Purpose::Clustering), "one"),
        (Some(Purpose::Classification), "one"),
        (None, "one"),
    ] {
        let ask = Ask { purpose, ..asked(Truncate::None) };
        assert_eq!(payload(&prefixed, &ask)["inputs"][0], expected, "{purpose:?}");
    }
}

#[test]
fn batches_are_as_large_as_usual_or_as_told() {
    let usual: Vec<_> = DIALECTS.into_iter().map(|dialect| container(dialect).batch()).collect();
    assert_eq!(usual, [32, 128, 32, 1]);
    let told = Options { max_batch: Some(7), ..Options::new(Dialect::Tei) };
    assert_eq!(Embedder::new(told).batch(), 7);
}

#[test]
fn vectors_of_each_dialect() {
    let plain = Answer { vectors: vec![vec![0.25, -1.0], vec![1.0, 0.0]], tokens: None };
    let lists = json!([[0.25, -1], [1.0, 0]]);
    assert_eq!(answered(Dialect::Tei, 2, &lists), plain);
    assert_eq!(answered(Dialect::Lmi, 2, &lists), plain);
    let datum = |index: usize, vector: &Value| json!({"index": index, "object": "embedding", "embedding": vector});
    let openai = |usage: Value| {
        json!({
            "id": "embd-1", "object": "list", "created": 1, "model": "m", "usage": usage,
            "data": [datum(1, &lists[1]), datum(0, &lists[0])],
        })
    };
    for (usage, tokens) in [
        (json!({"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0}), Some(7)),
        (json!({"total_tokens": 9}), Some(9)),
        (json!({"prompt_tokens": 0, "total_tokens": 0}), None),
        (json!(null), None),
    ] {
        let expected = Answer { tokens, ..plain.clone() };
        assert_eq!(answered(Dialect::OpenAi, 2, &openai(usage)), expected);
    }
}

#[test]
fn vectors_of_tokens_are_pooled() {
    let matrices = json!([[[[1.0, 2.0], [3.0, 6.0]]], [[[5.0, 5.0]]]]);
    let pooled = |pooling, body: &Value| {
        let options = Options { pooling, ..Options::new(Dialect::HuggingFace) };
        Embedder::new(options).decode(2, body.to_string().as_bytes()).unwrap().vectors
    };
    assert_eq!(pooled(Pooling::Mean, &matrices), [[2.0, 4.0], [5.0, 5.0]]);
    assert_eq!(pooled(Pooling::Cls, &matrices), [[1.0, 2.0], [5.0, 5.0]]);
    // Without the array of one around each matrix, pooled already, and wrapped.
    let bare = json!([[[1.0, 2.0], [3.0, 6.0]], [[5.0, 5.0]]]);
    assert_eq!(pooled(Pooling::Mean, &bare), [[2.0, 4.0], [5.0, 5.0]]);
    for ready in [json!([[2, 4], [5, 5]]), json!({"vectors": [[2, 4], [5, 5]]})] {
        assert_eq!(pooled(Pooling::Mean, &ready), [[2.0, 4.0], [5.0, 5.0]]);
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (dialect, body) in [
        (Dialect::Tei, json!([])),
        (Dialect::Tei, json!([[0.5]])),
        (Dialect::Tei, json!([[0.5], ["x"]])),
        (Dialect::Tei, json!([[0.5], null])),
        (Dialect::Tei, json!([[[0.5]], [[0.5]]])),
        (Dialect::Tei, json!([[1e39], [0.5]])),
        (Dialect::Tei, json!({})),
        (Dialect::Lmi, json!("text")),
        (Dialect::HuggingFace, json!([[[1.0, 2.0], [3.0]], [[1.0]]])),
        (Dialect::OpenAi, json!({"data": [{"index": 0, "embedding": [1.0]}]})),
        (
            Dialect::OpenAi,
            json!({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}),
        ),
        (Dialect::OpenAi, json!({"data": [{"index": 0, "embedding": "AACAPw=="}]})),
    ] {
        let error = container(dialect).decode(2, body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), Code::ModelError, "{dialect:?} {body}");
        assert!(error.message().contains("could not be read"), "{error}");
    }
}

#[test]
fn an_error_inside_an_answer_is_the_containers() {
    for (dialect, body, code, words) in [
        (
            Dialect::Tei,
            json!({"error": "inference failed", "error_type": "Backend"}),
            Code::ModelError,
            "inference failed",
        ),
        (
            Dialect::Lmi,
            json!({"code": 424, "error": "prediction failure"}),
            Code::ModelError,
            "prediction failure",
        ),
        (
            Dialect::OpenAi,
            json!({"error": {"message": "no such model", "type": "BadRequestError", "code": 400}}),
            Code::Validation,
            "no such model",
        ),
        (
            Dialect::HuggingFace,
            json!({"code": 400, "type": "InternalServerException", "message": "too long"}),
            Code::Validation,
            "too long",
        ),
    ] {
        let error = container(dialect).decode(1, body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_a_container_panic(body in vec(any::<u8>(), 0..80), count in 0..3_usize) {
        for dialect in DIALECTS {
            let _ = container(dialect).decode(count, &body);
        }
    }

    #[test]
    fn arrays_of_any_depth_are_read_or_refused(body in "[\\[\\]{},:0-9.eE\"-]{0,40}") {
        for dialect in DIALECTS {
            let _ = container(dialect).decode(1, body.as_bytes());
        }
    }

    #[test]
    fn a_cut_answer_is_no_answer(vectors in vec(vec(-1.0_f32..1.0, 3), 2), share in 0.0..1.0_f64) {
        let data: Vec<_> = vectors
            .iter()
            .enumerate()
            .map(|(index, vector)| json!({"index": index, "embedding": vector}))
            .collect();
        for (dialect, body) in [
            (Dialect::Tei, json!(vectors)),
            (Dialect::HuggingFace, json!([[vectors], [vectors]])),
            (Dialect::OpenAi, json!({"data": data})),
        ] {
            let body = body.to_string();
            let whole = container(dialect).decode(2, body.as_bytes()).unwrap();
            if dialect != Dialect::HuggingFace {
                prop_assert_eq!(&whole.vectors, &vectors);
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the body")]
            let cut = ((f64::from(u32::try_from(body.len()).unwrap()) * share) as usize).min(body.len() - 1);
            let error = container(dialect).decode(2, &body.as_bytes()[..cut]).unwrap_err();
            prop_assert_eq!(error.code(), Code::ModelError);
            prop_assert!(error.message().contains("could not be read"));
        }
    }
}
