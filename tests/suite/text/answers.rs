//! Each dialect's answers, whole and cut at every byte.

use super::*;

const TOOLS: &str = r#","toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{"type":"object","properties":{"city":{"type":"string"}}}}}}]}"#;
const STOP: &str = r#","inferenceConfig":{"maxTokens":2,"stopSequences":["END"]}"#;

/// Decodes `name` whole and in two pieces, cut everywhere; all must tell the same.
#[track_caller]
fn answered(dialect: Dialect, ask: &Ask, name: &str) -> String {
    let eos = Some(vec!["</s>".to_owned(), "<|im_end|>".to_owned()]);
    let text = text(Options { eos, ..options(dialect) });
    let mode = if name.contains("stream") { Mode::Stream } else { Mode::Unary };
    let bytes = fixture(name);
    let (events, end) = decode(&text, ask, mode, [bytes.as_slice()]);
    end.expect(name);
    let whole = told(&events);
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        let (events, end) = decode(&text, ask, mode, [first, second]);
        end.expect(name);
        assert_eq!(told(&events), whole, "{name} cut at {at}");
    }
    let (events, end) = decode(&text, ask, mode, bytes.chunks(1));
    end.expect(name);
    assert_eq!(told(&events), whole, "{name} byte by byte");
    whole
}

#[test]
fn tgi() {
    let told = |ask: &Ask, name: &str| answered(Dialect::Tgi, ask, &format!("text/tgi-{name}.txt"));
    assert_eq!(told(&hi(""), "stream"), "reasoning: 想一想\ntext: 贺兰山在宁夏。\nend_turn 21+9");
    let call = "get_weather({\"city\": \"西安\"}\ntool_use";
    assert_eq!(told(&hi(TOOLS), "stream-tool"), format!("{call} 77+6"));
    assert_eq!(told(&hi(STOP), "stream-stop"), "text: one two \nstop_sequence END 5+4");
    assert_eq!(told(&hi(""), "stream-length"), "text: one two\nmax_tokens 5+2");
    assert_eq!(told(&hi(""), "unary"), "text: 贺兰山在宁夏。\nend_turn 0+4");
    assert_eq!(told(&hi(TOOLS), "unary-tool"), format!("{call} 2+3"));
}

#[test]
fn tgi_shows_a_prompt_its_text_as_it_is() {
    let told = answered(Dialect::Tgi, &prompt("hi"), "text/tgi-stream.txt");
    assert_eq!(told, "text: <think>\n想一想\n</think>\n\n贺兰山在宁夏。\nend_turn 21+9");
    let mut stopped = prompt("hi");
    stopped.parameters.inference.stop_sequences = Some(vec!["</think>".to_owned()]);
    let told = answered(Dialect::Tgi, &stopped, "text/tgi-stream.txt");
    assert_eq!(told, "text: <think>\n想一想\n\nstop_sequence </think> 21+9");
    let told = answered(Dialect::Tgi, &prompt("hi"), "text/tgi-stream-tool.txt");
    let call = r#"[{"name": "get_weather", "arguments": {"city": "西安"}}]"#;
    assert_eq!(told, format!("text:  {call}\nend_turn 77+6"));
}

