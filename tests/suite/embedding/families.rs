//! Titan's and Cohere's requests and answers, written from Bedrock's user guide.

use helan::Code;
use helan::embed::{Answer, Ask, Dimensions, Purpose, Truncate};
use helan::family::Invocation;
use helan::family::embedding::{
    CohereV3, CohereV4, Embedding, Question, TitanImage, TitanV1, TitanV2, choose,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

fn invocation() -> Invocation<'static> {
    Invocation {
        model_id: "suite.model",
        streamed: false,
        now: datetime!(2026-11-20 10:00:00 UTC),
        random: fastrand::Rng::with_seed(7),
    }
}

#[track_caller]
fn read(family: &dyn Embedding, body: &Value) -> Question {
    family
        .read(body.to_string().as_bytes(), invocation())
        .unwrap_or_else(|error| panic!("{body}: {error}"))
}

#[track_caller]
fn refusal(family: &dyn Embedding, body: &Value) -> String {
    let refused = family.read(body.to_string().as_bytes(), invocation());
    let error = refused.expect_err("it is not taken");
    assert_eq!(error.code(), Code::Validation);
    error.message().to_owned()
}

#[track_caller]
fn malformed(family: &dyn Embedding, body: &Value) -> String {
    let message = refusal(family, body);
    let inner = message.strip_prefix("Malformed input request: ").expect(&message);
    inner.strip_suffix(", please reformat your input and try again.").expect(inner).to_owned()
}

