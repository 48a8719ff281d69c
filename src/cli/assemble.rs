//! From a configuration to a gateway that can be run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use hyper::body::Incoming;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::counting::Tokenizers;
use crate::auth::{AccessKey, Authenticator, BearerKey, Keyring};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, AuthMode, Config, Contract, ControlTokens, TemplateSource};
use crate::container::Container;
use crate::container::openai::{self, OpenAi};
use crate::container::raw::Raw;
use crate::container::text;
use crate::layers::admit::Budget;
use crate::meter::{Meter, Metrics};
use crate::parse::Format;
use crate::server::{self, Admin, Server};
use crate::stack::{self, Gateway};
use crate::template::{self, BUILTINS, Builtin, Findings, Guard, Policy, Template};
use crate::transport::Transport;
use crate::transport::sagemaker::{Address, Clients};
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
    let clients = Clients::connect(config.sagemaker.clone(), credentials).await?;
    match clients.region() {
        Some(region) => config.assume_region(&region),
        None if config.models.iter().any(|model| model.target.region.is_none()) => {
            return Err(Error::internal().because(
                "no region: write `region` under [sagemaker], or set AWS_REGION; no call to SageMaker could be signed without it",
            ));
        }
        None => {}
    }
    let containers = Containers::new(meter.clock().clone());
    for allow in &config.allow {
        // Now, and not in the call that is the first to name such an endpoint.
        containers.of(&allow.target("", ""))?;
    }
    let catalog = Catalog::new(&config, move |target| {
        Ok((transport(&clients, target), containers.of(target)?))
    })?;
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

fn transport(clients: &Clients, target: &config::Target) -> Arc<dyn Transport> {
    Arc::new(clients.target(Address {
        endpoint: target.endpoint.clone(),
        region: target.region.clone(),
        endpoint_url: target.endpoint_url.clone(),
        inference_component: target.inference_component.clone(),
        target_variant: target.target_variant.clone(),
    }))
}

/// The containers that were made. Targets that differ only in where they are share one, so that a
/// template is read and tried out once.
struct Containers {
    clock: Clock,
    tokenizers: Tokenizers,
    made: Mutex<Vec<(config::Target, Arc<dyn Container>)>>,
}

impl Containers {
    fn new(clock: Clock) -> Self {
        Self { clock, tokenizers: Tokenizers::default(), made: Mutex::default() }
    }

    fn of(&self, target: &config::Target) -> Result<Arc<dyn Container>> {
        let anywhere = config::Target {
            endpoint: String::new(),
            region: None,
            endpoint_url: None,
            inference_component: None,
            target_variant: None,
            ..target.clone()
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, container)) = made.iter().find(|(known, _)| *known == anywhere) {
            return Ok(Arc::clone(container));
        }
        let container = container(&anywhere, &self.clock)?;
        let container = self.tokenizers.count(container, &anywhere, &self.clock)?;
        made.push((anywhere, Arc::clone(&container)));
        Ok(container)
    }
}

/// The language of a target's container, with its template read and tried out.
pub(super) fn container(target: &config::Target, clock: &Clock) -> Result<Arc<dyn Container>> {
    let dialect = match target.contract {
        Contract::OpenAi => {
            let template = target.template.as_ref().map(template).transpose()?;
            let (opens_thinking, guard) = match template {
                Some((template, _)) => (
                    Findings::of(&template).opens_thinking,
                    Guard::new(
                        template::ControlTokens::of(&template),
                        policy(target.control_tokens),
                    ),
                ),
                None => (false, Guard::default()),
            };
            return Ok(Arc::new(OpenAi::new(openai::Options {
                opens_thinking,
                guard,
                images: target.images,
                cached_in_usage: target.cached_in_usage,
                model: target.upstream_model.clone(),
                ..openai::Options::default()
            })));
        }
        Contract::Raw => return Ok(Arc::new(Raw)),
        Contract::Completions => text::Dialect::Completions,
        Contract::Tgi => text::Dialect::Tgi,
        Contract::Lmi => text::Dialect::Lmi,
        Contract::HuggingFace => text::Dialect::HuggingFace,
    };
    Ok(Arc::new(reader(target, dialect, clock)?))
}

/// A container of text.
pub(super) fn reader(
    target: &config::Target,
    dialect: text::Dialect,
    clock: &Clock,
) -> Result<text::Text> {
    let (template, implied) = match &target.template {
        None => (None, None),
        Some(source) => {
            let (template, implied) = template(source)?;
            (Some(template), implied)
        }
    };
    let format = match target.format.as_deref().or(implied) {
        None => Some(Format::Detect),
        Some("none") => None,
        Some(name) => Some(name.parse().map_err(|_| {
            let known: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
            failed(format!(
                "there is no format \"{name}\"; write none, or one of {}",
                known.join(", ")
            ))
        })?),
    };
    let options = text::Options {
        dialect,
        template,
        format,
        control_tokens: policy(target.control_tokens),
        adds_bos: target.adds_bos,
        max_tokens: target.default_max_tokens,
        model: target.upstream_model.clone(),
        cached_in_usage: target.cached_in_usage,
        ..text::Options::default()
    };
    Ok(text::Text::new(options, clock.clone()))
}

fn policy(control_tokens: ControlTokens) -> Policy {
    match control_tokens {
        ControlTokens::Neutralise => Policy::Neutralise,
        ControlTokens::Reject => Policy::Reject,
        ControlTokens::Allow => Policy::Allow,
    }
}

/// A target's template, and the format of the text that it implies.
pub(super) fn template(source: &TemplateSource) -> Result<(Template, Option<&'static str>)> {
    match source {
        TemplateSource::Path(path) => {
            let template =
                Template::load(path).map_err(|error| Error::internal().because(error))?;
            Ok((template, None))
        }
        TemplateSource::Builtin(name) => {
            let builtin = Builtin::find(name).ok_or_else(|| {
                let known: Vec<_> = BUILTINS.iter().map(|builtin| builtin.name).collect();
                let known = known.join(", ");
                failed(format!("there is no template \"{name}\"; write a path, or one of {known}"))
            })?;
            let template = builtin.template().map_err(|error| Error::internal().because(error))?;
            Ok((template, builtin.tools.or(builtin.reasoning)))
        }
    }
}

fn failed(message: String) -> Error {
    Error::internal().because(message)
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
