//! Bytes → a shape, or a `ValidationException` that names the member.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use super::Request;
use crate::{Error, Result};

impl Request {
    /// Reads the body of `Converse` or `ConverseStream`. Types and required members are checked
    /// here, everything else by [`Request::validate`].
    ///
    /// ```
    /// use helan::converse::Request;
    ///
    /// let body = br#"{"messages":[{"role":"bot","content":[]}]}"#;
    /// assert_eq!(
    ///     Request::parse(body).unwrap_err().message(),
    ///     "1 validation error detected: Value at 'messages.0.role' failed to satisfy constraint: \
    ///      Member must satisfy enum value set: [user, assistant, system]"
    /// );
    /// ```
    pub fn parse(body: &[u8]) -> Result<Self> {
        read(body)
    }
}

/// Reads any shape from a JSON body as rest-json does; for the bodies of other operations.
///
/// What is wrong becomes a `ValidationException` that names the member's path; it never repeats
/// the caller's values. Only a failure is read a second time, to learn that path.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| explain::<T>(body, &error))
}

/// One broken constraint, in the words of AWS.
pub(super) fn violation(path: &str, constraint: &str) -> String {
    format!("Value at '{path}' failed to satisfy constraint: {constraint}")
}

/// Several of them as the one message.
pub(super) fn detected(violations: &[String]) -> Error {
    let count = violations.len();
    let noun = if count == 1 { "error" } else { "errors" };
    Error::validation(format!("{count} validation {noun} detected: {}", violations.join("; ")))
}

fn explain<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Error {
    let message = message(error);
    match error.classify() {
        Category::Eof if body.iter().all(u8::is_ascii_whitespace) => {
            return Error::validation("The request body is empty. Provide a JSON object.");
        }
        _ if message.starts_with("recursion limit exceeded") => {
            return Error::validation("The request body is nested too deeply.");
        }
        Category::Data => {}
        Category::Io | Category::Syntax | Category::Eof => {
            let (line, column) = (error.line(), error.column());
            return Error::validation(format!(
                "The request body is not valid JSON: {message} at line {line}, column {column}."
            ));
        }
    }
    let mut again = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut again) {
        Err(error) => located(error.path(), &self::message(error.inner())),
        // It failed a moment ago, and the bytes are the same.
        Ok(_) => Error::internal(),
    }
}

/// The parser's words without its "at line … column …".
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) if error.line() != 0 => text[..end].to_owned(),
        _ => text,
    }
}

fn located(path: &serde_path_to_error::Path, message: &str) -> Error {
    let mut at = String::new();
    for segment in path {
        let dot = if at.is_empty() { "" } else { "." };
        // Writing to a string does not fail.
        let _ = match segment {
            Segment::Seq { index } => write!(at, "{dot}{index}"),
            Segment::Map { key } => write!(at, "{dot}{}", shortened(key)),
            Segment::Enum { variant } => write!(at, "{dot}{variant}"),
            Segment::Unknown => Ok(()),
        };
    }
    let constraint = if let Some(member) = named(message, "missing field `") {
        push(&mut at, member);
        "Member must not be null".to_owned()
    } else if let Some(member) = named(message, "duplicate field `") {
        push(&mut at, member);
        "Member must not be given twice".to_owned()
    } else {
        constraint(message)
    };
    if at.is_empty() && constraint.starts_with("Member must be an object") {
        return Error::validation("The request body must be a JSON object.");
    }
    detected(&[violation(&at, &constraint)])
}

/// What serde says was expected, in the words of AWS's constraints. The value that was found is in
/// serde's message too, and stays there.
fn constraint(message: &str) -> String {
    if message.starts_with("Member must ") {
        return message.to_owned(); // ours: an enum, a union, a blob
    }
    if message.starts_with("invalid type: null") {
        return "Member must not be null".to_owned();
    }
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let kind = match expected {
        "i32" => "an integer from -2147483648 to 2147483647",
        "u32" | "u64" => "an integer greater than or equal to 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        "a string" | "an object" => expected,
        _ if message.starts_with("number out of range") => "a number",
        _ => "a value of another type",
    };
    format!("Member must be {kind}")
}

fn named<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_suffix('`')
}

fn push(path: &mut String, member: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(member);
}

