//! Amazon Nova: `{schemaVersion, system, messages, inferenceConfig, toolConfig}` → `{output,
//! stopReason, usage}`, in Converse's own blocks.
//!
//! Source: Nova's user guide, "Complete request schema" (Nova 1) and "Request and response schema"
//! (Nova 2), with the defaults written there; answers and chunks are as recorded from Bedrock. The
//! older samples' names (`max_new_tokens`, `top_p`, `top_k`) are taken too.
//!
//! A cache point is a block of its own, as in Converse, or a member beside a block's text, as
//! litellm sends it to `InvokeModel`.

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::schema::{Schema, malformed};
use super::{Chunks, Family, Invocation, Question, Voice};
use crate::converse::{
    Ask, ContentBlock, Event, InferenceConfiguration, Message, Output, OutputConfig, Request,
    Response, Role, StopReason, TokenUsage, ToolConfiguration,
};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../schemas/family/nova.json")).unwrap_or_default()
});

/// The family `nova`.
#[derive(Clone, Copy, Debug)]
pub struct Nova;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    system: Vec<Value>,
    messages: Vec<Turn>,
    #[serde(default)]
    inference_config: Inference,
    tool_config: Option<ToolConfiguration>,
    reasoning_config: Option<Reasoning>,
    #[serde(default)]
    additional_model_request_fields: Additional,
    guardrail_config: Option<Value>,
}

