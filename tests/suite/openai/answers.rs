//! Recorded answers against what Bedrock would have answered.
//!
//! `*.expected.json` and `*.expected.jsonl` were derived from the recordings and the rules of the
//! references, not from what this crate gave.

use helan::Code;
use helan::container::Mode;
use serde_json::Value;

use super::{cut, decode, fixture, stream, unary};

const BODIES: [&str; 16] = [
    "chat-normal",
    "completion-normal",
    "err-badmodel", // answered all the same
    "err-badrole",  // answered all the same
    "history-tool-normal",
    "json-schema-normal",
    "logprobs-normal",
    "nothink-normal",
    "r1-think-normal",
    "raw-think-normal",
    "stopstring-normal",
    "think-normal",
    "tool-auto-normal",
    "tool-named-normal",
    "tool-named-strict-normal",
    "tool-required-normal",
];

const STREAMS: [&str; 9] = [
    "chat-stream",
    "chat-stream-contusage",
    "chat-stream-nousage",
    "completion-stream",
    "r1-think-stream",
    "think-stream",
    "tool-auto-stream",
    "tool-named-stream",
    "tool-required-strict-stream",
];

fn response(name: &str) -> Vec<u8> {
    fixture(&format!("{name}.response.txt")).into_bytes()
}

fn values(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn bodies_become_converse_answers() {
    for name in BODIES {
        let expected: Value =
            serde_json::from_str(&fixture(&format!("{name}.expected.json"))).unwrap();
        assert_eq!(unary(response(name)).folded(), expected, "{name}");
    }
}

#[test]
fn streams_become_converse_events() {
    for name in STREAMS {
        let expected: Vec<_> =
            fixture(&format!("{name}.expected.jsonl")).lines().map(str::to_owned).collect();
        assert_eq!(values(&stream(response(name)).lines()), values(&expected), "{name}");
    }
}

#[test]
fn an_engine_that_dies_while_it_streams_is_an_error_after_what_it_said() {
    let expected: Vec<_> =
        fixture("midstream-crash.expected.jsonl").lines().map(str::to_owned).collect();
    let decoded = stream(response("midstream-crash"));
    let lines: Vec<_> =
        decoded.events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    assert_eq!(values(&lines), values(&expected));
    let error = decoded.error();
    let words = "EngineCore encountered an issue. See stack trace (above) for the root cause.";
    assert_eq!(error.code(), Code::ModelStreamError);
    assert_eq!(error.from_upstream().status, Some(500));
    assert_eq!(error.from_upstream().message.as_deref(), Some(words));
}

#[test]
fn streams_may_be_cut_at_any_byte() {
    for name in STREAMS {
        let bytes = response(name);
        let whole = stream(&bytes).told();
        for at in 1..bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(decode(Mode::Stream, [one, two]).told(), whole, "{name} cut at {at}");
        }
    }
}

#[test]
fn a_broken_stream_may_be_cut_at_any_byte() {
    let full = String::from_utf8(response("midstream-crash")).unwrap();
    let lines: Vec<_> = full.split_inclusive('\n').collect();
    let bytes = [&lines[..12], &lines[lines.len() - 12..]].concat().concat().into_bytes();
    let whole = stream(&bytes).told();
    assert!(whole.1.is_some() && whole.0.len() > 8);
    for at in 1..bytes.len() {
        let (one, two) = bytes.split_at(at);
        assert_eq!(decode(Mode::Stream, [one, two]).told(), whole, "cut at {at}");
    }
}

#[test]
fn streams_may_be_cut_many_times() {
    let mut random = fastrand::Rng::with_seed(3);
    for name in STREAMS.into_iter().chain(["midstream-crash"]) {
        let bytes = response(name);
        let whole = stream(&bytes).told();
        for longest in [1, 2, 3, 7, 40, 300, 2000] {
            let cuts: Vec<_> = (0..97).map(|_| random.usize(1..=longest)).collect();
            let told = decode(Mode::Stream, cut(&bytes, &cuts)).told();
            assert_eq!(told, whole, "{name} in pieces of up to {longest}");
        }
    }
}

#[test]
fn a_stream_that_lacks_its_end_is_never_complete() {
    for name in STREAMS {
        let text = String::from_utf8(response(name)).unwrap();
        let finish = text.lines().position(|l| l.contains(r#""finish_reason":""#)).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        for kept in 0..finish {
            let mut bytes = lines[..kept].concat();
            let error = stream(&bytes).error();
            assert_eq!(error.code(), Code::ModelStreamError, "{name}, {kept} lines");
            bytes.push_str("data: [DONE]\n\n");
            let error = stream(&bytes).error();
            assert_eq!(error.code(), Code::ModelStreamError, "{name}, {kept} lines and [DONE]");
        }
    }
}

#[test]
fn what_follows_the_end_means_nothing() {
    for name in STREAMS {
        let mut bytes = response(name);
        let whole = stream(&bytes).told();
        bytes.extend_from_slice(b"data: {\"error\":\"late\"}\n\nnonsense");
        assert_eq!(stream(&bytes).told(), whole, "{name}");
    }
}

#[test]
fn bodies_may_be_cut_printed_prettily_wrapped_and_end_in_a_line_break() {
    for name in BODIES {
        let bytes = response(name);
        let whole = unary(&bytes).told();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(decode(Mode::Unary, cut(&bytes, &[1, 5])).told(), whole, "{name}");
        assert_eq!(unary(format!("\n{pretty}\r\n")).told(), whole, "{name} pretty");
        assert_eq!(unary(format!("[{value}]\n")).told(), whole, "{name} wrapped");
    }
}

/// Ids of tool calls are the container's own, new each time.
fn without_ids(mut answer: Value) -> Value {
    for block in answer["output"]["message"]["content"].as_array_mut().unwrap() {
        if let Some(call) = block.get_mut("toolUse") {
            call["toolUseId"] = Value::Null;
        }
    }
    answer
}

#[test]
fn a_folded_stream_equals_the_whole_answer() {
    for (whole, streamed) in [
        ("r1-think-normal", "r1-think-stream"),
        ("tool-auto-normal", "tool-auto-stream"),
        ("tool-named-normal", "tool-named-stream"),
    ] {
        let whole = without_ids(unary(response(whole)).folded());
        assert_eq!(without_ids(stream(response(streamed)).folded()), whole, "{streamed}");
    }
}

/// The one difference that was recorded: vLLM's parser for Qwen3 leaks its opening tag into the
/// reasoning of a stream, and takes it away from that of a whole answer.
#[test]
fn a_folded_stream_of_qwen3_begins_with_the_tag_that_the_whole_answer_lacks() {
    let whole = unary(response("think-normal")).folded();
    let mut streamed = stream(response("think-stream")).folded();
    let text = &mut streamed["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
        ["text"];
    *text = text.as_str().unwrap().strip_prefix("<think>").expect("the leaked tag").into();
    assert_eq!(streamed, whole);
}
