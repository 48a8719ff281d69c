//! The request's body: what is stable first, what changes from call to call last.
//!
//! Prefix-aware routing hashes the first bytes of a body, so the conversation leads and the
//! parameters follow; the order of members never varies.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::images;
use super::messages::{self, Turn};
use super::tools::{self, Choice, Function};
use super::{Mode, Options};
use crate::converse::{Ask, Input, OutputConfig, OutputFormatStructure, Parameters, Prompt};
use crate::{Error, Result};

/// Members that the gateway sets, or by which a container would take the body for another
/// operation: no additional field may name them.
const OURS: [&str; 11] = [
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "n",
    "tools",
    "chat_template",
    "prompt_embeds", // vLLM: instead of `prompt`
    "inputs",        // LMI and TGI: another schema
    "requestType",   // LMI: a session
];

/// Additional fields that a container's template reads.
const RENDERED: [&str; 3] = ["chat_template_kwargs", "documents", "reasoning_effort"];

/// Room for what a body has beside texts and images, in bytes; tools may need more.
const BESIDES: usize = 1 << 10;

/// The body for `ask`. A prompt is sent without its first `bos` bytes.
pub(super) fn body(ask: &Ask, bos: usize, mode: Mode, options: &Options) -> Result<Vec<u8>> {
    let (input, images, length) = match &ask.input {
        Input::Conversation(conversation) => {
            let (messages, images) = messages::turns(conversation, options)?;
            let length = messages::length(&messages);
            let input = Sent::Chat {
                messages,
                tools: tools::functions(conversation.tools.as_ref(), &options.guard)?,
                choice: conversation
                    .tools
                    .as_ref()
                    .and_then(|config| config.tool_choice.as_ref())
                    .map(Choice::from),
            };
            (input, images, length)
        }
        Input::Prompt(prompt) => {
            let text = text_alone(prompt)?.get(bos..).unwrap_or_default();
            (Sent::Prompt(text), vec![], text.len())
        }
    };
    refuse_fields(&ask.parameters, &input)?;
    let body = Body {
        response_format: response_format(&ask.parameters.output)?,
        rendered: Rendered::new(&ask.parameters, &input, options)?,
        input,
        parameters: &ask.parameters,
        options,
        mode,
    };
    images::write(&body, images, length + BESIDES).map_err(|error| Error::internal().because(error))
}

/// A completion has no place for images.
fn text_alone(prompt: &Prompt) -> Result<&str> {
    if prompt.images.is_empty() {
        Ok(&prompt.text)
    } else {
        Err(crate::template::documents::unsupported("image"))
    }
}

/// Refuses additional fields that are not the caller's to set, and those that say again what
/// another member has said: which of the two should win is not ours to guess, and no key is
/// written twice.
fn refuse_fields(parameters: &Parameters, input: &Sent<'_>) -> Result<()> {
    let fields = &parameters.additional_request_fields;
    if let Some(name) = OURS.into_iter().find(|name| fields.contains_key(*name)) {
        return Err(Error::validation(format!(
            "The member {name} cannot be set in additionalModelRequestFields. Remove {name} and \
             try again."
        )));
    }
    let inference = &parameters.inference;
    let chosen = matches!(input, Sent::Chat { choice: Some(_), .. });
    let said: [(bool, &str, &[&str]); 7] = [
        (
            inference.max_tokens.is_some(),
            "inferenceConfig.maxTokens",
            &["max_tokens", "max_completion_tokens"],
        ),
        (inference.temperature.is_some(), "inferenceConfig.temperature", &["temperature"]),
        (inference.top_p.is_some(), "inferenceConfig.topP", &["top_p"]),
        (inference.stop_sequences.is_some(), "inferenceConfig.stopSequences", &["stop"]),
        (chosen, "toolConfig.toolChoice", &["tool_choice"]),
        (parameters.output.effort.is_some(), "outputConfig.effort", &["reasoning_effort"]),
        (
            parameters.output.text_format.is_some(),
            "outputConfig.textFormat",
            &["response_format", "structured_outputs"],
        ),
    ];
    for (is_set, member, names) in said {
        if let Some(name) = names.iter().find(|name| is_set && fields.contains_key(**name)) {
            return Err(Error::validation(format!(
                "The member {name} in additionalModelRequestFields conflicts with {member}. \
                 Remove one of them and try again."
            )));
        }
    }
    Ok(())
}

