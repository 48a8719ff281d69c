//! A value that fits a JSON schema, as constrained decoding would make one.

use serde_json::{Map, Value};

/// How deep a schema is followed; below it everything is `null`.
const DEPTH: usize = 16;

/// The plainest value that `schema` allows: `const` and `default` as they are, the first of an
/// `enum` or of `anyOf`, every required property (all of them if none is required). Knows what
/// tools use, not all of JSON Schema: references come out as `null`.
pub(super) fn instance(schema: &Value) -> Value {
    build(schema, DEPTH)
}

fn build(schema: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    let first = |paths: &[&str]| paths.iter().find_map(|path| schema.pointer(path));
    if let Some(given) = first(&["/const", "/default", "/enum/0", "/examples/0"]) {
        return given.clone();
    }
    if let Some(branch) = first(&["/anyOf/0", "/oneOf/0", "/allOf/0"]) {
        return build(branch, depth);
    }
    let kind = schema.get("type");
    let kind = kind.and_then(Value::as_str).or_else(|| kind?.get(0)?.as_str());
    match kind {
        Some("string") => "example".into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => true.into(),
        Some("array") => {
            let item = schema.get("items").map(|items| build(items, depth));
            Value::Array(item.into_iter().collect())
        }
        Some("null") => Value::Null,
        Some("object") => object(schema, depth),
        _ if schema.get("properties").is_some() => object(schema, depth),
        _ => Value::Null,
    }
}

fn object(schema: &Value, depth: usize) -> Value {
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let members = properties.into_iter().flatten();
    let wanted = |name: &str| required.is_empty() || required.contains(&name);
    members
        .filter(|(name, _)| wanted(name))
        .map(|(name, schema)| (name.clone(), build(schema, depth)))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_fit_their_schemas() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": ["Xian", "Ningxia"]},
                "days": {"type": "integer", "minimum": 3},
                "left_out": {"type": "string"},
                "tags": {"type": "array", "items": {"type": ["string", "null"]}},
                "deep": {"properties": {"ok": {"anyOf": [{"type": "boolean"}]}}},
            },
            "required": ["city", "days", "tags", "deep"],
        });
        assert_eq!(
            instance(&schema),
            json!({"city": "Xian", "days": 3, "tags": ["example"], "deep": {"ok": true}})
        );
        assert_eq!(instance(&json!({"type": "object"})), json!({}));
        assert_eq!(instance(&json!({"$ref": "#"})), Value::Null);
    }
}