#[track_caller]
fn whole(family: &dyn Embedding, body: &Value, vectors: &[&[f32]], tokens: Option<u32>) -> Value {
    let vectors = vectors.iter().map(|vector| vector.to_vec()).collect();
    let said = read(family, body).voice.whole(Answer { vectors, tokens }).unwrap();
    serde_json::from_slice(&said).unwrap()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

const TYPES: [&str; 5] = ["float", "int8", "uint8", "binary", "ubinary"];

#[test]
fn titan_v1() {
    let body = json!({"inputText": "贺兰山"});
    let asked = Ask { normalize: false, ..Ask::new(texts(&["贺兰山"])) };
    assert_eq!(read(&TitanV1, &body).ask, asked);
    assert_eq!(
        whole(&TitanV1, &body, &[&[0.5, -0.25]], Some(4)),
        json!({"embedding": [0.5, -0.25], "inputTextTokenCount": 4})
    );
    for (body, words) in [
        (json!({}), "#: required key [inputText] not found"),
        (
            json!({"inputText": "x", "dimensions": 256}),
            "#: extraneous key [dimensions] is not permitted",
        ),
        (json!({"inputText": ""}), "#/inputText: expected minLength: 1, actual: 0"),
        (json!({"inputText": ["x"]}), "#/inputText: expected type: String, found: JSONArray"),
    ] {
        assert_eq!(malformed(&TitanV1, &body), words);
    }
}

#[test]
fn titan_v2() {
    let plain = json!({"inputText": "Hi"});
    let question = read(&TitanV2, &plain);
    let ask = Ask { dimensions: Some(Dimensions::AtMost(1024)), ..Ask::new(texts(&["Hi"])) };
    assert_eq!(question.ask, ask);
    assert_eq!(
        whole(&TitanV2, &plain, &[&[0.5, -0.25]], Some(2)),
        json!({
            "embedding": [0.5, -0.25],
            "embeddingsByType": {"float": [0.5, -0.25]},
            "inputTextTokenCount": 2,
        })
    );
    let full = json!({
        "inputText": "Hi", "dimensions": 256, "normalize": false,
        "embeddingTypes": ["binary", "float"],
    });
    let asked = read(&TitanV2, &full).ask;
    assert_eq!((asked.dimensions, asked.normalize), (Some(Dimensions::Exactly(256)), false));
    // No count of tokens: the member is left out rather than invented.
    assert_eq!(
        whole(&TitanV2, &full, &[&[0.5, -0.25]], None),
        json!({
            "embedding": [0.5, -0.25],
            "embeddingsByType": {"binary": [1, 0], "float": [0.5, -0.25]},
        })
    );
    let binary = json!({"inputText": "Hi", "embeddingTypes": ["binary"]});
    assert_eq!(
        whole(&TitanV2, &binary, &[&[-0.5, 0.0]], Some(1)),
        json!({"embeddingsByType": {"binary": [0, 1]}, "inputTextTokenCount": 1})
    );
    for (body, words) in [
        (
            json!({"inputText": "x", "dimensions": 300}),
            "#/dimensions: 300 is not a valid enum value",
        ),
        (
            json!({"inputText": "x", "embeddingTypes": ["int8"]}),
            "#/embeddingTypes/0: int8 is not a valid enum value",
        ),
        (
            json!({"texts": ["x"]}),
            "#: required key [inputText] not found#: extraneous key [texts] is not permitted",
        ),
        (
            json!({"inputText": "长".repeat(50_001)}),
            "#/inputText: expected maxLength: 50000, actual: 50001",
        ),
    ] {
        assert_eq!(malformed(&TitanV2, &body), words);
    }
}

#[test]
fn titans_images_are_refused_by_name() {
    assert_eq!(
        refusal(&TitanImage, &json!({"inputText": "x"})),
        "Amazon Titan Multimodal Embeddings is not supported by this gateway yet."
    );
    assert_eq!(
        refusal(&TitanV2, &json!({"inputImage": "aGk="})),
        "inputImage is not supported by this gateway yet."
    );
}

#[test]
fn cohere_v3() {
    let plain = json!({"texts": ["one", "two"], "input_type": "search_document"});
    let question = read(&CohereV3, &plain);
    let ask = Ask { purpose: Some(Purpose::SearchDocument), ..Ask::new(texts(&["one", "two"])) };
    assert_eq!(question.ask, ask);
    let mut answer = whole(&CohereV3, &plain, &[&[0.5, -0.25], &[1.0, 0.0]], Some(2));
    let id = answer.as_object_mut().unwrap().remove("id").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 36);
    assert_eq!(
        answer,
        json!({
            "embeddings": [[0.5, -0.25], [1.0, 0.0]],
            "response_type": "embeddings_floats",
            "texts": ["one", "two"],
        })
    );
    let typed = json!({"texts": ["one"], "input_type": "clustering", "embedding_types": TYPES});
    let answer = whole(&CohereV3, &typed, &[&[1.0, -1.0, 0.5, 0.0]], None);
    assert_eq!(answer["response_type"], "embeddings_by_type");
    assert_eq!(
        answer["embeddings"],
        json!({
            "float": [[1.0, -1.0, 0.5, 0.0]],
            "int8": [[64, -64, 32, 0]],
            "uint8": [[192, 64, 160, 128]],
            "binary": [[48]],
            "ubinary": [[176]],
        })
    );
    let int8 = json!({"texts": ["one"], "input_type": "clustering", "embedding_types": ["int8"]});
    assert_eq!(
        whole(&CohereV3, &int8, &[&[1.0, -1.0, 0.5, 0.0]], None)["embeddings"],
        json!({"int8": [[64, -64, 32, 0]]})
    );
}

#[test]
fn cohere_v3_is_told_each_purpose_and_side() {
    for (word, purpose) in [
        ("search_document", Purpose::SearchDocument),
        ("search_query", Purpose::SearchQuery),
        ("classification", Purpose::Classification),
        ("clustering", Purpose::Clustering),
    ] {
        let ask = read(&CohereV3, &json!({"texts": ["x"], "input_type": word})).ask;
        assert_eq!(ask.purpose, Some(purpose));
    }
    for (word, side) in
        [("NONE", Truncate::None), ("START", Truncate::Start), ("END", Truncate::End)]
    {
        let body = json!({"texts": ["x"], "input_type": "clustering", "truncate": word});
        assert_eq!(read(&CohereV3, &body).ask.truncate, side);
    }
}

