//! Prompts that callers have rendered themselves, and the turns that they show.

use helan::converse::{Conversation, Role};
use helan::template::{BUILTINS, Builtin, Input, Turn, Turns, bos, turns};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

const SYSTEM: Role = Role::System;
const USER: Role = Role::User;
const ASSISTANT: Role = Role::Assistant;

#[track_caller]
fn shows(prompt: &str, system: &[&str], expected: &[(Role, &str)], thinks: Option<bool>) {
    let shown = turns(prompt).unwrap_or_else(|| panic!("no turns: {prompt:?}"));
    let got: Vec<(Role, &str)> = shown.turns.iter().map(|turn| (turn.role, turn.text)).collect();
    assert_eq!(
        (shown.system.as_slice(), got.as_slice(), shown.thinks),
        (system, expected, thinks),
        "{prompt:?}"
    );
}

#[test]
fn llama_3_and_4() {
    shows(
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>\
         <|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\nHello\n<|eot_id|>\n\
         <|start_header_id|>user<|end_header_id|>\n\n你好<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\n",
        &["Be brief."],
        &[(USER, "Hi"), (ASSISTANT, "Hello\n"), (USER, "你好")],
        None,
    );
    // The beginning of the answer; a result of a tool is the user's; no BOS.
    shows(
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"f\"}<|eom_id|>\
         <|start_header_id|>ipython<|end_header_id|>\n\n7<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\nIt is ",
        &[],
        &[(USER, "Hi"), (ASSISTANT, "{\"name\": \"f\"}"), (USER, "7"), (ASSISTANT, "It is ")],
        None,
    );
    shows(
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHi<|eot|>\
         <|header_start|>system<|header_end|>\n\nBe brief.<|eot|>\
         <|header_start|>assistant<|header_end|>\n\n",
        &[],
        &[(USER, "Hi"), (SYSTEM, "Be brief.")],
        None,
    );
}

#[test]
fn chatml() {
    shows(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n\nHi \n<|im_end|>\n\
         <|im_start|>assistant\n",
        &["Be brief."],
        &[(USER, "\nHi \n")],
        None,
    );
    let asked = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    shows(&format!("{asked}<think>\n\n</think>\n\n"), &[], &[(USER, "Hi")], Some(false));
    shows(&format!("{asked}<think>\n"), &[], &[(USER, "Hi")], Some(true));
    let begun = [(USER, "Hi"), (ASSISTANT, "Yes,")];
    shows(&format!("{asked}<think>\n\n</think>\n\nYes,"), &[], &begun, Some(false));
    let thought = [(USER, "Hi"), (ASSISTANT, "<think>\nhm")];
    shows(&format!("{asked}<think>\nhm"), &[], &thought, Some(true));
    let thought = [(USER, "Hi"), (ASSISTANT, "<think>\nhm\n</think>\nYes")];
    shows(&format!("{asked}<think>\nhm\n</think>\nYes"), &[], &thought, None);
    shows(
        "<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>",
        &[],
        &[(USER, "Hi")],
        None,
    );
    // A turn without an end ends where the next begins.
    shows("<|im_start|>user\nHi\n<|im_start|>assistant\n", &[], &[(USER, "Hi\n")], None);
}

#[test]
fn deepseek() {
    for bos in ["<｜begin▁of▁sentence｜>", "<｜begin_of_sentence｜>", ""] {
        let prompt = format!("{bos}<｜User｜>你好<｜Assistant｜><think>\n");
        shows(&prompt, &[], &[(USER, "你好")], Some(true));
    }
    shows(
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Hi<｜Assistant｜>Hello<｜end▁of▁sentence｜>\
         <｜User｜>And?<｜Assistant｜>",
        &["Be brief."],
        &[(USER, "Hi"), (ASSISTANT, "Hello"), (USER, "And?")],
        None,
    );
    // V3.1
    shows(
        "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜></think>Hello<｜end▁of▁sentence｜>\
         <｜User｜>And?<｜Assistant｜></think>",
        &[],
        &[(USER, "Hi"), (ASSISTANT, "Hello"), (USER, "And?")],
        Some(false),
    );
    // Tools have markers of their own.
    assert_eq!(
        turns(
            "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>x<｜end▁of▁sentence｜>\
             <｜tool▁outputs▁begin｜>7<｜tool▁outputs▁end｜>"
        ),
        None
    );
}

