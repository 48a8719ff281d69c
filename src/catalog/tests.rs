use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use proptest::prelude::*;

use super::*;
use crate::container::{Container, Decoder, Mode};
use crate::converse::Ask;
use crate::transport::{Failure, Hints};
use crate::wire::{Payload, Reply};

/// Both ends of a target that is never called.
#[derive(Debug)]
struct Nobody;

impl Transport for Nobody {
    fn invoke<'a>(
        &'a self,
        _: Payload,
        _: &'a Hints,
    ) -> BoxFuture<'a, std::result::Result<Reply, Failure>> {
        Box::pin(async { Err(Error::internal().into()) })
    }

    fn stream<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, std::result::Result<Reply, Failure>> {
        self.invoke(payload, hints)
    }
}

impl Container for Nobody {
    fn encode(&self, _: &Ask, _: Mode) -> Result<Payload> {
        Err(Error::internal())
    }

    fn decoder(&self, _: &Ask, _: Mode, _: fastrand::Rng) -> Box<dyn Decoder> {
        panic!("never asked")
    }

    fn refusal(&self, _: Option<u16>, _: &str) -> Error {
        Error::internal()
    }
}

const CONFIG: &str = r#"
auth.mode = "none"
sagemaker.region = "cn-northwest-1"

[models."deepseek.r1-v1:0"]
endpoint = "r1"
aliases = ["arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl"]

[models."qwen.qwen3-32b-v1:0"]
endpoint = "Qwen3"

[models."us.qwen.qwen3-32b-v1:0"]
endpoint = "qwen3-us"

[models."my-profile"]
endpoint = "shared"
inference_component = "one"
block_order = "text-first"

[models."other"]
endpoint = "shared"
inference_component = "two"
aliases = ["abc123def456", "us.foreign.model"]

[endpoints.allow]
"chat-*" = { unary = "invoke" }
"chat-fast-*" = { unary = "stream", block_order = "text-first" }
"#;

fn catalog(text: &str) -> Catalog {
    let mut config = config::parse("helan.toml".as_ref(), text, []).unwrap();
    config.assume_region("cn-north-1");
    Catalog::new(&config, Clock::system(), None, |_| Ok((Arc::new(Nobody), Nobody.into()))).unwrap()
}

fn found(catalog: &Catalog, id: &str) -> String {
    match catalog.resolve(id) {
        Ok(deployment) => format!("{} at {}", deployment.model_id, deployment.targets[0].endpoint),
        Err(error) => error.message().to_owned(),
    }
}

const INVALID: &str = "The provided model identifier is invalid.";

#[test]
fn every_way_to_name_a_model() {
    let catalog = catalog(CONFIG);
    let bedrock = "arn:aws:bedrock:us-east-1";
    let account = "123456789012";
    for (id, expected) in [
        ("deepseek.r1-v1:0", "deepseek.r1-v1:0 at r1"),
        ("us.deepseek.r1-v1:0", "deepseek.r1-v1:0 at r1"),
        ("us-gov.deepseek.r1-v1:0", "deepseek.r1-v1:0 at r1"),
        ("global.deepseek.r1-v1:0", "deepseek.r1-v1:0 at r1"),
        ("apac.deepseek.r1-v1:0", "deepseek.r1-v1:0 at r1"),
        ("us.us.deepseek.r1-v1:0", INVALID),
        ("mars.deepseek.r1-v1:0", INVALID),
        ("us.qwen.qwen3-32b-v1:0", "us.qwen.qwen3-32b-v1:0 at qwen3-us"),
        ("eu.qwen.qwen3-32b-v1:0", "qwen.qwen3-32b-v1:0 at Qwen3"),
        ("foreign.model", INVALID),
        ("us.", INVALID),
        ("", INVALID),
        ("*", INVALID),
        ("Deepseek.r1-v1:0", INVALID),
        (
            "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl",
            "deepseek.r1-v1:0 at r1",
        ),
        ("arn:aws-cn:bedrock:cn-north-1:123456789012:imported-model/abcdefghijkl", INVALID),
        ("us.arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl", INVALID),
        (&format!("{bedrock}::foundation-model/deepseek.r1-v1:0"), "deepseek.r1-v1:0 at r1"),
        (&format!("{bedrock}::foundation-model/nobody.has-it"), INVALID),
        (
            &format!("{bedrock}:{account}:inference-profile/us.deepseek.r1-v1:0"),
            "deepseek.r1-v1:0 at r1",
        ),
        (
            &format!("{bedrock}:{account}:inference-profile/us.qwen.qwen3-32b-v1:0"),
            "us.qwen.qwen3-32b-v1:0 at qwen3-us",
        ),
        (
            &format!("{bedrock}:{account}:application-inference-profile/abc123def456"),
            "other at shared",
        ),
        (&format!("{bedrock}:{account}:provisioned-model/abc123def456"), "other at shared"),
        (&format!("{bedrock}:{account}:custom-model-deployment/abc123def456"), "other at shared"),
        (
            &format!("{bedrock}:{account}:custom-model/meta.llama:8b/abc123def456"),
            "other at shared",
        ),
        (&format!("{bedrock}:{account}:custom-model/abc123def456/.."), INVALID),
        (&format!("{bedrock}:12:provisioned-model/abc123def456"), INVALID),
        (&format!("{bedrock}:{account}:guardrail/abc123def456"), INVALID),
        (&format!("{bedrock}:{account}:default-prompt-router/meta.llama:1"), INVALID),
        (&format!("{bedrock}:{account}:prompt-router/abc123def456"), INVALID),
        (
            &format!("{bedrock}:{account}:prompt/ABCDEFGHIJ:1"),
            "A prompt ARN as modelId is not supported by this gateway yet.",
        ),
        ("arn:", INVALID),
        ("arn:aws:bedrock", INVALID),
        ("arn:gcp:bedrock:us-east-1::foundation-model/deepseek.r1-v1:0", INVALID),
        ("arn:aws:s3:::foundation-model/deepseek.r1-v1:0", INVALID),
    ] {
        assert_eq!(found(&catalog, id), expected, "{id}");
    }
}

