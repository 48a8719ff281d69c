//! Tools and structured output: what goes over several members.

use serde::de::IgnoredAny;

use super::object_at;
use crate::converse::{
    ContentBlock, OutputFormatStructure, Request, Tool, ToolChoice, ToolInputSchema,
};
use crate::{Error, Result};

pub(super) fn check(request: &Request) -> Result<()> {
    let tools = request.tool_config.iter().flat_map(|config| &config.tools);
    for (index, tool) in tools.enumerate() {
        if let Tool::ToolSpec(spec) = tool {
            let ToolInputSchema::Json(schema) = &spec.input_schema;
            object_at(&format!("toolConfig.tools.{index}.toolSpec.inputSchema.json"), schema)?;
        }
    }
    choice(request)?;
    structured_output(request)
}

/// The tool that must be called has to be there, from the start or since a turn added it.
fn choice(request: &Request) -> Result<()> {
    let Some(config) = &request.tool_config else { return Ok(()) };
    match &config.tool_choice {
        None | Some(ToolChoice::Auto(_)) => return Ok(()),
        Some(ToolChoice::Any(_)) => {
            let callable = |tool: &Tool| !matches!(tool, Tool::CachePoint(_));
            if config.tools.iter().any(callable) || turns(request).any(is_addition) {
                return Ok(());
            }
        }
        Some(ToolChoice::Tool(chosen)) => {
            let name = chosen.name.as_str();
            let is_chosen = |tool: &Tool| match tool {
                Tool::ToolSpec(spec) => spec.name == name,
                Tool::SystemTool(tool) => tool.name == name,
                Tool::CachePoint(_) => false,
            };
            let adds_chosen = |block: &ContentBlock| {
                matches!(block, ContentBlock::ToolAddition(added)
                    if added.tool.name.as_deref() == Some(name))
            };
            if config.tools.iter().any(is_chosen) || turns(request).any(adds_chosen) {
                return Ok(());
            }
            return Err(Error::validation(format!(
                "The tool {name} at toolConfig.toolChoice.tool.name is not among the tools at \
                 toolConfig.tools. Add the tool or choose another, and try again."
            )));
        }
    }
    Err(Error::validation(
        "The value at toolConfig.toolChoice asks for a tool, but there is none at \
         toolConfig.tools. Add a tool, and try again.",
    ))
}

fn turns(request: &Request) -> impl Iterator<Item = &ContentBlock> {
    request.messages.iter().flatten().flat_map(|message| &message.content)
}

fn is_addition(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::ToolAddition(_))
}

/// The schema of a structured answer is a JSON object, in a string.
fn structured_output(request: &Request) -> Result<()> {
    let format = request.output_config.as_ref().and_then(|config| config.text_format.as_ref());
    let Some(format) = format else { return Ok(()) };
    let OutputFormatStructure::JsonSchema(definition) = &format.structure;
    let schema = definition.schema.trim_ascii_start();
    if schema.starts_with('{') && serde_json::from_str::<IgnoredAny>(schema).is_ok() {
        return Ok(());
    }
    Err(Error::validation(
        "The format of the value at outputConfig.textFormat.structure.jsonSchema.schema is invalid. \
         Provide a JSON Schema as a string that holds a json object, and try again.",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::converse::Request;

    fn checked(changes: &Value) -> Result<(), String> {
        let mut body = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = Request::parse(body.to_string().as_bytes()).unwrap();
        request.validate().map_err(|error| error.message().to_owned())
    }

    fn spec(name: &str) -> Value {
        json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
    }

    #[test]
    fn the_chosen_tool_is_among_the_tools() {
        let config = |tools: &Value, choice: &Value| {
            checked(&json!({"toolConfig": {"tools": tools, "toolChoice": choice}}))
        };
        let tools =
            json!([spec("a"), {"systemTool": {"name": "b"}}, {"cachePoint": {"type": "default"}}]);
        for right in [
            json!({"auto": {}}),
            json!({"any": {}}),
            json!({"tool": {"name": "a"}}),
            json!({"tool": {"name": "b"}}),
        ] {
            assert_eq!(config(&tools, &right), Ok(()));
        }
        assert_eq!(
            config(&tools, &json!({"tool": {"name": "c"}})).unwrap_err(),
            "The tool c at toolConfig.toolChoice.tool.name is not among the tools at \
             toolConfig.tools. Add the tool or choose another, and try again."
        );
        let none = json!([{"cachePoint": {"type": "default"}}]);
        assert!(config(&none, &json!({"any": {}})).is_err());
        assert_eq!(config(&none, &json!({"auto": {}})), Ok(()));
    }

    #[test]
    fn a_tool_that_a_turn_added_may_be_chosen() {
        let added = checked(&json!({
            "messages": [{"role": "user", "content": [
                {"text": "hi"}, {"toolAddition": {"tool": {"name": "c"}}},
            ]}],
            "toolConfig": {"tools": [spec("a")], "toolChoice": {"tool": {"name": "c"}}},
        }));
        assert_eq!(added, Ok(()));
    }

    #[test]
    fn schemas_and_additional_fields_are_objects() {
        let tools = json!([spec("a"), {"toolSpec": {"name": "b", "inputSchema": {"json": "{}"}}}]);
        assert_eq!(
            checked(&json!({"toolConfig": {"tools": tools}})).unwrap_err(),
            "The format of the value at toolConfig.tools.1.toolSpec.inputSchema.json is invalid. \
             Provide a json object for the field and try again."
        );
        for wrong in [json!([1]), json!("text"), json!(1), json!(true)] {
            assert_eq!(
                checked(&json!({"additionalModelRequestFields": wrong})).unwrap_err(),
                "The format of the value at additionalModelRequestFields is invalid. Provide a json \
                 object for the field and try again."
            );
        }
        assert_eq!(checked(&json!({"additionalModelRequestFields": {"top_k": 5}})), Ok(()));
        assert_eq!(checked(&json!({"additionalModelRequestFields": null})), Ok(()));
    }

    #[test]
    fn the_schema_of_an_answer_is_json_in_a_string() {
        let format = |schema: &str| {
            checked(&json!({"outputConfig": {"textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": schema}},
            }}}))
        };
        assert_eq!(format(" {\"type\": \"object\"}\n"), Ok(()));
        for wrong in ["", "{", "[]", "7", "type: object", "{} {}"] {
            let message = format(wrong).unwrap_err();
            assert!(message.contains("outputConfig.textFormat.structure.jsonSchema.schema"));
        }
    }
}
