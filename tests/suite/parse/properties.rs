//! What holds for any text.

use helan::parse::{Calls, Finish, Format, Options, Parser, Piece, Tool};
use proptest::prelude::*;
use serde_json::json;

use super::{Read, read, start};

/// Markers and what stands near them, so that random text is not only text.
const WORDS: &[&str] = &[
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<tool_call>",
    "</tool_call>",
    "<function=f>",
    "</function>",
    "<parameter=x>",
    "</parameter>",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "=",
    "'",
    "\"",
    ":",
    ",",
    ";",
    "\\",
    "\n",
    " ",
    "f",
    "x",
    "1",
    "true",
    "None",
    "\"name\"",
    "\"arguments\"",
    "\"f\"",
    r#"{"name": "f", "arguments": {"x": "y"}}"#,
    r#"{"name": "f", "parameters": {}}"#,
    "f(x='y')",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]",
    "<|python_tag|>",
    "<|python_start|>",
    "<|python_end|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
    "```",
    "json",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>",
    "functions.f:0",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "<|start|>",
    "assistant",
    "<|channel|>",
    "analysis",
    "final",
    " to=functions.f",
    "<|message|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
    "<|im_end|>",
    "</s>",
    "<",
    "贺",
    "é",
];

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        9 => prop::sample::select(WORDS).prop_map(ToOwned::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

fn any_options() -> impl Strategy<Value = Options> {
    let tool = || Tool {
        name: "f".to_owned(),
        schema: json!({"properties": {"x": {"type": "string"}, "n": {"type": "integer"}}}),
    };
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(move |(prefill, known, whole)| Options {
        start: start(prefill),
        tools: known.then(|| vec![tool()]),
        calls: if whole { Calls::Whole } else { Calls::AsTheyArrive },
        ..Options::default()
    })
}

/// The same but for the number of pieces.
fn same(read: Read) -> Read {
    Read { pieces: 0, ..read }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_cut_does_not_matter(
        text in any_text(),
        format in prop::sample::select(&Format::ALL[..]),
        options in any_options(),
        sizes in prop::collection::vec(1_usize..9, 1..8),
        cut in any::<bool>(),
    ) {
        let how = if cut { Finish::Cut } else { Finish::End };
        let bytes = text.as_bytes();
        let whole = same(read(format, options.clone(), [bytes], how));
        prop_assert_eq!(&same(read(format, options.clone(), bytes.chunks(1), how)), &whole);
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(&same(read(format, options, pieces, how)), &whole);
    }

    #[test]
    fn any_bytes_are_read(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        format in prop::sample::select(&Format::ALL[..]),
    ) {
        let whole = read(format, Options::default(), [&bytes[..]], Finish::End);
        let cut = read(format, Options::default(), bytes.chunks(3), Finish::End);
        prop_assert_eq!(same(whole), same(cut));
    }

    /// Text around whole calls is kept, in order, and a call that is none is kept too.
    #[test]
    fn nothing_is_lost(
        parts in prop::collection::vec(("[a-z<>/{}\"' ]{1,12}x", 0_u8..3), 0..6),
        size in 1_usize..20,
    ) {
        let (mut input, mut text, mut calls) = (String::new(), String::new(), 0);
        for (words, kind) in &parts {
            input.push_str(words);
            text.push_str(words);
            let call = match kind {
                0 => r#"<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>."#,
                1 => r#"<tool_call>{"name": "f", "arguments": {"a": NO}}</tool_call>."#,
                _ => "<tool_call>{\"arguments\": {}}</tool_call>.",
            };
            input.push_str(call);
            if *kind == 0 {
                calls += 1;
                text.push('.');
            } else {
                text.push_str(call);
            }
        }
        let found = read(Format::Hermes, Options::default(), input.as_bytes().chunks(size), Finish::End);
        prop_assert_eq!(found.text, text);
        prop_assert_eq!(found.calls.len(), calls);
    }

    /// Text without the beginning of a marker is the answer, whatever the format.
    #[test]
    fn plain_text_is_text(text in "[a-zA-Z0-9 .,;:!?'\"()贺兰山\n]{0,60}", size in 1_usize..9) {
        for format in Format::ALL {
            let found = read(format, Options::default(), text.as_bytes().chunks(size), Finish::End);
            prop_assert_eq!(&found.text, &text, "{}", format.name());
        }
    }
}

/// What random texts once found.
#[test]
fn cuts_that_mattered_once() {
    let text = r#"<function=f><{"name": "f", "arguments": {"x": "y"}}"#;
    let options = || Options { tools: None, calls: Calls::AsTheyArrive, ..Options::default() };
    let whole = same(read(Format::Detect, options(), [text.as_bytes()], Finish::End));
    for size in 1..text.len() {
        let cut = read(Format::Detect, options(), text.as_bytes().chunks(size), Finish::End);
        assert_eq!(same(cut), whole, "{size}");
    }
}

/// The bytes that the parser looks at for `input`, one at a time.
fn work(format: Format, input: &str) -> usize {
    let mut parser = Parser::new(format, Options::default());
    for byte in input.as_bytes().chunks(1) {
        parser.push(byte, &mut |_: Piece<'_>| {});
    }
    parser.finish(Finish::End, &mut |_: Piece<'_>| {});
    parser.work()
}

#[test]
fn work_grows_with_the_text_and_no_faster() {
    for format in Format::ALL {
        for word in [
            "<tool_call>",
            "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"",
            "{\"name\": ",
            "{",
            "[",
            "[f(",
            "[f(x=1), ",
            "<think>",
            "<",
            "<function=f><parameter=x>",
            "[TOOL_CALLS]",
            "[TOOL_CALLS][",
            "<｜tool▁calls▁begin｜>",
            "<|tool_call_begin|>",
            "<|channel|>",
            "a b c ",
            "\n",
            ";",
            "<|im_end|>",
            "<|im_end|>x",
            "{\"name\": \"f\", \"parameters\": {}};",
        ] {
            let (once, tenfold) =
                (work(format, &word.repeat(200)), work(format, &word.repeat(2000)));
            assert!(once <= 3 * 200 * word.len(), "{} {word}: {once}", format.name());
            assert!(tenfold <= 3 * 2000 * word.len(), "{} {word}: {tenfold}", format.name());
        }
    }
}

#[test]
fn a_call_without_an_end_is_given_back_at_the_limit() {
    let mut input = String::from(r#"<tool_call>{"name": "f", "arguments": {"a": ""#);
    input.push_str(&"x".repeat(9 << 20));
    let pieces = input.as_bytes().chunks(1 << 20);
    let found = read(Format::Hermes, Options::default(), pieces, Finish::End);
    assert_eq!(found.broken.len(), 1);
    assert!(found.broken[0].0.len() <= 10 << 20);
    assert_eq!(found.text, input);
}