#[test]
fn an_endpoint_can_be_named_by_its_arn() {
    let catalog = catalog(CONFIG);
    let arn = |region: &str, name: &str| {
        format!("arn:aws-cn:sagemaker:{region}:123456789012:endpoint/{name}")
    };
    for (region, name, expected) in [
        ("cn-northwest-1", "r1", "deepseek.r1-v1:0 at r1"),
        ("cn-northwest-1", "qwen3", "qwen.qwen3-32b-v1:0 at Qwen3"),
        ("cn-north-1", "r1", INVALID),
        ("cn-northwest-1", "shared", INVALID),
        ("cn-northwest-1", "chat-1", "chat-* at chat-1"),
        ("cn-northwest-1", "chat-fast-1", "chat-fast-* at chat-fast-1"),
        ("cn-north-1", "chat-1", INVALID),
        ("cn-northwest-1", "batch-1", INVALID),
        ("cn-northwest-1", "chat-1-", INVALID),
        ("cn-northwest-1", "chat-../../x", INVALID),
        ("cn-northwest-1", "chat-%2e%2e", INVALID),
        ("cn-northwest-1.evil.example", "chat-1", INVALID),
        ("", "chat-1", INVALID),
    ] {
        assert_eq!(found(&catalog, &arn(region, name)), expected, "{region} {name}");
    }
    let us = "arn:aws-us-gov:sagemaker:cn-northwest-1:123456789012:endpoint/chat-1";
    assert_eq!(found(&catalog, us), INVALID);
    let long = arn("cn-northwest-1", &format!("chat-{}", "x".repeat(58)));
    assert!(found(&catalog, &long).starts_with("chat-* at"));
    assert_eq!(found(&catalog, &format!("{long}x")), INVALID);
    let fast = catalog.resolve(&arn("cn-northwest-1", "chat-fast-1")).unwrap();
    assert_eq!(fast.block_order, BlockOrder::TextFirst);
    assert_eq!(fast.targets[0].mode(Some(1)), Mode::Stream);
    assert_eq!(&*fast.targets[0].name, "chat-fast-*");
}

#[test]
fn without_a_known_region_the_arn_says_it() {
    let text = "auth.mode = 'none'\n[endpoints.allow]\n'*' = {}";
    let config = config::parse("helan.toml".as_ref(), text, []).unwrap();
    let catalog = Catalog::new(&config, Clock::system(), None, |target| {
        assert_eq!(target.region.as_deref(), Some("eu-west-3"));
        Ok((Arc::new(Nobody), Nobody.into()))
    })
    .unwrap();
    let id = "arn:aws:sagemaker:eu-west-3:123456789012:endpoint/any";
    assert_eq!(found(&catalog, id), "* at any");
}

#[test]
fn named_endpoints_are_remembered_up_to_a_bound() {
    let connected = Arc::new(AtomicUsize::new(0));
    let config = config::parse("helan.toml".as_ref(), CONFIG, []).unwrap();
    let count = Arc::clone(&connected);
    let catalog = Catalog::new(&config, Clock::system(), None, move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok((Arc::new(Nobody), Nobody.into()))
    })
    .unwrap();
    let before = connected.load(Ordering::Relaxed);
    let call = |n: usize| {
        let id = format!("arn:aws:sagemaker:cn-northwest-1:123456789012:endpoint/chat-{n}");
        catalog.resolve(&id).unwrap()
    };
    let first = call(0);
    assert!(Arc::ptr_eq(&first, &call(0)), "built once");
    for n in 1..=REMEMBERED {
        call(n);
    }
    assert_eq!(connected.load(Ordering::Relaxed) - before, REMEMBERED + 1);
    assert_eq!(catalog.named.lock().unwrap().deployments.len(), REMEMBERED);
    assert_eq!(catalog.named.lock().unwrap().order.len(), REMEMBERED);
    assert!(!Arc::ptr_eq(&first, &call(0)), "the oldest was forgotten");
    assert!(Arc::ptr_eq(&call(REMEMBERED), &call(REMEMBERED)));
}

