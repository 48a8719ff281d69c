//! One answer, from chunks to events: what a stream and a whole body have in common.

use super::calls::{Calls, Upto};
use super::chunk::{Choice, Chunk, Said};
use super::{Mode, Options};
use crate::container::blocks::{Blocks, Kind};
use crate::container::decoder::Reader;
use crate::container::ending::Ending;
use crate::container::faults::Fault;
use crate::container::generated::Generated;
use crate::container::json::{self, OneOrMany, Text};
use crate::container::pointers::Pointers;
use crate::container::usage::{Usage, usage};
use crate::converse::{Ask, Event, Input, StopReason};
use crate::parse::{self, Format, Outcome, Start};
use crate::{Code, Error, Result};

/// How many bytes of other content may wait for tool calls to be over.
const MOST_WAITING: usize = 1 << 20;

pub(super) struct Answer {
    mode: Mode,
    /// Whether usage tells cached tokens apart.
    split: bool,
    pointers: Pointers,
    blocks: Blocks,
    calls: Calls,
    /// Reads the markup of a container that was started without parsers; none for one that
    /// marks reasoning or calls itself, or whose text is to stay as it is.
    markup: Option<Box<Generated>>,
    /// What it found.
    found: Outcome,
    waiting: Waiting,
    usage: Usage,
    finish: Option<Finish>,
    /// Words that are no chunk: what is known when the end is missing.
    words: Option<String>,
}

/// What was said while a call was not complete.
#[derive(Debug, Default)]
struct Waiting {
    said: Vec<(Kind, String)>,
    bytes: usize,
    /// Whether any of it is more than blank.
    has_words: bool,
}

/// Why the container stopped.
#[derive(Debug)]
struct Finish {
    reason: String,
    /// The stop sequence that was met. The id of a token is none.
    sequence: Option<String>,
}

impl Answer {
    pub(super) fn new(ask: &Ask, options: &Options, mode: Mode, mut random: fastrand::Rng) -> Self {
        let markup = match &ask.input {
            Input::Conversation(conversation) if options.markup => {
                let start = if options.opens_thinking { Start::Reasoning } else { Start::Text };
                let random = random.fork();
                Some(Generated::new(Format::Detect, conversation, start, vec![], random).into())
            }
            Input::Conversation(_) | Input::Prompt(_) => None,
        };
        Self {
            mode,
            split: options.cached_in_usage || ask.has_cache_point(),
            pointers: Pointers::new(&ask.parameters.additional_response_field_paths),
            blocks: Blocks::default(),
            calls: Calls::new(random),
            markup,
            found: Outcome::default(),
            waiting: Waiting::default(),
            usage: Usage::default(),
            finish: None,
            words: None,
        }
    }

    fn code(&self) -> Code {
        match self.mode {
            Mode::Unary => Code::ModelError,
            Mode::Stream => Code::ModelStreamError,
        }
    }

