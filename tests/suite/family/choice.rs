//! Which family a request is in.

use helan::family::{Family, choose};

fn chosen(ids: &[&str], body: &str) -> Option<&'static str> {
    choose(ids.iter().copied(), body.as_bytes()).map(Family::name)
}

#[test]
fn the_provider_of_a_model_id_tells() {
    for (id, family) in [
        ("amazon.nova-lite-v1:0", "nova"),
        ("global.amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.titan-text-express-v1", "titan"),
        ("amazon.titan-tg1-large", "titan"),
        ("cohere.command-text-v14", "cohere"),
        ("cohere.command-r-plus-v1:0", "cohere"),
        ("deepseek.r1-v1:0", "deepseek"),
        ("us.deepseek.r1-v1:0", "deepseek"),
        ("meta.llama3-8b-instruct-v1:0", "llama"),
        ("arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-8b-instruct-v1:0", "llama"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.deepseek.r1-v1:0",
            "deepseek",
        ),
    ] {
        assert_eq!(chosen(&[id], "{}"), Some(family), "{id}");
    }
    let endpoint = "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/chat";
    assert_eq!(chosen(&[endpoint, "deepseek.r1-v1:0"], "{}"), Some("deepseek"));
}

#[test]
fn else_the_body_tells() {
    for (body, family) in [
        (r#"{"inputText": "x"}"#, Some("titan")),
        (r#"{"messages": [], "schemaVersion": "messages-v1"}"#, Some("nova")),
        (r#"{"messages": [], "inferenceConfig": {}}"#, Some("nova")),
        (r#"{"message": "x"}"#, Some("cohere")),
        (r#"{"prompt": "x", "p": 1}"#, Some("cohere")),
        (r#"{"prompt": "x", "max_gen_len": 5}"#, Some("llama")),
        ("{}", None),
        ("no JSON", None),
        ("[]", None),
    ] {
        assert_eq!(chosen(&["my-model"], body), family, "{body}");
    }
}
