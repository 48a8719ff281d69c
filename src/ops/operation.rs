//! A method and a raw path → an operation.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;

use crate::converse;
use crate::wire::Dialect;
use crate::{Code, Error, Result};

/// The operations of the service model, built or not, and those of the other APIs on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the service model, which documents them")]
pub enum Operation {
    Converse,
    ConverseStream,
    InvokeModel,
    InvokeModelWithResponseStream,
    InvokeModelWithBidirectionalStream,
    CountTokens,
    ApplyGuardrail,
    InvokeGuardrailChecks,
    StartAsyncInvoke,
    GetAsyncInvoke,
    ListAsyncInvokes,
    /// `POST /openai/v1/chat/completions`
    ChatCompletions,
    /// `POST /openai/v1/completions`
    Completions,
    /// `POST /openai/v1/responses`
    Responses,
    /// `POST /anthropic/v1/messages`
    Messages,
    /// `POST /anthropic/v1/messages/count_tokens`
    MessagesCountTokens,
}

/// The operation that a request names, and the model it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is asked.
    pub operation: Operation,
    /// The model id, decoded once.
    pub model_id: Option<String>,
}

/// What is escaped in one segment of a path, as AWS's SDKs do: all but the unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `/model/{modelId}/…`: the last segment decides.
const MODEL: [(&str, Operation); 6] = [
    ("converse", Operation::Converse),
    ("converse-stream", Operation::ConverseStream),
    ("invoke", Operation::InvokeModel),
    ("invoke-with-response-stream", Operation::InvokeModelWithResponseStream),
    ("invoke-with-bidirectional-stream", Operation::InvokeModelWithBidirectionalStream),
    ("count-tokens", Operation::CountTokens),
];

/// `/openai/v1/…`
const OPENAI: [(&str, Operation); 3] = [
    ("chat/completions", Operation::ChatCompletions),
    ("completions", Operation::Completions),
    ("responses", Operation::Responses),
];

/// `/anthropic/v1/…`
const ANTHROPIC: [(&str, Operation); 2] =
    [("messages", Operation::Messages), ("messages/count_tokens", Operation::MessagesCountTokens)];

/// The operation of a route below `base`, wherever that begins.
fn of_route<'a>(
    path: &'a str,
    base: &str,
    routes: &[(&str, Operation)],
) -> Option<(Method, Operation, Option<&'a str>)> {
    let (_, below) = path.split_once(base)?;
    let (_, operation) = routes.iter().find(|(route, _)| *route == below)?;
    Some((Method::POST, *operation, None))
}

/// What a body says that names its model itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The model that is asked.
    pub model: String,
    /// Whether the sender reads a stream.
    pub stream: bool,
}

impl Envelope {
    /// Reads the envelope and nothing else; what else is wrong with the body is for its family to
    /// say.
    pub fn read(body: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Members {
            #[serde(default)]
            model: Option<String>,
            #[serde(default)]
            stream: Option<bool>,
        }
        let members: Members = converse::read(body)?;
        match members.model {
            Some(model) if !model.is_empty() => {
                Ok(Self { model, stream: members.stream.unwrap_or_default() })
            }
            _ => Err(Error::validation("you must provide a model parameter")),
        }
    }
}

impl Operation {
    /// The operation's name in the service model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Converse => "Converse",
            Self::ConverseStream => "ConverseStream",
            Self::InvokeModel => "InvokeModel",
            Self::InvokeModelWithResponseStream => "InvokeModelWithResponseStream",
            Self::InvokeModelWithBidirectionalStream => "InvokeModelWithBidirectionalStream",
            Self::CountTokens => "CountTokens",
            Self::ApplyGuardrail => "ApplyGuardrail",
            Self::InvokeGuardrailChecks => "InvokeGuardrailChecks",
            Self::StartAsyncInvoke => "StartAsyncInvoke",
            Self::GetAsyncInvoke => "GetAsyncInvoke",
            Self::ListAsyncInvokes => "ListAsyncInvokes",
            Self::ChatCompletions => "ChatCompletions",
            Self::Completions => "Completions",
            Self::Responses => "Responses",
            Self::Messages => "Messages",
            Self::MessagesCountTokens => "MessagesCountTokens",
        }
    }

    /// The operation's path in Bedrock: for the model of this id, if it names one there.
    ///
    /// ```
    /// # use helan::ops::Operation;
    /// let path = Operation::Converse.path("us.deepseek.r1-v1:0");
    /// assert_eq!(path.as_deref(), Some("/model/us.deepseek.r1-v1%3A0/converse"));
    /// ```
    pub fn path(self, model_id: &str) -> Option<String> {
        let of = |routes: &[(&'static str, Self)]| {
            routes.iter().find(|(_, operation)| *operation == self).map(|(route, _)| *route)
        };
        of(&MODEL)
            .map(|verb| format!("/model/{}/{verb}", utf8_percent_encode(model_id, SEGMENT)))
            .or_else(|| of(&OPENAI).map(|route| format!("/openai/v1/{route}")))
            .or_else(|| of(&ANTHROPIC).map(|route| format!("/anthropic/v1/{route}")))
    }

    /// Whether the operation is refused by its name, whatever model it is for.
    pub const fn is_built(self) -> bool {
        matches!(
            self,
            Self::Converse
                | Self::ConverseStream
                | Self::InvokeModel
                | Self::InvokeModelWithResponseStream
                | Self::CountTokens
        ) || (self.names_model_in_body() && !matches!(self, Self::Responses))
    }

    /// Whether the body names the model, and says whether its sender reads a stream.
    pub const fn names_model_in_body(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions
                | Self::Completions
                | Self::Responses
                | Self::Messages
                | Self::MessagesCountTokens
        )
    }
}

