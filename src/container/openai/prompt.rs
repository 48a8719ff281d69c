//! Prompts that their author has rendered: as the completion they are, or as turns.

use std::borrow::Cow;

use serde_json::json;

use super::{Options, Prompts};
use crate::converse::{
    Adaptation, Ask, ContentBlock, Conversation, ImageBlock, Input, Message, Role,
};
use crate::template::{bos, turns};

/// A question as this container is asked it.
pub(super) struct Seen<'a> {
    pub(super) ask: Cow<'a, Ask>,
    /// How many bytes at the prompt's beginning are the BOS marker that the tokenizer adds itself.
    pub(super) bos: usize,
    pub(super) adapted: Vec<Adaptation>,
}

/// What becomes of `ask`. A conversation stays as it is. A prompt goes out as a completion without
/// a second BOS marker; where the container takes no completions, or the prompt shows images, which
/// no completion can, it becomes the turns that its template shows.
pub(super) fn seen<'a>(ask: &'a Ask, options: &Options) -> Seen<'a> {
    let Input::Prompt(prompt) = &ask.input else {
        return Seen { ask: Cow::Borrowed(ask), bos: 0, adapted: vec![] };
    };
    if options.prompts == Prompts::Completion && prompt.images.is_empty() {
        let bos = bos(&prompt.text).filter(|_| options.adds_bos).map_or(0, str::len);
        let adapted = if bos > 0 { vec![Adaptation::BosRemoved] } else { vec![] };
        return Seen { ask: Cow::Borrowed(ask), bos, adapted };
    }
    let (mut conversation, thinks, adaptation) = match turns(&prompt.text) {
        Some(shown) => {
            let thinks = shown.thinks;
            (Conversation::from(shown), thinks, Adaptation::PromptParsed)
        }
        None => (one_turn(&prompt.text), None, Adaptation::PromptWrapped),
    };
    show(&prompt.images, &mut conversation);
    let mut parameters = ask.parameters.clone();
    let fields = &mut parameters.additional_request_fields;
    let is_limited =
        ["max_tokens", "max_completion_tokens"].iter().any(|name| fields.contains_key(*name));
    if parameters.inference.max_tokens.is_none() && !is_limited {
        parameters.inference.max_tokens = i32::try_from(options.prompt_max_tokens).ok();
    }
    if thinks == Some(false) && !fields.contains_key("chat_template_kwargs") {
        // The prompt says that there is to be no reasoning, under either name that templates know.
        fields.insert(
            "chat_template_kwargs".to_owned(),
            json!({"enable_thinking": false, "thinking": false}),
        );
    }
    let ask = Ask { input: Input::Conversation(conversation), parameters };
    Seen { ask: Cow::Owned(ask), bos: 0, adapted: vec![adaptation] }
}

fn one_turn(text: &str) -> Conversation {
    let content = vec![ContentBlock::Text(text.to_owned())];
    Conversation {
        messages: vec![Message { content, role: Role::User }],
        ..Conversation::default()
    }
}

/// Puts the images before the words of the first turn of the user: a prompt's marks of where they
/// stand are part of its template.
fn show(images: &[ImageBlock], conversation: &mut Conversation) {
    let mut messages = conversation.messages.iter_mut();
    if let Some(first) = messages.find(|message| message.role == Role::User) {
        let images = images.iter().cloned().map(ContentBlock::Image);
        first.content.splice(0..0, images);
    }
}
