//! Tools and which of them must be called.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Result;
use crate::converse::{self, Empty, NamedTool, ToolChoice, ToolConfiguration, ToolInputSchema};
use crate::family::schema::malformed;

/// `{"type": "function", "function": {…}}`.
#[derive(Deserialize)]
pub(super) struct Tool {
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
}

/// Removes the members of functions that are `null`.
pub(super) fn without_nulls(members: &mut Map<String, Value>) {
    let Some(Value::Array(tools)) = members.get_mut("tools") else { return };
    for tool in tools {
        if let Some(Value::Object(function)) = tool.get_mut("function") {
            super::without_nulls(function);
        }
    }
}

/// The tools that the model is offered: none at all where none may be called.
pub(super) fn configuration(
    tools: Vec<Tool>,
    choice: Option<Value>,
) -> Result<Option<ToolConfiguration>> {
    let invalid = |at: &str, word: &str| {
        let word: String = word.chars().take(64).collect();
        Err(malformed(&format!("#/tool_choice{at}: {word} is not a valid enum value")))
    };
    let tool_choice = match choice {
        None => None,
        Some(Value::String(word)) => match word.as_str() {
            "none" => return Ok(None),
            "auto" => Some(ToolChoice::Auto(Empty {})),
            "required" => Some(ToolChoice::Any(Empty {})),
            other => return invalid("", other),
        },
        Some(choice) => match choice.get("type").and_then(Value::as_str) {
            Some("function") => Some(ToolChoice::Tool(named(&choice, &tools)?)),
            Some(other) => return invalid("/type", other),
            None => return Err(malformed("#/tool_choice: required key [type] not found")),
        },
    };
    if tools.is_empty() {
        return match tool_choice {
            None | Some(ToolChoice::Auto(_)) => Ok(None),
            Some(_) => Err(malformed("#/tool_choice: a call is required, but there is no tool")),
        };
    }
    let tools = tools.into_iter().map(converse::Tool::from).collect();
    Ok(Some(ToolConfiguration { tool_choice, tools }))
}

fn named(choice: &Value, tools: &[Tool]) -> Result<NamedTool> {
    let Some(name) = choice.pointer("/function/name").and_then(Value::as_str) else {
        return Err(malformed("#/tool_choice/function: required key [name] not found"));
    };
    if !tools.iter().any(|tool| tool.function.name == name) {
        return Err(malformed("#/tool_choice/function/name: no tool has this name"));
    }
    Ok(NamedTool { name: name.to_owned() })
}

impl From<Tool> for converse::Tool {
    fn from(tool: Tool) -> Self {
        let Function { name, description, parameters, strict } = tool.function;
        // A function without parameters has none to be given.
        let parameters = parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
        Self::ToolSpec(converse::ToolSpecification {
            description,
            input_schema: ToolInputSchema::Json(parameters),
            name,
            strict,
        })
    }
}