#[test]
fn llama_2_and_mistral() {
    shows(
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] And? [/INST]",
        &["Be brief."],
        &[(USER, "Hi"), (ASSISTANT, "Hello"), (USER, "And?")],
        None,
    );
    shows(
        "<s>[INST] Hi [/INST] Hello</s>[INST] And? [/INST]",
        &[],
        &[(USER, "Hi"), (ASSISTANT, "Hello"), (USER, "And?")],
        None,
    );
    shows(
        "[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hi[/INST]Well",
        &["Be brief."],
        &[(USER, "Hi"), (ASSISTANT, "Well")],
        None,
    );
    // An answer without an end.
    shows(
        "<s>[INST] Hi [/INST] Hello [INST] And? [/INST]",
        &[],
        &[(USER, "Hi"), (ASSISTANT, "Hello "), (USER, "And?")],
        None,
    );
    for prompt in [
        "[INST] Hi",
        "<s>[INST] Hi [/INST] x</s> and more",
        "<s>[AVAILABLE_TOOLS][][/AVAILABLE_TOOLS][INST] Hi [/INST]",
        "<s>[INST] <<SYS>> Hi [/INST]",
        "[SYSTEM_PROMPT] Hi",
    ] {
        assert_eq!(turns(prompt), None, "{prompt}");
    }
}

#[test]
fn human_and_assistant() {
    shows("\n\nHuman: Hi\n\nAssistant:", &[], &[(USER, "Hi")], None);
    shows(
        "Be brief.\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: And?\n\nAssistant: It",
        &["Be brief."],
        &[(USER, "Hi"), (ASSISTANT, "Hello"), (USER, "And?"), (ASSISTANT, "It")],
        None,
    );
    shows("Human: Hi\n\nAssistant:", &[], &[(USER, "Hi")], None);
    shows("\n\nHuman: Hi", &[], &[(USER, "Hi")], None);
    assert_eq!(turns("What did the\n\nHuman: say?"), None);
    assert_eq!(turns("\n\nAssistant: Hi"), None);
}

#[test]
fn user_and_bot() {
    shows("User: Hi\nBot:", &[], &[(USER, "Hi")], None);
    shows("\n\nUser: Hi\n\nBot: ", &[], &[(USER, "Hi")], None); // litellm's
    shows(
        "Be brief.\nUser: Hi\nBot: Hello\nUser: Two\nlines\nBot:",
        &["Be brief."],
        &[(USER, "Hi"), (ASSISTANT, "Hello"), (USER, "Two\nlines")],
        None,
    );
    assert_eq!(turns("User: Hi"), None);
    assert_eq!(turns("Who is\nUser: and\nBot: here?"), None);
}

#[test]
fn text_that_is_no_conversation_has_no_turns() {
    for prompt in [
        "",
        " ",
        "Once upon a time",
        "<s>Once upon a time",
        "<|begin_of_text|>Once upon a time",
        "<｜begin▁of▁sentence｜>Once upon a time",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>user\n \n<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>pirate\nArr<|im_end|>\n",
        "<|im_start|>user\nHi<|im_end|>\nand more",
        "Explain <|im_start|>user\nHi<|im_end|>",
    ] {
        assert_eq!(turns(prompt), None, "{prompt}");
    }
}

#[test]
fn a_conversation_alternates() {
    let shown = Turns {
        system: vec!["s"],
        turns: vec![
            Turn { role: USER, text: "a" },
            Turn { role: ASSISTANT, text: " " },
            Turn { role: USER, text: "b" },
            Turn { role: ASSISTANT, text: "c" },
        ],
        thinks: None,
    };
    let conversation = Conversation::from(shown);
    assert_eq!(json!(conversation.system), json!([{"text": "s"}]));
    assert_eq!(
        json!(conversation.messages),
        json!([
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [{"text": "c"}]},
        ])
    );
}

#[test]
fn markers_of_the_beginning() {
    for builtin in BUILTINS.iter().filter(|builtin| !builtin.bos_token.is_empty()) {
        let prompt = format!("{}x", builtin.bos_token);
        assert_eq!(bos(&prompt), Some(builtin.bos_token), "{}", builtin.name);
    }
    assert_eq!(bos("x<s>"), None);
    assert_eq!(bos("<｜begin_of_sentence｜>x"), None, "no tokenizer knows it");
}

/// The built-in templates that show turns which can be read back, and how.
const READ_BACK: [&str; 23] = [
    "deepseek-r1",
    "deepseek-r1-distill-llama",
    "deepseek-r1-distill-qwen",
    "deepseek-v3",
    "deepseek-v3.1",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "llama4",
    "qwen2.5",
    "qwen3",
    "qwen3-coder",
    "mistral-v1",
    "mistral-v3",
    "mistral-v3-tekken",
    "mistral-v7",
    "mistral-v7-tekken",
    "mistral-v11",
    "gemma3",
    "phi4",
    "chatml",
];

