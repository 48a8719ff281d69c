//! Payloads, byte for byte.

use super::*;

const ASKED: &str =
    r#","inferenceConfig":{"maxTokens":100,"temperature":0.7,"topP":0.9,"stopSequences":["END"]}"#;
/// `hi`, rendered; its BOS is the tokenizer's to add.
const HI: &str = r"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";

fn golden(dialect: Dialect, ask: &Ask, mode: Mode) -> String {
    body(options(dialect), ask, mode).unwrap().replace(HI, "…")
}

#[test]
fn each_dialect_writes_its_own() {
    let ask = hi(ASKED);
    assert_eq!(
        golden(Dialect::Completions, &ask, Mode::Unary),
        r#"{"prompt":"…","max_tokens":100,"temperature":0.7,"top_p":0.9,"stop":["END"],"skip_special_tokens":false}"#
    );
    assert_eq!(
        golden(Dialect::Completions, &ask, Mode::Stream),
        r#"{"prompt":"…","max_tokens":100,"temperature":0.7,"top_p":0.9,"stop":["END"],"skip_special_tokens":false,"stream":true,"stream_options":{"include_usage":true}}"#
    );
    assert_eq!(
        golden(Dialect::Tgi, &ask, Mode::Unary),
        r#"{"inputs":"…","parameters":{"max_new_tokens":100,"do_sample":true,"temperature":0.7,"top_p":0.9,"stop":["END"],"details":true}}"#
    );
    assert_eq!(
        golden(Dialect::Tgi, &ask, Mode::Stream),
        r#"{"inputs":"…","parameters":{"max_new_tokens":100,"do_sample":true,"temperature":0.7,"top_p":0.9,"stop":["END"],"details":true},"stream":true}"#
    );
    assert_eq!(
        golden(Dialect::Lmi, &ask, Mode::Unary),
        r#"{"inputs":"…","parameters":{"max_new_tokens":100,"do_sample":true,"temperature":0.7,"top_p":0.9,"stop":["END"],"stop_sequences":["END"],"skip_special_tokens":false,"details":true}}"#
    );
    assert_eq!(
        golden(Dialect::Lmi, &ask, Mode::Stream),
        r#"{"inputs":"…","parameters":{"max_new_tokens":100,"do_sample":true,"temperature":0.7,"top_p":0.9,"stop":["END"],"stop_sequences":["END"],"include_stop_str_in_output":true,"skip_special_tokens":false,"details":true},"stream":true}"#
    );
    for mode in [Mode::Unary, Mode::Stream] {
        assert_eq!(
            golden(Dialect::HuggingFace, &ask, mode),
            r#"{"inputs":"…","parameters":{"max_new_tokens":100,"do_sample":true,"temperature":0.7,"top_p":0.9,"return_full_text":false}}"#
        );
    }
}

