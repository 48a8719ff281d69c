//! Native bodies: each family's requests, answers and chunks, against its documentation.

mod ai21;
mod anthropic;
mod anthropic_answers;
mod anthropic_text;
mod choice;
mod cohere;
mod deepseek;
mod import;
mod llama;
mod mistral;
mod nova;
mod openai;
mod qwen;
mod schemas;
mod titan;

use helan::converse::{
    Ask, BlockOrder, ContentBlockDelta, ContentBlockStart, Event, Fold, Input, MessageStopEvent,
    MetadataEvent, Metrics, ReasoningContentBlockDelta, StopReason, TokenUsage, ToolUseBlockDelta,
    ToolUseBlockStart,
};
use helan::family::{Chunks, Family, Invocation, Question, named};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

fn family(name: &str) -> &'static dyn Family {
    named(name).unwrap_or_else(|| panic!("no family {name}"))
}

fn invocation(streamed: bool) -> Invocation<'static> {
    Invocation {
        model_id: "suite.model-v1:0",
        streamed,
        now: datetime!(2026-11-20 10:00:00 UTC),
        random: fastrand::Rng::with_seed(7),
    }
}

/// Reads a request that must be taken.
#[track_caller]
fn read(name: &str, body: &Value) -> Question {
    let body = body.to_string();
    family(name)
        .read(body.as_bytes(), invocation(false))
        .unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// What a request that is refused is told.
#[track_caller]
fn refusal(name: &str, body: &Value) -> String {
    let body = body.to_string();
    match family(name).read(body.as_bytes(), invocation(false)) {
        Ok(_) => panic!("taken: {body}"),
        Err(error) => {
            assert_eq!(error.code(), helan::Code::Validation, "{body}");
            error.message().to_owned()
        }
    }
}

/// The prompt of a question that is one.
#[track_caller]
fn prompt(ask: &Ask) -> &str {
    match &ask.input {
        Input::Prompt(prompt) => &prompt.text,
        Input::Conversation(_) => panic!("a conversation: {ask:?}"),
    }
}

/// The question as a `Converse` request would put it: what a golden file shows.
fn as_converse(ask: &Ask) -> Value {
    let mut shown = serde_json::Map::new();
    let mut show = |name: &str, value: Value| {
        let is_nothing = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        if !is_nothing {
            shown.insert(name.to_owned(), value);
        }
    };
    match &ask.input {
        Input::Prompt(prompt) => {
            show("prompt", json!(prompt.text));
            show("images", json!(prompt.images));
        }
        Input::Conversation(conversation) => {
            show("system", json!(conversation.system));
            show("messages", json!(conversation.messages));
            show("toolConfig", json!(conversation.tools));
        }
    }
    show("inferenceConfig", json!(ask.parameters.inference));
    show("additionalModelRequestFields", json!(ask.parameters.additional_request_fields));
    show("outputConfig", json!(ask.parameters.output));
    Value::Object(shown)
}

/// The native body of the answer that `events` make.
#[track_caller]
fn whole(name: &str, request: &Value, events: &[Event]) -> Value {
    let mut fold = Fold::new(BlockOrder::AsGenerated);
    events.iter().cloned().for_each(|event| fold.push(event));
    let body = read(name, request).voice.whole(fold.finish().unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The chunks that `events` make, as a caller who streams reads them.
#[track_caller]
fn chunks(name: &str, request: &Value, events: &[Event]) -> Vec<Value> {
    let question = family(name).read(request.to_string().as_bytes(), invocation(true));
    let mut voice = question.unwrap().voice;
    let mut all = vec![];
    let mut out = Chunks::default();
    for event in events {
        out.clear();
        voice.chunks(event, &mut out).unwrap();
        let is_last = matches!(event, Event::Metadata(_));
        assert!(!is_last || !out.is_empty(), "the last event makes a chunk");
        all.extend(out.iter().map(|chunk| serde_json::from_slice::<Value>(chunk).unwrap()));
    }
    all
}

/// What an answer consists of.
#[derive(Clone, Debug)]
enum Said {
    Text(Vec<String>),
    Reasoning(Vec<String>),
    Call { id: String, name: String, input: Vec<String> },
}

fn text(pieces: &[&str]) -> Said {
    Said::Text(pieces.iter().map(ToString::to_string).collect())
}

fn reasoning(pieces: &[&str]) -> Said {
    Said::Reasoning(pieces.iter().map(ToString::to_string).collect())
}

fn call(id: &str, name: &str, input: &[&str]) -> Said {
    let input = input.iter().map(ToString::to_string).collect();
    Said::Call { id: id.to_owned(), name: name.to_owned(), input }
}

/// The events of one answer, as `relay` gives them: 12 tokens in, 34 out.
fn answer(said: &[Said], stop_reason: StopReason, stop_sequence: Option<&str>) -> Vec<Event> {
    let mut events = vec![Event::message_start()];
    for (index, said) in (0..).zip(said) {
        let deltas: Vec<ContentBlockDelta> = match said {
            Said::Text(pieces) => pieces.iter().cloned().map(ContentBlockDelta::Text).collect(),
            Said::Reasoning(pieces) => pieces
                .iter()
                .cloned()
                .map(ReasoningContentBlockDelta::Text)
                .map(ContentBlockDelta::ReasoningContent)
                .collect(),
            Said::Call { id, name, input } => {
                let start =
                    ToolUseBlockStart { name: name.clone(), tool_use_id: id.clone(), kind: None };
                events.push(Event::start(index, ContentBlockStart::ToolUse(start)));
                std::iter::once(String::new())
                    .chain(input.iter().cloned())
                    .map(|input| ContentBlockDelta::ToolUse(ToolUseBlockDelta { input }))
                    .collect()
            }
        };
        events.extend(deltas.into_iter().map(|delta| Event::delta(index, delta)));
        events.push(Event::stop(index));
    }
    events.push(Event::MessageStop(MessageStopEvent {
        additional_model_response_fields: None,
        stop_reason,
        stop_sequence: stop_sequence.map(ToOwned::to_owned),
    }));
    events.push(Event::Metadata(MetadataEvent {
        metrics: Metrics { latency_ms: 750 },
        performance_config: None,
        service_tier: None,
        trace: None,
        usage: TokenUsage {
            input_tokens: 12,
            output_tokens: 34,
            total_tokens: 46,
            ..TokenUsage::default()
        },
    }));
    events
}

/// Any answer that a container can give, in any pieces: no block is blank, and calls come last.
fn any_answer() -> impl Strategy<Value = Vec<Event>> {
    let pieces = || {
        vec("[a-z贺\n \"\\\\{}]{1,8}", 1..5)
            .prop_filter("blank", |pieces| !pieces.concat().trim().is_empty())
    };
    let input = prop_oneof![
        Just(vec!["{\"city\":".to_owned(), "\"银川\"}".to_owned()]),
        Just(vec!["{".to_owned(), "}".to_owned()]),
        Just(vec![]),
    ];
    let calls = vec(("[a-z]{4}", "[a-z_]{1,8}", input), 0..3);
    let stop = prop_oneof![
        Just((StopReason::EndTurn, None)),
        Just((StopReason::MaxTokens, None)),
        Just((StopReason::StopSequence, None)),
        Just((StopReason::StopSequence, Some("END"))),
        Just((StopReason::ContentFiltered, None)),
        Just((StopReason::ModelContextWindowExceeded, None)),
    ];
    (proptest::option::of(pieces()), proptest::option::of(pieces()), calls, stop).prop_map(
        |(reasoning, text, calls, (stop_reason, sequence))| {
            let mut said: Vec<Said> = vec![];
            said.extend(reasoning.map(Said::Reasoning));
            said.extend(text.map(Said::Text));
            let is_call = !calls.is_empty();
            said.extend(calls.into_iter().enumerate().map(|(at, (id, name, input))| Said::Call {
                id: format!("tooluse_{id}{at}"),
                name,
                input,
            }));
            let stop_reason = if is_call { StopReason::ToolUse } else { stop_reason };
            answer(&said, stop_reason, sequence.filter(|_| !is_call))
        },
    )
}
