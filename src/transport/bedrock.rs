//! Bedrock itself, in a region that has it: requests go there as they came, signed anew or with an
//! API key, and its answers come back byte for byte.
//!
//! What callers send leaves China this way: the configuration must say that it may.

use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::time::timeout;

use super::client::{Client, parts, whole};
use super::http::{AGENT, MAX_REFUSAL, bearer, later};
use super::identity::{Identities, Signer};
use super::{Failure, Hints, Passed, Transport, Verbatim, too_slow, unavailable};
use crate::clock::Clock;
use crate::config;
use crate::error::Upstream;
use crate::wire::{Payload, Reply};
use crate::{Code, Error, Result};

/// One Bedrock.
#[derive(Debug)]
pub struct Bedrock {
    client: Client,
    /// Without a slash at its end.
    url: String,
    proof: Proof,
    first_byte_timeout: Duration,
    answer_timeout: Duration,
    idle_timeout: Duration,
}

/// How it knows us.
#[derive(Debug)]
enum Proof {
    Key(HeaderValue),
    Signature(Signer),
}

impl Bedrock {
    /// The Bedrock at `place`, in `region`.
    ///
    /// # Errors
    /// Nothing says whose calls these are.
    pub fn new(
        client: Client,
        settings: &config::Http,
        place: &config::Place,
        region: Option<&str>,
        clock: Clock,
    ) -> Result<Self> {
        let proof = match (&place.api_key, &place.profile, region) {
            (Some(key), ..) => Proof::Key(bearer(key)?),
            (None, Some(profile), Some(region)) => {
                let around = ProviderConfig::without_region()
                    .with_region(Some(Region::new(region.to_owned())));
                let provider = ProfileFileCredentialsProvider::builder()
                    .configure(&around)
                    .profile_name(profile)
                    .build();
                let identities = Identities::new(SharedCredentialsProvider::new(provider), clock);
                Proof::Signature(Signer::new(Arc::new(identities), region.to_owned(), "bedrock"))
            }
            _ => return Err(Error::internal().because("Bedrock without a key or a profile")),
        };
        Ok(Self {
            client,
            url: place.url.clone(),
            proof,
            first_byte_timeout: settings.first_byte_timeout,
            answer_timeout: settings.answer_timeout,
            idle_timeout: settings.idle_timeout,
        })
    }

    async fn request(&self, verbatim: Verbatim) -> Result<Request<Full<Bytes>>, Failure> {
        let Verbatim { path, headers, body, sha256, .. } = verbatim;
        let uri = Uri::try_from(format!("{}{path}", self.url))
            .map_err(|error| Failure::Unasked(Error::internal().because(error)))?;
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        match &self.proof {
            Proof::Key(key) => {
                request.headers_mut().insert(AUTHORIZATION, key.clone());
            }
            Proof::Signature(signer) => signer.sign(&mut request, &body, Some(sha256)).await?,
        }
        request.headers_mut().insert(USER_AGENT, AGENT);
        Ok(request)
    }
}

impl Transport for Bedrock {
    fn invoke<'a>(&'a self, _: Payload, _: &'a Hints) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(std::future::ready(Err(no_container())))
    }

    fn stream<'a>(&'a self, _: Payload, _: &'a Hints) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(std::future::ready(Err(no_container())))
    }

    fn pass(&self, verbatim: Verbatim) -> BoxFuture<'_, Result<Passed, Failure>> {
        Box::pin(async move {
            let (patience, what) = if verbatim.streamed {
                (self.first_byte_timeout, "begin to answer")
            } else {
                (self.answer_timeout, "answer")
            };
            let request = self.request(verbatim).await?;
            let answer = timeout(patience, self.client.send(request)).await;
            let answer = answer.map_err(|_| too_slow(what))??;
            if !answer.status().is_success() {
                return Err(refused(answer).await);
            }
            let (head, body) = answer.into_parts();
            Ok(Passed { headers: head.headers, body: parts(body, self.idle_timeout, false) })
        })
    }
}

fn no_container() -> Failure {
    Failure::Unasked(Error::internal().because("a payload for a container, to Bedrock"))
}

/// The members of Bedrock's errors.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    #[serde(alias = "Message")]
    message: Option<String>,
    original_status_code: Option<u16>,
    original_message: Option<String>,
    resource_name: Option<String>,
}

/// Bedrock's own refusal, for our caller: the same exception with the same words, but for those
/// that are about our credentials.
async fn refused(answer: Response<Incoming>) -> Failure {
    let (head, body) = answer.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let name = header("x-amzn-errortype").unwrap_or_default();
    let name = name.split([':', '#']).next().unwrap_or_default();
    let log = format!(
        "Bedrock answered {name}, status {}, request id {}",
        head.status,
        header("x-amzn-requestid").unwrap_or("none")
    );
    // A body that breaks leaves the head.
    let body = whole(body, MAX_REFUSAL).await.unwrap_or_default();
    let said: Said = serde_json::from_slice(&body).unwrap_or_default();
    let Some(code) = code(name, head.status) else {
        let error = Error::new(
            Code::InternalServer,
            "The gateway's own credentials were refused by Bedrock. Its log says why.",
        );
        return Failure::Other(error.because(log));
    };
    let error = match said.message {
        Some(message) => Error::new(code, message),
        None if code == Code::ServiceUnavailable => unavailable(),
        None => Error::internal().with_code(code),
    };
    let upstream = Upstream {
        status: said.original_status_code,
        message: said.original_message,
        resource: said.resource_name,
    };
    let error = later(error, &head.headers).upstream(upstream).because(log);
    match code {
        Code::Throttling | Code::ModelNotReady | Code::ServiceUnavailable => {
            Failure::Declined(error)
        }
        _ => Failure::Other(error),
    }
}

/// The code of an exception; `None` where it is about our credentials.
fn code(name: &str, status: StatusCode) -> Option<Code> {
    Some(match name {
        "ValidationException" => Code::Validation,
        "ResourceNotFoundException" => Code::ResourceNotFound,
        "ThrottlingException" => Code::Throttling,
        "ServiceQuotaExceededException" => Code::ServiceQuotaExceeded,
        "ModelNotReadyException" => Code::ModelNotReady,
        "ModelTimeoutException" => Code::ModelTimeout,
        "ModelErrorException" => Code::ModelError,
        "ModelStreamErrorException" => Code::ModelStreamError,
        "ServiceUnavailableException" => Code::ServiceUnavailable,
        "InternalServerException" => Code::InternalServer,
        _ => match status.as_u16() {
            401 | 403 => return None,
            429 => Code::Throttling,
            413 => Code::TooLarge,
            404 => Code::ResourceNotFound,
            400..=499 => Code::Validation,
            502..=504 => Code::ServiceUnavailable,
            _ => Code::InternalServer,
        },
    })
}
