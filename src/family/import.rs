//! Custom Model Import: three formats, told apart by their members.
//!
//! - `messages`: OpenAI's chat completion.
//! - `prompt` and `max_tokens`: OpenAI's completion.
//! - `prompt` with `max_gen_len` or alone: Llama's answer, `{generation, prompt_token_count,
//!   generation_token_count, stop_reason, logprobs}`, whatever the model is.
//!
//! Source: Bedrock's user guide, "Invoke your imported model", whose examples have no `model`.
//! Members that are not known here go to the container: `structured_outputs`, `top_k`, and so on.

use serde_json::{Map, Value};

use super::openai::completion::Completion;
use super::openai::{self, Reasoning, Style};
use super::{Family, Invocation, Question, llama, schema};
use crate::Result;

/// The family `import`.
#[derive(Clone, Copy, Debug)]
pub struct Import;

impl Family for Import {
    fn name(&self) -> &'static str {
        "import"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let members = schema::object(body)?;
        let has = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        if has("messages") {
            let style = Style { reasoning: Reasoning::ReasoningContent, ..Style::default() };
            return openai::chat(members, invocation, None, style);
        }
        if has("max_tokens") && !has("max_gen_len") {
            return completion(members, invocation);
        }
        let Completion { ask, adapted, model, stream } = Completion::read(members)?;
        openai::agrees(model.as_deref(), stream, &invocation)?;
        let voice = llama::Generation::behind(&ask).with_logprobs();
        Ok(Question { adapted, ..Question::new(ask, voice) })
    }
}

/// The question that OpenAI's completion asks.
pub(super) fn completion(
    members: Map<String, Value>,
    invocation: Invocation<'_>,
) -> Result<Question> {
    let completion = Completion::read(members)?;
    openai::agrees(completion.model.as_deref(), completion.stream, &invocation)?;
    let voice = completion.voice(invocation.now, invocation.random);
    let Completion { ask, adapted, .. } = completion;
    Ok(Question { adapted, ..Question::new(ask, voice) })
}