#[test]
fn a_limit_is_always_sent() {
    for dialect in Dialect::ALL {
        let limit = |ask: &Ask| {
            let body = json(&body(options(dialect), ask, Mode::Unary).unwrap());
            let of = if dialect == Dialect::Completions { &body } else { &body["parameters"] };
            let name =
                if dialect == Dialect::Completions { "max_tokens" } else { "max_new_tokens" };
            of[name].as_u64()
        };
        assert_eq!(limit(&hi("")), Some(2048), "{dialect:?}");
        assert_eq!(limit(&prompt("hi")), Some(512), "{dialect:?}");
        let name = if dialect == Dialect::Completions { "max_tokens" } else { "max_new_tokens" };
        let own = hi(&format!(r#","additionalModelRequestFields":{{"{name}":7}}"#));
        assert_eq!(limit(&own), Some(7), "{dialect:?}");
    }
}

#[test]
fn what_tgi_refuses_is_said_otherwise() {
    for (inference, expected) in [
        (r#"{"maxTokens":9,"temperature":0,"topP":0.5}"#, r#""do_sample":false"#),
        (r#"{"maxTokens":9,"temperature":0.5,"topP":0}"#, r#""do_sample":false"#),
        (r#"{"maxTokens":9,"temperature":1,"topP":1}"#, r#""do_sample":true,"temperature":1.0"#),
        (r#"{"maxTokens":9,"topP":0.5}"#, r#""do_sample":true,"top_p":0.5"#),
        (r#"{"maxTokens":9,"topP":1}"#, r#""do_sample":true"#),
    ] {
        let ask = hi(&format!(r#","inferenceConfig":{inference}"#));
        assert_eq!(
            golden(Dialect::Tgi, &ask, Mode::Unary),
            format!(
                r#"{{"inputs":"…","parameters":{{"max_new_tokens":9,{expected},"details":true}}}}"#
            ),
            "{inference}"
        );
    }
    let ask = hi(r#","inferenceConfig":{"maxTokens":9,"temperature":0,"topP":1}"#);
    assert_eq!(
        golden(Dialect::Completions, &ask, Mode::Unary),
        r#"{"prompt":"…","max_tokens":9,"temperature":0.0,"top_p":1.0,"skip_special_tokens":false}"#
    );
}

#[test]
fn no_second_bos() {
    let sent = |options: Options, ask: &Ask| {
        let body = json(&body(options, ask, Mode::Unary).unwrap());
        body["inputs"].as_str().unwrap().to_owned()
    };
    let adds = || options(Dialect::Tgi);
    let adds_none = || Options { adds_bos: false, ..adds() };
    assert!(sent(adds(), &hi("")).starts_with("<|im_start|>user"));
    assert!(sent(adds_none(), &hi("")).starts_with("<s><|im_start|>user"));
    // A prompt is its author's, but for the token that would come twice; the rest of it stays.
    assert_eq!(sent(adds(), &prompt("<s>[INST] hi <s>")), "[INST] hi <s>");
    assert_eq!(sent(adds_none(), &prompt("<s>[INST] hi")), "<s>[INST] hi");
    assert_eq!(sent(adds(), &prompt("a<|im_end|> \u{feff}")), "a<|im_end|> \u{feff}");
    let named = Options { bos: Some("<|b|>".into()), template: None, ..adds() };
    assert_eq!(sent(named, &prompt("<|b|>hi")), "hi");
}

#[test]
fn a_prompt_asks_for_no_markers() {
    let body = body(options(Dialect::Completions), &prompt("hi"), Mode::Unary).unwrap();
    assert_eq!(body, r#"{"prompt":"hi","max_tokens":512}"#);
}

#[test]
fn control_tokens_of_a_client_are_broken() {
    let ask = ask(r#"{"messages":[{"role":"user","content":[{"text":"<|im_end|>"}]}]}"#);
    let sent = body(options(Dialect::Tgi), &ask, Mode::Unary).unwrap();
    assert!(sent.contains("user\\n<\u{200b}|im_end|><|im_end|>"), "{sent}");
    let reject = helan::template::Policy::Reject;
    let strict = Options { control_tokens: reject, ..options(Dialect::Tgi) };
    assert!(refused(body(strict, &ask, Mode::Unary)).starts_with("ValidationException"));
}

#[test]
fn additional_fields_find_their_place() {
    let ask = hi(
        r#","additionalModelRequestFields":{"top_k":5,"seed":7,"chat_template_kwargs":{"enable_thinking":true}}"#,
    );
    let sent = |dialect| json(&body(options(dialect), &ask, Mode::Unary).unwrap());
    for dialect in [Dialect::Tgi, Dialect::Lmi, Dialect::HuggingFace] {
        let body = sent(dialect);
        assert_eq!(
            (&body["parameters"]["top_k"], &body["parameters"]["seed"]),
            (&5.into(), &7.into())
        );
        assert_eq!(body["parameters"]["chat_template_kwargs"], Value::Null);
        assert!(body["inputs"].as_str().unwrap().ends_with("<think>\n"));
    }
    let body = sent(Dialect::Completions);
    assert_eq!((&body["top_k"], &body["seed"]), (&5.into(), &7.into()));
    assert!(body["prompt"].as_str().unwrap().ends_with("<think>\n"));
}

#[test]
fn a_schema_goes_where_there_is_a_grammar() {
    let ask = hi(
        r#","inferenceConfig":{"maxTokens":9},"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}"}}}}"#,
    );
    assert_eq!(
        golden(Dialect::Tgi, &ask, Mode::Unary),
        r#"{"inputs":"…","parameters":{"max_new_tokens":9,"grammar":{"type":"json","value":{"type":"object"}},"details":true}}"#
    );
    assert_eq!(
        golden(Dialect::Completions, &ask, Mode::Unary),
        r#"{"prompt":"…","max_tokens":9,"response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object"},"strict":true}},"skip_special_tokens":false}"#
    );
    for dialect in [Dialect::Lmi, Dialect::HuggingFace] {
        let refusal = refused(body(options(dialect), &ask, Mode::Unary));
        assert_eq!(
            refusal,
            "ValidationException: This model doesn't support the outputConfig.textFormat field. \
             Remove outputConfig.textFormat and try again."
        );
    }
}

#[test]
fn an_answer_that_was_begun_goes_on() {
    let begun = |text: &str| {
        let ask = ask(&format!(
            r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}},
                {{"role":"assistant","content":[{{"text":"{text}"}}]}}]}}"#
        ));
        body(options(Dialect::Tgi), &ask, Mode::Unary)
            .map(|body| json(&body)["inputs"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        begun("The answer:").unwrap(),
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nThe answer:"
    );
    let broken = begun("a <|im_end|>").unwrap();
    assert!(broken.ends_with("assistant\na <\u{200b}|im_end|>"), "{broken}");
}

#[test]
fn what_text_cannot_say_is_refused_by_name() {
    let tool = r#"{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}"#;
    for (members, named) in [
        (format!(r#","toolConfig":{{"tools":[{tool}],"toolChoice":{{"any":{{}}}}}}"#), "toolConfig.toolChoice.any"),
        (format!(r#","toolConfig":{{"tools":[{tool}],"toolChoice":{{"tool":{{"name":"f"}}}}}}"#), "toolConfig.toolChoice.tool"),
        (r#","outputConfig":{"effort":"high"}"#.to_owned(), "outputConfig.effort"),
        (r#","additionalModelRequestFields":{"inputs":"x"}"#.to_owned(), "inputs"),
        (r#","additionalModelRequestFields":{"stream":true}"#.to_owned(), "stream"),
        (r#","inferenceConfig":{"temperature":0.1},"additionalModelRequestFields":{"temperature":1}"#.to_owned(), "inferenceConfig.temperature"),
        (r#","inferenceConfig":{"stopSequences":["a"]},"additionalModelRequestFields":{"stop":["b"]}"#.to_owned(), "inferenceConfig.stopSequences"),
    ] {
        for dialect in Dialect::ALL {
            let refusal = refused(body(options(dialect), &hi(&members), Mode::Unary));
            assert!(refusal.starts_with("ValidationException") && refusal.contains(named), "{refusal}");
        }
    }
    let limit = hi(
        r#","inferenceConfig":{"maxTokens":1},"additionalModelRequestFields":{"max_new_tokens":2}"#,
    );
    assert!(
        refused(body(options(Dialect::Tgi), &limit, Mode::Unary))
            .contains("inferenceConfig.maxTokens")
    );
    let switch =
        hi(r#","inferenceConfig":{"topP":0.5},"additionalModelRequestFields":{"do_sample":false}"#);
    assert!(
        refused(body(options(Dialect::Lmi), &switch, Mode::Unary)).contains("inferenceConfig.topP")
    );
    let image = ask(
        r#"{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"aGk="}}}]}]}"#,
    );
    assert!(refused(body(options(Dialect::Tgi), &image, Mode::Unary)).contains("image"));
    let bare = Options { template: None, ..options(Dialect::Tgi) };
    assert!(refused(body(bare, &hi(""), Mode::Unary)).contains("no chat template"));
}

#[test]
fn both_at_once_are_the_same() {
    let (text, ask) = (text(options(Dialect::Lmi)), hi(ASKED));
    let random = fastrand::Rng::with_seed(7);
    let (payload, mut decoder) = text.begin(&ask, Mode::Stream, random).unwrap();
    assert_eq!(payload.body, text.encode(&ask, Mode::Stream).unwrap().body);
    let mut events = vec![];
    let bytes = fixture("text/lmi-async-stream.txt");
    decoder.push(bytes.clone().into(), &mut events).unwrap();
    decoder.finish(&mut events).unwrap();
    let (alone, end) = decode(known(Dialect::Lmi), &ask, Mode::Stream, [bytes.as_slice()]);
    end.unwrap();
    assert_eq!(events, alone);
}
