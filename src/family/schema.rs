//! JSON Schemas of native requests, and what breaks them in Bedrock's words.
//!
//! Bedrock checks the body of `InvokeModel` against the model's JSON Schema before the model sees
//! it, and answers `Malformed input request: #: required key [texts] not found#: extraneous key
//! [inputText] is not permitted, please reformat your input and try again.` Programs match these
//! words, so the checks here are worded alike: a pointer (`#/messages/0/role`), a colon, what is
//! wrong; several one behind the other. Of the values that were sent, only members' names, numbers
//! and words outside an enumeration are repeated, and those shortened.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::{Error, Result};

/// How many violations one answer names.
const MOST_NAMED: usize = 20;
/// How much of a value an answer repeats, in characters.
const LONGEST_VALUE: usize = 64;

/// The schema of one native request.
///
/// ```
/// use helan::family::schema::Schema;
///
/// let schema = Schema::new(
///     r#"{"type": "object", "required": ["prompt"], "additionalProperties": false,
///         "properties": {"prompt": {"type": "string"}}}"#,
/// )?;
/// let refused = schema.check(&serde_json::json!({"text": "Hi"})).unwrap_err();
/// assert_eq!(
///     refused.message(),
///     "Malformed input request: #: required key [prompt] not found#: extraneous key [text] is \
///      not permitted, please reformat your input and try again."
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Schema(Node);