#[test]
fn cohere_v3_refuses() {
    let many: Vec<_> = (0..97).map(|n| n.to_string()).collect();
    for (body, words) in [
        (
            json!({"inputText": "x"}),
            "#: required key [texts] not found#: required key [input_type] not found\
             #: extraneous key [inputText] is not permitted",
        ),
        (
            json!({"texts": many, "input_type": "clustering"}),
            "#/texts: expected maximum item count: 96, found: 97",
        ),
        (
            json!({"texts": [], "input_type": "clustering"}),
            "#/texts: expected minimum item count: 1, found: 0",
        ),
        (
            json!({"texts": ["x".repeat(2049)], "input_type": "clustering"}),
            "#/texts/0: expected maxLength: 2048, actual: 2049",
        ),
        (
            json!({"texts": ["x"], "input_type": "poetry"}),
            "#/input_type: poetry is not a valid enum value",
        ),
        (
            json!({"texts": ["x"], "input_type": "clustering", "truncate": "LEFT"}),
            "#/truncate: LEFT is not a valid enum value",
        ),
    ] {
        assert_eq!(malformed(&CohereV3, &body), words);
    }
    for (body, words) in [
        (json!({"images": ["data:"], "input_type": "image"}), "images is not supported"),
        (json!({"texts": ["x"], "input_type": "image"}), "input_type image is not supported"),
    ] {
        assert!(refusal(&CohereV3, &body).starts_with(words));
        assert!(refusal(&CohereV4, &body).starts_with(words));
    }
}

#[test]
fn cohere_v4() {
    let plain = json!({"texts": ["one"], "input_type": "search_query"});
    let question = read(&CohereV4, &plain);
    assert_eq!(question.ask.dimensions, Some(Dimensions::AtMost(1536)));
    let answer = whole(&CohereV4, &plain, &[&[0.5, -0.25]], None);
    assert_eq!(answer["response_type"], "embeddings_by_type");
    assert_eq!(answer["embeddings"], json!({"float": [[0.5, -0.25]]}));
    assert_eq!(answer["texts"], json!(["one"]));

    let fused = json!({
        "inputs": [
            {"content": [{"type": "text", "text": "title"}, {"type": "text", "text": "body"}]},
            {"content": [{"type": "text", "text": "two"}]},
        ],
        "input_type": "search_document", "output_dimension": 256, "truncate": "RIGHT",
        "max_tokens": 128_000, "embedding_types": ["ubinary"],
    });
    let ask = read(&CohereV4, &fused).ask;
    assert_eq!(ask.inputs, ["title\nbody", "two"]);
    assert_eq!(ask.dimensions, Some(Dimensions::Exactly(256)));
    assert_eq!(ask.truncate, Truncate::End);
    let answer = whole(&CohereV4, &fused, &[&[1.0], &[-1.0]], None);
    assert_eq!(answer["embeddings"], json!({"ubinary": [[128], [0]]}));
    assert_eq!(answer.get("texts"), None);
    for (word, side) in
        [("LEFT", Truncate::Start), ("START", Truncate::Start), ("END", Truncate::End)]
    {
        let body = json!({"texts": ["x"], "input_type": "clustering", "truncate": word});
        assert_eq!(read(&CohereV4, &body).ask.truncate, side);
    }
}

