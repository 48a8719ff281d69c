//! SageMaker Runtime through the official SDK.
//!
//! Its retries are off, since a retry runs the model again and multiplies with the caller's own.
//! Its clock for stalled streams is off as well: how long to wait for a head and between two parts
//! is the operator's choice.

mod bounds;
mod failure;

use aws_config::{Region, SdkConfig};
use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::config::StalledStreamProtectionConfig;
use aws_sdk_sagemakerruntime::config::retry::RetryConfig;
use aws_sdk_sagemakerruntime::config::timeout::TimeoutConfig;
use aws_sdk_sagemakerruntime::primitives::{Blob, event_stream::EventReceiver};
use aws_sdk_sagemakerruntime::types::ResponseStream;
use aws_sdk_sagemakerruntime::types::error::ResponseStreamError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::time::timeout;

use super::super::parts::Parts;
use super::super::{Failure, Hints, Transport, too_slow};
use super::{Address, Patience};
use crate::Result;
use crate::wire::{Payload, Reply};

/// One endpoint, called by the SDK.
#[derive(Clone, Debug)]
pub(super) struct ThroughSdk {
    client: Client,
    address: Address,
    patience: Patience,
}

impl ThroughSdk {
    /// `shared` is what the SDK's chain found; region and URL are those that hold for the address.
    pub(super) fn new(
        shared: &SdkConfig,
        address: Address,
        url: Option<&str>,
        patience: Patience,
    ) -> Self {
        let mut config = aws_sdk_sagemakerruntime::config::Builder::from(shared)
            .interceptor(bounds::Bounds)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(patience.connect).build());
        if let Some(region) = &address.region {
            config = config.region(Region::new(region.clone()));
        }
        if let Some(url) = url {
            config = config.endpoint_url(url);
        }
        Self { client: Client::from_conf(config.build()), address, patience }
    }
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

impl Transport for ThroughSdk {
    fn invoke<'a>(
        &'a self,
        payload: Payload,
        hints: &'a Hints,
    ) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let size = payload.body.len();
            let call = described!(self.client.invoke_endpoint(), self, payload, hints).send();
            let answer = timeout(self.patience.invoke, call)
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
            let (size, apart) = (payload.body.len(), payload.parts_matter);
            let call = described!(
                self.client.invoke_endpoint_with_response_stream(),
                self,
                payload,
                hints
            )
            .send();
            let answer = timeout(self.patience.first_byte, call)
                .await
                .map_err(|_| too_slow("begin to answer"))?
                .map_err(|error| failure::stream(&error, size))?;
            let parts = Parts::new(pieces(answer.body), self.patience.idle, apart);
            Ok(Reply { content_type: answer.content_type, body: Box::pin(parts) })
        })
    }
}

/// The bytes of the payload parts, as they come.
fn pieces(
    events: EventReceiver<ResponseStream, ResponseStreamError>,
) -> BoxStream<'static, Result<Bytes>> {
    Box::pin(futures_util::stream::unfold(Some(events), |events| async {
        let mut events = events?;
        loop {
            match events.recv().await {
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
