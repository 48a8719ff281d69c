//! From an ask to the prompt that is sent.

use time::OffsetDateTime;

use super::Options;
use super::asked::unsupported_field;
use crate::converse::{
    Ask, ContentBlock, Conversation, Input, Message, Parameters, Prompt, Role, ToolChoice,
};
use crate::template::documents::unsupported;
use crate::template::{self, ControlTokens, Findings, Policy, Template};
use crate::tokenizer::Passage;
use crate::{Error, Result};

/// A template, and what is known about it.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    template: Template,
    findings: Findings,
    control: ControlTokens,
}

impl Chat {
    pub(super) fn new(template: &Template) -> Self {
        Self {
            template: template.clone(),
            findings: Findings::of(template),
            control: ControlTokens::of(template),
        }
    }

    /// The token that the template names `bos_token` or `eos_token`.
    pub(super) fn token(&self, name: &str) -> Option<&str> {
        let mut tokens = self.template.tokens().iter();
        tokens.find(|(known, _)| known == name).map(|(_, token)| token.as_str())
    }

    fn render(
        &self,
        conversation: &Conversation,
        parameters: &Parameters,
        options: &Options,
        now: OffsetDateTime,
    ) -> Result<String> {
        match conversation.tools.as_ref().and_then(|config| config.tool_choice.as_ref()) {
            Some(ToolChoice::Any(_)) => {
                return Err(unsupported_field("toolConfig.toolChoice.any"));
            }
            Some(ToolChoice::Tool(_)) => {
                return Err(unsupported_field("toolConfig.toolChoice.tool"));
            }
            Some(ToolChoice::Auto(_)) | None => {}
        }
        if parameters.output.effort.is_some() && !self.findings.reasoning_effort {
            return Err(unsupported_field("outputConfig.effort"));
        }
        let told =
            template::Options { images: false, reasoning_history: options.reasoning_history };
        let (mut input, _) = template::input(conversation, parameters, &self.findings, told, now)?;
        let begun = begun(conversation.messages.last())?;
        input.add_generation_prompt = begun.is_none();
        let mut prompt =
            self.template.render_guarded(input, &self.control, options.control_tokens)?;
        if let Some(begun) = begun {
            // The answer goes on where this one ends: what closes the turn is cut off.
            let begun = match options.control_tokens {
                Policy::Neutralise => self.control.neutralise(begun),
                Policy::Reject | Policy::Allow => begun.into(),
            };
            let end = prompt.rfind(&*begun).map(|at| at + begun.len()).ok_or_else(no_prefill)?;
            prompt.truncate(end);
        }
        Ok(prompt)
    }
}

/// The beginning of the answer, if the caller wrote one: the last turn is the assistant's.
fn begun(last: Option<&Message>) -> Result<Option<&str>> {
    let Some(message) = last.filter(|message| message.role == Role::Assistant) else {
        return Ok(None);
    };
    match message.content.last() {
        Some(ContentBlock::Text(text)) if !text.trim().is_empty() => Ok(Some(text.trim())),
        _ => Err(no_prefill()),
    }
}

fn no_prefill() -> Error {
    Error::validation(
        "This model cannot continue the assistant message that you provided. The conversation \
         must end with a user message.",
    )
}

/// The text that the container reads.
pub(super) fn passage(
    ask: &Ask,
    chat: Option<&Chat>,
    options: &Options,
    now: OffsetDateTime,
) -> Result<Passage> {
    let mut text = match (&ask.input, chat) {
        (Input::Conversation(conversation), Some(chat)) => {
            chat.render(conversation, &ask.parameters, options, now)?
        }
        (Input::Conversation(_), None) => {
            return Err(Error::validation(
                "This model takes prompts only: its deployment has no chat template.",
            ));
        }
        (Input::Prompt(prompt), _) => given(prompt, &ask.parameters)?.to_owned(),
    };
    let bos = options.bos.as_deref().or_else(|| chat?.token("bos_token"));
    // The tokenizer puts one in front of whatever it reads.
    let bos = bos.filter(|bos| options.adds_bos && !bos.is_empty() && text.starts_with(bos));
    if let Some(bos) = bos {
        text.drain(..bos.len());
    }
    Ok(Passage { text, specials: options.adds_bos, bos: bos.map(str::to_owned) })
}

/// A prompt is its author's own template: nothing is changed in it.
fn given<'a>(prompt: &'a Prompt, parameters: &Parameters) -> Result<&'a str> {
    if !prompt.images.is_empty() {
        return Err(unsupported("image"));
    }
    if parameters.output.effort.is_some() {
        return Err(unsupported_field("outputConfig.effort"));
    }
    Ok(&prompt.text)
}
