//! From a configuration to a gateway that can be run.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use hyper::body::Incoming;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::auth::{AccessKey, Authenticator, BearerKey, Keyring};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, AuthMode, Config};
use crate::container::Container;
use crate::container::openai::{OpenAi, Options};
use crate::layers::admit::Budget;
use crate::meter::{Meter, Metrics};
use crate::server::{self, Admin, Server};
use crate::stack::{self, Gateway};
use crate::transport::Transport;
use crate::transport::sagemaker::{Address, Clients, Settings};
use crate::{Error, Result};

/// Longer than the pools of the usual clients keep a connection they do not use.
const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// A gateway whose ports are bound.
#[derive(Debug)]
pub struct Assembled {
    /// The port for callers.
    pub server: Server,
    /// The port for the operator.
    pub admin: Option<Admin>,
    gateway: Gateway<Incoming>,
    meter: Meter,
}

/// Reads keys and certificates, connects the models to their endpoints, binds the ports. Calls no
/// endpoint. `credentials` stand over the SDK's own chain.
pub async fn assemble(
    mut config: Config,
    clock: Clock,
    credentials: Option<Credentials>,
) -> Result<Assembled> {
    let meter = Meter::new(clock, Arc::new(Metrics::new()));
    let limits = config.limits.clone();
    let options = server::Options {
        max_connections: limits.max_connections,
        header_timeout: limits.header_timeout,
        idle_timeout: IDLE_TIMEOUT,
        drain: limits.drain,
    };
    let tls = config.tls.as_ref().map(tls).transpose()?;
    let server = Server::bind(config.listen, tls, options).await?;
    let admin = match config.admin {
        Some(address) => Some(Admin::bind(address).await?),
        None => None,
    };
    refuse_loops(&config, &server).await?;
    let clients = Clients::connect(settings(&config.sagemaker), credentials).await?;
    match clients.region() {
        Some(region) => config.assume_region(&region),
        None if config.models.iter().any(|model| model.target.region.is_none()) => {
            return Err(Error::internal().because(
                "no region: write `region` under [sagemaker], or set AWS_REGION; no call to SageMaker could be signed without it",
            ));
        }
        None => {}
    }
    let catalog = Catalog::new(&config, move |target| Ok(connect(&clients, target)))?;
    let parts = stack::Parts {
        meter: meter.clone(),
        budget: Budget::new(
            limits.body_budget as u64,
            limits.max_body as u64,
            limits.body_timeout,
            meter.clone(),
        ),
        authenticator: authenticator(&config.auth)?,
        catalog: Arc::new(catalog),
        max_calls: limits.max_calls,
        max_answer: limits.max_answer as u64,
    };
    Ok(Assembled { server, admin, gateway: stack::gateway(parts), meter })
}

impl Assembled {
    /// Serves until `shutdown`, then drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let admin = async {
            match self.admin {
                Some(admin) => admin.run(self.meter.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.server.run(self.gateway, self.meter.clone(), shutdown) => {}
            () = admin => {}
        }
    }
}

fn settings(config: &config::SageMaker) -> Settings {
    Settings {
        region: config.region.clone(),
        endpoint_url: config.endpoint_url.clone(),
        profile: config.profile.clone(),
        connect_timeout: config.connect_timeout,
        first_byte_timeout: config.first_byte_timeout,
        idle_timeout: config.idle_timeout,
        invoke_timeout: config.invoke_timeout,
        max_connections: config.max_connections,
        pool_idle: config.pool_idle,
    }
}

fn connect(clients: &Clients, target: &config::Target) -> (Arc<dyn Transport>, Arc<dyn Container>) {
    let transport = clients.target(Address {
        endpoint: target.endpoint.clone(),
        region: target.region.clone(),
        endpoint_url: target.endpoint_url.clone(),
        inference_component: target.inference_component.clone(),
        target_variant: target.target_variant.clone(),
    });
    let container = match target.contract {
        config::Contract::OpenAi => OpenAi::new(Options {
            images: target.images,
            cached_in_usage: target.cached_in_usage,
            model: target.upstream_model.clone(),
            ..Options::default()
        }),
    };
    (Arc::new(transport), Arc::new(container))
}

fn authenticator(auth: &config::Auth) -> Result<Authenticator> {
    if auth.mode == AuthMode::None {
        return Ok(Authenticator::none());
    }
    let access = auth.keys.access_keys.iter().map(|key| AccessKey {
        id: key.id.clone(),
        secret: key.secret.clone(),
        session_token: key.session_token.clone(),
        principal: key.principal.clone(),
    });
    let bearer = auth
        .keys
        .bearer_keys
        .iter()
        .map(|key| BearerKey { sha256: key.sha256.clone(), principal: key.principal.clone() });
    let ring = Keyring::new(access, bearer).map_err(|error| Error::internal().because(error))?;
    let services: Vec<&str> = auth.services.iter().map(|service| service.as_str()).collect();
    Ok(Authenticator::new(ring, &services))
}

fn tls(files: &config::Tls) -> Result<Arc<ServerConfig>> {
    let unreadable = |file: &std::path::Path, error: &dyn std::fmt::Display| {
        Error::internal().because(format!("cannot use {}: {error}", file.display()))
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&files.certificate, &error))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| unreadable(&files.certificate, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// An `AWS_ENDPOINT_URL` that was meant for the application next to us would make us call
/// ourselves, again and again.
async fn refuse_loops(config: &Config, server: &Server) -> Result<()> {
    let own = server.local_addr()?;
    for url in config.upstream_urls() {
        if server::leads_to(url, own).await {
            return Err(Error::internal().because(format!(
                "the endpoint URL {url} is this gateway's own address {own}: calls would go in circles; write the URL of SageMaker Runtime, or leave it out"
            )));
        }
    }
    Ok(())
}
