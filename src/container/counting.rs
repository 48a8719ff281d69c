//! How many tokens a question has, without asking for an answer.

use std::borrow::Cow;
use std::sync::Arc;

use super::text::Text;
use super::{Container, Decoder, Mode};
use crate::converse::{
    Ask, ContentBlock, Conversation, Input, ToolResultBlock, ToolResultContentBlock,
};
use crate::template::bos;
use crate::tokenizer::{Passage, Tokenizer};
use crate::wire::Payload;
use crate::{Error, Result};

/// Bedrock's own words for a model without a tokenizer.
pub fn not_countable() -> Error {
    Error::validation("The provided model doesn't support counting tokens.")
}

/// How a deployment's tokens are counted.
#[derive(Clone, Debug, Default)]
pub enum Counting {
    /// They are not.
    #[default]
    Off,
    /// By the model's own tokenizer, here.
    Tokenizer(Arc<Counter>),
    /// By the container: it is asked for one token, and its usage tells.
    Endpoint,
}

/// A model's tokenizer, and what writes the prompt that it reads.
#[derive(Clone, Debug)]
pub struct Counter {
    tokenizer: Arc<Tokenizer>,
    text: Text,
    renders: Renders,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renders {
    /// We do, and send the container the prompt.
    Here,
    /// The container does, with the same template if one is named.
    There { template: bool, adds_bos: bool },
}

impl Counter {
    /// For a container that is sent prompts: `text` writes them.
    pub fn of_prompts(tokenizer: Arc<Tokenizer>, text: Text) -> Self {
        Self { tokenizer, text, renders: Renders::Here }
    }

    /// For a container that is sent messages: `text` writes what the container's template makes
    /// of them. Such containers add nothing to a rendered conversation, so `text` must not leave
    /// out the BOS. Without a template only prompts can be counted; `adds_bos` tells whether the
    /// container's tokenizer puts a BOS before those.
    pub fn of_messages(tokenizer: Arc<Tokenizer>, text: Text, adds_bos: bool) -> Self {
        let template = text.has_template();
        Self { tokenizer, text, renders: Renders::There { template, adds_bos } }
    }

    /// What counts.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// What the model would read of `ask`.
    pub fn passage(&self, ask: &Ask) -> Result<Passage> {
        if has_images(ask) {
            return Err(Error::validation(
                "The tokens of an image cannot be counted for this model. Remove the image and \
                 try again.",
            ));
        }
        match (self.renders, &ask.input) {
            (Renders::Here, _) => self.text.passage(ask),
            (Renders::There { adds_bos, .. }, Input::Prompt(_)) => {
                // A completion, also of a container that takes messages: its tokenizer adds what
                // it adds to any text, and the BOS that it would double is not sent.
                let mut passage = Passage { specials: true, ..self.text.passage(ask)? };
                if let Some(bos) = bos(&passage.text).filter(|_| adds_bos) {
                    passage.text.drain(..bos.len());
                    passage.bos = Some(bos.to_owned());
                }
                Ok(passage)
            }
            (Renders::There { template: true, .. }, Input::Conversation(conversation)) => {
                self.text.passage(&of_text(ask, conversation))
            }
            (Renders::There { template: false, .. }, Input::Conversation(_)) => {
                Err(not_countable())
            }
        }
    }
}

/// The question without what only a container of messages can be asked, and what makes its prompt
/// no longer: how tools are chosen. The effort goes to the template as the containers send it.
fn of_text<'a>(ask: &'a Ask, conversation: &Conversation) -> Cow<'a, Ask> {
    let chooses = conversation.tools.as_ref().is_some_and(|tools| tools.tool_choice.is_some());
    if !chooses && ask.parameters.output.effort.is_none() {
        return Cow::Borrowed(ask);
    }
    let mut plain = ask.clone();
    if let Input::Conversation(Conversation { tools: Some(tools), .. }) = &mut plain.input {
        tools.tool_choice = None;
    }
    if let Some(effort) = plain.parameters.output.effort.take() {
        let fields = &mut plain.parameters.additional_request_fields;
        let kwargs = fields.entry("chat_template_kwargs").or_insert_with(|| serde_json::json!({}));
        if let Some(kwargs) = kwargs.as_object_mut() {
            kwargs.entry("reasoning_effort").or_insert_with(|| effort.into());
        }
    }
    Cow::Owned(plain)
}

fn has_images(ask: &Ask) -> bool {
    let in_result = |result: &ToolResultBlock| {
        result.content.iter().any(|block| matches!(block, ToolResultContentBlock::Image(_)))
    };
    match &ask.input {
        Input::Prompt(prompt) => !prompt.images.is_empty(),
        Input::Conversation(conversation) => {
            conversation.messages.iter().flat_map(|message| &message.content).any(|block| {
                match block {
                    ContentBlock::Image(_) => true,
                    ContentBlock::ToolResult(result) => in_result(result),
                    _ => false,
                }
            })
        }
    }
}

/// A container of which the tokens can be counted.
#[derive(Debug)]
pub struct Counted {
    container: Arc<dyn Container>,
    counting: Counting,
}

impl Counted {
    /// `container`, with a way to count.
    pub fn new(container: Arc<dyn Container>, counting: Counting) -> Self {
        Self { container, counting }
    }
}

impl Container for Counted {
    fn encode(&self, ask: &Ask, mode: Mode) -> Result<Payload> {
        self.container.encode(ask, mode)
    }

    fn decoder(&self, ask: &Ask, mode: Mode, random: fastrand::Rng) -> Box<dyn Decoder> {
        self.container.decoder(ask, mode, random)
    }

    fn begin(
        &self,
        ask: &Ask,
        mode: Mode,
        random: fastrand::Rng,
    ) -> Result<(Payload, Box<dyn Decoder>)> {
        self.container.begin(ask, mode, random)
    }

    fn refusal(&self, status: Option<u16>, body: &str) -> Error {
        self.container.refusal(status, body)
    }

    fn counting(&self) -> &Counting {
        &self.counting
    }

    fn counts_input(&self, mode: Mode) -> bool {
        self.container.counts_input(mode)
    }
}
