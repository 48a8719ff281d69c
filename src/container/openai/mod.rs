//! OpenAI chat: vLLM, SGLang, LMI chat, TGI chat, EMD.
//!
//! Down: a conversation becomes `messages`, a prompt a completion's `prompt`; both travel on the
//! container's one path, which tells them apart by their members. Up: whole bodies, server-sent
//! events and JSON lines all become the same events, through one [`answer::Answer`].

mod answer;
mod calls;
mod chunk;
mod encode;
mod images;
mod messages;
mod prompt;
mod tools;

use self::prompt::Seen;
use super::decoder::{Stream, Unary};
use super::faults::Fault;
use super::{Container, Decoder, Mode};
use crate::converse::{Ask, Input};
use crate::template::Guard;
use crate::wire::Payload;
use crate::{Error, Result};

/// What the deployed model and its container can be asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Options {
    /// Whether the model sees images. Default: yes; a model that does not answers with its own
    /// refusal.
    pub images: bool,
    /// How many images one request may hold, as in vLLM's `--limit-mm-per-prompt`. Default: the
    /// container decides.
    pub max_images: Option<usize>,
    /// The `model` member, for a container that serves several. Default: left out, since vLLM
    /// refuses a name that is not its own and takes none for its only model.
    pub model: Option<String>,
    /// How the reasoning of earlier turns is told. Default: [`ReasoningHistory::ReasoningContent`].
    pub reasoning_history: ReasoningHistory,
    /// Whether usage is split into tokens read from a cache and others, even where the request
    /// has no `cachePoint`. Default: no.
    pub cached_in_usage: bool,
    /// The `max_tokens` of a prompt that names no limit. Default: 512, as Bedrock's for prompts
    /// of Llama and Mistral; without it vLLM would stop a completion after 16 tokens. A
    /// conversation without a limit is sent without one: it may fill the context.
    pub prompt_max_tokens: u32,
    /// How a prompt goes out. Default: [`Prompts::Completion`].
    pub prompts: Prompts,
    /// Whether the container's tokenizer puts its BOS token in front of a prompt: then the one that
    /// the prompt begins with is left out. Default: yes, as vLLM's completions do.
    pub adds_bos: bool,
    /// Whether reasoning and calls are looked for in the text of a container that marks neither
    /// itself, since it was started without parsers. Default: yes. Answers to prompts always come
    /// as they are.
    pub markup: bool,
    /// Whether the model's template opens `<think>` itself, so that such text begins inside it.
    /// Default: no.
    pub opens_thinking: bool,
    /// What happens to the model's control tokens in a conversation. Default: none are known, and
    /// every string is sent as it came. Prompts always are.
    pub guard: Guard,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            images: true,
            max_images: None,
            model: None,
            reasoning_history: ReasoningHistory::default(),
            cached_in_usage: false,
            prompt_max_tokens: 512,
            prompts: Prompts::default(),
            adds_bos: true,
            markup: true,
            opens_thinking: false,
            guard: Guard::default(),
        }
    }
}

/// How a prompt that its author has rendered goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prompts {
    /// As the completion it is: vLLM, LMI and TGI take one on the same path as chats.
    #[default]
    Completion,
    /// As the turns that its template shows, for a container that takes messages alone; a prompt in
    /// no known template is one turn of the user.
    Turns,
}

/// How an assistant turn's reasoning goes back to the container.
///
/// Never inside the text: whether old reasoning is shown to the model is for the model's own
/// template to decide (those of DeepSeek-R1 and Qwen3 leave it out).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningHistory {
    /// As the member `reasoning_content`: what older vLLM, SGLang and LMI read, and what vLLM
    /// 0.32 renames to `reasoning`.
    #[default]
    ReasoningContent,
    /// As the member `reasoning`.
    Reasoning,
    /// Not at all.
    Dropped,
}

/// A container that speaks OpenAI chat.
///
/// ```
/// use helan::container::{Container, Mode, openai::OpenAi};
/// use helan::converse::{Ask, Request};
///
/// let request: Request = serde_json::from_str(
///     r#"{"messages": [{"role": "user", "content": [{"text": "贺兰山在哪里？"}]}],
///         "inferenceConfig": {"maxTokens": 100}}"#,
/// )
/// .unwrap();
/// let payload = OpenAi::default().encode(&Ask::from(request), Mode::Unary)?;
/// assert_eq!(
///     payload.body,
///     r#"{"messages":[{"role":"user","content":"贺兰山在哪里？"}],"max_tokens":100}"#
/// );
/// # Ok::<(), helan::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenAi {
    options: Options,
}

impl OpenAi {
    /// A container of which the `options` are known.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    fn reader(&self, ask: &Ask, mode: Mode, random: fastrand::Rng) -> Box<dyn Decoder> {
        let answer = answer::Answer::new(ask, &self.options, mode, random);
        match mode {
            Mode::Unary => Box::new(Unary::new(answer)),
            Mode::Stream => Box::new(Stream::new(answer)),
        }
    }
}

/// A prompt goes where completions do, a conversation where chats do.
fn payload(ask: &Ask, body: Vec<u8>) -> Payload {
    Payload::json(body).at(match ask.input {
        Input::Conversation(_) => "chat/completions",
        Input::Prompt(_) => "completions",
    })
}

impl Container for OpenAi {
    fn encode(&self, ask: &Ask, mode: Mode) -> Result<Payload> {
        let Seen { ask, bos, adapted } = prompt::seen(ask, &self.options);
        let body = encode::body(&ask, bos, mode, &self.options)?;
        Ok(Payload { adapted, ..payload(&ask, body) })
    }

    fn decoder(&self, ask: &Ask, mode: Mode, random: fastrand::Rng) -> Box<dyn Decoder> {
        self.reader(&prompt::seen(ask, &self.options).ask, mode, random)
    }

    fn begin(
        &self,
        ask: &Ask,
        mode: Mode,
        random: fastrand::Rng,
    ) -> Result<(Payload, Box<dyn Decoder>)> {
        let Seen { ask, bos, adapted } = prompt::seen(ask, &self.options);
        let body = encode::body(&ask, bos, mode, &self.options)?;
        Ok((Payload { adapted, ..payload(&ask, body) }, self.reader(&ask, mode, random)))
    }

    fn refusal(&self, status: Option<u16>, body: &str) -> Error {
        Fault::of_refusal(status, body).into_error(Mode::Unary)
    }
}
