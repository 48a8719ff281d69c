//! What containers say when they fail, and what it means to a caller.
//!
//! The same words come as the body of an error, which SageMaker hands on as a string cut at 2,048
//! characters, and inside an answer whose status was 200.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Mode;
use crate::error::Upstream;
use crate::{Code, Error};

/// SageMaker keeps as much of what a container said.
const LONGEST: usize = 2048;

/// How vLLM begins to say that the conversation is too long. Frameworks look for it.
const TOO_LONG: &str = "This model's maximum context length is";

/// How other engines say so: SGLang, TGI (two ways), llama.cpp.
const TOO_LONG_ELSEWHERE: [&str; 4] = [
    "longer than the model's context length",
    "`inputs` must have less than",
    "`inputs` tokens + `max_new_tokens` must be",
    "exceeds the available context size",
];

/// A container's complaint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// The container's HTTP status.
    status: Option<u16>,
    /// What its own words say the status is, which is nearer the truth: LMI answers 500 where
    /// vLLM said 400.
    code: Option<u16>,
    /// Its name for this kind of error.
    kind: String,
    message: String,
}

impl Fault {
    pub(super) fn new(message: &str) -> Self {
        Self { message: message.to_owned(), ..Self::default() }
    }

    /// Whether the member `error` of an answer is one.
    pub(super) fn is_told(error: &RawValue) -> bool {
        !matches!(error.get(), "\"\"" | "false" | "{}")
    }

    /// An answer with an error's status.
    pub(super) fn of_refusal(status: Option<u16>, body: &str) -> Self {
        Self { status, ..Self::read(body) }
    }

    /// An error inside an answer whose status was 200.
    pub(super) fn of_answer(body: &[u8]) -> Self {
        Self::read(&String::from_utf8_lossy(body))
    }

    /// Whether it has the shape of no error that is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.message.is_empty() && self.code.is_none() && self.kind.is_empty()
    }

    fn read(body: &str) -> Self {
        let body = body.trim();
        let first = serde_json::Deserializer::from_str(body).into_iter::<Value>().next();
        let mut fault = match first {
            Some(Ok(Value::Array(mut values))) if !values.is_empty() => {
                Self::of(&values.swap_remove(0))
            }
            Some(Ok(Value::String(text))) => Self { message: text, ..Self::default() },
            Some(Ok(value @ Value::Object(_))) => Self::of(&value),
            _ if body.starts_with('{') => Self {
                // Cut. The code stands behind the message as a rule, and is lost with it.
                message: ["message", "error", "detail"]
                    .iter()
                    .find_map(|name| cut_member(body, name))
                    .unwrap_or_default(),
                ..Self::default()
            },
            _ if body.starts_with('<') => Self::default(), // a proxy's page
            _ => Self { message: body.to_owned(), ..Self::default() },
        };
        fault.unwrap_representation();
        fault
    }

    fn of(value: &Value) -> Self {
        let error = value.get("error").unwrap_or(&Value::Null);
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
        let message = text(error.get("message"))
            .or_else(|| text(Some(error)))
            .or_else(|| text(value.get("message")))
            .or_else(|| text(value.get("detail")))
            .or_else(|| value.get("detail").filter(|v| !v.is_null()).map(ToString::to_string))
            .unwrap_or_default();
        let codes = [
            error.get("code"),
            error.get("http_status_code"),
            value.get("code"),
            value.get("http_status_code"),
        ];
        let code = codes.into_iter().flatten().find_map(status);
        // llama.cpp's code is a word, and says more than its type.
        let kind = text(error.get("code").filter(|code| status(code).is_none()))
            .or_else(|| text(error.get("type")))
            .or_else(|| text(value.get("error_type")))
            .or_else(|| text(value.get("type")))
            .unwrap_or_default();
        Self { status: None, code, kind, message }
    }

    /// LMI hands on vLLM's error as Python prints it:
    /// `error=ErrorInfo(message='…', type='BadRequestError', param='input_tokens', code=400)`.
    fn unwrap_representation(&mut self) {
        let Some((_, inner)) = self.message.split_once("ErrorInfo(message=") else {
            return;
        };
        let quote = if inner.starts_with('"') { '"' } else { '\'' };
        let inner = inner.strip_prefix(quote).unwrap_or(inner);
        let (message, rest) = inner.rsplit_once(&format!("{quote}, type=")).unwrap_or((inner, ""));
        let code = rest.rsplit_once("code=").and_then(|(_, code)| {
            code.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().ok()
        });
        let message = message.replace("\\'", "'");
        self.code = code.or(self.code);
        self.kind = rest.split(['\'', '"']).nth(1).unwrap_or_default().to_owned();
        self.message = message;
    }

    fn is_too_long(&self) -> bool {
        self.kind == "context_length_exceeded"
            || TOO_LONG_ELSEWHERE.iter().any(|words| self.message.contains(words))
    }

    /// What the caller is told.
    pub(super) fn into_error(self, mode: Mode) -> Error {
        let text = shortened(&self.message);
        let told = if text.is_empty() {
            Cow::Borrowed("The model failed to answer. Try your request again.")
        } else {
            Cow::Owned(format!("The model returned the following errors: {text}"))
        };
        let error = if text.contains(TOO_LONG) {
            Error::validation(text.to_owned())
        } else if self.is_too_long() {
            Error::validation(format!("Input is too long for requested model. {told}"))
        } else {
            match self.meaning(mode) {
                Code::Throttling => Error::new(
                    Code::Throttling,
                    "Too many requests, please wait before trying again.",
                ),
                code => Error::new(code, told.into_owned()),
            }
        };
        error.upstream(Upstream {
            status: self.status.or(self.code),
            message: (!text.is_empty()).then(|| text.to_owned()),
            resource: None,
        })
    }

    fn meaning(&self, mode: Mode) -> Code {
        let failed = match mode {
            Mode::Unary => Code::ModelError,
            Mode::Stream => Code::ModelStreamError,
        };
        match self.code.or(self.status) {
            Some(429) => Code::Throttling,
            Some(503) => Code::ServiceUnavailable,
            Some(408 | 504) => Code::ModelTimeout,
            // A failed generation for TGI, and for LMI whatever went wrong with the input too.
            Some(424) if !self.message.starts_with("Input parsing failed") => failed,
            Some(400..=499) => Code::Validation,
            Some(_) => failed,
            None => match self.kind.as_str() {
                "BadRequestError"
                | "Bad Request"
                | "BadRequestException"
                | "validation"
                | "invalid_request_error" => Code::Validation,
                "overloaded" => Code::Throttling,
                _ => failed,
            },
        }
    }
}

/// A status, as a number or in words.
fn status(value: &Value) -> Option<u16> {
    let code = match value {
        Value::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok())?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    (400..=599).contains(&code).then_some(code)
}

/// The text of member `name` in JSON that was cut, perhaps inside it.
fn cut_member(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    let text = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let mut end = text.len();
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let mut text = text.get(..end)?;
    loop {
        if let Ok(text) = serde_json::from_str(&format!("\"{text}\"")) {
            return Some(text);
        }
        // Cut inside an escape, which has at most 12 characters.
        let (at, _) = text.char_indices().next_back()?;
        text = text.get(..at).filter(|shorter| end - shorter.len() <= 12)?;
    }
}

fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}