/// A map's key is the caller's, of any length.
fn shortened(key: &str) -> &str {
    key.char_indices().nth(256).map_or(key, |(end, _)| &key[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        Request::parse(body.as_bytes()).unwrap_err().message().to_owned()
    }

    #[track_caller]
    fn refused_at(body: &str, path: &str, constraint: &str) {
        assert_eq!(
            refusal(body),
            format!(
                "1 validation error detected: Value at '{path}' failed to satisfy constraint: \
                 {constraint}"
            )
        );
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        assert_eq!(refusal(""), "The request body is empty. Provide a JSON object.");
        assert_eq!(refusal(" \n"), "The request body is empty. Provide a JSON object.");
        for body in ["[]", "\"text\"", "7", "true", "[[{\"text\":\"hi\"}],\"user\"]"] {
            assert_eq!(refusal(body), "The request body must be a JSON object.", "{body}");
        }
        for body in ["{", "{\"messages\":[}", "{} {}", "{\"a\":1,}", "\u{feff}{}", "{'a':1}"] {
            assert!(
                refusal(body).starts_with("The request body is not valid JSON: "),
                "{}",
                refusal(body)
            );
        }
        let invalid = Request::parse(b"{\"messages\":\"\xff\"}").unwrap_err();
        assert_eq!(
            invalid.message(),
            "The request body is not valid JSON: invalid unicode code point at line 1, column 14."
        );
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!(
                "{{\"additionalModelRequestFields\":{}1{}}}",
                open.repeat(100_000),
                close.repeat(100_000)
            );
            assert_eq!(refusal(&deep), "The request body is nested too deeply.");
        }
        // What is skipped is not kept, and may be as deep as it likes.
        let skipped = format!("{{\"unknown\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Request::parse(skipped.as_bytes()).is_ok());
    }

    #[test]
    fn wrong_types_name_the_member_and_never_repeat_the_value() {
        let integer = "Member must be an integer from -2147483648 to 2147483647";
        for wrong in ["10.0", "1e2", "\"10\"", "true", "3000000000", "[1]", "{}"] {
            let body = format!("{{\"inferenceConfig\":{{\"maxTokens\":{wrong}}}}}");
            refused_at(&body, "inferenceConfig.maxTokens", integer);
        }
        refused_at(
            r#"{"inferenceConfig":{"temperature":"0.5"}}"#,
            "inferenceConfig.temperature",
            "Member must be a number",
        );
        refused_at(
            r#"{"messages":[{"role":"user","content":[{"text":["secret, expected i32"]}]}]}"#,
            "messages.0.content.0.text",
            "Member must be a string",
        );
        refused_at(r#"{"messages":{}}"#, "messages", "Member must be a list");
        refused_at(r#"{"messages":["hi"]}"#, "messages.0", "Member must be an object");
        refused_at(r#"{"messages":[null]}"#, "messages.0", "Member must not be null");
        refused_at(
            r#"{"messages":[{"role":"user","content":"hi"}]}"#,
            "messages.0.content",
            "Member must be a list",
        );
        refused_at(
            r#"{"requestMetadata":{"k":1}}"#,
            "requestMetadata.k",
            "Member must be a string",
        );
        refused_at(r#"{"requestMetadata":[]}"#, "requestMetadata", "Member must be an object");
        refused_at(
            r#"{"toolConfig":{"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":{}},"strict":"yes"}}]}}"#,
            "toolConfig.tools.0.toolSpec.strict",
            "Member must be true or false",
        );
    }

    #[test]
    fn a_structure_is_an_object_only() {
        refused_at(
            r#"{"messages":[[[{"text":"hi"}],"user"]]}"#,
            "messages.0",
            "Member must be an object",
        );
        refused_at(
            r#"{"messages":[{"role":{"user":null},"content":[]}]}"#,
            "messages.0.role",
            "Member must be a string",
        );
    }

    #[test]
    fn missing_members_are_named() {
        refused_at(r#"{"messages":[{}]}"#, "messages.0.content", "Member must not be null");
        refused_at(
            r#"{"messages":[{"role":null,"content":[]}]}"#,
            "messages.0.role",
            "Member must not be null",
        );
        refused_at(r#"{"toolConfig":{}}"#, "toolConfig.tools", "Member must not be null");
        refused_at(
            r#"{"messages":[{"role":"assistant","content":[{"toolUse":{"name":"n","toolUseId":"i"}}]}]}"#,
            "messages.0.content.0.toolUse.input",
            "Member must not be null",
        );
        refused_at(
            r#"{"serviceTier":{"type":"gold"}}"#,
            "serviceTier.type",
            "Member must satisfy enum value set: [priority, default, flex, reserved]",
        );
    }

    #[test]
    fn a_union_has_one_member() {
        let union = "Member must have exactly one member set: [auto, any, tool]";
        let choice =
            |choice: &str| format!("{{\"toolConfig\":{{\"tools\":[],\"toolChoice\":{choice}}}}}");
        for wrong in ["{}", r#"{"auto":null}"#, r#"{"none":{}}"#, r#"{"auto":{},"any":{}}"#] {
            refused_at(&choice(wrong), "toolConfig.toolChoice", union);
        }
        for right in [
            r#"{"auto":{}}"#,
            r#"{"auto":{"x":1}}"#,
            r#"{"any":{},"auto":null}"#,
            r#"{"tool":{"name":"t"},"none":{"deep":[1,{"er":2}]}}"#,
            r#"{"new":1,"any":{}}"#,
        ] {
            assert!(Request::parse(choice(right).as_bytes()).is_ok(), "{right}");
        }
        refused_at(
            &choice(r#"{"auto":null,"tool":{}}"#),
            "toolConfig.toolChoice.tool.name",
            "Member must not be null",
        );
    }

    #[test]
    fn unknown_members_and_nulls_are_skipped() {
        let request = Request::parse(
            br#"{"messages":[{"role":"user","content":[{"text":"hi","image":null}],"name":"me"}],
                "system":null,"inferenceConfig":{"maxTokens":null,"topK":5},"new":[{"er":1}]}"#,
        )
        .unwrap();
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"inferenceConfig":{},"messages":[{"content":[{"text":"hi"}],"role":"user"}]}"#
        );
    }

    #[test]
    fn a_member_may_be_given_once() {
        refused_at(r#"{"system":[],"system":[]}"#, "system", "Member must not be given twice");
    }

    #[test]
    fn a_path_stays_short() {
        let body = format!("{{\"requestMetadata\":{{\"{}\":1}}}}", "é".repeat(10_000));
        assert!(refusal(&body).len() < 1000);
    }
}
