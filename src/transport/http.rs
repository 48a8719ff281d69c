//! Containers outside SageMaker: their own `/invocations`, or an OpenAI-compatible API, with a key
//! or without one.
//!
//! vLLM and SGLang on EC2, EKS or ECS, llama.cpp's server, and the public APIs of model providers
//! take the same payloads as the containers of endpoints do; what differs is the path, and that
//! errors come without SageMaker's words around them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::header::{HeaderMap, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::client::{Client, MAX_WHOLE, parts, whole};
use super::{Failure, Hints, Transport, throttled, too_slow, unavailable};
use crate::config;
use crate::wire::{Payload, Reply};
use crate::{Code, Error, Result};

/// How calls name us.
pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("helan/", env!("CARGO_PKG_VERSION")));

/// How much of an error's body is read. What a container has to say fits.
pub(super) const MAX_REFUSAL: usize = 64 << 10;

/// The longest `Retry-After` that is believed, in seconds.
const LONGEST_WAIT: u64 = 3600;

/// One container at a URL.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    /// Without a slash at its end.
    url: String,
    /// Whether the URL takes everything itself, as a container of SageMaker does.
    is_invocations: bool,
    authorization: Option<HeaderValue>,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
    answer_timeout: Duration,
}

impl Http {
    /// The container at `place`.
    ///
    /// # Errors
    /// The key has a character that no header can carry.
    pub fn new(client: Client, settings: &config::Http, place: &config::Place) -> Result<Self> {
        Ok(Self {
            client,
            is_invocations: place.url.ends_with("/invocations"),
            url: place.url.clone(),
            authorization: place.api_key.as_ref().map(bearer).transpose()?,
            first_byte_timeout: settings.first_byte_timeout,
            idle_timeout: settings.idle_timeout,
            answer_timeout: settings.answer_timeout,
        })
    }

    fn request(
        &self,
        payload: Payload,
        hints: &Hints,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let uri: Uri = match payload.path.filter(|_| !self.is_invocations) {
            Some(path) => format!("{}/{path}", self.url).try_into()?,
            None => self.url.as_str().try_into()?,
        };
        let mut request = Request::post(uri)
            .header(CONTENT_TYPE, &*payload.content_type)
            .header(ACCEPT, &*payload.accept)
            .header(USER_AGENT, AGENT);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // What SageMaker would hand on. Others are told nothing of the caller.
        let told = [
            ("x-amzn-sagemaker-custom-attributes", &hints.custom_attributes),
            ("x-amzn-sagemaker-session-id", &hints.session_id),
            ("x-amzn-sagemaker-inference-id", &hints.inference_id),
        ];
        for (name, value) in told {
            if let Some(value) = value.as_deref().filter(|_| self.is_invocations) {
                request = request.header(HeaderName::from_static(name), value);
            }
        }
        request.body(Full::new(payload.body))
    }

    /// Sends `payload` and waits for a head that says success.
    async fn begin(
        &self,
        payload: Payload,
        hints: &Hints,
    ) -> Result<(Option<String>, Incoming), Failure> {
        let request = self.request(payload, hints).map_err(|error| {
            let message = "The headers of this request cannot be passed on to the model.";
            Failure::Unasked(Error::validation(message).because(error))
        })?;
        let (head, body) = self.client.send(request).await?.into_parts();
        if !head.status.is_success() {
            return Err(refused(Response::from_parts(head, body)).await);
        }
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok((content_type.map(ToOwned::to_owned), body))
    }
}

impl Transport for Http {
    fn invoke<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let answer = async {
                let (content_type, body) = self.begin(payload, hints).await?;
                Ok(Reply::whole(content_type, whole(body, MAX_WHOLE).await?))
            };
            timeout(self.answer_timeout, answer).await.map_err(|_| too_slow("answer"))?
        })
    }

    fn stream<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let apart = payload.parts_matter;
            let begin = timeout(self.first_byte_timeout, self.begin(payload, hints));
            let (content_type, body) = begin.await.map_err(|_| too_slow("begin to answer"))??;
            Ok(Reply { content_type, body: parts(body, self.idle_timeout, apart) })
        })
    }
}

/// The header of a bearer key.
pub(super) fn bearer(key: &config::Secret) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
        .map_err(|_| Error::internal().because("an API key that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What an answer that is no success means.
async fn refused(response: Response<Incoming>) -> Failure {
    let (head, body) = response.into_parts();
    let log = format!("the model's server answered {}", head.status);
    let failed = |error: Error| Failure::Other(error.because(log.clone()));
    match head.status {
        // Nobody has worked on these.
        StatusCode::TOO_MANY_REQUESTS => {
            Failure::Declined(later(throttled(), &head.headers).because(log))
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Failure::Declined(later(unavailable(), &head.headers).because(log))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failed(Error::new(
            Code::InternalServer,
            "The gateway's own key was refused by the model's server. Its log says why.",
        )),
        // A proxy's words: the server behind it may have worked on it.
        StatusCode::BAD_GATEWAY => failed(unavailable()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => failed(too_slow("answer")),
        status if status.is_redirection() || status.is_informational() => {
            Failure::Unreached(Error::internal().because(log))
        }
        status => {
            // A body that breaks leaves the status.
            let body = whole(body, MAX_REFUSAL).await.unwrap_or_default();
            Failure::Container {
                status: Some(status.as_u16()),
                body: String::from_utf8_lossy(&body).into_owned(),
                source: Error::new(Code::ModelError, log),
            }
        }
    }
}

/// With the time that the server names, if it is a number of seconds.
pub(super) fn later(error: Error, headers: &HeaderMap) -> Error {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    match seconds.filter(|seconds| *seconds <= LONGEST_WAIT) {
        Some(seconds) => error.retry_after(Duration::from_secs(seconds)),
        None => error,
    }
}