/// `response_format`, from a schema that travels as a string.
#[derive(serde::Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(serde::Serialize)]
struct JsonSchema<'a> {
    /// OpenAI requires one; Bedrock does not.
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: Value,
    /// Bedrock promises an answer that keeps to the schema.
    strict: bool,
}

fn response_format(output: &OutputConfig) -> Result<Option<ResponseFormat<'_>>> {
    let Some(format) = &output.text_format else {
        return Ok(None);
    };
    let OutputFormatStructure::JsonSchema(definition) = &format.structure;
    let schema = serde_json::from_str(&definition.schema).map_err(|error| {
        Error::validation(format!(
            "The value at outputConfig.textFormat.structure.jsonSchema.schema is not valid JSON: \
             {error}"
        ))
    })?;
    Ok(Some(ResponseFormat {
        r#type: "json_schema",
        json_schema: JsonSchema {
            name: definition.name.as_deref().unwrap_or("response"),
            description: definition.description.as_deref(),
            schema,
            strict: true,
        },
    }))
}

enum Sent<'a> {
    Chat { messages: Vec<Turn<'a>>, tools: Vec<Function<'a>>, choice: Option<Choice<'a>> },
    Prompt(&'a str),
}

/// Parameters that the container hands to its template, so that their strings stand in the
/// prompt, in the words that are sent.
struct Rendered<'a> {
    effort: Option<Cow<'a, str>>,
    fields: Vec<(&'static str, Cow<'a, Value>)>,
}

impl<'a> Rendered<'a> {
    fn new(parameters: &'a Parameters, input: &Sent<'_>, options: &Options) -> Result<Self> {
        let effort = parameters.output.effort.as_deref().map(Cow::from);
        // A prompt is its author's own template.
        if options.guard.is_idle() || matches!(input, Sent::Prompt(_)) {
            return Ok(Self { effort, fields: vec![] });
        }
        let effort = effort.map(|effort| options.guard.text(effort, "outputConfig.effort"));
        let fields = RENDERED.into_iter().filter_map(|name| {
            let value = parameters.additional_request_fields.get(name)?;
            let place = format_args!("additionalModelRequestFields.{name}");
            Some(options.guard.json(value, place).map(|value| (name, value)))
        });
        Ok(Self { effort: effort.transpose()?, fields: fields.collect::<Result<_>>()? })
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
}

struct Body<'a> {
    input: Sent<'a>,
    rendered: Rendered<'a>,
    response_format: Option<ResponseFormat<'a>>,
    parameters: &'a Parameters,
    options: &'a Options,
    mode: Mode,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.input {
            Sent::Chat { messages, tools, choice } => {
                map.serialize_entry("messages", messages)?;
                if !tools.is_empty() {
                    map.serialize_entry("tools", tools)?;
                }
                entry(&mut map, "tool_choice", choice.as_ref())?;
            }
            Sent::Prompt(text) => map.serialize_entry("prompt", text)?,
        }
        entry(&mut map, "response_format", self.response_format.as_ref())?;
        entry(&mut map, "model", self.options.model.as_ref())?;
        let inference = &self.parameters.inference;
        entry(&mut map, "max_tokens", self.max_tokens())?;
        entry(&mut map, "temperature", inference.temperature)?;
        entry(&mut map, "top_p", inference.top_p)?;
        let stop = inference.stop_sequences.as_ref().filter(|stop| !stop.is_empty());
        entry(&mut map, "stop", stop)?;
        entry(&mut map, "reasoning_effort", self.rendered.effort.as_ref())?;
        for (name, value) in &self.parameters.additional_request_fields {
            map.serialize_entry(name, self.rendered.field(name).unwrap_or(value))?;
        }
        if self.mode == Mode::Stream {
            map.serialize_entry("stream", &true)?;
            // Without it the stream says nothing about tokens.
            map.serialize_entry("stream_options", &StreamOptions { include_usage: true })?;
        }
        map.end()
    }
}

impl Body<'_> {
    fn max_tokens(&self) -> Option<i64> {
        let fields = &self.parameters.additional_request_fields;
        let limited =
            ["max_tokens", "max_completion_tokens"].iter().any(|name| fields.contains_key(*name));
        match (self.parameters.inference.max_tokens, &self.input) {
            (Some(limit), _) => Some(limit.into()),
            (None, Sent::Prompt(_)) if !limited => Some(self.options.prompt_max_tokens.into()),
            _ => None,
        }
    }
}

#[derive(serde::Serialize)]
struct StreamOptions {
    include_usage: bool,
}

fn entry<M: SerializeMap>(
    map: &mut M,
    name: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}
