//! The fold of an answer's events, held against the answer that they were made from.

use helan::Code;
use helan::converse::{
    Blob, BlockOrder, Citation, CitationSourceContentDelta, CitationText, CitationsContentBlock,
    CitationsDelta, ContentBlock, ContentBlockDelta, ContentBlockStart, ErrorBlock, Event, Fold,
    ImageBlock, ImageBlockDelta, ImageBlockStart, ImageFormat, MediaSource, Message,
    MessageStopEvent, MetadataEvent, Metrics, Output, PerformanceConfiguration, PerformanceLatency,
    PromptRouterTrace, ReasoningContent, ReasoningContentBlockDelta, ReasoningText, Response, Role,
    S3Location, ServiceTier, ServiceTierType, StopReason, TokenUsage, ToolResultBlock,
    ToolResultBlockDelta, ToolResultBlockStart, ToolResultContentBlock, ToolResultStatus,
    ToolUseBlock, ToolUseBlockDelta, ToolUseBlockStart, Trace, WebLocation,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// `text` in pieces, cut at any characters.
fn pieces(text: &str, cuts: &[Index]) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    cut(&characters, cuts).into_iter().map(|piece| piece.into_iter().collect()).collect()
}

fn cut<T: Clone>(all: &[T], cuts: &[Index]) -> Vec<Vec<T>> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
    at.extend([0, all.len()]);
    at.sort_unstable();
    at.windows(2).map(|two| all[two[0]..two[1]].to_vec()).collect()
}

/// One block as its events: what opens it, and the rest.
fn unfold_block(index: u32, block: &ContentBlock, cuts: &[Index]) -> Vec<Event> {
    let delta = |delta| Event::delta(index, delta);
    let start = |start| Event::start(index, start);
    let texts = |text: &str| -> Vec<Event> {
        pieces(text, cuts).into_iter().map(|piece| delta(ContentBlockDelta::Text(piece))).collect()
    };
    let thought = |thought| delta(ContentBlockDelta::ReasoningContent(thought));
    let mut events = match block {
        ContentBlock::Text(text) => texts(text),
        ContentBlock::CitationsContent(cited) => {
            let [CitationText::Text(text)] = cited.content.as_deref().unwrap() else { panic!() };
            let citations = cited.citations.iter().flatten().cloned();
            let citations =
                citations.map(|whole| delta(ContentBlockDelta::Citation(citation_delta(whole))));
            texts(text).into_iter().chain(citations).collect()
        }
        ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(said)) => {
            let text = pieces(&said.text, cuts).into_iter().map(ReasoningContentBlockDelta::Text);
            let signature = said.signature.iter().cloned();
            text.chain(signature.map(ReasoningContentBlockDelta::Signature)).map(thought).collect()
        }
        ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(blob)) => {
            let bytes = cut(&blob.decode(), cuts).into_iter();
            bytes
                .map(|bytes| thought(ReasoningContentBlockDelta::RedactedContent(Blob::new(bytes))))
                .collect()
        }
        ContentBlock::ToolUse(call) => {
            let opening = start(ContentBlockStart::ToolUse(ToolUseBlockStart {
                name: call.name.clone(),
                tool_use_id: call.tool_use_id.clone(),
                kind: call.kind.clone(),
            }));
            // A call without parameters may come without a single fragment.
            let input = if call.input == json!({}) && cuts.is_empty() {
                vec![]
            } else {
                pieces(&call.input.to_string(), cuts)
            };
            let input = input
                .into_iter()
                .map(|input| delta(ContentBlockDelta::ToolUse(ToolUseBlockDelta { input })));
            std::iter::once(opening).chain(input).collect()
        }
        ContentBlock::ToolResult(result) => {
            let opening = start(ContentBlockStart::ToolResult(ToolResultBlockStart {
                status: result.status,
                tool_use_id: result.tool_use_id.clone(),
                kind: result.kind.clone(),
            }));
            let deltas: Vec<_> = result
                .content
                .iter()
                .map(|block| match block {
                    ToolResultContentBlock::Text(text) => ToolResultBlockDelta::Text(text.clone()),
                    ToolResultContentBlock::Json(json) => ToolResultBlockDelta::Json(json.clone()),
                    other => panic!("{other:?} is never streamed"),
                })
                .collect();
            let content = cut(&deltas, cuts).into_iter();
            let content = content.map(|piece| delta(ContentBlockDelta::ToolResult(piece)));
            std::iter::once(opening).chain(content).collect()
        }
        ContentBlock::Image(image) => vec![
            start(ContentBlockStart::Image(ImageBlockStart { format: image.format })),
            delta(ContentBlockDelta::Image(ImageBlockDelta {
                error: image.error.clone(),
                source: Some(image.source.clone()),
            })),
        ],
        other => panic!("{other:?} is never an answer"),
    };
    events.push(Event::stop(index));
    events
}

