//! Tools as functions.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::Value;

use crate::converse::{Tool, ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification};
use crate::template::Guard;
use crate::{Error, Result};

/// `{"type": "function", "function": {…}}`.
#[derive(Serialize)]
pub(super) struct Function<'a> {
    r#type: &'static str,
    function: Definition<'a>,
}

#[derive(Serialize)]
struct Definition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    parameters: Cow<'a, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// The tools of `config`, without its cache points. Their names have no letters that a control
/// token could be made of.
pub(super) fn functions<'a>(
    config: Option<&'a ToolConfiguration>,
    guard: &Guard,
) -> Result<Vec<Function<'a>>> {
    let tools = config.into_iter().flat_map(|config| &config.tools).enumerate();
    tools
        .filter_map(|(at, tool)| match tool {
            Tool::ToolSpec(spec) => Some(definition(spec, at, guard)),
            Tool::SystemTool(tool) => Some(Err(Error::validation(format!(
                "This model doesn't support the system tool {} that you provided. Remove the \
                 system tool and try again.",
                tool.name
            )))),
            Tool::CachePoint(_) => None,
        })
        .collect()
}

fn definition<'a>(spec: &'a ToolSpecification, at: usize, guard: &Guard) -> Result<Function<'a>> {
    let ToolInputSchema::Json(parameters) = &spec.input_schema;
    let place = format_args!("toolConfig.tools.{at}");
    let description = spec.description.as_deref().map(|text| guard.text(text.into(), place));
    let function = Definition {
        name: &spec.name,
        description: description.transpose()?,
        parameters: guard.json(parameters, place)?,
        strict: spec.strict,
    };
    Ok(Function { r#type: "function", function })
}

/// `tool_choice`.
#[derive(Clone, Copy)]
pub(super) enum Choice<'a> {
    Auto,
    Required,
    Named(&'a str),
}

impl<'a> From<&'a ToolChoice> for Choice<'a> {
    fn from(choice: &'a ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto(_) => Self::Auto,
            ToolChoice::Any(_) => Self::Required,
            ToolChoice::Tool(tool) => Self::Named(&tool.name),
        }
    }
}

#[derive(Serialize)]
struct Named<'a> {
    r#type: &'static str,
    function: Name<'a>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Required => serializer.serialize_str("required"),
            Self::Named(name) => {
                Named { r#type: "function", function: Name { name } }.serialize(serializer)
            }
        }
    }
}
