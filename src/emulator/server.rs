//! From a request to an answer: the paths, the signature, the body.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use sha2::{Digest as _, Sha256};

use super::counters::{Counters, Received};
use super::invoke::{Invocation, Operation};
use super::refusal::Refusal;
use super::rules::{Endpoint, is_endpoint_name};
use super::{Config, control, proxy};
use crate::auth::Claim;
use crate::{Code, Error};

/// Where an answer's bytes come from.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What every call shares. Cheap to clone.
#[derive(Clone)]
pub(super) struct Service(Arc<Shared>);

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) counters: Counters,
    pub(super) client: proxy::Client,
}

/// Why there is no answer at all: the connection is to break.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut, as a rule wants it")]
pub(super) struct CutOff;

/// A body that is there already.
pub(super) fn whole(response: Response<Full<Bytes>>) -> Response<Body> {
    response.map(|body| body.map_err(|never: Infallible| match never {}).boxed_unsync())
}

impl Service {
    pub(super) fn new(config: Config) -> Self {
        let (counters, client) = (Counters::default(), proxy::client());
        Self(Arc::new(Shared { config, counters, client }))
    }

    pub(super) async fn call(self, request: Request<Incoming>) -> Result<Response<Body>, CutOff> {
        let id = self.0.config.clock.uuid();
        let (parts, body) = request.into_parts();
        let mut response = match self.own(&parts) {
            Some(response) => response,
            None => match Box::pin(self.invoke(&parts, body)).await {
                Ok(response) => response?,
                Err(refusal) => whole(refusal.response()),
            },
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        Ok(response)
    }

    /// The emulator's own paths.
    fn own(&self, parts: &Parts) -> Option<Response<Body>> {
        let counters = &self.0.counters;
        let json = match (parts.method.as_str(), parts.uri.path()) {
            ("GET", "/ping") => String::new(),
            ("GET", "/_emulator/calls") => counters.calls_json(),
            ("GET", "/_emulator/requests") => counters.requests_json(),
            ("DELETE", "/_emulator/calls" | "/_emulator/requests") => {
                counters.reset();
                String::new()
            }
            _ => return None,
        };
        let mut response = Response::new(Full::from(json));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Some(whole(response))
    }

    /// One invocation, from its signature to its answer.
    async fn invoke(
        &self,
        parts: &Parts,
        body: Incoming,
    ) -> Result<Result<Response<Body>, CutOff>, Refusal> {
        let config = &self.0.config;
        if control::is_for(parts) {
            let body = self.checked(parts, body, MAX_ASKED).await?;
            return control::answer(parts, &body, &config.rules, &region(parts))
                .map(|answer| Ok(whole(answer)));
        }
        let (name, operation) = route(parts).map_err(|error| Refusal::front_end(&error))?;
        // A container in a private network asks nobody for a key; a public API does.
        let is_open = operation == Operation::Direct && parts.uri.path().ends_with("/invocations");
        let endpoint = config.rules.endpoint(name);
        let limit = endpoint.as_ref().map_or(Endpoint::default().max_body, |e| e.max_body);
        let body = if is_open {
            read(body, limit).await?
        } else {
            self.checked(parts, body, limit).await?
        };
        if !is_endpoint_name(name) {
            return Err(Refusal::validation(format!(
                "1 validation error detected: Value '{name}' at 'endpointName' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: \
                 ^[a-zA-Z0-9](-*[a-zA-Z0-9])*"
            )));
        }
        let endpoint = endpoint.ok_or_else(|| Refusal::no_endpoint(name))?;
        check_headers(parts, operation, &endpoint)?;
        let received = Received {
            endpoint: name.to_owned(),
            operation: operation.name(),
            headers: forwarded(parts),
            body: String::from_utf8_lossy(&body).into_owned(),
            bos: endpoint.bos.clone(),
        };
        let invocation = Invocation {
            shared: &self.0,
            name,
            endpoint: &endpoint,
            operation,
            region: region(parts),
            parts,
            body,
        };
        Ok(invocation.answer(self.0.counters.start(received)).await)
    }
}

impl Service {
    /// The body of a request whose sender is known.
    async fn checked(&self, parts: &Parts, body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
        let config = &self.0.config;
        let claim = config.authenticator.head(parts, config.clock.now());
        let claim = claim.map_err(|error| Refusal::front_end(&error))?;
        let body = read(body, limit).await?;
        if let Claim::Signed(pending) = claim {
            let verified = pending.verify(Sha256::digest(&body).into());
            verified.map_err(|error| Refusal::front_end(&error))?;
        }
        Ok(body)
    }
}

/// The longest question about an endpoint, in bytes.
const MAX_ASKED: usize = 64 << 10;

/// The paths of OpenAI-compatible APIs that a container takes, below its base.
const OPENAI: [&str; 5] =
    ["v1/chat/completions", "v1/completions", "v1/embeddings", "v1/rerank", "invocations"];

/// `POST /endpoints/{name}/invocations[-response-stream]`, or `/containers/{name}/…` without
/// `SageMaker` before it.
fn route(parts: &Parts) -> Result<(&str, Operation), Error> {
    let unknown = || Error::new(Code::UnknownOperation, "");
    let path = parts.uri.path();
    let (name, operation) = if let Some(rest) = path.strip_prefix("/containers/") {
        let (name, below) = rest.split_once('/').ok_or_else(unknown)?;
        if !OPENAI.contains(&below) {
            return Err(unknown());
        }
        (name, Operation::Direct)
    } else {
        let rest = path.strip_prefix("/endpoints/").ok_or_else(unknown)?;
        let (name, operation) = rest.rsplit_once('/').ok_or_else(unknown)?;
        let operation = match operation {
            "invocations" => Operation::Invoke,
            "invocations-response-stream" => Operation::Stream,
            _ => return Err(unknown()),
        };
        (name, operation)
    };
    if parts.method != Method::POST {
        return Err(Error::new(Code::WrongMethod, ""));
    }
    Ok((name, operation))
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::too_large(limit)),
        Err(_) => Err(Refusal::validation("The request's body could not be read.")),
    }
}

