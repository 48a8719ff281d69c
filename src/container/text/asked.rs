//! What a container of text is asked: the prompt and its parameters, the same for all dialects.

use serde_json::{Map, Number, Value};

use super::Options;
use super::dialect::Dialect;
use crate::container::Mode;
use crate::converse::{Ask, Input, OutputFormatStructure, Parameters};
use crate::{Error, Result};

/// The member that is the template's and never reaches the container.
const TEMPLATE_KWARGS: &str = "chat_template_kwargs";

/// One question, before it is written in a dialect.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) mode: Mode,
    pub(super) prompt: String,
    /// None only where the additional fields have it.
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) stop: &'a [String],
    pub(super) schema: Option<Value>,
    pub(super) schema_name: &'a str,
    /// Whether markers that are special tokens must stay in the text.
    pub(super) keeps_special: bool,
    /// What only the model knows.
    pub(super) fields: Map<String, Value>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        ask: &'a Ask,
        mode: Mode,
        prompt: String,
        keeps_special: bool,
        options: &Options,
    ) -> Result<Self> {
        let parameters = &ask.parameters;
        let dialect = options.dialect;
        refuse_fields(parameters, dialect)?;
        let mut fields = parameters.additional_request_fields.clone();
        fields.shift_remove(TEMPLATE_KWARGS);
        let inference = &parameters.inference;
        let (schema, schema_name) = schema(parameters, dialect)?;
        let has_limit = dialect.limits().iter().any(|name| fields.contains_key(*name));
        let limit = inference.max_tokens.and_then(|limit| u64::try_from(limit).ok());
        let max_tokens = limit.or_else(|| {
            let default = match ask.input {
                Input::Conversation(_) => options.max_tokens,
                Input::Prompt(_) => options.prompt_max_tokens,
            };
            (!has_limit).then_some(default.into())
        });
        Ok(Self {
            mode,
            prompt,
            max_tokens,
            temperature: inference.temperature,
            top_p: inference.top_p,
            stop: inference.stop_sequences.as_deref().unwrap_or_default(),
            schema,
            schema_name,
            keeps_special: keeps_special && !fields.contains_key("skip_special_tokens"),
            fields,
        })
    }

    /// The limit of tokens that the container will keep.
    pub(super) fn limit(&self, dialect: Dialect) -> Option<u64> {
        let told = || dialect.limits().iter().find_map(|name| self.fields.get(*name)?.as_u64());
        self.max_tokens.or_else(told)
    }
}

/// A number as the caller wrote it: 0.7, not 0.699999988.
pub(super) fn number(number: f32) -> Value {
    let exact = number.to_string().parse().ok().and_then(Number::from_f64);
    exact.map_or(Value::Null, Value::Number)
}

fn schema(parameters: &Parameters, dialect: Dialect) -> Result<(Option<Value>, &str)> {
    let Some(format) = &parameters.output.text_format else {
        return Ok((None, ""));
    };
    if !dialect.takes_schema() {
        return Err(unsupported_field("outputConfig.textFormat"));
    }
    let OutputFormatStructure::JsonSchema(definition) = &format.structure;
    let schema = serde_json::from_str(&definition.schema).map_err(|error| {
        Error::validation(format!(
            "The value at outputConfig.textFormat.structure.jsonSchema.schema is not valid JSON: \
             {error}"
        ))
    })?;
    // OpenAI requires a name; Bedrock does not.
    Ok((Some(schema), definition.name.as_deref().unwrap_or("response")))
}

/// Bedrock's words for a member that the model does not know.
pub(super) fn unsupported_field(field: &str) -> Error {
    Error::validation(format!(
        "This model doesn't support the {field} field. Remove {field} and try again."
    ))
}

/// Refuses additional fields that are not the caller's to set, and those that say again what
/// another member has said: which of the two should win is not ours to guess.
fn refuse_fields(parameters: &Parameters, dialect: Dialect) -> Result<()> {
    let fields = &parameters.additional_request_fields;
    if let Some(name) = dialect.ours().iter().find(|name| fields.contains_key(**name)) {
        return Err(Error::validation(format!(
            "The member {name} cannot be set in additionalModelRequestFields. Remove {name} and \
             try again."
        )));
    }
    let inference = &parameters.inference;
    let samples = dialect.sampling_switches();
    let said: [(bool, &str, &[&str]); 7] = [
        (inference.max_tokens.is_some(), "inferenceConfig.maxTokens", dialect.limits()),
        (inference.temperature.is_some(), "inferenceConfig.temperature", &["temperature"]),
        (inference.temperature.is_some(), "inferenceConfig.temperature", samples),
        (inference.top_p.is_some(), "inferenceConfig.topP", &["top_p"]),
        (inference.top_p.is_some(), "inferenceConfig.topP", samples),
        (
            inference.stop_sequences.is_some(),
            "inferenceConfig.stopSequences",
            &["stop", "stop_sequences"],
        ),
        (
            parameters.output.text_format.is_some(),
            "outputConfig.textFormat",
            &["response_format", "structured_outputs", "grammar"],
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