fn citation_delta(citation: Citation) -> CitationsDelta {
    let text = |CitationText::Text(text)| CitationSourceContentDelta { text: Some(text) };
    CitationsDelta {
        location: citation.location,
        source: citation.source,
        source_content: citation
            .source_content
            .map(|content| content.into_iter().map(text).collect()),
        title: citation.title,
    }
}

fn stop(response: &Response) -> Event {
    Event::MessageStop(MessageStopEvent {
        additional_model_response_fields: response.additional_model_response_fields.clone(),
        stop_reason: response.stop_reason,
        stop_sequence: None,
    })
}

fn metadata(response: &Response) -> Event {
    Event::Metadata(MetadataEvent {
        metrics: response.metrics,
        performance_config: response.performance_config,
        service_tier: response.service_tier,
        trace: response.trace.clone(),
        usage: response.usage.clone(),
    })
}

/// The events of an answer. Blocks open in their order; after that, `turns` says whose piece is
/// next, as where a model calls several tools at once.
fn unfold(response: &Response, cuts: &[Vec<Index>], turns: &[Index]) -> Vec<Event> {
    let Output::Message(message) = &response.output;
    let mut blocks: Vec<_> = (0..)
        .zip(&message.content)
        .map(|(index, block)| {
            let cuts = cuts.get(index as usize).map_or(&[][..], Vec::as_slice);
            unfold_block(index, block, cuts).into_iter()
        })
        .collect();
    let mut events = vec![Event::message_start()];
    if turns.is_empty() {
        events.extend(blocks.into_iter().flatten());
    } else {
        events.extend(blocks.iter_mut().filter_map(Iterator::next));
        for turn in turns.iter().cycle() {
            blocks.retain(|block| !block.as_slice().is_empty());
            if blocks.is_empty() {
                break;
            }
            let turn = turn.index(blocks.len());
            events.extend(blocks[turn].next());
        }
    }
    events.extend([stop(response), metadata(response)]);
    events
}

fn fold(events: Vec<Event>, order: BlockOrder) -> helan::Result<Response> {
    let mut fold = Fold::new(order);
    for event in events {
        fold.push(event);
    }
    fold.finish()
}

fn text() -> impl Strategy<Value = String> {
    "[a-z\n\"\\\\贺兰山🛡]{1,12}"
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        text().prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            vec((text(), inner), 0..3).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
    .prop_filter("a member that is null is absent", |document| !document.is_null())
}

fn source() -> impl Strategy<Value = MediaSource> {
    prop_oneof![
        vec(any::<u8>(), 1..9).prop_map(|bytes| MediaSource::Bytes(Blob::new(bytes))),
        text().prop_map(|uri| MediaSource::S3Location(S3Location { bucket_owner: None, uri })),
    ]
}

fn citation() -> impl Strategy<Value = Citation> {
    (option::of(text()), option::of(text()), option::of(vec(text(), 0..3))).prop_map(
        |(source, title, content)| Citation {
            location: title.clone().map(|url| {
                helan::converse::CitationLocation::Web(WebLocation { domain: None, url: Some(url) })
            }),
            source,
            source_content: content
                .map(|texts| texts.into_iter().map(CitationText::Text).collect()),
            title,
        },
    )
}

