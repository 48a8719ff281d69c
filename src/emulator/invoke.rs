//! One invocation: ask the container, then answer whole or in parts.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};

use super::counters::{Call, Ending};
use super::model::{self, Ask, Limits, Piece};
use super::parts::{Source, Stream};
use super::proxy;
use super::refusal::Refusal;
use super::rules::{self, Endpoint, Rule};
use super::server::{Body, CutOff, Shared, whole};
use crate::wire::frame;

const CUSTOM_ATTRIBUTES: &str = "x-amzn-sagemaker-custom-attributes";
const VARIANT: &str = "x-amzn-invoked-production-variant";

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `InvokeEndpoint`.
    Invoke,
    /// `InvokeEndpointWithResponseStream`.
    Stream,
    /// No call of SageMaker's: the container is asked itself.
    Direct,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invoke => "InvokeEndpoint",
            Self::Stream => "InvokeEndpointWithResponseStream",
            Self::Direct => "direct",
        }
    }
}

/// A call whose signature and headers are in order.
pub(super) struct Invocation<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) name: &'a str,
    pub(super) endpoint: &'a Endpoint,
    pub(super) operation: Operation,
    pub(super) region: String,
    pub(super) parts: &'a Parts,
    pub(super) body: Bytes,
}

/// What the container's head said, and where the rest comes from.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) content_type: HeaderValue,
    pub(super) custom_attributes: Option<HeaderValue>,
    pub(super) source: Source,
    pub(super) cut: Vec<usize>,
}

/// Why there is nothing to answer with.
enum Failed {
    Refused(Refusal),
    CutOff,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Invocation<'_> {
    /// Asks the container and passes on what it answers. `call` is cancelled when the future, or
    /// later the answer's body, is dropped before its end.
    pub(super) async fn answer(self, mut call: Call) -> Result<Response<Body>, CutOff> {
        let answered = match self.operation {
            Operation::Invoke => self.invoke().await,
            Operation::Stream => match self.head().await {
                Ok(answered) => return Ok(self.stream(answered, call)),
                Err(failed) => Err(failed),
            },
            Operation::Direct => match self.ask().await {
                Ok(answered) => return Ok(plain(answered, call)),
                Err(failed) => Err(failed),
            },
        };
        call.end(if answered.is_ok() { Ending::Completed } else { Ending::Failed });
        match answered {
            Ok(response) => Ok(response),
            Err(Failed::Refused(refusal)) => Ok(whole(refusal.response())),
            Err(Failed::CutOff) => Err(CutOff),
        }
    }

    /// `InvokeEndpoint`: the container has to be done in time.
    async fn invoke(&self) -> Result<Response<Body>, Failed> {
        let all = async {
            let mut answered = self.head().await?;
            let body = self.collect(&mut answered.source).await?;
            Ok::<_, Failed>((answered, body))
        };
        let timed = tokio::time::timeout(self.endpoint.timeout(), all).await;
        let (answered, body) = timed.map_err(|_| Refusal::timed_out(self.name, &self.region))??;
        let mut response = Response::new(Full::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, answered.content_type);
        self.add_headers(headers, answered.custom_attributes);
        Ok(whole(response))
    }

    /// `InvokeEndpointWithResponseStream`: parts, as they come.
    fn stream(&self, answered: Answered, call: Call) -> Response<Body> {
        let stream = Stream::framed(answered.source, answered.cut, call);
        let mut response = Response::new(stream.into_body().boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(frame::CONTENT_TYPE));
        headers.insert("x-amzn-sagemaker-content-type", answered.content_type);
        self.add_headers(headers, answered.custom_attributes);
        response
    }

    /// What the container begins to answer; its errors are `ModelError`s.
    async fn head(&self) -> Result<Answered, Failed> {
        let mut answered = self.ask().await?;
        if answered.status < 400 {
            return Ok(answered);
        }
        let body = self.collect(&mut answered.source).await?;
        let body = String::from_utf8_lossy(&body);
        Err(Refusal::model(self.name, &self.region, answered.status, &body).into())
    }

    fn add_headers(&self, headers: &mut HeaderMap, custom_attributes: Option<HeaderValue>) {
        if let Ok(variant) = HeaderValue::from_str(&self.endpoint.variant) {
            headers.insert(VARIANT, variant);
        }
        if let Some(attributes) = custom_attributes {
            headers.insert(CUSTOM_ATTRIBUTES, attributes);
        }
    }

    /// Asks the container that stands behind the endpoint.
    async fn ask(&self) -> Result<Answered, Failed> {
        if let Some(url) = &self.endpoint.container {
            let sent = proxy::Sent {
                url: url.get_ref(),
                headers: &self.parts.headers,
                streams: self.operation == Operation::Stream,
                body: self.body.clone(),
            };
            let mut answered = proxy::send(&self.shared.client, sent)
                .await
                .map_err(|error| Refusal::model(self.name, &self.region, 0, &error.to_string()))?;
            answered.cut = cut(self.endpoint, None);
            return Ok(answered);
        }
        self.play().await
    }

    /// The scripted model.
    async fn play(&self) -> Result<Answered, Failed> {
        let ask = Ask::read(&self.body, Limits::of(self.name, self.endpoint));
        let fallback = Rule::default();
        let rule = self.rule(ask.as_ref().ok()).unwrap_or(&fallback);
        if let Some(service) = &rule.fault.service {
            return Err(service.refusal().into());
        }
        if let Some(delay) = rule.fault.delay() {
            tokio::time::sleep(delay).await;
        }
        let played = match &ask {
            Ok(ask) => {
                let clock = &self.shared.config.clock;
                model::answer(self.name, self.endpoint, rule, ask, clock)
            }
            Err(refused) => refused.played(),
        };
        Ok(Answered {
            status: played.status,
            content_type: HeaderValue::from_str(&played.content_type)
                .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")),
            custom_attributes: self.parts.headers.get(CUSTOM_ATTRIBUTES).cloned(),
            source: Source::Script(played.pieces),
            cut: cut(self.endpoint, Some(rule)),
        })
    }

    /// The first rule that matches and may still apply.
    fn rule(&self, ask: Option<&Ask>) -> Option<&Rule> {
        let call = rules::Call { endpoint: self.name, ask };
        let rules = self.shared.config.rules.rules().iter().enumerate();
        rules
            .filter(|(_, rule)| rule.when.matches(call))
            .find(|(at, rule)| self.shared.counters.apply(*at, rule.times))
            .map(|(_, rule)| rule)
    }

    async fn collect(&self, source: &mut Source) -> Result<Vec<u8>, Failed> {
        let mut body = Vec::new();
        while let Some(piece) = source.next().await {
            match piece {
                Piece::Bytes(bytes) => body.extend_from_slice(&bytes),
                Piece::Wait { time, .. } => tokio::time::sleep(time).await,
                Piece::Throw(failure) => {
                    return Err(failure.refusal(self.name, &self.region).into());
                }
                Piece::Cut => return Err(Failed::CutOff),
            }
        }
        Ok(body)
    }
}

/// What the container answers, as it answers it.
fn plain(answered: Answered, call: Call) -> Response<Body> {
    let stream = Stream::plain(answered.source, answered.cut, call);
    let mut response = Response::new(stream.into_body().boxed_unsync());
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, answered.content_type);
    response
}

/// The sizes of payload parts: the rule's, or the endpoint's.
fn cut(endpoint: &Endpoint, rule: Option<&Rule>) -> Vec<usize> {
    let cut = rule.and_then(|rule| rule.cut.as_ref()).or(endpoint.cut.as_ref());
    cut.map(|cut| cut.get_ref().clone()).unwrap_or_default()
}
