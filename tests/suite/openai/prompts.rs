//! Prompts that their author has rendered.

use helan::container::openai::{OpenAi, Options, Prompts};
use helan::container::{Container as _, Mode};
use helan::converse::{
    Adaptation, Ask, Blob, ImageBlock, ImageFormat, Input, MediaSource, Parameters, Prompt,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(text: &str) -> Ask {
    let prompt = Prompt { text: text.to_owned(), images: vec![] };
    Ask { input: Input::Prompt(prompt), parameters: Parameters::default() }
}

fn sent(ask: &Ask, options: Options) -> (Value, Vec<Adaptation>) {
    let container = OpenAi::new(options);
    let payload = container.encode(ask, Mode::Unary).unwrap();
    let (begun, _) = container.begin(ask, Mode::Unary, fastrand::Rng::with_seed(1)).unwrap();
    assert_eq!(begun.body, payload.body);
    (serde_json::from_slice(&payload.body).unwrap(), payload.adapted)
}

fn turns() -> Options {
    Options { prompts: Prompts::Turns, ..Options::default() }
}

#[test]
fn a_completion_has_one_bos() {
    for bos in ["<s>", "<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<bos>"] {
        let ask = ask(&format!("{bos}Hi{bos}"));
        let (body, adapted) = sent(&ask, Options::default());
        assert_eq!(body["prompt"], format!("Hi{bos}"));
        assert_eq!(adapted, [Adaptation::BosRemoved]);
        let (body, adapted) = sent(&ask, Options { adds_bos: false, ..Options::default() });
        assert_eq!(body["prompt"], format!("{bos}Hi{bos}"));
        assert_eq!(adapted, []);
    }
}

#[test]
fn turns_are_what_the_template_shows() {
    let prompt = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n你好<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
    let (body, adapted) = sent(&ask(prompt), turns());
    assert_eq!(
        body,
        json!({"messages": [{"role": "system", "content": "Be brief."},
            {"role": "user", "content": "你好"}], "max_tokens": 512})
    );
    assert_eq!(adapted, [Adaptation::PromptParsed]);
    let (body, adapted) = sent(&ask("Once upon a time"), turns());
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Once upon a time"}]));
    assert_eq!(adapted, [Adaptation::PromptWrapped]);
}

#[test]
fn a_prompt_that_forbids_reasoning_says_so_to_the_template() {
    let prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
    let (body, _) = sent(&ask(prompt), turns());
    assert_eq!(body["chat_template_kwargs"], json!({"enable_thinking": false, "thinking": false}));
}

#[test]
fn images_make_turns_of_a_prompt_whatever_the_container_takes() {
    let mut ask = ask("<|image|>What is it?");
    let Input::Prompt(prompt) = &mut ask.input else { panic!("a prompt") };
    prompt.images.push(ImageBlock {
        error: None,
        format: ImageFormat::Png,
        source: MediaSource::Bytes(Blob::new(b"\x89PNG")),
    });
    let (body, adapted) = sent(&ask, Options::default());
    let content = &body["messages"][0]["content"];
    assert_eq!(content[0]["type"], "image_url", "{body}");
    assert!(content[1]["text"].as_str().unwrap().ends_with("What is it?"), "{body}");
    assert_eq!(adapted, [Adaptation::PromptWrapped]);
    let blind = OpenAi::new(Options { images: false, ..Options::default() });
    assert!(blind.encode(&ask, Mode::Unary).is_err());
}

proptest! {
    #[test]
    fn no_prompt_is_lost(text in "(<s>|<\\|im_start\\|>|\\[INST\\]|user\n|[a-z贺 ]{1,5}|</s>){0,8}") {
        let (body, adapted) = sent(&ask(&text), Options::default());
        let sent_text = body["prompt"].as_str().unwrap();
        prop_assert!(text.ends_with(sent_text));
        prop_assert_eq!(sent_text.len() != text.len(), !adapted.is_empty());
        if !text.trim().is_empty() {
            let (body, _) = sent(&ask(&text), turns());
            prop_assert!(body["messages"].as_array().is_some_and(|turns| !turns.is_empty()));
        }
    }
}