fn check_headers(parts: &Parts, operation: Operation, endpoint: &Endpoint) -> Result<(), Refusal> {
    let component = parts.headers.get("x-amzn-sagemaker-inference-component");
    let component = component.and_then(|value| value.to_str().ok());
    match (component, endpoint.inference_components.as_slice()) {
        (None, []) => {}
        (None, _) => return Err(Refusal::component_missing()),
        (Some(_), []) => return Err(Refusal::component_not_allowed()),
        (Some(name), known) if known.iter().any(|one| one == name) => {}
        (Some(name), _) => return Err(Refusal::no_component(name)),
    }
    let session = parts.headers.get("x-amzn-sagemaker-session-id");
    if operation == Operation::Stream && session.is_some_and(|id| id == "NEW_SESSION") {
        return Err(Refusal::validation(
            "NEW_SESSION is not allowed for InvokeEndpointWithResponseStream.",
        ));
    }
    Ok(())
}

/// The headers of a request that `SageMaker` acts on or hands to the container; it strips the
/// others.
fn forwarded(parts: &Parts) -> BTreeMap<String, String> {
    let known = |name: &str| {
        matches!(name, "content-type" | "accept") || name.starts_with("x-amzn-sagemaker-")
    };
    parts
        .headers
        .iter()
        .filter(|(name, _)| known(name.as_str()))
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// The region that the call was signed for: it is named in errors.
fn region(parts: &Parts) -> String {
    let signed = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scope = signed.and_then(|value| value.split_once("Credential=")).map(|(_, scope)| scope);
    let region = scope.and_then(|scope| scope.split('/').nth(2));
    region.unwrap_or("cn-northwest-1").to_owned()
}
