//! SageMaker Runtime through the official SDK: `InvokeEndpoint` and
//! `InvokeEndpointWithResponseStream`.
//!
//! The SDK resolves credentials and the endpoint's host name, signs, and parses; its retries are
//! off, since a retry runs the model again and multiplies with the caller's own. Its clock for
//! stalled streams is off as well: how long to wait for a head and between two parts is the
//! operator's choice.

mod bounds;
mod failure;

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::config::StalledStreamProtectionConfig;
use aws_sdk_sagemakerruntime::config::retry::RetryConfig;
use aws_sdk_sagemakerruntime::config::timeout::TimeoutConfig;
use aws_sdk_sagemakerruntime::primitives::{Blob, event_stream::EventReceiver};
use aws_sdk_sagemakerruntime::types::ResponseStream;
use aws_sdk_sagemakerruntime::types::error::ResponseStreamError;
use aws_smithy_http_client::pool::{self, ConnectionPool};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::time::timeout;

use super::{Failure, Hints, Transport};
use crate::config;
use crate::wire::{Payload, Reply};
use crate::{Code, Error, Result};

/// The SDK's clients: one connection pool, and one client for each region and URL that targets
/// name.
pub struct Clients {
    settings: config::SageMaker,
    http: pool::Client,
    shared: SdkConfig,
    /// Fixed credentials instead of the SDK's chain (the demo).
    credentials: Option<aws_credential_types::Credentials>,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Clients {
    /// Reads the SDK's configuration chain (environment, profile, container and instance
    /// credentials) and builds the pool. Calls nobody yet.
    pub async fn connect(
        settings: config::SageMaker,
        credentials: Option<aws_credential_types::Credentials>,
    ) -> Result<Self> {
        let pool = ConnectionPool::builder()
            .max_connections_per_host(settings.max_connections)
            .idle_timeout(settings.pool_idle)
            .tcp_nodelay(true)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https()
            .map_err(|error| Error::internal().because(error))?;
        let http = pool::Client::new(&pool).map_err(|error| Error::internal().because(error))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(credentials) = &credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let shared = loader.load().await;
        Ok(Self { settings, http, shared, credentials })
    }

    /// The region that targets without one of their own are in.
    pub fn region(&self) -> Option<String> {
        self.shared.region().map(ToString::to_string)
    }

    /// A transport to one endpoint. `region` and `endpoint_url` stand over the settings'.
    pub fn target(&self, address: Address) -> SageMaker {
        let mut config = aws_sdk_sagemakerruntime::config::Builder::from(&self.shared)
            .http_client(self.http.clone())
            .interceptor(bounds::Bounds)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(self.settings.connect_timeout).build(),
            );
        if let Some(region) = &address.region {
            config = config.region(Region::new(region.clone()));
        }
        if let Some(url) = address.endpoint_url.as_ref().or(self.settings.endpoint_url.as_ref()) {
            config = config.endpoint_url(url);
        }
        if let Some(credentials) = &self.credentials {
            config = config.credentials_provider(credentials.clone());
        }
        SageMaker {
            client: Client::from_conf(config.build()),
            first_byte_timeout: self.settings.first_byte_timeout,
            idle_timeout: self.settings.idle_timeout,
            invoke_timeout: self.settings.invoke_timeout,
            address: Arc::new(address),
        }
    }
}

/// Which endpoint, and which part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The endpoint's name.
    pub endpoint: String,
    /// Its region, where it is another than the settings'.
    pub region: Option<String>,
    /// Its URL, where it is another than the settings'.
    pub endpoint_url: Option<String>,
    /// The inference component that serves the model.
    pub inference_component: Option<String>,
    /// The production variant.
    pub target_variant: Option<String>,
}

/// One endpoint behind SageMaker Runtime.
#[derive(Clone, Debug)]
pub struct SageMaker {
    client: Client,
    address: Arc<Address>,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
    invoke_timeout: Duration,
}

/// The two operations take the same members, by builders that have no type in common.
macro_rules! described {
    ($operation:expr, $target:expr, $payload:expr, $hints:expr) => {
        $operation
            .endpoint_name(&$target.address.endpoint)
            .content_type($payload.content_type)
            .accept($payload.accept)
            .set_inference_component_name($target.address.inference_component.clone())
            .set_target_variant($target.address.target_variant.clone())
            .set_inference_id($hints.inference_id.clone())
            .set_session_id($hints.session_id.clone())
            .set_custom_attributes($hints.custom_attributes.clone())
            .set_prefix_aware_id($hints.prefix_aware_id.clone())
            .body(Blob::new($payload.body))
    };
}

impl Transport for SageMaker {
    fn invoke<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let size = payload.body.len();
            let call = described!(self.client.invoke_endpoint(), self, payload, hints).send();
            let answer = timeout(self.invoke_timeout, call)
                .await
                .map_err(|_| too_slow("answer"))?
                .map_err(|error| failure::invoke(&error, size))?;
            let body = answer.body.map(Blob::into_inner).unwrap_or_default();
            Ok(Reply::whole(answer.content_type, Bytes::from(body)))
        })
    }

    fn stream<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let size = payload.body.len();
            let call = described!(
                self.client.invoke_endpoint_with_response_stream(),
                self,
                payload,
                hints
            )
            .send();
            let answer = timeout(self.first_byte_timeout, call)
                .await
                .map_err(|_| too_slow("begin to answer"))?
                .map_err(|error| failure::stream(&error, size))?;
            Ok(Reply {
                content_type: answer.content_type,
                body: parts(answer.body, self.idle_timeout),
            })
        })
    }
}

fn too_slow(what: &str) -> Error {
    Error::new(
        Code::ModelTimeout,
        format!("The model did not {what} within the time allowed. Try your request again."),
    )
}

/// The bytes of the payload parts, as they come.
fn parts(
    events: EventReceiver<ResponseStream, ResponseStreamError>,
    idle: Duration,
) -> BoxStream<'static, Result<Bytes>> {
    Box::pin(futures_util::stream::unfold(Some(events), move |events| async move {
        let mut events = events?;
        loop {
            let Ok(next) = timeout(idle, events.recv()).await else {
                return Some((Err(too_slow("send the next part of its answer")), None));
            };
            match next {
                Ok(Some(ResponseStream::PayloadPart(part))) => {
                    let bytes = part.bytes.map(Blob::into_inner).unwrap_or_default();
                    if !bytes.is_empty() {
                        return Some((Ok(Bytes::from(bytes)), Some(events)));
                    }
                }
                // An event that a newer service may add is no part of the container's answer.
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some((Err(failure::part(&error)), None)),
            }
        }
    }))
}
