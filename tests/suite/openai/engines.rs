//! The manners of other engines, and what vLLM was not recorded saying.

use helan::Code;
use helan::container::Mode;
use helan::container::openai::Options;
use helan::converse::{Ask, Event};
use serde_json::json;

use super::{ask, decode, decode_as, plain, sse, stream, unary};

const TAIL: &str = r#"{"metadata":{"metrics":{"latencyMs":0},"usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7}}}"#;

fn hello() -> Vec<String> {
    [
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"贺"}}}"#,
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"兰"}}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
        r#"{"messageStop":{"stopReason":"end_turn"}}"#,
        TAIL,
    ]
    .map(str::to_owned)
    .to_vec()
}

const CHUNKS: [&str; 4] = [
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"贺"},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"兰"},"finish_reason":"stop"}]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#,
];

#[test]
fn every_manner_of_streaming_says_the_same() {
    let [a, b, c, d] = CHUNKS;
    let long_lines = CHUNKS.join("\n");
    for (manner, text) in [
        ("SSE", format!("data: {a}\n\ndata: {b}\n\ndata: {c}\n\ndata: {d}\n\ndata: [DONE]\n\n")),
        (
            "SSE, no space",
            format!("data:{a}\n\ndata:{b}\n\ndata:{c}\n\ndata:{d}\n\ndata:[DONE]\n\n"),
        ),
        (
            "SSE, CRLF",
            format!(
                "data: {a}\r\n\r\ndata: {b}\r\n\r\ndata: {c}\r\n\r\ndata: {d}\r\n\r\ndata: [DONE]\r\n\r\n"
            ),
        ),
        (
            "transformers serve: no [DONE]",
            format!("data: {a}\n\ndata: {b}\n\ndata: {c}\n\ndata: {d}\n\n"),
        ),
        ("LMI: JSON lines and a blank one", format!("{long_lines}\n\n")),
        ("EMD: JSON lines", format!("{long_lines}\n")),
        ("no end of the last line", long_lines),
        ("[DONE] glued", format!("data: {a}\n\ndata: {b}\n\ndata: {c}\n\ndata: {d}data: [DONE]")),
        ("all glued", format!("{a}{b}{c}{d}[DONE]")),
        (
            "keep-alives",
            format!(
                ":\n\n: ping\n\ndata: {a}\n\n:\n\ndata: {b}\n\nevent: x\nid: 1\nretry: 5\ndata: {c}\n\n: \n\ndata: {d}\n\ndata: [DONE]\n\n"
            ),
        ),
    ] {
        assert_eq!(stream(&text).lines(), hello(), "{manner}");
        for at in 1..text.len() {
            let (one, two) = text.as_bytes().split_at(at);
            let cut = decode(Mode::Stream, [one, two]);
            assert_eq!(cut.lines(), hello(), "{manner}, cut at {at}");
        }
    }
}

#[test]
fn usage_may_come_with_the_finish_or_in_every_chunk() {
    let text = concat!(
        r#"data: {"choices":[{"delta":{"content":"贺"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#,
        "\n\n",
        r#"data: {"choices":[{"delta":{"content":"兰"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
        "\n\n",
        r#"data: {"choices":[],"usage":null}"#,
        "\n\n",
    );
    assert_eq!(stream(text).lines(), hello());
}

#[test]
fn cached_tokens_are_told_apart_where_it_is_asked_for() {
    let body = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":50,"completion_tokens":2,"total_tokens":52,
                 "prompt_tokens_details":{"cached_tokens":32}}}"#;
    let split = json!({"cacheReadInputTokens":32,"cacheWriteInputTokens":0,"inputTokens":18,"outputTokens":2,"totalTokens":52});
    let pointed = ask(
        r#"{"messages":[{"role":"user","content":[{"text":"hi"},{"cachePoint":{"type":"default"}}]}]}"#,
    );
    let deployment = Options { cached_in_usage: true, ..Options::default() };
    let usage = |options, ask: &Ask| {
        decode_as(options, ask, Mode::Unary, [body.as_bytes()]).folded()["usage"].clone()
    };
    assert_eq!(usage(Options::default(), &pointed), split);
    assert_eq!(usage(deployment, &plain()), split);
    let whole = json!({"inputTokens":50,"outputTokens":2,"totalTokens":52});
    assert_eq!(usage(Options::default(), &plain()), whole);
}