/// Words without blanks around them, and without anything that looks like a marker.
fn words() -> impl Strategy<Value = String> {
    "[a-z贺兰🏔]([a-z贺兰🏔 \n.,:<>/|]{0,12}[a-z贺兰🏔])?"
        .prop_filter("a marker", |text| !text.contains("<s>") && !text.contains("</s>"))
}

fn rendered(builtin: &Builtin, system: Option<&str>, said: &[String]) -> String {
    let mut messages: Vec<Value> = vec![];
    messages.extend(system.map(|text| json!({"role": "system", "content": text})));
    for (at, text) in said.iter().enumerate() {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        messages.push(json!({"role": role, "content": text}));
    }
    let input = Input::new(messages, datetime!(2026-11-20 09:05:03 UTC));
    builtin.template().unwrap().render(&input).unwrap()
}

const MARKERS: [&str; 40] = [
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|eot|>",
    "<|eom|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|endoftext|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<｜begin▁of▁sentence｜>",
    "<｜begin_of_sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<think>",
    "</think>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "Human:",
    "Assistant:",
    "User:",
    "Bot:",
    "[gMASK]<sop>",
    "<BOS_TOKEN>",
    "<|startoftext|>",
    "\n",
];
const SPEAKERS: [&str; 7] =
    ["system", "developer", "user", "tool", "ipython", "assistant", "model"];

/// Holds every text to be a piece of the prompt, in order, with nothing but markers between.
fn account(prompt: &str, shown: &Turns<'_>) {
    let mut at = 0;
    let texts = shown.system.iter().copied().chain(shown.turns.iter().map(|turn| turn.text));
    let mut gaps = vec![];
    for text in texts {
        let start = text.as_ptr() as usize - prompt.as_ptr() as usize;
        assert!(start >= at, "{text:?} is out of order");
        gaps.push(&prompt[at..start]);
        at = start + text.len();
    }
    gaps.push(&prompt[at..]);
    for gap in gaps {
        let mut rest = gap.trim_start();
        while !rest.is_empty() {
            let known = MARKERS.iter().chain(&SPEAKERS).find_map(|mark| rest.strip_prefix(mark));
            rest = known.unwrap_or_else(|| panic!("lost: {gap:?} of {prompt:?}")).trim_start();
        }
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(&MARKERS[..]).prop_map(ToOwned::to_owned),
        2 => proptest::sample::select(&SPEAKERS[..]).prop_map(ToOwned::to_owned),
        1 => proptest::sample::select(&["<|im_start|>user\n", "<|im_start|>assistant\n", "\n\nHuman: ",
            "\n\nAssistant:", "\nUser: ", "\nBot:", "[INST] ", "[/INST] x</s>", "\n\n"][..])
            .prop_map(ToOwned::to_owned),
        3 => "[a贺 \n]{0,4}",
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_the_built_ins_render_is_read_back(
        name in proptest::sample::select(&READ_BACK[..]),
        system in proptest::option::of(words()),
        said in (0..3_usize).prop_flat_map(|pairs| proptest::collection::vec(words(), 2 * pairs + 1)),
    ) {
        let builtin = Builtin::find(name).unwrap();
        let prompt = rendered(builtin, system.as_deref(), &said);
        let shown = turns(&prompt);
        prop_assert!(shown.is_some(), "{}: {:?}", name, prompt);
        let shown = shown.unwrap();
        account(&prompt, &shown);
        let opens = builtin.name.starts_with("deepseek-r1");
        let closes = builtin.name == "deepseek-v3.1";
        prop_assert_eq!(shown.thinks, opens.then_some(true).or(closes.then_some(false)));
        prop_assert_eq!(shown.turns.len(), said.len());
        let in_a_turn = shown.system.is_empty();
        for (at, (turn, text)) in shown.turns.iter().zip(&said).enumerate() {
            prop_assert_eq!(turn.role, if at % 2 == 0 { USER } else { ASSISTANT });
            // Templates without a place for the system text put it before a user's words.
            let is_told = in_a_turn && system.as_ref().is_some_and(|system| {
                turn.text == format!("{system}\n\n{text}")
            });
            prop_assert!(turn.text == text || is_told, "{}: {:?}", name, turn);
        }
        if let Some(system) = &system {
            // Llama 3.1 and later tell the date before it.
            let told = shown.system.concat();
            let is_told = shown.turns.iter().any(|turn| turn.text.starts_with(system.as_str()));
            prop_assert!(told.ends_with(system.as_str()) || (in_a_turn && is_told));
        }
    }

    #[test]
    fn nothing_of_a_prompt_is_lost(prompt in prop_oneof![pieces(), any::<String>()]) {
        if let Some(shown) = turns(&prompt) {
            account(&prompt, &shown);
            prop_assert!(shown.turns.iter().any(|turn| turn.role == USER));
        }
        let _ = bos(&prompt);
    }
}