/// The keywords that are understood; a schema with another one is not read at all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Node {
    #[serde(default)]
    r#type: Option<Types>,
    #[serde(default)]
    properties: BTreeMap<String, Node>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    additional_properties: Option<Others>,
    #[serde(default)]
    items: Option<Box<Node>>,
    #[serde(default)]
    r#enum: Option<Vec<Value>>,
    #[serde(default)]
    r#const: Option<Value>,
    #[serde(default)]
    minimum: Option<Number>,
    #[serde(default)]
    maximum: Option<Number>,
    #[serde(default)]
    min_length: Option<usize>,
    #[serde(default)]
    max_length: Option<usize>,
    #[serde(default)]
    min_items: Option<usize>,
    #[serde(default)]
    max_items: Option<usize>,
    #[serde(default)]
    any_of: Vec<Node>,
    /// Schemas by a member's value, for unions that name their kind: `{"member": "type",
    /// "kinds": {"text": …}}`. Not a keyword of JSON Schema, which ignores what it does not know;
    /// with it the one kind that was meant says what is wrong.
    #[serde(default, rename = "x-kinds")]
    kinds: Option<Kinds>,
    #[serde(default, rename = "$ref")]
    reference: Option<String>,
    #[serde(default, rename = "$defs")]
    defs: BTreeMap<String, Node>,
    // For readers.
    #[serde(default, rename = "$schema")]
    _schema: Option<String>,
    #[serde(default, rename = "$id")]
    _id: Option<String>,
    #[serde(default, rename = "title")]
    _title: Option<String>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default, rename = "default")]
    _default: Option<Value>,
    #[serde(default, rename = "examples")]
    _examples: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Types {
    One(Type),
    Several(Vec<Type>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Object,
    Array,
    String,
    Number,
    Integer,
    Boolean,
    Null,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Others {
    Allowed(bool),
    Like(Box<Node>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    member: String,
    kinds: BTreeMap<String, Node>,
}

impl Schema {
    /// Reads a schema from its JSON text. Fails at a keyword that is not understood here.
    pub fn new(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// Refuses a request that breaks the schema.
    pub fn check(&self, request: &Value) -> Result<()> {
        let mut found = Found { root: &self.0, at: "#".to_owned(), violations: vec![] };
        found.node(&self.0, request);
        if found.violations.is_empty() {
            return Ok(());
        }
        found.violations.truncate(MOST_NAMED);
        Err(malformed(&found.violations.concat()))
    }

    /// Reads the body of a request and takes it apart.
    pub fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T> {
        let request = object(body)?;
        self.take(request)
    }

    /// Takes a request apart that was read before.
    pub fn take<T: DeserializeOwned>(&self, request: Map<String, Value>) -> Result<T> {
        let request = Value::Object(request);
        self.check(&request)?;
        // What the schema lets through but the shape does not take is told all the same.
        serde_path_to_error::deserialize(request).map_err(|error| {
            let at = error.path().to_string().replace('.', "/");
            malformed(&format!("#/{at}: this value cannot be used"))
        })
    }
}

/// The JSON object that the body of a native request is.
pub fn object(body: &[u8]) -> Result<Map<String, Value>> {
    let refused = |why: &str| Err(malformed(&format!("#: {why}")));
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(other) => refused(&format!("expected type: JSONObject, found: {}", kind(&other))),
        Err(_) if body.iter().all(u8::is_ascii_whitespace) => {
            refused("the body is empty where a JSON object is expected")
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            refused(&format!("the body is not valid JSON at line {line}, column {column}"))
        }
    }
}

/// Bedrock's words for a request that a model's schema does not take. `what` is a pointer, a
/// colon, and what is wrong there.
pub fn malformed(what: &str) -> Error {
    Error::validation(format!(
        "Malformed input request: {what}, please reformat your input and try again."
    ))
}

struct Found<'a> {
    root: &'a Node,
    /// A pointer to the value that is looked at.
    at: String,
    violations: Vec<String>,
}

impl<'a> Found<'a> {
    fn violation(&mut self, what: &str) {
        self.violations.push(format!("{}: {what}", self.at));
    }

    /// Checks the value behind one more step of the pointer.
    fn below(&mut self, step: &str, node: &'a Node, value: &Value) {
        let before = self.at.len();
        self.at.push('/');
        self.at.push_str(&shortened(step));
        self.node(node, value);
        self.at.truncate(before);
    }

    fn node(&mut self, node: &'a Node, value: &Value) {
        if self.violations.len() >= MOST_NAMED {
            return;
        }
        if let Some(named) = self.named(node) {
            self.node(named, value);
        }
        if let Some(types) = &node.r#type
            && !types.have(value)
        {
            self.violation(&format!("expected type: {}, found: {}", types.names(), kind(value)));
            return;
        }
        self.words(node, value);
        match value {
            Value::Object(members) => self.object(node, members),
            Value::Array(elements) => self.array(node, elements),
            Value::String(text) => self.string(node, text),
            Value::Number(number) => self.number(node, number),
            Value::Bool(_) | Value::Null => {}
        }
        self.alternatives(node, value);
    }

    /// The node under `$defs` that `node` refers to.
    fn named(&self, node: &Node) -> Option<&'a Node> {
        let name = node.reference.as_deref()?.strip_prefix("#/$defs/")?;
        self.root.defs.get(name)
    }

    fn words(&mut self, node: &Node, value: &Value) {
        let known = |words: &[Value]| words.contains(value);
        if node.r#enum.as_deref().is_some_and(|words| !known(words))
            || node.r#const.as_ref().is_some_and(|word| !known(std::slice::from_ref(word)))
        {
            let said = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            self.violation(&format!("{} is not a valid enum value", shortened(&said)));
        }
    }

    fn object(&mut self, node: &'a Node, members: &Map<String, Value>) {
        for name in node.required.iter().filter(|name| !members.contains_key(*name)) {
            self.violation(&format!("required key [{name}] not found"));
        }
        for (name, value) in members {
            match (node.properties.get(name), &node.additional_properties) {
                (Some(node), _) => self.below(name, node, value),
                (None, Some(Others::Allowed(false))) => {
                    let name = shortened(name);
                    self.violation(&format!("extraneous key [{name}] is not permitted"));
                }
                (None, Some(Others::Like(node))) => self.below(name, node, value),
                (None, Some(Others::Allowed(true)) | None) => {}
            }
        }
        let Some(Kinds { member, kinds }) = &node.kinds else { return };
        match members.get(member) {
            None => self.violation(&format!("required key [{member}] not found")),
            Some(Value::String(name)) if kinds.contains_key(name) => {
                if let Some(kind) = kinds.get(name) {
                    self.object(self.named(kind).unwrap_or(kind), members);
                }
            }
            Some(Value::String(name)) => {
                let at = self.at.len();
                let _ = write!(self.at, "/{member}"); // writing to a string does not fail
                self.violation(&format!("{} is not a valid enum value", shortened(name)));
                self.at.truncate(at);
            }
            Some(other) => {
                let at = self.at.len();
                let _ = write!(self.at, "/{member}");
                self.violation(&format!("expected type: String, found: {}", kind(other)));
                self.at.truncate(at);
            }
        }
    }

    fn array(&mut self, node: &'a Node, elements: &[Value]) {
        let found = elements.len();
        if let Some(least) = node.min_items.filter(|least| found < *least) {
            self.violation(&format!("expected minimum item count: {least}, found: {found}"));
        }
        if let Some(most) = node.max_items.filter(|most| found > *most) {
            self.violation(&format!("expected maximum item count: {most}, found: {found}"));
        }
        if let Some(node) = &node.items {
            for (index, element) in elements.iter().enumerate() {
                self.below(&index.to_string(), node, element);
            }
        }
    }

    fn string(&mut self, node: &Node, text: &str) {
        if node.min_length.is_none() && node.max_length.is_none() {
            return;
        }
        let actual = text.chars().count();
        if let Some(least) = node.min_length.filter(|least| actual < *least) {
            self.violation(&format!("expected minLength: {least}, actual: {actual}"));
        }
        if let Some(most) = node.max_length.filter(|most| actual > *most) {
            self.violation(&format!("expected maxLength: {most}, actual: {actual}"));
        }
    }

    fn number(&mut self, node: &Node, number: &Number) {
        let value = number.as_f64().unwrap_or(f64::NAN);
        let bound = |bound: &Option<Number>| bound.as_ref().and_then(Number::as_f64);
        if let (Some(least), Some(shown)) = (bound(&node.minimum), &node.minimum)
            && value < least
        {
            self.violation(&format!("{number} is not greater or equal to {shown}"));
        }
        if let (Some(most), Some(shown)) = (bound(&node.maximum), &node.maximum)
            && value > most
        {
            self.violation(&format!("{number} is not less or equal to {shown}"));
        }
    }

    fn alternatives(&mut self, node: &'a Node, value: &Value) {
        if node.any_of.is_empty() {
            return;
        }
        let fits = node.any_of.iter().any(|node| {
            let mut tried = Found { root: self.root, at: String::new(), violations: vec![] };
            tried.node(node, value);
            tried.violations.is_empty()
        });
        if !fits {
            let count = node.any_of.len();
            self.violation(&format!("no subschema matched out of the total {count} subschemas"));
        }
    }
}

impl Types {
    fn all(&self) -> &[Type] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }

    fn have(&self, value: &Value) -> bool {
        self.all().iter().any(|one| match one {
            Type::Object => value.is_object(),
            Type::Array => value.is_array(),
            Type::String => value.is_string(),
            Type::Number => value.is_number(),
            // As JSON Schema has it, 3.0 is an integer too.
            Type::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            Type::Boolean => value.is_boolean(),
            Type::Null => value.is_null(),
        })
    }

    fn names(&self) -> String {
        let names: Vec<_> = self
            .all()
            .iter()
            .map(|one| match one {
                Type::Object => "JSONObject",
                Type::Array => "JSONArray",
                Type::String => "String",
                Type::Number => "Number",
                Type::Integer => "Integer",
                Type::Boolean => "Boolean",
                Type::Null => "Null",
            })
            .collect();
        names.join(" or ")
    }
}