#[test]
fn the_model_for_any_id_serves_what_is_well_formed() {
    let text = "auth.mode = 'none'\n[models.'*']\nendpoint = 'only'\n\
                [models.known]\nendpoint = 'other'";
    let catalog = catalog(text);
    for (id, expected) in [
        ("known", "known at other"),
        ("us.known", "known at other"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "* at only"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "* at only"),
        ("arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl", "* at only"),
        ("arn:aws:sagemaker:cn-north-1:123456789012:endpoint/only", "* at only"),
        ("arn:aws:sagemaker:cn-north-1:123456789012:endpoint/another", INVALID),
        ("arn:aws:bedrock:us-east-1:123456789012:prompt-router/abc", INVALID),
        ("a/../../b", INVALID),
        ("a b", INVALID),
        ("a\nb", INVALID),
        ("..", INVALID),
        ("模型", INVALID),
    ] {
        assert_eq!(found(&catalog, id), expected, "{id}");
    }
    assert_eq!(found(&catalog, &"x".repeat(2048)), "* at only");
    assert_eq!(found(&catalog, &"x".repeat(2049)), INVALID);
}

#[test]
fn deepseek_r1_answers_text_first() {
    let order = |catalog: &Catalog, id: &str| catalog.resolve(id).unwrap().block_order;
    let named = catalog(CONFIG);
    assert_eq!(order(&named, "deepseek.r1-v1:0"), BlockOrder::TextFirst);
    assert_eq!(order(&named, "qwen.qwen3-32b-v1:0"), BlockOrder::AsGenerated);
    assert_eq!(order(&named, "my-profile"), BlockOrder::TextFirst, "as configured");
    let any = catalog("auth.mode = 'none'\nmodels.'*'.endpoint = 'only'");
    for id in [
        "us.deepseek.r1-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.deepseek.r1-v1:0",
    ] {
        assert_eq!(order(&any, id), BlockOrder::TextFirst, "{id}");
    }
    assert_eq!(order(&any, "deepseek.r10-v1:0"), BlockOrder::AsGenerated);
    assert_eq!(order(&any, "deepseek.v3-v1:0"), BlockOrder::AsGenerated);
    let set = catalog(
        "auth.mode = 'none'\n[models.'*']\nendpoint = 'only'\nblock_order = 'as-generated'",
    );
    assert_eq!(order(&set, "deepseek.r1-v1:0"), BlockOrder::AsGenerated);
}

#[test]
fn the_operation_depends_on_how_long_the_answer_may_take() {
    let base = catalog(CONFIG).resolve("other").unwrap().targets[0].clone();
    let (auto, stream, invoke) =
        (config::Unary::Auto, config::Unary::Stream, config::Unary::Invoke);
    for (unary, limit, streams, usage, expected) in [
        (auto, None, true, true, Mode::Stream),
        (auto, Some(600), true, true, Mode::Unary), // 40 s at 15 tokens a second
        (auto, Some(601), true, true, Mode::Stream),
        (auto, Some(i32::MAX), true, true, Mode::Stream),
        (auto, None, false, true, Mode::Unary),
        (auto, None, true, false, Mode::Unary),
        (stream, Some(1), true, true, Mode::Stream),
        (stream, Some(1), false, true, Mode::Unary),
        (stream, Some(1), true, false, Mode::Unary),
        (invoke, None, true, true, Mode::Unary),
    ] {
        let target = Target { unary, streams, stream_usage: usage, ..base.clone() };
        assert_eq!(target.mode(limit), expected, "{unary:?} {limit:?} {streams} {usage}");
    }
}

proptest! {
    #[test]
    fn no_id_reaches_an_endpoint_that_is_not_the_operators(
        id in "(arn:aws(-cn)?:(sagemaker|bedrock):[a-z0-9./-]{0,16}:[0-9]{0,12}:)?\
               (endpoint/|imported-model/|us\\.)?(chat-|r1)?[\\PC]{0,20}"
    ) {
        let catalog = catalog(CONFIG);
        if let Ok(deployment) = catalog.resolve(&id) {
            let endpoint = &*deployment.targets[0].endpoint;
            let configured = ["r1", "Qwen3", "qwen3-us", "shared"].contains(&endpoint);
            let allowed = endpoint.starts_with("chat-")
                && endpoint.len() <= 63
                && endpoint.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            prop_assert!(configured || allowed, "{id} → {endpoint}");
        }
    }

    #[test]
    fn an_arn_that_is_taken_apart_has_safe_parts(text in "arn:aws:(sagemaker|bedrock):[a-z0-9-]{1,9}:([0-9]{12})?:[a-z-]{0,20}/?.{0,40}") {
        match arn::parse(&text) {
            Some(Arn::Endpoint { name, .. }) => prop_assert!(!name.contains(['/', '.', '%', ':'])),
            Some(Arn::Model(id) | Arn::Resource { id, .. }) => {
                prop_assert!(id.split('/').all(|part| !part.is_empty() && part != ".."));
            }
            Some(Arn::Prompt) | None => {}
        }
    }
}