    fn chunks(
        &mut self,
        chunks: &OneOrMany<Chunk<'_>>,
        json: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<()> {
        for chunk in &chunks.0 {
            if chunk.object.get() == "error" || chunk.error.is_some_and(Fault::is_told) {
                return Err(Fault::of_answer(json).into_error(self.mode));
            }
            if let Some(usage) = chunk.usage.filter(|usage| {
                usage.prompt_tokens.0.is_some() || usage.completion_tokens.0.is_some()
            }) {
                self.usage = usage; // running counts: the last is the whole
            }
            if chunk.choices.0.is_empty() && chunk.usage.is_none() {
                self.words(json);
            }
            for choice in &chunk.choices.0 {
                // Only one was asked for.
                if choice.index.0.unwrap_or_default() == 0 {
                    self.choice(choice, out)?;
                }
            }
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Choice<'_>, out: &mut Vec<Event>) -> Result<()> {
        if let Some(delta) = &choice.delta {
            self.said(delta, false, out)?;
        }
        if let Some(message) = &choice.message {
            self.said(message, true, out)?;
        }
        self.speak(Kind::Text, choice.text.get(), out)?;
        let reason = choice.finish_reason.get();
        if !reason.is_empty() {
            let sequence = [&choice.stop_reason, &choice.matched_stop]
                .into_iter()
                .map(Text::get)
                .find(|sequence| !sequence.is_empty());
            self.finish = Some(Finish {
                reason: reason.to_owned(),
                sequence: sequence.map(ToOwned::to_owned),
            });
            if matches!(reason, "abort" | "error" | "cancelled") {
                return Err(Fault::new("The model broke off its answer.").into_error(self.mode));
            }
        }
        Ok(())
    }

    fn said(&mut self, said: &Said<'_>, whole: bool, out: &mut Vec<Event>) -> Result<()> {
        if !said.thought().is_empty() || !said.tool_calls.0.is_empty() {
            self.end_markup(parse::Finish::End, out);
        }
        self.speak(Kind::Reasoning, said.thought(), out)?;
        match &mut self.markup {
            Some(markup) => markup.push(said.content.get(), &mut self.blocks, out),
            None => self.speak(Kind::Text, said.content.get(), out)?,
        }
        for call in &said.tool_calls.0 {
            self.calls.take(call, whole).map_err(|error| error.with_code(self.code()))?;
        }
        if !said.tool_calls.0.is_empty() {
            self.advance(Upto::Now, out);
        }
        Ok(())
    }

    /// Reads no more markup.
    fn end_markup(&mut self, how: parse::Finish, out: &mut Vec<Event>) {
        if let Some(mut markup) = self.markup.take() {
            self.found = markup.finish(how, &mut self.blocks, out);
        }
    }

    fn speak(&mut self, kind: Kind, text: &str, out: &mut Vec<Event>) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if !self.calls.are_open() {
            self.blocks.say(kind, text, out);
            return Ok(());
        }
        let waiting = &mut self.waiting;
        match waiting.said.last_mut() {
            Some((last, said)) if *last == kind => said.push_str(text),
            _ => waiting.said.push((kind, text.to_owned())),
        }
        waiting.bytes += text.len();
        waiting.has_words |= !text.trim().is_empty();
        if waiting.bytes > MOST_WAITING {
            return Err(Error::new(self.code(), "The model's tool call never ended."));
        }
        self.advance(Upto::Now, out);
        Ok(())
    }

    /// Shows calls as far as they are known, then what waited for them.
    fn advance(&mut self, upto: Upto, out: &mut Vec<Event>) {
        self.calls.advance(upto, self.waiting.has_words, &mut self.blocks, out);
        if !self.calls.are_open() {
            for (kind, text) in std::mem::take(&mut self.waiting).said {
                self.blocks.say(kind, &text, out);
            }
        }
    }
}

impl Reader for Answer {
    fn json(&mut self, json: &[u8], out: &mut Vec<Event>) -> Result<()> {
        self.pointers.look_at(json);
        match serde_json::from_str(&json::text(json)) {
            Ok(chunks) => self.chunks(&chunks, json, out),
            Err(error) => Err(json::unreadable(self.code(), &error)),
        }
    }

    fn words(&mut self, words: &[u8]) {
        if self.words.is_none() {
            let words = words.get(..2048).unwrap_or(words);
            self.words = Some(String::from_utf8_lossy(words).into_owned());
        }
    }

    /// The end: fails if the container never said why it stopped. A whole body that holds an
    /// answer is whole without it.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<()> {
        let finish = self.finish.take();
        if finish.is_none() && self.mode == Mode::Stream {
            return Err(self.incomplete());
        }
        let reason = finish.as_ref().map_or("stop", |finish| finish.reason.as_str());
        let sequence = finish.as_ref().and_then(|finish| finish.sequence.clone());
        let is_cut = matches!(reason, "length" | "content_filter") || sequence.is_some();
        self.end_markup(if is_cut { parse::Finish::Cut } else { parse::Finish::End }, out);
        self.advance(if reason == "length" { Upto::Cut } else { Upto::End }, out);
        self.blocks.close(out);
        let mut outcome = self.calls.outcome();
        outcome.completed += self.found.calls as usize;
        outcome.broken += self.found.malformed as usize + usize::from(self.found.cut_call);
        if finish.is_none() && self.blocks.are_none() && outcome.broken == 0 {
            return Err(self.incomplete());
        }
        let stop_reason = match reason {
            "length" if outcome.broken > 0 => StopReason::MaxTokens,
            "content_filter" if outcome.broken > 0 => StopReason::ContentFiltered,
            // A stop sequence inside a call.
            _ if self.found.cut_call && sequence.is_some() => StopReason::StopSequence,
            _ if outcome.broken > 0 => StopReason::MalformedToolUse,
            // Engines say `stop` after a call that was named in the request, and TGI always.
            _ if outcome.completed > 0 => StopReason::ToolUse,
            "length" => StopReason::MaxTokens,
            "content_filter" => StopReason::ContentFiltered,
            "stop_sequence" => StopReason::StopSequence,
            "stop" if sequence.is_some() => StopReason::StopSequence,
            _ => StopReason::EndTurn, // `stop`, `eos_token`, `tool_calls` without a call
        };
        let ending = Ending { stop_reason, sequence, usage: usage(self.usage, self.split) };
        ending.push(std::mem::take(&mut self.pointers), out);
        Ok(())
    }

    /// Why an answer without an end is no answer.
    fn incomplete(&self) -> Error {
        let fault = self.words.as_ref().map(|words| Fault::of_answer(words.as_bytes()));
        match fault {
            Some(fault) if !fault.is_unknown() => fault.into_error(self.mode),
            Some(_) => Error::new(
                self.code(),
                "The model's answer is not one of OpenAI's chat or completion schema.",
            ),
            None => Error::new(
                self.code(),
                "The model's answer ended before it was complete. Try your request again.",
            ),
        }
    }
}