/// What Bedrock calls the type of a value that it found.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "JSONObject",
        Value::Array(_) => "JSONArray",
        Value::String(_) => "String",
        Value::Number(number) if number.is_f64() => "BigDecimal",
        Value::Number(_) => "Integer",
        Value::Bool(_) => "Boolean",
        Value::Null => "Null",
    }
}

fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = r##"{
        "type": "object",
        "required": ["texts"],
        "additionalProperties": false,
        "properties": {
            "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "temperature": {"type": "number", "minimum": 0, "maximum": 1},
            "limit": {"type": "integer"},
            "truncate": {"type": "string", "enum": ["NONE", "END"]},
            "name": {"type": "string", "minLength": 1, "maxLength": 3},
            "either": {"anyOf": [{"type": "string"}, {"type": "array"}]},
            "block": {"$ref": "#/$defs/block"}
        },
        "$defs": {
            "block": {
                "type": "object",
                "x-kinds": {"member": "type", "kinds": {
                    "text": {"required": ["text"], "properties": {"text": {"type": "string"}}},
                    "list": {"properties": {
                        "of": {"type": "array", "items": {"$ref": "#/$defs/block"}}}},
                    "named": {"$ref": "#/$defs/named"}
                }}
            },
            "named": {"required": ["name"]}
        }
    }"##;

    fn refusal(request: &Value) -> String {
        let refused = Schema::new(SCHEMA).unwrap().check(request).unwrap_err();
        let message = refused.message().strip_prefix("Malformed input request: ").unwrap();
        message.strip_suffix(", please reformat your input and try again.").unwrap().to_owned()
    }

    #[test]
    fn words_of_bedrock() {
        // The first two are from recorded answers.
        for (request, words) in [
            (
                json!({"inputText": "x"}),
                "#: required key [texts] not found#: extraneous key [inputText] is not permitted",
            ),
            (json!({"texts": "x"}), "#/texts: expected type: JSONArray, found: String"),
            (json!({"texts": []}), "#/texts: expected minimum item count: 1, found: 0"),
            (json!({"texts": ["a", 1]}), "#/texts/1: expected type: String, found: Integer"),
            (
                json!({"texts": ["a", "b", "c"]}),
                "#/texts: expected maximum item count: 2, found: 3",
            ),
            (
                json!({"texts": ["a"], "temperature": 2}),
                "#/temperature: 2 is not less or equal to 1",
            ),
            (
                json!({"texts": ["a"], "temperature": -0.5}),
                "#/temperature: -0.5 is not greater or equal to 0",
            ),
            (
                json!({"texts": ["a"], "limit": 1.5}),
                "#/limit: expected type: Integer, found: BigDecimal",
            ),
            (
                json!({"texts": ["a"], "truncate": "START"}),
                "#/truncate: START is not a valid enum value",
            ),
            (json!({"texts": ["a"], "name": ""}), "#/name: expected minLength: 1, actual: 0"),
            (
                json!({"texts": ["a"], "name": "贺兰山脉"}),
                "#/name: expected maxLength: 3, actual: 4",
            ),
            (
                json!({"texts": ["a"], "either": 1}),
                "#/either: no subschema matched out of the total 2 subschemas",
            ),
            (json!({"texts": ["a"], "block": {}}), "#/block: required key [type] not found"),
            (
                json!({"texts": ["a"], "block": {"type": "image"}}),
                "#/block/type: image is not a valid enum value",
            ),
            (
                json!({"texts": ["a"], "block": {"type": "named"}}),
                "#/block: required key [name] not found",
            ),
            (
                json!({"texts": ["a"], "block": {"type": "list", "of": [{"type": "text"}]}}),
                "#/block/of/0: required key [text] not found",
            ),
        ] {
            assert_eq!(refusal(&request), words, "{request}");
        }
        Schema::new(SCHEMA).unwrap().check(&json!({"texts": ["a"], "limit": 3.0})).unwrap();
    }

    #[test]
    fn bodies_that_are_no_object() {
        for (body, words) in [
            ("[1]", "#: expected type: JSONObject, found: JSONArray"),
            ("\"x\"", "#: expected type: JSONObject, found: String"),
            (" ", "#: the body is empty where a JSON object is expected"),
            ("{\"a\":", "#: the body is not valid JSON at line 1, column 5"),
        ] {
            let refused = object(body.as_bytes()).unwrap_err();
            assert!(refused.message().contains(words), "{body}: {refused}");
        }
    }

    #[test]
    fn what_is_sent_is_repeated_in_part_only() {
        let long = "k".repeat(10_000);
        assert!(refusal(&json!({"texts": ["a"], long.as_str(): 1})).len() < 200);
        assert!(refusal(&json!({"texts": ["a"], "truncate": long})).len() < 200);
        let many: Vec<_> = std::iter::repeat_n(json!(1), 5000).collect();
        assert!(refusal(&json!({"texts": many})).len() < 2000);
    }

    #[test]
    fn a_keyword_that_is_not_understood_is_no_schema() {
        assert!(Schema::new(r#"{"type": "object", "pattern": "x"}"#).is_err());
    }
}
