//! Anthropic's Messages: `{anthropic_version, max_tokens, messages, system, tools, …}` → `{id,
//! type: "message", content, stop_reason, usage}`; chunks are the events of the Messages API, from
//! `message_start` to `message_stop`. A body with a `prompt` is the older text completion.
//!
//! Source: Bedrock's user guide, "Anthropic Claude models", and the reference of the Messages API.
//!
//! What becomes of each member that is no plain text:
//!
//! - `temperature`, `top_p`, `top_k`: told where the caller set them. The newest Messages API has
//!   no such members and names no defaults, so the model's own hold where they are absent.
//! - `thinking`: `chat_template_kwargs` with `enable_thinking` and `thinking`, the two names that
//!   templates read. How much (`budget_tokens`) cannot be told; `display: "omitted"` is kept.
//! - `output_config`: Converse's `outputConfig`. `output_format` is its older spelling.
//! - `tool_choice: none`: the tools are not offered. `disable_parallel_tool_use`:
//!   `parallel_tool_calls: false`. `input_examples`: the `examples` of the tool's schema.
//!   `defer_loading`: the tool is offered from the start, and a `tool_reference` is its name.
//! - `cache_control`: a cache point behind the block that carries it.
//! - Heard and without effect: `anthropic_version`, `anthropic_beta`, `context_management` that
//!   clears what is old, `diagnostics`, `metadata`, `service_tier`, `speed`; the billing line that
//!   Claude Code writes before its system prompt;
//!   `eager_input_streaming` of a tool; `citations` of an earlier answer's text, which repeat what
//!   is in the conversation.
//! - Refused by name: tools that Anthropic defines or runs and all that belongs to them, images
//!   and documents that are not in the body (`url`, `file`), `container`, `mcp_servers`,
//!   `inference_geo`, `compact_…` edits, `task_budget`, and what is not known here.

mod answer;
mod blocks;
mod completion;
mod request;
mod stream;
mod tools;
mod turns;

use serde_json::{Map, Value};

use super::schema::{malformed, object};
use super::{Family, Invocation, Question};
use crate::Result;

/// The family `anthropic`.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic {
    api: Api,
}

/// Two APIs speak this language; they differ in their envelope alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Invoke,
    Messages,
    Count,
}

impl Anthropic {
    /// Bedrock's: the path names the model and the operation says whether chunks are read; in the
    /// body, `model` and `stream` are extraneous.
    pub const INVOKE: Self = Self { api: Api::Invoke };
    /// Anthropic's own `POST /v1/messages`: `model` and `stream` are in the body
    /// ([`Envelope`]), the version is a header. Each chunk begins with its `type`, the name of
    /// the server-sent event that carries it.
    pub const MESSAGES: Self = Self { api: Api::Messages };

    /// Anthropic's own `POST /v1/messages/count_tokens`: as [`Self::MESSAGES`], but nothing will be
    /// generated, so `max_tokens` may be left out.
    pub const COUNT: Self = Self { api: Api::Count };

    /// What the ids of messages begin with.
    const fn id_prefix(self) -> &'static str {
        match self.api {
            Api::Invoke => "msg_bdrk_",
            Api::Messages | Api::Count => "msg_",
        }
    }
}

impl Family for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn read(&self, body: &[u8], invocation: Invocation<'_>) -> Result<Question> {
        let mut members = object(body)?;
        match self.api {
            Api::Invoke if members.contains_key("prompt") => return completion::read(members),
            Api::Invoke => {}
            Api::Messages | Api::Count => {
                Envelope::take(&mut members)?;
                if self.api == Api::Count {
                    members.entry("max_tokens").or_insert_with(|| 1.into());
                }
                members.entry("anthropic_version").or_insert_with(|| "".into());
            }
        }
        request::read(members, invocation, self.id_prefix())
    }
}

/// What a body of [`Anthropic::MESSAGES`] says beside its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The model that is asked.
    pub model: String,
    /// Whether the caller reads chunks.
    pub stream: bool,
}

impl Envelope {
    /// Reads the envelope and nothing else.
    pub fn read(body: &[u8]) -> Result<Self> {
        Self::take(&mut object(body)?)
    }

    fn take(members: &mut Map<String, Value>) -> Result<Self> {
        let model = match members.shift_remove("model") {
            Some(Value::String(model)) if !model.is_empty() => model,
            Some(_) => return Err(malformed("#/model: expected the name of a model")),
            None => return Err(malformed("#: required key [model] not found")),
        };
        let stream = match members.shift_remove("stream") {
            Some(Value::Bool(stream)) => stream,
            Some(_) => return Err(malformed("#/stream: expected true or false")),
            None => false,
        };
        Ok(Self { model, stream })
    }
}
