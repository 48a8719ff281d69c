//! SageMaker Runtime: `InvokeEndpoint` and `InvokeEndpointWithResponseStream`.
//!
//! The same two operations are made in two ways. [`direct`] writes the request itself, signs it and
//! reads the answer, on hyper; [`sdk`] leaves all of that to the official SDK, for about twice the
//! CPU of a short call. What both take from the SDK: its chain of credentials, and where a region's endpoints are.
//! The tests hold the two against each other, so that nobody can tell them apart.

mod control;
mod direct;
mod failure;
mod sdk;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sagemakerruntime::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_smithy_http_client::pool::{self, ConnectionPool};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::service_config::ServiceConfigKey;
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

pub use self::control::Condition;
use self::direct::Direct;
use self::sdk::ThroughSdk;
use super::identity::{Identities, Signer};
use super::{Client, Transport};
use crate::clock::Clock;
use crate::config::{self, SageMakerClient};
use crate::{Error, Result};

/// The service that calls are signed for.
const SERVICE: &str = "sagemaker";

/// What calls to all endpoints share: credentials, connections, and one signer for each region.
pub struct Clients {
    settings: config::SageMaker,
    client: Client,
    shared: SdkConfig,
    identities: Arc<Identities>,
    /// Room for connections, by the URL that they are made to.
    rooms: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Clients {
    /// Reads the SDK's configuration chain (environment, profile, container and instance
    /// credentials) and builds the pools. Calls nobody yet.
    pub async fn connect(
        settings: config::SageMaker,
        credentials: Option<aws_credential_types::Credentials>,
        clock: Clock,
    ) -> Result<Self> {
        let pool = ConnectionPool::builder()
            .max_connections_per_host(settings.max_connections)
            .idle_timeout(settings.pool_idle)
            .tcp_nodelay(true)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https()
            .map_err(|error| Error::internal().because(error))?;
        let http = pool::Client::new(&pool).map_err(|error| Error::internal().because(error))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials);
        }
        let shared = loader.load().await;
        let provider = shared.credentials_provider().unwrap_or_else(|| {
            SharedCredentialsProvider::new(
                aws_credential_types::credential_fn::provide_credentials_fn(|| {
                    std::future::ready(Err(not_loaded()))
                }),
            )
        });
        Ok(Self {
            client: Client::new(settings.connect_timeout, settings.pool_idle)?,
            identities: Arc::new(Identities::new(provider, clock)),
            rooms: Mutex::default(),
            settings,
            shared,
        })
    }

    /// The region that targets without one of their own are in.
    pub fn region(&self) -> Option<String> {
        self.shared.region().map(ToString::to_string)
    }

    /// A transport to one endpoint. `region` and `endpoint_url` stand over the settings'.
    ///
    /// # Errors
    /// There is no region, or the SDK knows no address for it.
    pub fn target(&self, address: Address) -> Result<Arc<dyn Transport>> {
        let url = address.endpoint_url.as_ref().or(self.settings.endpoint_url.as_ref());
        if self.settings.client == SageMakerClient::Sdk {
            let url = url.cloned();
            return Ok(Arc::new(ThroughSdk::new(
                &self.shared,
                address,
                url.as_deref(),
                self.patience(),
            )));
        }
        let region = address.region.clone().or_else(|| self.region());
        let region = region.ok_or_else(|| Error::internal().because("no region"))?;
        let base = self.base(url.map(String::as_str), &region)?;
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms
            .entry(base.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.settings.max_connections)));
        let room = Arc::clone(room);
        let signer = Signer::new(Arc::clone(&self.identities), region, SERVICE);
        let client = self.client.clone();
        Ok(Arc::new(Direct::new(client, signer, room, &base, &address, self.patience())?))
    }

    fn patience(&self) -> Patience {
        Patience {
            connect: self.settings.connect_timeout,
            first_byte: self.settings.first_byte_timeout,
            idle: self.settings.idle_timeout,
            invoke: self.settings.invoke_timeout,
        }
    }

    /// Where the runtime of `region` is, as the SDK finds it: the URL that is configured here, in
    /// the environment or in the profile, else the one of its own rules.
    fn base(&self, url: Option<&str>, region: &str) -> Result<String> {
        let url = url.map(ToOwned::to_owned).or_else(|| {
            let key = ServiceConfigKey::builder()
                .service_id("SageMaker Runtime")
                .env("AWS_ENDPOINT_URL")
                .profile("endpoint_url")
                .build()
                .ok()?;
            let of_service = self.shared.service_config().and_then(|all| all.load_config(key));
            of_service.or_else(|| self.shared.endpoint_url().map(ToOwned::to_owned))
        });
        let params = Params::builder()
            .region(region)
            .set_endpoint(url)
            .set_use_fips(self.shared.use_fips())
            .set_use_dual_stack(self.shared.use_dual_stack())
            .build()
            .map_err(|error| Error::internal().because(error))?;
        let resolver = DefaultResolver::new();
        // The rules are data: nothing is waited for.
        let endpoint = resolver
            .resolve_endpoint(&params)
            .now_or_never()
            .ok_or_else(|| Error::internal().because("the SDK did not resolve the endpoint"))?
            .map_err(|error| Error::internal().because(error))?;
        Ok(endpoint.url().trim_end_matches('/').to_owned())
    }
}

fn not_loaded() -> aws_credential_types::provider::error::CredentialsError {
    aws_credential_types::provider::error::CredentialsError::not_loaded("no credentials")
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
struct Patience {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
    invoke: Duration,
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
