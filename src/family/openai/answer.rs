//! Answers in OpenAI's words, whole or as chunks.

use std::borrow::Cow;

use serde::Serialize;
use time::OffsetDateTime;

use super::messages::{CLOSES, OPENS};
use crate::converse::{
    CitationText, ContentBlock, ContentBlockDelta, ContentBlockStart, Event, Output,
    ReasoningContent, ReasoningContentBlockDelta, Response, ServiceTier, StopReason, TokenUsage,
    ToolUseBlockStart,
};
use crate::family::{Chunks, Voice};
use crate::{Error, Result};

/// How an answer is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Where reasoning is shown.
    pub reasoning: Reasoning,
    /// Where a stream tells its usage.
    pub usage: Usage,
    /// Whose members a choice has.
    pub shape: Shape,
}

/// Where reasoning is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reasoning {
    /// Before the text, between `<reasoning>` and `</reasoning>`: gpt-oss on `InvokeModel`.
    #[default]
    Inlined,
    /// The member `reasoning_content`.
    ReasoningContent,
    /// The member `reasoning`.
    Reasoning,
}

/// Where a stream tells its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// In the last chunk, beside the `finish_reason`. Clients of `InvokeModel` look for the first
    /// choice of every chunk (langchain-aws does), and for the metrics in the one that finishes.
    #[default]
    Beside,
    /// In a chunk of its own without a choice, as OpenAI's `include_usage` asks.
    Apart,
    /// Nowhere.
    Untold,
}

/// Whose members a choice has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `{id, object, created, model, choices: [{index, message | delta, finish_reason, logprobs}],
    /// usage}`.
    #[default]
    OpenAi,
    /// `{choices: [{index, message, stop_reason}]}`, in chunks too.
    Mistral,
}

/// Says an answer in `style`. `model` is the answer's member of that name, if it has one; `now` is
/// its `created`.
pub fn voice(
    model: Option<String>,
    now: OffsetDateTime,
    mut random: fastrand::Rng,
    style: Style,
) -> impl Voice + 'static {
    Completion {
        id: format!("chatcmpl-{:032x}", random.u128(..)),
        created: now.unix_timestamp(),
        model,
        style,
        said: Said::default(),
        call: None,
        stop_reason: StopReason::EndTurn,
    }
}

struct Completion {
    id: String,
    created: i64,
    model: Option<String>,
    style: Style,
    said: Said,
    call: Option<Calling>,
    stop_reason: StopReason,
}

/// The call that a stream is in.
struct Calling {
    has_arguments: bool,
}

/// What was said so far: text as the style shows it, reasoning that has its own member, and how
/// many calls.
#[derive(Default)]
struct Said {
    content: String,
    reasoning: String,
    /// Whether the content is inside inlined reasoning.
    is_inside: bool,
    calls: u32,
}

impl Said {
    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.close();
            self.content.push_str(text);
        }
    }

    fn thought(&mut self, text: &str, style: Reasoning) {
        if style != Reasoning::Inlined {
            self.reasoning.push_str(text);
        } else if !text.is_empty() {
            if !std::mem::replace(&mut self.is_inside, true) {
                self.content.push_str(OPENS);
            }
            self.content.push_str(text);
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_inside) {
            self.content.push_str(CLOSES);
        }
    }

    /// Takes what a block of a whole answer says, but for calls.
    fn block(&mut self, block: &ContentBlock, style: Reasoning) {
        match block {
            ContentBlock::Text(text) => self.text(text),
            ContentBlock::CitationsContent(block) => {
                for CitationText::Text(text) in block.content.iter().flatten() {
                    self.text(text);
                }
            }
            ContentBlock::ReasoningContent(ReasoningContent::ReasoningText(thought)) => {
                self.thought(&thought.text, style);
            }
            _ => {}
        }
    }
}