fn block() -> impl Strategy<Value = ContentBlock> {
    let result = prop_oneof![
        text().prop_map(ToolResultContentBlock::Text),
        document().prop_map(ToolResultContentBlock::Json),
    ];
    prop_oneof![
        text().prop_map(ContentBlock::Text),
        (text(), option::of(text())).prop_map(|(text, signature)| {
            ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(ReasoningText {
                signature,
                text,
            }))
        }),
        vec(any::<u8>(), 0..9).prop_map(|bytes| {
            ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(Blob::new(bytes)))
        }),
        (text(), text(), option::of(text()), prop_oneof![Just(json!({})), document()]).prop_map(
            |(name, tool_use_id, kind, input)| {
                ContentBlock::ToolUse(ToolUseBlock { input, name, tool_use_id, kind })
            }
        ),
        (text(), vec(result, 0..4), any::<bool>()).prop_map(|(tool_use_id, content, failed)| {
            ContentBlock::ToolResult(ToolResultBlock {
                content,
                status: failed.then_some(ToolResultStatus::Error),
                tool_use_id,
                kind: None,
            })
        }),
        (source(), option::of(text())).prop_map(|(source, message)| {
            ContentBlock::Image(ImageBlock {
                error: message.map(|message| ErrorBlock { message: Some(message) }),
                format: ImageFormat::Webp,
                source,
            })
        }),
        (text(), vec(citation(), 1..3)).prop_map(|(text, citations)| {
            ContentBlock::CitationsContent(CitationsContentBlock {
                citations: Some(citations),
                content: Some(vec![CitationText::Text(text)]),
            })
        }),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let stop = (0..StopReason::ALL.len()).prop_map(|at| StopReason::ALL[at]);
    (vec(block(), 0..6), stop, option::of(document()), any::<[u32; 4]>(), any::<bool>()).prop_map(
        |(content, stop_reason, fields, numbers, more)| Response {
            additional_model_response_fields: fields,
            metrics: Metrics { latency_ms: numbers[0].into() },
            output: Output::Message(Message { content, role: Role::Assistant }),
            performance_config: more.then_some(PerformanceConfiguration {
                latency: Some(PerformanceLatency::Optimized),
            }),
            service_tier: more.then_some(ServiceTier { kind: ServiceTierType::Flex }),
            stop_reason,
            stop_sequence: None,
            trace: more.then(|| {
                Box::new(Trace {
                    guardrail: None,
                    prompt_router: Some(PromptRouterTrace { invoked_model_id: None }),
                })
            }),
            usage: TokenUsage {
                cache_read_input_tokens: more.then_some(numbers[3]),
                input_tokens: numbers[1],
                output_tokens: numbers[2],
                ..TokenUsage::default()
            },
        },
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let delta = prop_oneof![
        text().prop_map(ContentBlockDelta::Text),
        text().prop_map(|text| {
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text))
        }),
        text().prop_map(|text| {
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Signature(text))
        }),
        vec(any::<u8>(), 1..4).prop_map(|bytes| {
            let blob = ReasoningContentBlockDelta::RedactedContent(Blob::new(bytes));
            ContentBlockDelta::ReasoningContent(blob)
        }),
        text().prop_map(|input| ContentBlockDelta::ToolUse(ToolUseBlockDelta { input })),
        text().prop_map(|text| {
            ContentBlockDelta::ToolResult(vec![ToolResultBlockDelta::Text(text)])
        }),
        Just(ContentBlockDelta::Citation(CitationsDelta::default())),
        Just(ContentBlockDelta::Image(ImageBlockDelta { error: None, source: None })),
    ];
    let index = 0..3_u32;
    prop_oneof![
        6 => (index.clone(), delta).prop_map(|(index, delta)| Event::delta(index, delta)),
        1 => index.clone().prop_map(Event::stop),
        1 => (index.clone(), text()).prop_map(|(index, name)| {
            let start = ToolUseBlockStart { tool_use_id: name.clone(), name, kind: None };
            Event::start(index, ContentBlockStart::ToolUse(start))
        }),
        1 => index.prop_map(|index| {
            let start = ImageBlockStart { format: ImageFormat::Png };
            Event::start(index, ContentBlockStart::Image(start))
        }),
        1 => Just(Event::message_start()),
    ]
}