#[derive(Deserialize)]
struct Turn {
    role: Role,
    content: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inference {
    #[serde(alias = "max_new_tokens")]
    max_tokens: Option<i32>,
    temperature: Option<f32>,
    #[serde(alias = "top_p")]
    top_p: Option<f32>,
    #[serde(alias = "top_k")]
    top_k: Option<u32>,
    stop_sequences: Option<Vec<String>>,
    reasoning_config: Option<Reasoning>,
}

impl Inference {
    /// Fills what is not said here from where Converse's callers say it.
    fn or(self, other: Self) -> Self {
        Self {
            max_tokens: self.max_tokens.or(other.max_tokens),
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            top_k: self.top_k.or(other.top_k),
            stop_sequences: self.stop_sequences.or(other.stop_sequences),
            reasoning_config: self.reasoning_config.or(other.reasoning_config),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    r#type: Option<String>,
    max_reasoning_effort: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Additional {
    #[serde(default)]
    inference_config: Inference,
    reasoning_config: Option<Reasoning>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Family for Nova {
    fn name(&self) -> &'static str {
        "nova"
    }

    fn read(&self, body: &[u8], _: Invocation<'_>) -> Result<Question> {
        let body: Body = SCHEMA.read(body)?;
        if body.guardrail_config.is_some() {
            return Err(Error::not_supported("guardrailConfig"));
        }
        let additional = body.additional_model_request_fields;
        let inference = body.inference_config.or(additional.inference_config);
        let reasoning =
            body.reasoning_config.or(inference.reasoning_config).or(additional.reasoning_config);

        let system = blocks("system", body.system)?;
        let mut request = Request {
            messages: Some(messages(body.messages)?),
            system: Some(system).filter(|system| !system.is_empty()),
            tool_config: body.tool_config,
            inference_config: Some(InferenceConfiguration {
                max_tokens: inference.max_tokens,
                stop_sequences: inference.stop_sequences.filter(|stop| !stop.is_empty()),
                temperature: Some(inference.temperature.unwrap_or(0.7)),
                top_p: Some(inference.top_p.unwrap_or(0.9)),
            }),
            ..Request::default()
        };
        let mut fields = additional.others;
        // Zero turns the limit off.
        if let Some(top_k) = inference.top_k.filter(|top_k| *top_k > 0) {
            set(&mut fields, "top_k", top_k.into(), "topK")?;
        }
        if let Some(reasoning) = reasoning {
            let enabled = reasoning.r#type.as_deref() == Some("enabled");
            let switches = json!({"enable_thinking": enabled, "thinking": enabled});
            set(&mut fields, "chat_template_kwargs", switches, "reasoningConfig")?;
            let effort = reasoning.max_reasoning_effort.filter(|_| enabled);
            request.output_config = Some(OutputConfig { effort, text_format: None });
        }
        request.additional_model_request_fields = Some(Value::Object(fields));
        request.validate()?;
        Ok(Question::new(Ask::from(request), Events))
    }
}

/// Sets a field that the container reads, unless the caller has set it too: which of the two should
/// win is not ours to guess.
fn set(fields: &mut Map<String, Value>, name: &str, value: Value, said: &str) -> Result<()> {
    if fields.insert(name.to_owned(), value).is_some() {
        return Err(malformed(&format!(
            "#/additionalModelRequestFields: [{name}] conflicts with {said}"
        )));
    }
    Ok(())
}

fn messages(turns: Vec<Turn>) -> Result<Vec<Message>> {
    let message = |(at, turn): (usize, Turn)| {
        let content: Vec<ContentBlock> = blocks(&format!("messages/{at}/content"), turn.content)?;
        Ok(Message { content, role: turn.role })
    };
    turns.into_iter().enumerate().map(message).collect()
}

/// Reads blocks; a cache point beside a text becomes a block behind it.
fn blocks<T: DeserializeOwned>(path: &str, values: Vec<Value>) -> Result<Vec<T>> {
    let mut blocks = Vec::with_capacity(values.len());
    for (index, mut value) in values.into_iter().enumerate() {
        let cache_point = value
            .as_object_mut()
            .filter(|members| members.get("text").is_some())
            .and_then(|members| members.remove("cachePoint"));
        let mut read = |value: Value| {
            let block = serde_path_to_error::deserialize(value).map_err(|error| {
                let inside = match error.path().to_string().as_str() {
                    "." => String::new(),
                    inside => format!("/{}", inside.replace('.', "/")),
                };
                let said = error.inner().to_string();
                // Our own words repeat nothing of what was sent.
                let is_ours = said.starts_with("Member must ");
                let why = if is_ours { &said } else { "this value cannot be used" };
                malformed(&format!("#/{path}/{index}{inside}: {why}"))
            })?;
            blocks.push(block);
            Ok::<_, Error>(())
        };
        read(value)?;
        if let Some(cache_point) = cache_point {
            read(json!({"cachePoint": cache_point}))?;
        }
    }
    Ok(blocks)
}

struct Events;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    output: &'a Output,
    stop_reason: StopReason,
    usage: Usage,
}

/// Tokens, with the caches' counts under the names that Nova has for them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    input_tokens: u32,
    output_tokens: u32,
    total_tokens: u32,
    cache_read_input_token_count: u32,
    cache_write_input_token_count: u32,
}

impl From<&TokenUsage> for Usage {
    fn from(usage: &TokenUsage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens,
            // Whoever asked for no caching has all its input in `inputTokens`.
            cache_read_input_token_count: usage.cache_read_input_tokens.unwrap_or(0),
            cache_write_input_token_count: usage.cache_write_input_tokens.unwrap_or(0),
        }
    }
}

#[derive(Serialize)]
struct Last {
    metadata: Metadata,
}

/// Nova's own has nothing in `metrics` and `trace`.
#[derive(Serialize)]
struct Metadata {
    usage: Usage,
    metrics: Nothing,
    trace: Nothing,
}

#[derive(Serialize)]
struct Nothing {}

impl Voice for Events {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        let Event::Metadata(metadata) = event else { return out.push(event) };
        let usage = Usage::from(&metadata.usage);
        out.push(&Last { metadata: Metadata { usage, metrics: Nothing {}, trace: Nothing {} } })
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let answer = Answer {
            output: &answer.output,
            stop_reason: answer.stop_reason,
            usage: Usage::from(&answer.usage),
        };
        serde_json::to_vec(&answer).map_err(|error| Error::internal().because(error))
    }
}