impl Voice for Completion {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.content.clear();
        self.said.reasoning.clear();
        match event {
            Event::MessageStart(_) => {
                let first = Message {
                    role: Some(ROLE),
                    content: Some(OrNull(Some(""))),
                    ..Message::default()
                };
                return out.push(&self.chunk(&[self.choice(first, None)]));
            }
            Event::ContentBlockStart(event) => {
                if let ContentBlockStart::ToolUse(start) = &event.start {
                    return self.begin_call(start, out);
                }
            }
            Event::ContentBlockDelta(event) => match &event.delta {
                ContentBlockDelta::Text(text) => self.said.text(text),
                ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) => {
                    self.said.thought(text, self.style.reasoning);
                }
                ContentBlockDelta::ToolUse(call) => return self.arguments(&call.input, out),
                _ => {}
            },
            Event::ContentBlockStop(_) => {
                // A call without arguments: together they must be an object all the same.
                if self.call.take().is_some_and(|call| !call.has_arguments) {
                    return self.fragment("{}", out);
                }
            }
            Event::MessageStop(stop) => {
                self.said.close();
                self.stop_reason = stop.stop_reason;
            }
            Event::Metadata(metadata) => {
                return self.finish(&metadata.usage, metadata.service_tier, out);
            }
        }
        self.speak(out)
    }

    fn whole(mut self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let Output::Message(message) = &answer.output;
        let mut tool_calls = vec![];
        for block in &message.content {
            self.said.block(block, self.style.reasoning);
            if let ContentBlock::ToolUse(call) = block {
                let arguments = match &call.input {
                    serde_json::Value::String(cut) => cut.as_str().into(), // a call that was cut
                    input => input.to_string().into(),
                };
                tool_calls.push(Call {
                    index: None,
                    id: Some(&call.tool_use_id),
                    r#type: Some(FUNCTION),
                    function: Function { name: Some(&call.name), arguments },
                });
            }
        }
        self.said.close();
        self.said.calls = u32::try_from(tool_calls.len()).unwrap_or(u32::MAX);
        self.stop_reason = answer.stop_reason;
        let content = &*self.said.content;
        let message = Message {
            role: Some(ROLE),
            // OpenAI's `null` stands beside calls alone: some clients read text without asking.
            content: Some(OrNull(
                (!content.is_empty() || tool_calls.is_empty()).then_some(content),
            )),
            tool_calls: &tool_calls,
            ..self.thought()
        };
        let choice = Choice { delta: None, message: Some(message), ..self.last() };
        let answer = Answer {
            object: self.is_openai().then_some("chat.completion"),
            usage: self.is_openai().then(|| counted(&answer.usage)).flatten(),
            service_tier: answer.service_tier.map(|tier| tier.kind.as_str()),
            ..self.chunk(std::slice::from_ref(&choice))
        };
        serde_json::to_vec(&answer).map_err(|error| Error::internal().because(error))
    }
}

impl Completion {
    fn is_openai(&self) -> bool {
        self.style.shape == Shape::OpenAi
    }

    /// Says what the event added, if anything.
    fn speak(&self, out: &mut Chunks) -> Result<()> {
        if self.said.content.is_empty() && self.said.reasoning.is_empty() {
            return Ok(());
        }
        let content = Some(&*self.said.content).filter(|content| !content.is_empty());
        // Never `null`: clients add it to the text that they have.
        let message =
            Message { content: content.map(|content| OrNull(Some(content))), ..self.thought() };
        out.push(&self.chunk(&[self.choice(message, None)]))
    }

    fn begin_call(&mut self, start: &ToolUseBlockStart, out: &mut Chunks) -> Result<()> {
        self.said.close();
        self.speak(out)?;
        let call = Call {
            index: Some(self.said.calls),
            id: Some(&start.tool_use_id),
            r#type: Some(FUNCTION),
            function: Function { name: Some(&start.name), arguments: "".into() },
        };
        let message = Message { tool_calls: &[call], ..Message::default() };
        out.push(&self.chunk(&[self.choice(message, None)]))?;
        self.said.calls += 1;
        self.call = Some(Calling { has_arguments: false });
        Ok(())
    }

    fn arguments(&mut self, fragment: &str, out: &mut Chunks) -> Result<()> {
        if fragment.is_empty() {
            return Ok(());
        }
        if let Some(call) = &mut self.call {
            call.has_arguments |= !fragment.trim().is_empty();
        }
        self.fragment(fragment, out)
    }

    fn fragment(&self, fragment: &str, out: &mut Chunks) -> Result<()> {
        let call = Call {
            index: Some(self.said.calls.saturating_sub(1)),
            id: None,
            r#type: None,
            function: Function { name: None, arguments: fragment.into() },
        };
        let message = Message { tool_calls: &[call], ..Message::default() };
        out.push(&self.chunk(&[self.choice(message, None)]))
    }

