//! Tools: parameters by name → the JSON Schema that every other API has.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::converse::{
    Tool as Offered, ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification,
};

#[derive(Deserialize)]
pub(super) struct Tool {
    name: String,
    description: Option<String>,
    #[serde(default)]
    parameter_definitions: Map<String, Value>,
}

/// The tools, none of which must be called: the API has no such choice.
pub(super) fn configuration(tools: Vec<Tool>) -> Option<ToolConfiguration> {
    let tools: Vec<_> = tools.into_iter().map(|tool| Offered::ToolSpec(tool.into())).collect();
    (!tools.is_empty()).then_some(ToolConfiguration { tool_choice: None::<ToolChoice>, tools })
}

impl From<Tool> for ToolSpecification {
    fn from(tool: Tool) -> Self {
        let mut properties = Map::new();
        let mut required = vec![];
        for (name, definition) in tool.parameter_definitions {
            if definition["required"].as_bool() == Some(true) {
                required.push(Value::from(name.as_str()));
            }
            properties.insert(name, schema(&definition));
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        Self {
            description: tool.description.filter(|description| !description.is_empty()),
            input_schema: ToolInputSchema::Json(schema),
            name: tool.name,
            strict: None,
        }
    }
}

/// One parameter's schema. A type that JSON Schema does not know is told in the description.
fn schema(definition: &Value) -> Value {
    let named = definition["type"].as_str().unwrap_or_default().trim();
    let mut description = definition["description"].as_str().unwrap_or_default().to_owned();
    let mut schema = of_type(named).unwrap_or_else(|| {
        if !named.is_empty() {
            let gap = if description.is_empty() { "" } else { " " };
            description.insert_str(0, &format!("({named}){gap}"));
        }
        Map::new()
    });
    if !description.is_empty() {
        schema.insert("description".to_owned(), description.into());
    }
    schema.into()
}

/// Types are Python's (`str`, `List[int]`, `Dict`), as Cohere documents them, or JSON Schema's.
fn of_type(name: &str) -> Option<Map<String, Value>> {
    let (outer, inner) = match name.split_once('[') {
        Some((outer, inner)) => (outer, Some(inner.strip_suffix(']')?)),
        None => (name, None),
    };
    let known = match outer.to_ascii_lowercase().as_str() {
        "str" | "string" => "string",
        "int" | "integer" => "integer",
        "float" | "number" => "number",
        "bool" | "boolean" => "boolean",
        "list" | "array" => "array",
        "dict" | "object" => "object",
        _ => return None,
    };
    let mut schema = Map::from_iter([("type".to_owned(), Value::from(known))]);
    match inner {
        None => {}
        // One level is all that is documented; what is deeper is told as text.
        Some(inner) if known == "array" && !inner.contains('[') => {
            schema.insert("items".to_owned(), of_type(inner)?.into());
        }
        Some(_) => return None,
    }
    Some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_python_become_those_of_json_schema() {
        for (named, expected) in [
            ("str", json!({"type": "string"})),
            ("string", json!({"type": "string"})),
            ("int", json!({"type": "integer"})),
            ("float", json!({"type": "number"})),
            ("bool", json!({"type": "boolean"})),
            ("List[str]", json!({"type": "array", "items": {"type": "string"}})),
            ("list", json!({"type": "array"})),
            ("Dict", json!({"type": "object"})),
            ("Dict[str, int]", json!({"description": "(Dict[str, int])"})),
            ("date", json!({"description": "(date)"})),
            ("List[", json!({"description": "(List[)"})),
            ("", json!({})),
        ] {
            assert_eq!(schema(&json!({"type": named})), expected, "{named}");
        }
        assert_eq!(
            schema(&json!({"type": "date", "description": "When"})),
            json!({"description": "(date) When"})
        );
    }
}