#[test]
fn lmi_in_async_mode() {
    let told =
        |ask: &Ask, name: &str| answered(Dialect::Lmi, ask, &format!("text/lmi-async-{name}.txt"));
    assert_eq!(told(&hi(""), "stream"), "reasoning: 想一想\ntext: 贺兰山\nend_turn 21+5");
    assert_eq!(told(&hi(""), "stream-length"), "text: one two\nmax_tokens 5+2");
    assert_eq!(told(&hi(STOP), "stream-stop"), "text: one \nstop_sequence END 5+3");
    assert_eq!(told(&hi(""), "stream-nodetails"), "text: one two\nend_turn 0+0");
    // It says nothing: the limit was met if so many tokens came.
    assert_eq!(told(&hi(STOP), "unary"), "text: one two\nmax_tokens 0+2");
    assert_eq!(told(&hi(""), "unary"), "text: one two\nend_turn 0+2");
    let own = hi(r#","additionalModelRequestFields":{"max_new_tokens":2}"#);
    assert_eq!(told(&own, "unary"), "text: one two\nmax_tokens 0+2");
    assert_eq!(told(&hi(STOP), "unary-stop"), "text: one \nstop_sequence END 0+3");
}

#[test]
fn lmi_by_rolling_batch() {
    let told = |ask: &Ask, name: &str| {
        answered(Dialect::Lmi, ask, &format!("text/lmi-rolling-{name}.txt"))
    };
    for name in ["stream", "stream-sse"] {
        assert_eq!(told(&hi(""), name), "text: Deep sea END\nend_turn 0+4");
        assert_eq!(told(&hi(STOP), name), "text: Deep sea \nstop_sequence END 0+4");
    }
    assert_eq!(told(&hi(""), "stream-length"), "text: Deep sea \nmax_tokens 0+2");
    for name in ["unary", "unary-compat"] {
        assert_eq!(told(&hi(""), name), "text: Deep sea\nend_turn 2+3");
    }
    assert_eq!(told(&hi(STOP), "unary-stop"), "text: one \nstop_sequence END 0+3");
}

#[test]
fn lmi_in_dynamic_batches() {
    for name in ["text/lmi-dynamic-stream.txt", "text/lmi-dynamic-unary.txt"] {
        assert_eq!(answered(Dialect::Lmi, &hi(""), name), "text: one two\nend_turn 0+0");
    }
}

#[test]
fn lmi_in_the_envelope_of_its_3p_formatters() {
    let told =
        |ask: &Ask, name: &str| answered(Dialect::Lmi, ask, &format!("text/lmi-3p-{name}.txt"));
    for name in ["unary", "stream"] {
        let count = if name == "unary" { 7 } else { 5 };
        let text = format!("reasoning: 想一想\ntext: 贺兰山\nend_turn 21+{count}");
        assert_eq!(told(&hi(""), name), text);
    }
    assert_eq!(told(&hi(STOP), "unary-stop"), "text: one \nstop_sequence END 5+3");
    assert_eq!(told(&hi(""), "stream-length"), "text: one two\nmax_tokens 5+2");
    assert_eq!(told(&prompt("x"), "stream-length"), "text: one two\nmax_tokens 5+2");
}

#[test]
fn jumpstart_s_first_llamas() {
    for dialect in [Dialect::Tgi, Dialect::Lmi, Dialect::HuggingFace] {
        for name in ["text/jumpstart-list.txt", "text/jumpstart-object.txt"] {
            let told = |ask: &Ask| answered(dialect, ask, name);
            assert_eq!(told(&hi("")), "text: one END two\nend_turn 0+0");
            assert_eq!(told(&hi(STOP)), "text: one \nstop_sequence END 0+0");
        }
    }
}

#[test]
fn the_hugging_face_toolkit() {
    for name in ["text/hf-list.txt", "text/hf-object.txt"] {
        let told = |ask: &Ask| answered(Dialect::HuggingFace, ask, name);
        assert_eq!(told(&hi("")), "text: one END two\nend_turn 0+0");
        assert_eq!(told(&hi(STOP)), "text: one \nstop_sequence END 0+0");
        // Streamed or not, it comes whole.
        let bytes = fixture(name);
        let (events, end) =
            decode(known(Dialect::HuggingFace), &hi(""), Mode::Stream, bytes.chunks(3));
        end.unwrap();
        assert_eq!(super::told(&events), "text: one END two\nend_turn 0+0");
    }
}

#[test]
fn completions_of_a_real_server() {
    let told = |name: &str| {
        let name = format!("vllm/completion-{name}.response.txt");
        let mode = if name.contains("stream") { Mode::Stream } else { Mode::Unary };
        let bytes = fixture(&name);
        let (events, end) =
            decode(known(Dialect::Completions), &prompt("x"), mode, bytes.chunks(7));
        end.unwrap();
        told(&events)
    };
    let words = |count: usize| "\u{14}tokenizers".repeat(count);
    assert_eq!(told("normal"), format!("text: {}\nmax_tokens 3+8", words(4)));
    let streamed = told("stream");
    assert!(streamed.ends_with("max_tokens 3+5"), "{streamed}");
}

/// A completion's chunks as LMI streams them and as vLLM does.
fn completion(texts: &[&str], reason: &str) -> [String; 2] {
    let chunk = |text: &str, reason: &str| {
        format!(
            r#"{{"object":"text_completion","choices":[{{"index":0,"text":{},"logprobs":null,{reason}}}]}}"#,
            serde_json::to_string(text).unwrap()
        )
    };
    let open = r#""finish_reason":null,"stop_reason":null"#;
    let mut chunks: Vec<_> = texts.iter().map(|text| chunk(text, open)).collect();
    chunks.push(chunk("", reason));
    chunks.push(
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#
            .into(),
    );
    let lines = chunks.join("\n") + "\n\n";
    let events = format!("data: {}\n\ndata: [DONE]\n\n", chunks.join("\n\ndata: "));
    [lines, events]
}

#[test]
fn completions_with_markup() {
    let told = |ask: &Ask, texts: &[&str], reason: &str| {
        let all = completion(texts, reason).map(|bytes| {
            let whole = decode(known(Dialect::Completions), ask, Mode::Stream, [bytes.as_bytes()]);
            let cut =
                decode(known(Dialect::Completions), ask, Mode::Stream, bytes.as_bytes().chunks(1));
            whole.1.unwrap();
            cut.1.unwrap();
            assert_eq!(told(&whole.0), told(&cut.0));
            told(&whole.0)
        });
        assert_eq!(all[0], all[1]);
        all[0].clone()
    };
    let stop = r#""finish_reason":"stop","stop_reason":null"#;
    let length = r#""finish_reason":"length","stop_reason":null"#;
    let called = [
        "Sure.\n<tool_",
        "call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Xi",
        "an\"}}\n</tool_call>",
    ];
    assert_eq!(
        told(&hi(TOOLS), &called, stop),
        "text: Sure.\n\nget_weather({\"city\": \"Xian\"}\ntool_use 9+4"
    );
    assert_eq!(
        told(&hi(TOOLS), &called[..2], length),
        "text: Sure.\n\nget_weather({\"city\": \"Xi\nmax_tokens 9+4"
    );
    // Where the container says so, its stop sequence is the one.
    let met = r#""finish_reason":"stop","stop_reason":"END""#;
    assert_eq!(told(&hi(STOP), &["one "], met), "text: one \nstop_sequence END 9+4");
    // The id of a token is none.
    let token = r#""finish_reason":"stop","stop_reason":151645"#;
    assert_eq!(told(&hi(STOP), &["one"], token), "text: one\nend_turn 9+4");
    // The prompt opened the reasoning.
    let thinking =
        hi(r#","additionalModelRequestFields":{"chat_template_kwargs":{"enable_thinking":true}}"#);
    assert_eq!(
        told(&thinking, &["hm\n</thi", "nk>\n\nyes<|im_end|>"], stop),
        "reasoning: hm\ntext: yes\nend_turn 9+4"
    );
    // No tool was offered: a call is text.
    let text = told(&hi(""), &called, stop);
    assert!(text.contains("<tool_call>") && text.ends_with("end_turn 9+4"), "{text}");
}

#[test]
fn pointers_look_into_the_dialect_s_own_answer() {
    let ask = hi(r#","additionalModelResponseFieldPaths":["/details/seed"]"#);
    let told = answered(Dialect::Tgi, &ask, "text/tgi-stream-stop.txt");
    assert!(told.contains(r#"{"details":{"seed":42}}"#), "{told}");
}