#[test]
fn cohere_v4_refuses() {
    for (body, words) in [
        (json!({"input_type": "clustering"}), "#: required key [texts] not found"),
        (
            json!({"texts": ["x"], "inputs": [{"content": [{"type": "text", "text": "x"}]}],
                   "input_type": "clustering"}),
            "#: texts and inputs exclude each other",
        ),
        (
            json!({"texts": ["x"], "input_type": "clustering", "output_dimension": 128}),
            "#/output_dimension: 128 is not a valid enum value",
        ),
        (
            json!({"inputs": [{"content": [{"type": "video"}]}], "input_type": "clustering"}),
            "#/inputs/0/content/0/type: video is not a valid enum value",
        ),
        (
            json!({"inputs": ["x"], "input_type": "clustering"}),
            "#/inputs/0: expected type: JSONObject, found: String",
        ),
    ] {
        assert_eq!(malformed(&CohereV4, &body), words);
    }
    let image = json!({
        "inputs": [{"content": [{"type": "image_url", "image_url": "data:"}]}],
        "input_type": "clustering",
    });
    assert!(refusal(&CohereV4, &image).starts_with("inputs.content of type image_url is not"));
    let limited = json!({"texts": ["x"], "input_type": "clustering", "max_tokens": 512});
    assert!(refusal(&CohereV4, &limited).starts_with("max_tokens is not supported"));
}

#[test]
fn the_model_id_tells_the_language_or_the_configuration_or_the_body() {
    let titan = json!({"inputText": "x"}).to_string();
    let cohere = json!({"texts": ["x"], "input_type": "clustering"}).to_string();
    let fused = json!({"inputs": [], "input_type": "clustering"}).to_string();
    for (provider, id, body, expected) in [
        (None, "amazon.titan-embed-text-v1", &titan, "titan-embed-v1"),
        (None, "amazon.titan-embed-g1-text-02", &titan, "titan-embed-v1"),
        (None, "amazon.titan-embed-text-v2:0", &titan, "titan-embed-v2"),
        (None, "amazon.titan-embed-image-v1", &titan, "titan-embed-image"),
        (None, "cohere.embed-english-v3", &cohere, "cohere-embed-v3"),
        (None, "cohere.embed-multilingual-v3", &titan, "cohere-embed-v3"),
        (None, "us.cohere.embed-v4:0", &cohere, "cohere-embed-v4"),
        (
            None,
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v1",
            &titan,
            "titan-embed-v1",
        ),
        (None, "bge-m3", &titan, "titan-embed-v2"),
        (None, "bge-m3", &cohere, "cohere-embed-v3"),
        (None, "bge-m3", &fused, "cohere-embed-v4"),
        (Some("titan"), "bge-m3", &cohere, "titan-embed-v2"),
        (Some("cohere"), "bge-m3", &titan, "cohere-embed-v3"),
        (Some("cohere"), "cohere.embed-v4:0", &titan, "cohere-embed-v4"),
        (Some("cohere"), "amazon.titan-embed-text-v1", &cohere, "cohere-embed-v3"),
    ] {
        let family = choose(provider, ["other", id], body.as_bytes()).unwrap();
        assert_eq!(family.name(), expected, "{provider:?} {id}");
    }
    for body in ["{}", "no JSON", "", "[]"] {
        assert!(choose(None, ["bge-m3"], body.as_bytes()).is_none(), "{body}");
    }
    assert!(choose(Some("llama"), ["bge-m3"], titan.as_bytes()).is_none());
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body in "\\PC{0,60}|\\{(\"(inputText|texts|inputs|input_type|truncate|embeddingTypes)\":(\"x\"|1|null|\\[\\]|\\[\"x\"\\]|\\{\\}),){0,3}\"dimensions\":[0-9]{1,4}\\}") {
        for family in [&TitanV1 as &dyn Embedding, &TitanV2, &TitanImage, &CohereV3, &CohereV4] {
            if let Err(error) = family.read(body.as_bytes(), invocation()) {
                prop_assert_eq!(error.code(), Code::Validation);
            }
        }
    }

    #[test]
    fn a_cut_request_is_refused(cut in 0..60_usize) {
        let body = json!({"texts": ["贺兰山", "two"], "input_type": "search_document"}).to_string();
        prop_assume!(cut < body.len());
        let refused = CohereV3.read(&body.as_bytes()[..cut], invocation()).unwrap_err();
        prop_assert!(refused.message().starts_with("Malformed input request: #: the body is"));
    }
}