    fn finish(
        &self,
        usage: &TokenUsage,
        service_tier: Option<ServiceTier>,
        out: &mut Chunks,
    ) -> Result<()> {
        let usage = self.is_openai().then(|| counted(usage)).flatten();
        let service_tier = service_tier.map(|tier| tier.kind.as_str());
        let told = |usage, choices| Answer { usage, service_tier, ..self.chunk(choices) };
        let last = [self.last()];
        match self.style.usage {
            Usage::Beside => out.push(&told(usage, &last)),
            Usage::Untold => out.push(&told(None, &last)),
            Usage::Apart => {
                out.push(&told(None, &last))?;
                out.push(&told(usage, &[]))
            }
        }
    }

    /// A message with the reasoning that has a member of its own.
    fn thought(&self) -> Message<'_> {
        let thought = Some(&*self.said.reasoning).filter(|thought| !thought.is_empty());
        match self.style.reasoning {
            Reasoning::Inlined => Message::default(),
            Reasoning::ReasoningContent => {
                Message { reasoning_content: thought, ..Message::default() }
            }
            Reasoning::Reasoning => Message { reasoning: thought, ..Message::default() },
        }
    }

    fn choice<'a>(&self, message: Message<'a>, ended: Option<&'static str>) -> Choice<'a> {
        let is_openai = self.is_openai();
        let (delta, message) =
            if is_openai { (Some(message), None) } else { (None, Some(message)) };
        Choice {
            index: 0,
            delta,
            message,
            logprobs: is_openai.then_some(OrNull(None)),
            finish_reason: ended,
            stop_reason: (!is_openai).then_some(OrNull(ended)),
        }
    }

    /// The choice that ends a stream.
    fn last(&self) -> Choice<'static> {
        let reason = ended(self.stop_reason, self.said.calls > 0);
        // Mistral knows of no filter.
        let reason = if self.is_openai() || reason != FILTERED { reason } else { STOP };
        self.choice(Message::default(), Some(reason))
    }

    fn chunk<'a>(&'a self, choices: &'a [Choice<'a>]) -> Answer<'a> {
        let is_openai = self.is_openai();
        Answer {
            id: is_openai.then_some(&self.id),
            object: is_openai.then_some("chat.completion.chunk"),
            created: is_openai.then_some(self.created),
            model: self.model.as_deref().filter(|_| is_openai),
            choices,
            usage: None,
            service_tier: None,
        }
    }
}

const ROLE: &str = "assistant";
const FUNCTION: &str = "function";
const STOP: &str = "stop";
const FILTERED: &str = "content_filter";

fn ended(reason: StopReason, has_calls: bool) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "length",
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => FILTERED,
        StopReason::ToolUse => "tool_calls",
        StopReason::MalformedToolUse | StopReason::MalformedModelOutput if has_calls => {
            "tool_calls"
        }
        _ => STOP,
    }
}

/// A member that may be `null`, where absence means something else.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
struct OrNull<T>(Option<T>);

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<OrNull<()>>,
    /// In Mistral's answers too: litellm reads it there.
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<OrNull<&'static str>>,
}

#[derive(Default, Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<OrNull<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tool_calls: &'a [Call<'a>],
}

#[derive(Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: Cow<'a, str>,
}

/// `usage`. What the container did not count is left out: no prompt has no token.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Counts {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<u32>,
    completion_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<Details>,
}

#[derive(Clone, Copy, Serialize)]
struct Details {
    cached_tokens: u32,
}

/// The hub's counts as OpenAI tells them: tokens of a cache are a part of the prompt's.
pub(super) fn counted(usage: &TokenUsage) -> Option<Counts> {
    let cached = usage.cache_read_input_tokens;
    let prompt = usage
        .input_tokens
        .saturating_add(cached.unwrap_or_default())
        .saturating_add(usage.cache_write_input_tokens.unwrap_or_default());
    if prompt == 0 && usage.output_tokens == 0 {
        return None;
    }
    let is_counted = prompt > 0;
    Some(Counts {
        prompt_tokens: is_counted.then_some(prompt),
        completion_tokens: usage.output_tokens,
        total_tokens: is_counted.then_some(prompt.saturating_add(usage.output_tokens)),
        prompt_tokens_details: cached.map(|cached_tokens| Details { cached_tokens }),
    })
}