impl Route {
    /// Reads the *raw* path, as it came over the wire: `:` and `/` of a model id may be encoded or
    /// not, and a base path may stand before. The id is decoded once, and never shapes a path of
    /// ours.
    ///
    /// ```
    /// use helan::ops::{Operation, Route};
    ///
    /// let route = Route::parse(&http::Method::POST, "/model/us.deepseek.r1-v1%3A0/converse")?;
    /// assert_eq!(route.operation, Operation::Converse);
    /// assert_eq!(route.model_id.as_deref(), Some("us.deepseek.r1-v1:0"));
    /// # Ok::<(), helan::Error>(())
    /// ```
    pub fn parse(method: &Method, path: &str) -> Result<Self> {
        let found = match Dialect::of_path(path) {
            Dialect::RestJson => Self::of_path(path),
            Dialect::OpenAi => of_route(path, "/openai/v1/", &OPENAI),
            Dialect::Anthropic => of_route(path, "/anthropic/v1/", &ANTHROPIC),
        };
        let (wanted, operation, model_id) = found.ok_or_else(unknown)?;
        if operation == Operation::StartAsyncInvoke && method == Method::GET {
            return Ok(Self { operation: Operation::ListAsyncInvokes, model_id: None });
        }
        if *method != wanted {
            return Err(Error::new(
                Code::WrongMethod,
                format!("The operation {} does not take the method {method}.", operation.name()),
            ));
        }
        Ok(Self { operation, model_id: model_id.map(decode).transpose()? })
    }

    fn of_path(path: &str) -> Option<(Method, Operation, Option<&str>)> {
        let (before, verb) = path.rsplit_once('/')?;
        if let Some((_, model)) = before.split_once("/model/") {
            let (_, operation) = MODEL.into_iter().find(|(name, _)| *name == verb)?;
            return (!model.is_empty()).then_some((Method::POST, operation, Some(model)));
        }
        if verb == "apply" && before.contains("/guardrail/") && before.contains("/version/") {
            return Some((Method::POST, Operation::ApplyGuardrail, None));
        }
        if verb == "invoke" && before.ends_with("/guardrail-checks") {
            return Some((Method::POST, Operation::InvokeGuardrailChecks, None));
        }
        if verb == "async-invoke" {
            return Some((Method::POST, Operation::StartAsyncInvoke, None));
        }
        (path.contains("/async-invoke/")).then_some((Method::GET, Operation::GetAsyncInvoke, None))
    }
}

fn decode(model: &str) -> Result<String> {
    percent_decode_str(model)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Error::validation("The provided model identifier is invalid."))
}

fn unknown() -> Error {
    Error::new(Code::UnknownOperation, "The requested operation is not recognized by the service.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn post(path: &str) -> Result<Route> {
        Route::parse(&Method::POST, path)
    }

    #[test]
    fn paths_of_real_clients() {
        let arn = "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl";
        for path in [
            // boto3, Rust, JavaScript
            "/model/arn%3Aaws-cn%3Abedrock%3Acn-northwest-1%3A123456789012%3Aimported-model%2Fabcdefghijkl/converse",
            // anthropic
            "/model/arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model%2Fabcdefghijkl/converse",
            // Vercel's, and curl by hand
            "/model/arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl/converse",
            // behind a base path
            "/base/v1/model/arn%3Aaws-cn%3Abedrock%3Acn-northwest-1%3A123456789012%3Aimported-model%2Fabcdefghijkl/converse",
        ] {
            let route = post(path).unwrap();
            assert_eq!(
                (route.operation, route.model_id.as_deref()),
                (Operation::Converse, Some(arn)),
                "{path}"
            );
        }
        let odd = post("/model/weird%20id%2Fwith%20space%2Bplus/invoke").unwrap();
        assert_eq!(odd.model_id.as_deref(), Some("weird id/with space+plus"));
        let twice = post("/model/a%252Fb/converse").unwrap();
        assert_eq!(twice.model_id.as_deref(), Some("a%2Fb"), "decoded once");
        let nested = post("/model/converse/converse-stream").unwrap();
        assert_eq!(
            (nested.operation, nested.model_id.as_deref()),
            (Operation::ConverseStream, Some("converse"))
        );
    }

    #[test]
    fn operations_without_a_model() {
        for (method, path, operation) in [
            (Method::POST, "/guardrail/abc/version/1/apply", Operation::ApplyGuardrail),
            (Method::POST, "/guardrail-checks/invoke", Operation::InvokeGuardrailChecks),
            (Method::POST, "/async-invoke", Operation::StartAsyncInvoke),
            (Method::GET, "/async-invoke", Operation::ListAsyncInvokes),
            (Method::GET, "/async-invoke/arn%3Aaws", Operation::GetAsyncInvoke),
        ] {
            assert_eq!(Route::parse(&method, path).unwrap().operation, operation, "{path}");
        }
    }

    #[test]
    fn what_is_no_operation() {
        for path in
            ["/", "/model//converse", "/model/x", "/model/x/", "/model/x/conver%73e", "/converse"]
        {
            assert_eq!(post(path).unwrap_err().code(), Code::UnknownOperation, "{path}");
        }
        let get = Route::parse(&Method::GET, "/model/x/converse").unwrap_err();
        assert_eq!((get.code(), get.code().status().as_u16()), (Code::WrongMethod, 405));
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".{0,80}") {
            let _ = post(&path);
            let _ = post(&format!("/model/{path}/converse"));
        }
    }
}
