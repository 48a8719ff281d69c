//! Containers that take a rendered prompt: completions, TGI, LMI, the Hugging Face toolkit.
//!
//! Down: a conversation is rendered by the deployed model's own template, a prompt goes as it
//! is; the [`Dialect`] writes it and its parameters. Up: the dialect reads text, end and counts,
//! and [`parse`](crate::parse) tells reasoning, calls and text apart.
//!
//! What a container of text cannot be asked is refused by name: images, `toolChoice` other than
//! `auto` (nothing in a prompt can force a call), structured output where the engine has no
//! grammar (LMI, Hugging Face), an effort that the template does not read. What it does not count
//! is zero in the usage, and never estimated; whoever drives the decoder may fill it in by the model's
//! own tokenizer ([`Dialect::counts_input`]).

mod answer;
mod asked;
mod completions;
mod dialect;
mod generation;
mod hf;
mod inputs;
mod lmi;
mod prompt;
mod special;
mod stops;
mod tgi;

pub use dialect::Dialect;

use self::answer::{Answer, Voice, Wanted};
use self::asked::Asked;
use self::prompt::Chat;
use self::special::has_special;
use self::stops::Stops;
use super::decoder::{Stream, Unary};
use super::faults::Fault;
use super::generated::Generated;
use super::{Container, Decoder, Mode};
use crate::clock::Clock;
use crate::converse::{Adaptation, Ask, Input};
use crate::parse::{Format, Start, starts_in_reasoning};
use crate::template::{Policy, Template};
use crate::tokenizer::Passage;
use crate::wire::Payload;
use crate::{Error, Result};

/// What is known of the deployed model and its container.
#[derive(Clone, Debug)]
pub struct Options {
    /// The container's schema. Default: [`Dialect::Completions`].
    pub dialect: Dialect,
    /// The model's chat template, with its tokens. Default: none, and then conversations are
    /// refused.
    pub template: Option<Template>,
    /// How the model marks reasoning and calls in what it generates for a conversation. Default:
    /// [`Format::Detect`]; `None` shows the text as it is. Answers to prompts always come as
    /// they are.
    pub format: Option<Format>,
    /// Whether the container's tokenizer puts its BOS token in front of what it is sent: then the
    /// one that the prompt begins with is left out. Default: yes, as TGI, LMI and vLLM's
    /// completions do for models whose templates begin with one.
    pub adds_bos: bool,
    /// The BOS token. Default: the template's `bos_token`.
    pub bos: Option<String>,
    /// Tokens that end a turn, which some engines leave at the end of the text; there they are
    /// dropped. Default: the template's `eos_token`.
    pub eos: Option<Vec<String>>,
    /// The limit of tokens of a conversation that names none; it is always sent, since engines
    /// stop after 16 to 30 tokens without it. Default: 2,048.
    pub max_tokens: u32,
    /// The same for a prompt. Default: 512, as Bedrock's for prompts of Llama and Mistral.
    pub prompt_max_tokens: u32,
    /// What happens to control tokens in a conversation. Default: they become plain text.
    pub control_tokens: Policy,
    /// Whether the reasoning of earlier turns goes to the template, which may still leave it out.
    /// Default: yes.
    pub reasoning_history: bool,
    /// The `model` member of completions. Default: left out.
    pub model: Option<String>,
    /// Whether usage is split into tokens read from a cache and others, even where the request
    /// has no `cachePoint`. Default: no.
    pub cached_in_usage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: Dialect::Completions,
            template: None,
            format: Some(Format::Detect),
            adds_bos: true,
            bos: None,
            eos: None,
            max_tokens: 2048,
            prompt_max_tokens: 512,
            control_tokens: Policy::default(),
            reasoning_history: true,
            model: None,
            cached_in_usage: false,
        }
    }
}

/// A container that takes a rendered prompt.
#[derive(Clone, Debug)]
pub struct Text {
    options: Options,
    chat: Option<Chat>,
    eos: Vec<String>,
    clock: Clock,
}

impl Text {
    /// A container of which the `options` are known. Its template is tried out here, once;
    /// `clock` tells it the day, if it asks.
    pub fn new(options: Options, clock: Clock) -> Self {
        let chat = options.template.as_ref().map(Chat::new);
        let eos = options.eos.clone().unwrap_or_else(|| {
            chat.iter().filter_map(|chat| chat.token("eos_token")).map(str::to_owned).collect()
        });
        Self { options, chat, eos, clock }
    }