/// All that an answer says: text, thoughts, signatures and redacted bytes, by their amounts.
fn amounts(response: &Response) -> [usize; 4] {
    let Output::Message(message) = &response.output;
    let mut amounts = [0; 4];
    for block in &message.content {
        match block {
            ContentBlock::Text(text) => amounts[0] += text.len(),
            ContentBlock::CitationsContent(cited) => {
                for CitationText::Text(text) in cited.content.iter().flatten() {
                    amounts[0] += text.len();
                }
            }
            ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(said)) => {
                amounts[1] += said.text.len();
                amounts[2] += said.signature.as_ref().map_or(0, String::len);
            }
            ContentBlock::ReasoningContent(ReasoningContent::RedactedContent(blob)) => {
                amounts[3] += blob.len();
            }
            _ => {}
        }
    }
    amounts
}

fn amounts_of(events: &[Event]) -> [usize; 4] {
    let mut amounts = [0; 4];
    for event in events {
        let Event::ContentBlockDelta(event) = event else { continue };
        match &event.delta {
            ContentBlockDelta::Text(text) => amounts[0] += text.len(),
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) => {
                amounts[1] += text.len();
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Signature(text)) => {
                amounts[2] += text.len();
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::RedactedContent(
                blob,
            )) => amounts[3] += blob.len(),
            _ => {}
        }
    }
    amounts
}

fn cuts() -> impl Strategy<Value = Vec<Vec<Index>>> {
    vec(vec(any::<Index>(), 0..4), 0..6)
}

proptest! {
    #[test]
    fn an_answer_comes_back_however_it_is_cut(
        response in response(),
        cuts in cuts(),
        turns in vec(any::<Index>(), 0..8),
    ) {
        let events = unfold(&response, &cuts, &turns);
        prop_assert_eq!(fold(events, BlockOrder::AsGenerated).unwrap(), response);
    }

    #[test]
    fn text_first_moves_reasoning_behind_the_rest(response in response(), cuts in cuts()) {
        let events = unfold(&response, &cuts, &[]);
        let folded = fold(events, BlockOrder::TextFirst).unwrap();
        let mut wanted = response;
        let Output::Message(message) = &mut wanted.output;
        let is_thought = |block: &ContentBlock| matches!(block, ContentBlock::ReasoningContent(_));
        let (thoughts, mut content): (Vec<_>, Vec<_>) =
            std::mem::take(&mut message.content).into_iter().partition(is_thought);
        content.extend(thoughts);
        message.content = content;
        prop_assert_eq!(folded, wanted);
    }

    /// Events also come back from the frames they travel in.
    #[test]
    fn events_come_back_from_json(response in response(), cuts in cuts()) {
        let events = unfold(&response, &cuts, &[]);
        let read: Vec<Event> = events
            .iter()
            .map(|event| serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap())
            .collect();
        prop_assert_eq!(read, events);
    }

    #[test]
    fn nothing_is_lost_in_whatever_order_events_come(mut events in vec(any_event(), 0..40)) {
        let amounts_sent = amounts_of(&events);
        prop_assert_eq!(
            fold(events.clone(), BlockOrder::AsGenerated).unwrap_err().code(),
            Code::ModelError
        );
        events.push(Event::MessageStop(MessageStopEvent {
            additional_model_response_fields: None,
            stop_reason: StopReason::EndTurn,
            stop_sequence: None,
        }));
        let folded = fold(events, BlockOrder::TextFirst).unwrap();
        prop_assert_eq!(amounts(&folded), amounts_sent);
    }

    #[test]
    fn an_answer_that_was_cut_is_an_error(response in response(), at in any::<Index>()) {
        let mut events = unfold(&response, &[], &[]);
        events.truncate(at.index(events.len() - 1)); // without its messageStop
        prop_assert_eq!(
            fold(events, BlockOrder::AsGenerated).unwrap_err().code(),
            Code::ModelError
        );
    }
}

