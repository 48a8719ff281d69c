//! How targets are reached: through SageMaker, or at other places.

use std::time::Duration;

use super::Secret;
use super::value::words;

/// How SageMaker is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SageMaker {
    /// The region, from the file, `HELAN_REGION`, `AWS_REGION` or `AWS_DEFAULT_REGION`. `None`:
    /// the SDK looks further (profile, instance metadata).
    pub region: Option<String>,
    /// Another place than the region's own: a VPC endpoint, an emulator.
    pub endpoint_url: Option<String>,
    /// The profile of the AWS configuration files that gives the credentials.
    pub profile: Option<String>,
    /// Who makes the calls.
    pub client: SageMakerClient,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the head of a streamed answer may take.
    pub first_byte_timeout: Duration,
    /// How long a streamed answer may pause.
    pub idle_timeout: Duration,
    /// How long a unary answer may take as a whole. SageMaker itself gives up after 60 seconds.
    pub invoke_timeout: Duration,
    /// How often endpoints are asked how they are; `None`: not at all.
    pub poll: Option<Duration>,
    /// Where SageMaker's own API is; `None`: beside the region's runtime.
    pub control_url: Option<String>,
    /// Connections to one host.
    pub max_connections: usize,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
}

impl Default for SageMaker {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            profile: None,
            client: SageMakerClient::default(),
            connect_timeout: Duration::from_secs(3),
            first_byte_timeout: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(1),
            invoke_timeout: Duration::from_secs(70),
            poll: None,
            control_url: None,
            max_connections: 1024,
            pool_idle: Duration::from_mins(1),
        }
    }
}

words! {
    /// Who makes the calls to SageMaker.
    pub enum SageMakerClient {
        /// The gateway itself.
        #[default]
        Direct = "direct",
        /// The official SDK.
        Sdk = "sdk",
    }
}

/// How targets outside SageMaker are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the head of a streamed answer may take.
    pub first_byte_timeout: Duration,
    /// How long a streamed answer may pause.
    pub idle_timeout: Duration,
    /// How long a unary answer may take as a whole.
    pub answer_timeout: Duration,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            first_byte_timeout: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(1),
            answer_timeout: Duration::from_mins(5), // nobody ends it before, as SageMaker would
            pool_idle: Duration::from_mins(1),
        }
    }
}

/// A place that is no SageMaker endpoint: a container's own server, an OpenAI-compatible API, or
/// Bedrock in another region.
#[derive(Clone, Debug)]
pub struct Place {
    /// `http` or `https`, without a query and without a slash at its end.
    pub url: String,
    /// What is sent as a bearer token.
    pub api_key: Option<Secret>,
    /// The AWS profile that signs, for Bedrock in another region.
    pub profile: Option<String>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        let key = |place: &Self| place.api_key.as_ref().map(|key| key.expose().to_owned());
        self.url == other.url && self.profile == other.profile && key(self) == key(other)
    }
}
