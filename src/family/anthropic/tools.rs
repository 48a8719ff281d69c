//! Tools, and which of them must be called.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::blocks::CacheControl;
use crate::converse::{
    Empty, NamedTool, Tool, ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification,
};
use crate::{Error, Result};

/// One of `tools`: the caller's own.
#[derive(Deserialize)]
pub(super) struct Offered {
    name: String,
    description: Option<String>,
    input_schema: Map<String, Value>,
    input_examples: Option<Vec<Value>>,
    strict: Option<bool>,
    cache_control: Option<CacheControl>,
}

/// `tool_choice`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Choice {
    Auto {
        #[serde(default)]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(default)]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: String,
        #[serde(default)]
        disable_parallel_tool_use: bool,
    },
    None,
}

impl Choice {
    /// Whether at most one call may be answered.
    pub(super) const fn one_call(&self) -> bool {
        match self {
            Self::Auto { disable_parallel_tool_use }
            | Self::Any { disable_parallel_tool_use }
            | Self::Tool { disable_parallel_tool_use, .. } => *disable_parallel_tool_use,
            Self::None => false,
        }
    }
}

/// Refuses the tools that Anthropic defines or runs, by their types: their schemas are no
/// caller's, and no other model knows them.
pub(super) fn refuse_anthropics(tools: Option<&Value>) -> Result<()> {
    let kinds = tools.and_then(Value::as_array).into_iter().flatten();
    let mut kinds = kinds.filter_map(|tool| tool.get("type")?.as_str());
    match kinds.find(|kind| *kind != "custom") {
        Some(kind) => {
            let end = kind.char_indices().nth(64).map_or(kind.len(), |(end, _)| end);
            Err(Error::not_supported(format_args!("The tool type {}", &kind[..end])))
        }
        None => Ok(()),
    }
}

/// What the model is offered; `None` where it may call nothing.
pub(super) fn offered(
    tools: Vec<Offered>,
    choice: Option<&Choice>,
) -> Result<Option<ToolConfiguration>> {
    if tools.is_empty() {
        return match choice {
            None | Some(Choice::None | Choice::Auto { .. }) => Ok(None),
            Some(_) => Err(Error::validation(
                "tool_choice: tool_choice may only be specified while providing tools.",
            )),
        };
    }
    let mut names = HashSet::new();
    if !tools.iter().all(|tool| names.insert(tool.name.as_str())) {
        return Err(Error::validation("tools: Tool names must be unique."));
    }
    let tool_choice = match choice {
        None => None,
        Some(Choice::None) => return Ok(None),
        Some(Choice::Auto { .. }) => Some(ToolChoice::Auto(Empty {})),
        Some(Choice::Any { .. }) => Some(ToolChoice::Any(Empty {})),
        Some(Choice::Tool { name, .. }) if names.contains(name.as_str()) => {
            Some(ToolChoice::Tool(NamedTool { name: name.clone() }))
        }
        Some(Choice::Tool { .. }) => {
            return Err(Error::validation(
                "tool_choice: the tool that it names was not found in the provided tools.",
            ));
        }
    };
    Ok(Some(ToolConfiguration {
        tool_choice,
        tools: tools.into_iter().flat_map(specify).collect(),
    }))
}

fn specify(tool: Offered) -> impl Iterator<Item = Tool> {
    let mut schema = tool.input_schema;
    if let Some(examples) = tool.input_examples.filter(|examples| !examples.is_empty()) {
        schema.entry("examples").or_insert(Value::Array(examples));
    }
    let specification = Tool::ToolSpec(ToolSpecification {
        description: tool.description.filter(|description| !description.is_empty()),
        input_schema: ToolInputSchema::Json(Value::Object(schema)),
        name: tool.name,
        strict: tool.strict,
    });
    let cached = tool.cache_control.map(|cached| Tool::CachePoint(cached.into()));
    std::iter::once(specification).chain(cached)
}
