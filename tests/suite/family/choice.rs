//! Which family a request is in.

use helan::family::{Family, choose};

fn chosen(ids: &[&str], body: &str) -> Option<&'static str> {
    choose(ids.iter().copied(), body.as_bytes()).map(Family::name)
}

#[test]
fn the_provider_of_a_model_id_tells() {
    for (id, family) in [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        ("global.anthropic.claude-opus-4-6-v1", "anthropic"),
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
        ("ai21.jamba-1-5-large-v1:0", "ai21"),
        ("arn:aws-cn:bedrock:cn-north-1:123456789012:imported-model/abcdefghijkl", "import"),
        ("deepseek.v3.2", "deepseek"),
        ("global.moonshotai.kimi-k3", "qwen"),
        ("google.gemma-3-27b-it", "qwen"),
        ("minimax.minimax-m2.5", "qwen"),
        ("mistral.mistral-large-2407-v1:0", "mistral"),
        ("moonshot.kimi-k2-thinking", "qwen"),
        ("nvidia.nemotron-nano-9b-v2", "qwen"),
        ("openai.gpt-oss-120b-1:0", "openai"),
        ("qwen.qwen3-32b-v1:0", "qwen"),
        ("us.writer.palmyra-x5-v1:0", "qwen"),
        ("us.xai.grok-4.6", "qwen"),
        ("zai.glm-4.7", "qwen"),
    ] {
        assert_eq!(chosen(&[id], "{}"), Some(family), "{id}");
    }
    let endpoint = "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/chat";
    assert_eq!(chosen(&[endpoint, "deepseek.r1-v1:0"], "{}"), Some("deepseek"));
}

#[test]
fn else_the_body_tells() {
    for (body, family) in [
        (r#"{"anthropic_version": "x", "messages": []}"#, Some("anthropic")),
        (r#"{"prompt": "x", "max_tokens_to_sample": 5}"#, Some("anthropic")),
        (r#"{"inputText": "x"}"#, Some("titan")),
        (r#"{"messages": [], "schemaVersion": "messages-v1"}"#, Some("nova")),
        (r#"{"messages": [], "inferenceConfig": {}}"#, Some("nova")),
        (r#"{"message": "x"}"#, Some("cohere")),
        (r#"{"prompt": "x", "p": 1}"#, Some("cohere")),
        (r#"{"prompt": "x", "max_gen_len": 5}"#, Some("import")),
        (r#"{"prompt": "x", "max_tokens": 5}"#, Some("import")),
        (r#"{"prompt": "x"}"#, Some("import")),
        (r#"{"messages": []}"#, Some("import")),
        ("{}", None),
        ("no JSON", None),
        ("[]", None),
    ] {
        assert_eq!(chosen(&["my-model"], body), family, "{body}");
    }
}

#[test]
fn a_body_that_says_whose_it_is_goes_first() {
    let own = r#"{"anthropic_version": "bedrock-2023-05-31", "messages": []}"#;
    assert_eq!(chosen(&["deepseek.r1-v1:0"], own), Some("anthropic"));
    let mentioned = r#"{"prompt": "What is \"anthropic_version\"?"}"#;
    assert_eq!(chosen(&["meta.llama3-8b-instruct-v1:0"], mentioned), Some("llama"));
}
