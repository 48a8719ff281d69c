//! The same bodies on OpenAI's own paths, where the body names the model and says whether its
//! sender reads a stream.

use super::completion::Completion;
use super::{Chat, Reasoning, Shape, Style, Usage, voice};
use crate::Result;
use crate::family::schema::object;
use crate::family::{Family, Invocation, Question};

/// `POST …/chat/completions`. Reasoning is the member `reasoning`, as in recorded answers of
/// Bedrock's; a stream tells its usage where `stream_options.include_usage` asks for it.
#[derive(Clone, Copy, Debug)]
pub struct ChatCompletions;

impl Family for ChatCompletions {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let style =
            Style { reasoning: Reasoning::Reasoning, usage: Usage::Untold, shape: Shape::OpenAi };
        let chat = Chat::read(object(body)?, style)?;
        let usage = if chat.include_usage { Usage::Apart } else { Usage::Untold };
        let Invocation { now, random, .. } = invocation;
        Ok(Question::new(chat.ask, voice(chat.model, now, random, Style { usage, ..style })))
    }
}

/// `POST …/completions`.
#[derive(Clone, Copy, Debug)]
pub struct Completions;

impl Family for Completions {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn read(
        &self,
        body: &[u8],
        Invocation { now, random, .. }: Invocation<'_>,
    ) -> Result<Question> {
        let completion = Completion::read(object(body)?)?;
        let voice = completion.voice(now, random);
        let adapted = completion.adapted;
        Ok(Question { adapted, ..Question::new(completion.ask, voice) })
    }
}
