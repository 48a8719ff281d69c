//! The body of a chat completion.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Reasoning, Style};
use super::{messages, refuse_extraneous, tools, without_nulls};
use crate::converse::{
    Ask, Conversation, InferenceConfiguration, Input, JsonSchemaDefinition, OutputConfig,
    OutputFormat, OutputFormatStructure, OutputFormatType, Parameters,
};
use crate::family::schema::{Schema, malformed};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/openai-chat.json")).unwrap_or_default()
});

/// Members by which a container would take the body for another one, or run a template of the
/// caller's.
const FOREIGN: [&str; 5] = ["prompt", "prompt_embeds", "inputs", "requestType", "chat_template"];
/// Members that ask for what no answer of ours can hold.
const UNSUPPORTED: [&str; 5] =
    ["functions", "function_call", "audio", "modalities", "web_search_options"];

/// A chat completion that was asked for.
#[derive(Debug)]
pub struct Chat {
    /// What it asks.
    pub ask: Ask,
    /// The body's `model`. Whether it is the one that the call names is the caller's to check.
    pub model: Option<String>,
    /// The body's `stream`.
    pub stream: Option<bool>,
    /// Whether `stream_options` asks for the usage.
    pub include_usage: bool,
}

#[derive(Deserialize)]
struct Body {
    messages: Vec<messages::Message>,
    max_tokens: Option<i32>,
    max_completion_tokens: Option<i32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    stop: Option<Stop>,
    /// What langchain-aws calls it, whichever the model is.
    stop_sequences: Option<Vec<String>>,
    n: Option<u64>,
    #[serde(default)]
    logprobs: bool,
    #[serde(default)]
    top_logprobs: u64,
    #[serde(default)]
    tools: Vec<tools::Tool>,
    tool_choice: Option<Value>,
    reasoning_effort: Option<String>,
    response_format: Option<Map<String, Value>>,
    #[serde(flatten)]
    call: Call,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What a body says of the call itself.
#[derive(Deserialize)]
pub(super) struct Call {
    pub(super) model: Option<String>,
    pub(super) stream: Option<bool>,
    #[serde(default)]
    pub(super) stream_options: StreamOptions,
}

#[derive(Default, Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: bool,
}

/// One stop sequence, or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Stop {
    One(String),
    Several(Vec<String>),
}

impl From<Stop> for Vec<String> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::One(stop) => vec![stop],
            Stop::Several(stops) => stops,
        }
    }
}

impl Chat {
    /// Reads a body. Members that are `null` are absent. What the hub has no member for goes to
    /// the container's top level as it is.
    ///
    /// With [`Reasoning::Inlined`], reasoning that an earlier answer inlined is told apart again.
    /// Fails with a `ValidationException` in Bedrock's words.
    pub fn read(mut members: Map<String, Value>, style: Style) -> Result<Self> {
        without_nulls(&mut members);
        messages::without_nulls(&mut members);
        tools::without_nulls(&mut members);
        let mut body: Body = SCHEMA.take(members)?;
        body.rest.retain(|name, value| name != "modalities" || *value != json!(["text"]));
        refuse_extraneous(&body.rest, &FOREIGN)?;
        if let Some(name) = UNSUPPORTED.iter().find(|name| body.rest.contains_key(**name)) {
            return Err(Error::not_supported(name));
        }
        refuse_more_choices(body.n)?;
        // No answer of ours shows them, and who asked must not believe that there are none.
        if body.logprobs || body.top_logprobs > 0 {
            return Err(Error::not_supported("logprobs"));
        }
        let tools = tools::configuration(body.tools, body.tool_choice)?;
        if tools.is_none() {
            // Says nothing without them, and some engines refuse it then.
            body.rest.shift_remove("parallel_tool_calls");
        }
        let text_format = text_format(body.response_format, &mut body.rest)?;
        let inference = InferenceConfiguration {
            max_tokens: limit(body.max_tokens, body.max_completion_tokens)?,
            stop_sequences: stops(body.stop, body.stop_sequences)?,
            temperature: body.temperature,
            top_p: body.top_p,
        };
        let parameters = Parameters {
            inference,
            additional_request_fields: body.rest,
            output: OutputConfig { effort: body.reasoning_effort, text_format },
            ..Parameters::default()
        };
        let is_inlined = style.reasoning == Reasoning::Inlined;
        let (system, messages) = messages::conversation(body.messages, is_inlined)?;
        let input = Input::Conversation(Conversation { system, messages, tools });
        let Call { model, stream, stream_options } = body.call;
        let include_usage = stream_options.include_usage;
        Ok(Self { ask: Ask { input, parameters }, model, stream, include_usage })
    }
}

/// `max_tokens` is the older name of `max_completion_tokens`.
fn limit(older: Option<i32>, newer: Option<i32>) -> Result<Option<i32>> {
    match (older, newer) {
        (Some(older), Some(newer)) if older != newer => {
            Err(malformed("#: max_tokens and max_completion_tokens contradict each other"))
        }
        (older, newer) => Ok(newer.or(older)),
    }
}

fn stops(stop: Option<Stop>, sequences: Option<Vec<String>>) -> Result<Option<Vec<String>>> {
    match (stop, sequences) {
        (Some(_), Some(_)) => Err(malformed("#: stop and stop_sequences contradict each other")),
        (stop, sequences) => Ok(stop.map(Vec::from).or(sequences)),
    }
}

/// One answer is all that the hub knows.
pub(super) fn refuse_more_choices(n: Option<u64>) -> Result<()> {
    if n.is_some_and(|n| n > 1) {
        return Err(Error::not_supported("n above 1"));
    }
    Ok(())
}

/// A JSON Schema that the answer is to keep to. Other formats (`json_object`, an engine's own) stay
/// among the additional fields, where a container that speaks OpenAI finds them.
pub(super) fn text_format(
    format: Option<Map<String, Value>>,
    rest: &mut Map<String, Value>,
) -> Result<Option<OutputFormat>> {
    let Some(mut format) = format else { return Ok(None) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => return Ok(None),
        Some("json_schema") => {}
        _ => {
            rest.insert("response_format".to_owned(), Value::Object(format));
            return Ok(None);
        }
    }
    let Some(Value::Object(mut schema)) = format.shift_remove("json_schema") else {
        return Err(malformed("#/response_format: required key [json_schema] not found"));
    };
    if rest.contains_key("structured_outputs") {
        return Err(malformed("#: response_format and structured_outputs contradict each other"));
    }
    let mut text = |name: &str| match schema.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (name, description) = (text("name"), text("description"));
    let schema = schema.get("schema").map(Value::to_string).unwrap_or_default();
    let definition = JsonSchemaDefinition { description, name, schema };
    Ok(Some(OutputFormat {
        structure: OutputFormatStructure::JsonSchema(definition),
        kind: OutputFormatType::JsonSchema,
    }))
}
