//! What goes out when, and what becomes of calls that break.

use helan::parse::{
    Calls, Finish, Format, Options, Outcome, Parser, Piece, Tool, Unoffered, starts_in_reasoning,
};
use serde_json::Value;

use super::{read, whole};

fn shown(format: Format, options: Options, text: &str) -> Vec<String> {
    let mut parser = Parser::new(format, options);
    let mut seen = Vec::new();
    parser.push(text.as_bytes(), &mut |piece: Piece<'_>| seen.push(format!("{piece:?}")));
    seen
}

#[test]
fn a_string_argument_streams_as_it_arrives() {
    let call = r#"<tool_call>{"name": "save", "arguments": {"text": "It was a dark"#;
    let seen = shown(Format::Hermes, Options::default(), call);
    assert_eq!(seen[0], r#"CallStart { index: 0, name: "save", id: None }"#);
    assert!(seen[1].contains("It was a dark"), "{seen:?}");

    let call = "<tool_call>\n<function=save>\n<parameter=text>\nIt was\na dark \"and";
    let tools = vec![Tool {
        name: "save".to_owned(),
        schema: serde_json::json!({"properties": {"text": {"type": "string"}}}),
    }];
    let seen =
        shown(Format::Qwen3Coder, Options { tools: Some(tools), ..Options::default() }, call);
    let last = seen.last().unwrap();
    assert!(last.contains("and"), "{last}");
}

#[test]
fn text_is_held_only_where_a_marker_may_begin() {
    let seen = shown(Format::Hermes, Options::default(), "one <b> two <tool");
    assert_eq!(seen, [r#"Text("one <b> two ")"#]);
}

#[test]
fn a_plain_piece_goes_out_as_it_came() {
    let mut parser = Parser::new(Format::Qwen3, Options::default());
    let text = "Plain text, 贺兰山, and no marker.";
    let mut same = false;
    parser.push(text.as_bytes(), &mut |piece: Piece<'_>| {
        // Not a copy: the very bytes that were given.
        same = matches!(piece, Piece::Text(part) if part.as_ptr() == text.as_ptr() && part.len() == text.len());
    });
    assert!(same);
}

#[test]
fn a_call_that_is_cut_does_not_leak_its_marker() {
    for (format, input) in [
        (Format::Hermes, "Hi\n<tool_call>\n{\"na"),
        (Format::Hermes, "Hi\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"b"),
        (Format::Hermes, "Hi\n<tool_ca"),
        (Format::DeepSeekV3, "Hi\n<｜tool▁calls▁begin｜><｜tool▁call▁beg"),
        (Format::MistralV11, "Hi\n[TOOL_CALLS]na"),
        (Format::KimiK2, "Hi\n<|tool_calls_section_begin|>"),
        (Format::Qwen3Coder, "Hi\n<tool_call>\n<function=f>\n<parameter=a>\nx"),
    ] {
        for calls in [Calls::AsTheyArrive, Calls::Whole] {
            let options = Options { calls, ..Options::default() };
            let found = read(format, options, [input.as_bytes()], Finish::Cut);
            assert_eq!((found.text.as_str(), found.outcome.malformed), ("Hi\n", 0), "{input}");
            let marker = input.ends_with("<tool_ca");
            assert_eq!(found.outcome.cut_call, !marker, "{input}");
        }
    }
    let found = read(Format::Llama3Json, Options::default(), [&b"{\"a\": 1, \"b"[..]], Finish::Cut);
    assert_eq!(found.text, "{\"a\": 1, \"b", "an answer in JSON that was cut is text");
}

#[test]
fn without_tools_a_cut_call_is_text() {
    let options =
        || Options { tools: Some(vec![]), unoffered: Unoffered::Text, ..Options::default() };
    for (format, input) in [
        (Format::Hermes, "Hi\n<tool_ca"),
        (Format::Hermes, "Hi\n<tool_call>\n{\"name\": \"f"),
        (Format::Qwen3, "<tool_call>"),
        (Format::MistralV11, "Hi\n[TOOL_CALLS]na"),
        (Format::KimiK2, "Hi\n<|tool_calls_section_begin|><|tool_call_be"),
        (Format::DeepSeekV31, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁s"),
        (Format::Qwen3Coder, "Hi\n<tool_call>\n<function=f>\n<parameter=a>\nx"),
        (Format::Glm45, "<tool_call>f\n<arg_key>a"),
        (Format::Harmony, "to=functions.f"),
        (Format::Detect, "Hi <|python_ta"),
        (Format::Detect, "Hi <tool_call>{\"na"),
    ] {
        for size in [1, 3, 1000] {
            for how in [Finish::Cut, Finish::End] {
                let found = read(format, options(), input.as_bytes().chunks(size), how);
                assert_eq!(found.text, input);
                assert_eq!(found.outcome, Outcome::default(), "{input}");
            }
        }
    }
    // What else was cut does not show.
    for (format, input, text) in [
        (Format::Hermes, "Hi<|im_e", "Hi"),
        (Format::Harmony, "<|channel|>final<|message|>Hi<|retu", "Hi"),
        (Format::Detect, "<thin", ""),
    ] {
        let found = read(format, options(), [input.as_bytes()], Finish::Cut);
        assert_eq!((found.text.as_str(), found.outcome.cut_call), (text, false), "{input}");
    }
}

#[test]
fn a_broken_call_is_given_back() {
    let input = r#"<tool_call>{"name": "f", "arguments": {"a": NO}} end"#;
    let found = whole(Format::Hermes, Options::default(), input);
    assert_eq!(
        found.broken,
        [(r#"<tool_call>{"name": "f", "arguments": {"a": "#.to_owned(), false)]
    );
    assert_eq!((found.text.as_str(), found.outcome.malformed), (input, 1));
    let found = whole(Format::Hermes, Options { calls: Calls::Whole, ..Options::default() }, input);
    assert_eq!((found.text.as_str(), found.broken.len(), found.outcome.malformed), (input, 0, 1));
}

#[test]
fn tools_that_were_not_offered() {
    let tools = Some(vec![Tool { name: "known".to_owned(), schema: Value::Null }]);
    let input = r#"<tool_call>{"name": "other", "arguments": {}}</tool_call>"#;
    let options = |unoffered| Options { tools: tools.clone(), unoffered, ..Options::default() };
    assert_eq!(whole(Format::Hermes, options(Unoffered::Call), input).calls.len(), 1);
    assert_eq!(whole(Format::Hermes, options(Unoffered::Text), input).text, input);
    // Without a marker it is an answer.
    for (format, input) in [
        (Format::Llama3Json, r#"{"name": "other", "parameters": {}}"#),
        (Format::Pythonic, "[other(x=1)]"),
    ] {
        assert_eq!(whole(format, options(Unoffered::Call), input).text, input);
        let known = input.replace("other", "known");
        assert_eq!(whole(format, options(Unoffered::Call), &known).calls.len(), 1);
    }
}

#[test]
fn ids_come_with_calls() {
    for (format, input, id) in [
        (Format::MistralV11, "[TOOL_CALLS]f[CALL_ID]abc[ARGS]{}", "abc"),
        (Format::Mistral, r#"[TOOL_CALLS][{"id": "abc", "name": "f", "arguments": {}}]"#, "abc"),
        (
            Format::KimiK2,
            "<|tool_call_begin|>functions.f:3<|tool_call_argument_begin|>{}<|tool_call_end|>",
            "functions.f:3",
        ),
    ] {
        let found = whole(format, Options::default(), input);
        assert_eq!(found.calls[0].1.as_deref(), Some(id), "{input}");
    }
}

#[test]
fn the_prompt_says_where_the_answer_starts() {
    assert!(starts_in_reasoning("<|im_start|>assistant\n<think>\n"));
    assert!(starts_in_reasoning("[THINK]"));
    assert!(starts_in_reasoning("<|start|>assistant<|channel|>analysis<|message|>"));
    assert!(!starts_in_reasoning("<think></think>"));
    assert!(!starts_in_reasoning("<|start|>assistant"));
    assert!(!starts_in_reasoning(""));
}

#[test]
fn reasoning_that_never_ends_is_told() {
    let found = whole(Format::Think, Options::default(), "<think>on and on");
    assert!(found.outcome.in_reasoning);
    assert!(!whole(Format::Think, Options::default(), "<think>a</think>b").outcome.in_reasoning);
}