#[test]
fn reasoning_comes_under_two_names_and_is_not_doubled() {
    let text = sse(&[
        r#"{"delta":{"role":"assistant","content":null,"reasoning":null,"reasoning_content":null}}"#,
        r#"{"delta":{"reasoning":"one","reasoning_content":"one"}}"#,
        r#"{"delta":{"reasoning_content":" two"}}"#,
        r#"{"delta":{"reasoning":" three","content":""}}"#,
        r#"{"delta":{"reasoning":" four","content":"five"}}"#,
        r#"{"delta":{"content":" six"},"finish_reason":"eos_token"}"#,
    ]);
    assert_eq!(
        stream(text).folded()["output"]["message"]["content"],
        json!([{"reasoningContent":{"reasoningText":{"text":"one two three four"}}},{"text":"five six"}])
    );
}

#[test]
fn blank_blocks_are_no_blocks_and_blanks_before_words_are_kept() {
    let text = sse(&[
        r#"{"delta":{"reasoning":"\n"}}"#,
        r#"{"delta":{"content":"\n\n"}}"#,
        r#"{"delta":{"content":"  "}}"#,
        r#"{"delta":{"content":"a"}}"#,
        r#"{"delta":{"content":"\n"}}"#,
        r#"{"delta":{"reasoning":" "}}"#,
        r#"{"delta":{"content":"b"}}"#,
        r#"{"delta":{"reasoning":"\n"},"finish_reason":"stop"}"#,
    ]);
    let lines = stream(text).lines();
    let deltas = [
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"\n\n  a"}}}"#,
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"\n"}}}"#,
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"b"}}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
    ];
    assert_eq!(lines[..4], deltas);
    // A blank that was passed over does not come later.
    let passed = sse(&[
        r#"{"delta":{"content":"a"}}"#,
        r#"{"delta":{"reasoning":" "}}"#,
        r#"{"delta":{"content":"b"}}"#,
        r#"{"delta":{"reasoning":"c"},"finish_reason":"stop"}"#,
    ]);
    assert_eq!(
        stream(passed).folded()["output"]["message"]["content"],
        json!([{"text":"ab"},{"reasoningContent":{"reasoningText":{"text":"c"}}}])
    );
    let empty = stream(sse(&[r#"{"delta":{"content":"\n"},"finish_reason":"stop"}"#])).folded();
    assert_eq!(empty["output"]["message"]["content"], json!([]));
}

#[test]
fn an_answer_may_switch_between_reasoning_and_text() {
    let text = sse(&[
        r#"{"delta":{"reasoning":"r0"}}"#,
        r#"{"delta":{"content":"t1"}}"#,
        r#"{"delta":{"reasoning":"r2"}}"#,
        r#"{"delta":{"content":"t3"},"finish_reason":"stop"}"#,
    ]);
    assert_eq!(
        stream(text).lines()[..8],
        [
            r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"r0"}}}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":1,"delta":{"text":"t1"}}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":1}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":2,"delta":{"reasoningContent":{"text":"r2"}}}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":2}}"#,
            r#"{"contentBlockDelta":{"contentBlockIndex":3,"delta":{"text":"t3"}}}"#,
            r#"{"contentBlockStop":{"contentBlockIndex":3}}"#,
        ]
    );
}