/// The answer to these events, which lack their stop.
fn content(events: &Value) -> Value {
    let mut events: Vec<Event> = serde_json::from_value(events.clone()).unwrap();
    events
        .push(serde_json::from_value(json!({"messageStop": {"stopReason": "end_turn"}})).unwrap());
    let response = fold(events, BlockOrder::AsGenerated).unwrap();
    serde_json::to_value(response).unwrap()["output"]["message"]["content"].take()
}

fn delta(index: u32, delta: &Value) -> Value {
    json!({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}})
}

fn tool(index: u32, id: &str) -> Value {
    json!({"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": {
        "toolUseId": id, "name": "t",
    }}}})
}

fn input(index: u32, input: &str) -> Value {
    delta(index, &json!({"toolUse": {"input": input}}))
}

#[test]
fn a_call_without_parameters_has_an_empty_object() {
    let call = json!([{"toolUse": {"input": {}, "name": "t", "toolUseId": "a"}}]);
    for fragments in [&[][..], &[""], &["", ""], &[" "], &["{", "}"]] {
        let fragments = fragments.iter().map(|fragment| input(0, fragment));
        let events: Vec<_> = std::iter::once(tool(0, "a")).chain(fragments).collect();
        assert_eq!(content(&json!(events)), call);
    }
}

#[test]
fn a_call_that_was_cut_keeps_its_text() {
    let events = json!([tool(0, "a"), input(0, "{\"city\": \"Yin")]);
    assert_eq!(content(&events)[0]["toolUse"]["input"], "{\"city\": \"Yin");
}

#[test]
fn parallel_calls_keep_apart() {
    let events = json!([
        delta(0, &json!({"text": "let me "})),
        tool(1, "a"),
        tool(2, "b"),
        input(2, "{\"b\":"),
        input(1, "{\"a\":1"),
        delta(0, &json!({"text": "see"})),
        input(2, "2}"),
        input(1, "}"),
    ]);
    assert_eq!(
        content(&events),
        json!([
            {"text": "let me see"},
            {"toolUse": {"input": {"a": 1}, "name": "t", "toolUseId": "a"}},
            {"toolUse": {"input": {"b": 2}, "name": "t", "toolUseId": "b"}},
        ])
    );
}

#[test]
fn a_redacted_piece_inside_reasoning_costs_nothing() {
    let thought = |thought: &Value| delta(0, &json!({"reasoningContent": thought}));
    let events = json!([
        thought(&json!({"text": "first "})),
        thought(&json!({"text": "then"})),
        thought(&json!({"redactedContent": "AQI="})),
        thought(&json!({"redactedContent": "Aw=="})),
        thought(&json!({"signature": "sig"})),
        thought(&json!({"text": "last"})),
    ]);
    assert_eq!(
        content(&events),
        json!([
            {"reasoningContent": {"reasoningText": {"text": "first then", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "AQID"}},
            {"reasoningContent": {"reasoningText": {"text": "last"}}},
        ])
    );
}

#[test]
fn citations_gather_around_their_text() {
    let events = json!([
        delta(0, &json!({"text": "It "})),
        delta(0, &json!({"citation": {"title": "a", "sourceContent": [{"text": "x"}, {}]}})),
        delta(0, &json!({"text": "rains."})),
        delta(0, &json!({"citation": {"title": "b"}})),
    ]);
    assert_eq!(
        content(&events),
        json!([{"citationsContent": {
            "citations": [{"sourceContent": [{"text": "x"}], "title": "a"}, {"title": "b"}],
            "content": [{"text": "It rains."}],
        }}])
    );
}

/// gpt-oss, as recorded from the service: an empty text, then reasoning, then the text.
#[test]
fn an_empty_text_stays_only_where_it_is_the_answer() {
    let empty = delta(0, &json!({"text": ""}));
    let thought = delta(1, &json!({"reasoningContent": {"text": "hm"}}));
    assert_eq!(
        content(&json!([empty, thought, delta(2, &json!({"text": "hi"}))])),
        json!([{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "hi"}])
    );
    assert_eq!(content(&json!([empty])), json!([{"text": ""}]));
    assert_eq!(content(&json!([])), json!([]));
}
