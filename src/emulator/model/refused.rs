//! What a container says that does not answer, or no longer: each in its own shape.

use serde_json::{Value, json};

use super::{Piece, Played, python};
use crate::emulator::rules::Dialect;

/// A request that is not answered, in the container's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::emulator) struct Refused {
    /// The HTTP status that vLLM gives, which is also its error's `code`.
    pub(super) status: u16,
    /// vLLM's `type`.
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// vLLM's `param`.
    pub(super) param: Option<&'static str>,
    /// What was asked for could not even be made out.
    pub(super) is_unread: bool,
    pub(super) said: Said,
}

/// In which schema something is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) dialect: Dialect,
    /// The request had `inputs`.
    pub(super) to_inputs: bool,
    pub(super) in_stream: bool,
}

impl Refused {
    pub(super) fn bad(
        param: &'static str,
        message: &str,
        value: Option<&dyn std::fmt::Debug>,
    ) -> Self {
        let value = value.map(|v| format!(", value={v:?}")).unwrap_or_default();
        Self { param: Some(param), ..Self::plain(format!("{message} (parameter={param}{value})")) }
    }

    /// A refusal of these very words.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self { status: 400, kind: "BadRequestError", message: message.into(), ..Self::default() }
    }

    /// What is played.
    pub(in crate::emulator) fn played(&self) -> Played {
        let said = self.said;
        let (status, content_type, body) = match said.dialect {
            Dialect::Sse | Dialect::Emd | Dialect::Embeddings | Dialect::Rerank => {
                (self.status, JSON, self.vllm().to_string())
            }
            Dialect::Tei | Dialect::TeiRerank => {
                (self.status, JSON, said.failure(&self.message, self.kind, self.status))
            }
            Dialect::LmiEmbeddings => (424, JSON, self.unread()),
            Dialect::Tgi if self.is_unread => (422, "text/plain; charset=utf-8", self.unread()),
            // A stream of TGI's has begun before its parameters are looked at.
            Dialect::Tgi if said.in_stream => {
                let event = if said.to_inputs {
                    format!("data:{}\n\n", self.tgi())
                } else {
                    let failure = said.failure(&self.message, self.kind, 422);
                    format!("data: {failure}\n\ndata: [DONE]\n\n")
                };
                (200, said.dialect.stream_type(), event)
            }
            Dialect::Tgi => (422, JSON, self.tgi()),
            Dialect::Hf | Dialect::HfFeatures | Dialect::Dynamic => {
                (400, JSON, said.failure(&self.message, "", 400))
            }
            _ if self.is_unread => (424, JSON, self.unread()),
            Dialect::Jsonlines => (500, JSON, self.represented()),
            dialect if said.in_stream && said.to_inputs => {
                let failure = said.failure(&self.message, self.kind, self.status);
                let line = if dialect.is_sse() {
                    format!("data: {failure}\n\n")
                } else {
                    format!("{failure}\n")
                };
                (200, dialect.stream_type(), line)
            }
            _ => (200, JSON, said.failure(&self.message, self.kind, self.status)),
        };
        Played {
            status,
            content_type: content_type.to_owned(),
            pieces: [Piece::Bytes(body.into())].into(),
        }
    }

    fn vllm(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status,
        }})
    }

    fn tgi(&self) -> String {
        let message = format!("Input validation error: {}", self.message);
        json!({"error": message, "error_type": "validation"}).to_string()
    }

    /// What cannot be read is no request of any kind.
    fn unread(&self) -> String {
        if self.said.dialect == Dialect::Tgi {
            return "Failed to deserialize the JSON body into the target type: data did not match \
                    any variant of untagged enum SagemakerRequest"
                .to_owned();
        }
        let message = format!("Input parsing failed: {}", self.message);
        python(&json!({"code": 424, "error": message}))
    }

    /// LMI hands on vLLM's error as Python prints it, and calls it its own failure.
    fn represented(&self) -> String {
        let param = self.param.map_or_else(|| "None".to_owned(), |param| format!("'{param}'"));
        let error = format!(
            "error=ErrorInfo(message='{}', type='{}', param={param}, code={})",
            self.message, self.kind, self.status
        );
        python(&json!({"code": 500, "error": error}))
    }
}

const JSON: &str = "application/json";

impl Said {
    /// The error of a container that has begun to answer: one event or line without its end, or a
    /// whole body. `kind` is vLLM's name for it.
    pub(super) fn failure(self, message: &str, kind: &str, status: u16) -> String {
        match self.dialect {
            Dialect::Emd => format!("{{\"error\": {}}}", Value::from(message)),
            Dialect::Tei | Dialect::TeiRerank => {
                json!({"error": message, "error_type": kind}).to_string()
            }
            Dialect::LmiEmbeddings => python(&json!({"code": status, "error": message})),
            Dialect::Tgi if self.to_inputs => {
                let kind = if kind == "InternalServerError" { "generation" } else { kind };
                json!({"error": message, "error_type": kind}).to_string()
            }
            Dialect::Tgi if self.in_stream => {
                json!({"error": {"message": message, "http_status_code": status}}).to_string()
            }
            Dialect::Rolling3p if self.to_inputs => python(&self.envelope(message)),
            dialect if dialect.is_rolling() && self.to_inputs => {
                python(&self.rolling(message, status))
            }
            Dialect::Hf | Dialect::HfFeatures | Dialect::Dynamic => python(
                &json!({"code": status, "type": "InternalServerException", "message": message}),
            ),
            // As vLLM writes an error into a stream.
            _ if self.in_stream => python(&json!({"error": {
                "message": message, "type": kind, "param": null, "code": status,
            }})),
            _ => json!({"error": {
                "message": message, "type": kind, "param": null, "code": status,
            }})
            .to_string(),
        }
    }

    /// In a stream rolling batch does not say what went wrong.
    fn rolling(self, message: &str, status: u16) -> Value {
        if !self.in_stream {
            return json!({
                "generated_text": null, "error": message, "code": status,
                "details": {"finish_reason": "error"},
            });
        }
        let token = if self.dialect == Dialect::RollingTgi {
            json!({"id": -1, "text": "", "logprob": -1, "special": true})
        } else {
            json!({"id": -1, "text": "", "log_prob": -1, "special_token": true})
        };
        let details = json!({"finish_reason": "error", "generated_tokens": null, "inputs": null});
        json!({"token": token, "generated_text": "", "details": details})
    }

    fn envelope(self, message: &str) -> Value {
        let text = if self.in_stream { Value::from("") } else { Value::Null };
        let error = json!({"error_code": 400, "error_msg": message});
        json!({
            "body": {
                "generation": text, "prompt_token_count": 0, "generation_token_count": 0,
                "stop_reason": "error",
            },
            "metering": {"inputTokenCount": 0, "outputTokenCount": 0},
            "content_type": if self.in_stream { "application/jsonlines" } else { JSON },
            "error": if self.in_stream { error } else { json!({"error": error}) },
        })
    }
}