    /// The text that the container would read of `ask`: what `helan render` shows.
    pub fn prompt(&self, ask: &Ask) -> Result<String> {
        self.passage(ask).map(|passage| passage.text)
    }

    /// The text that the container would read of `ask`, and what its tokenizer adds to it.
    pub fn passage(&self, ask: &Ask) -> Result<Passage> {
        prompt::passage(ask, self.chat.as_ref(), &self.options, self.clock.now())
    }

    /// Whether conversations can be rendered.
    pub fn has_template(&self) -> bool {
        self.chat.is_some()
    }

    /// The format of the answer to `ask`.
    fn format(&self, ask: &Ask) -> Option<Format> {
        match ask.input {
            Input::Conversation(_) => self.options.format,
            Input::Prompt(_) => None,
        }
    }

    fn asked<'a>(&self, ask: &'a Ask, mode: Mode, prompt: String) -> Result<Asked<'a>> {
        Asked::new(ask, mode, prompt, has_special(self.format(ask)), &self.options)
    }

    fn payload(&self, ask: &Ask, asked: Asked<'_>) -> Result<Payload> {
        let lost_bos =
            matches!(&ask.input, Input::Prompt(given) if given.text.len() != asked.prompt.len());
        let body = self.options.dialect.body(asked, self.options.model.as_deref())?;
        let adapted = if lost_bos { vec![Adaptation::BosRemoved] } else { vec![] };
        let payload = match self.options.dialect {
            Dialect::Completions => Payload::json(body).at("completions"),
            Dialect::Tgi | Dialect::Lmi | Dialect::HuggingFace => Payload::json(body),
        };
        Ok(Payload { adapted, ..payload })
    }

    fn reader(
        &self,
        ask: &Ask,
        mode: Mode,
        max_tokens: Option<u64>,
        start: Start,
        random: fastrand::Rng,
    ) -> Box<dyn Decoder> {
        let dialect = self.options.dialect;
        let stop = ask.parameters.inference.stop_sequences.clone().unwrap_or_default();
        let format = self.format(ask);
        let voice = match (format, &ask.input) {
            (Some(format), Input::Conversation(conversation)) => Voice::Parsed(Box::new(
                Generated::new(format, conversation, start, stop.clone(), random),
            )),
            _ => Voice::Plain(Stops::new(&stop)),
        };
        let split = self.options.cached_in_usage || ask.has_cache_point();
        let wanted = Wanted { dialect, mode, format, max_tokens, stop, split };
        let paths = &ask.parameters.additional_response_field_paths;
        let answer = Answer::new(wanted, paths, &self.eos, voice);
        if mode == Mode::Stream && dialect.streams() {
            Box::new(Stream::new(answer))
        } else {
            Box::new(Unary::new(answer))
        }
    }
}

fn start(prompt: &str) -> Start {
    if starts_in_reasoning(prompt) { Start::Reasoning } else { Start::Text }
}

impl Container for Text {
    fn encode(&self, ask: &Ask, mode: Mode) -> Result<Payload> {
        self.payload(ask, self.asked(ask, mode, self.prompt(ask)?)?)
    }

    fn decoder(&self, ask: &Ask, mode: Mode, random: fastrand::Rng) -> Box<dyn Decoder> {
        // Rendered again, for where the answer begins; a caller for whom that is too dear has
        // `begin`. What fails here has failed before, when it was encoded.
        let prompt = self.prompt(ask).unwrap_or_default();
        let start = start(&prompt);
        let asked = self.asked(ask, mode, prompt);
        let limit = asked.ok().and_then(|asked| asked.limit(self.options.dialect));
        self.reader(ask, mode, limit, start, random)
    }

    fn begin(
        &self,
        ask: &Ask,
        mode: Mode,
        random: fastrand::Rng,
    ) -> Result<(Payload, Box<dyn Decoder>)> {
        let prompt = self.prompt(ask)?;
        let start = start(&prompt);
        let asked = self.asked(ask, mode, prompt)?;
        let limit = asked.limit(self.options.dialect);
        Ok((self.payload(ask, asked)?, self.reader(ask, mode, limit, start, random)))
    }

    fn refusal(&self, status: Option<u16>, body: &str) -> Error {
        Fault::of_refusal(status, body).into_error(Mode::Unary)
    }

    fn counts_input(&self, mode: Mode) -> bool {
        self.options.dialect.counts_input(mode)
    }
}