#[test]
fn stop_reasons() {
    for (choice, expected, sequence) in [
        (r#"{"finish_reason":"stop"}"#, "end_turn", None),
        (r#"{"finish_reason":"stop","stop_reason":null}"#, "end_turn", None),
        (r#"{"finish_reason":"stop","stop_reason":151645}"#, "end_turn", None),
        (r#"{"finish_reason":"stop","stop_reason":"END"}"#, "stop_sequence", Some("END")),
        (r#"{"finish_reason":"stop","matched_stop":"END"}"#, "stop_sequence", Some("END")),
        (r#"{"finish_reason":"stop","matched_stop":151645}"#, "end_turn", None),
        (r#"{"finish_reason":"stop_sequence"}"#, "stop_sequence", None),
        (r#"{"finish_reason":"eos_token"}"#, "end_turn", None),
        (r#"{"finish_reason":"length"}"#, "max_tokens", None),
        (r#"{"finish_reason":"length","stop_reason":"END"}"#, "max_tokens", None),
        (r#"{"finish_reason":"content_filter"}"#, "content_filtered", None),
        (r#"{"finish_reason":"tool_calls"}"#, "end_turn", None), // there was no call
    ] {
        let decoded = stream(sse(&[r#"{"delta":{"content":"a"}}"#, choice]));
        let stop = decoded.events.iter().find_map(|event| match event {
            Event::MessageStop(stop) => Some(stop.clone()),
            _ => None,
        });
        let stop = stop.expect("a messageStop");
        assert_eq!(json!(stop.stop_reason), expected, "{choice}");
        assert_eq!(stop.stop_sequence.as_deref(), sequence, "{choice}");
    }
    for reason in ["abort", "error"] {
        let choice = format!(r#"{{"delta":{{"content":"a"}},"finish_reason":"{reason}"}}"#);
        assert_eq!(stream(sse(&[&choice])).error().code(), Code::ModelStreamError);
        let body = format!(r#"{{"choices":[{choice}]}}"#);
        assert_eq!(unary(body).error().code(), Code::ModelError);
    }
}

#[test]
fn fields_of_the_containers_answer_are_copied() {
    let ask = ask(r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],
            "additionalModelResponseFieldPaths":["/choices/0/stop_reason","/model","/nothing"]}"#);
    let body = r#"{"model":"m","choices":[{"message":{"content":"a"},"finish_reason":"stop","stop_reason":"es"}]}"#;
    let expected = json!({"choices":[{"stop_reason":"es"}],"model":"m"});
    let whole = decode_as(Options::default(), &ask, Mode::Unary, [body.as_bytes()]).folded();
    assert_eq!(whole["additionalModelResponseFields"], expected);
    let text = concat!(
        r#"data: {"model":"m","choices":[{"delta":{"content":"a"},"stop_reason":null}]}"#,
        "\n\n",
        r#"data: {"model":"m","choices":[{"delta":{},"finish_reason":"stop","stop_reason":"es"}]}"#,
        "\n\n",
        r#"data: {"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        "\n\n",
    );
    let streamed = decode_as(Options::default(), &ask, Mode::Stream, [text.as_bytes()]).folded();
    assert_eq!(streamed["additionalModelResponseFields"], expected);
}

#[test]
fn content_may_be_parts_and_a_whole_answer_may_come_as_a_stream() {
    let body = r#"{"choices":[{"message":{"content":[{"type":"text","text":"贺"},{"type":"text","text":"兰"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let content = json!([{"text":"贺兰"}]);
    assert_eq!(unary(body).folded()["output"]["message"]["content"], content);
    assert_eq!(stream(body).folded()["output"]["message"]["content"], content);
}

#[test]
fn a_second_choice_is_not_mixed_in() {
    let text = sse(&[
        r#"{"index":1,"delta":{"content":"no"},"finish_reason":"length"}"#,
        r#"{"index":0,"delta":{"content":"yes"},"finish_reason":"stop"}"#,
    ]);
    let folded = stream(text).folded();
    assert_eq!(folded["output"]["message"]["content"], json!([{"text":"yes"}]));
    assert_eq!(folded["stopReason"], "end_turn");
}
