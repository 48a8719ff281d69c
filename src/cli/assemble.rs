//! From a configuration to a gateway that can be run.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use super::counting::Tokenizers;
use super::poll::{self, Poll};
use super::reload::{self, Reloads, Seen};
use super::ways::Ways;
use crate::auth::{AccessKey, Authenticator, BearerKey, Keyring};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, AuthMode, Config, Contract, ControlTokens, Prompts, TemplateSource};
use crate::container::Speaks;
use crate::container::embedding::{self, Embedder};
use crate::container::openai::{self, OpenAi};
use crate::container::rerank::{self, Reranker};
use crate::container::text;
use crate::embed::Pooling;
use crate::layers::admit::Budget;
use crate::layers::limits::{Bounds, LimitsLayer, Places};
use crate::meter::{Meter, Metrics};
use crate::parse::Format;
use crate::server::{self, Admin, Live, Server};
use crate::stack;
use crate::template::{self, BUILTINS, Builtin, Findings, Guard, Policy, Template};
use crate::transport::sagemaker::Clients;
use crate::{Error, Result};

/// A gateway whose ports are bound.
#[derive(Debug)]
pub struct Assembled {
    /// The port for callers.
    pub server: Server,
    /// The port for the operator.
    pub admin: Option<Admin>,
    pub(super) live: watch::Sender<Live>,
    pub(super) assembly: Assembly,
}

/// Reads keys and certificates, connects the models to their endpoints, binds the ports. Calls no
/// endpoint. `credentials` stand over the SDK's own chain.
pub async fn assemble(
    config: Config,
    clock: Clock,
    credentials: Option<Credentials>,
) -> Result<Assembled> {
    let server = Server::bind(config.listen).await?;
    let admin = match config.admin {
        Some(address) => Some(Admin::bind(address).await?),
        None => None,
    };
    let containers = Arc::new(Containers::new(clock.clone()));
    let mut assembly = Assembly {
        meter: Meter::new(clock, Arc::new(Metrics::new())),
        own: server.local_addr()?,
        credentials,
        made: None,
        polls: watch::Sender::new(None),
    };
    let live = assembly.make(config, containers).await?;
    Ok(Assembled { server, admin, live: watch::Sender::new(live), assembly })
}

impl Assembled {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.live.borrow().tls.is_some() { "https" } else { "http" }
    }

    /// Serves until `shutdown`, then ends in order; see [`Server::run`]. The configuration is read
    /// again, from `file` and the environment, when it changes, if it `reloads`.
    pub async fn run(self, shutdown: impl Future<Output = ()>, reloads: Option<Reloads>) {
        let meter = self.assembly.meter.clone();
        let admin = async {
            match self.admin {
                Some(admin) => admin.run(meter.clone()).await,
                None => std::future::pending().await,
            }
        };
        let live = self.live.subscribe();
        let polls = poll::run(self.assembly.polls.subscribe());
        let reloads = async {
            if let Some(reloads) = reloads {
                Box::pin(reloads.run(self.assembly, self.live)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.server.run(live, meter.clone(), shutdown) => {}
            () = admin => {}
            () = reloads => {}
            () = polls => {}
        }
    }
}

/// Makes gateways: the first one, and one for each configuration that follows.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) meter: Meter,
    /// The address that callers connect to.
    own: SocketAddr,
    credentials: Option<Credentials>,
    pub(super) made: Option<Made>,
    /// What is asked of SageMaker beside the calls.
    polls: watch::Sender<Option<Arc<Poll>>>,
}

/// What the gateway in use was made of. What its configuration has in common with the next one
/// goes on: connections, containers, the places of calls.
pub(super) struct Made {
    /// As it was written; of settings that only the start reads, as it was at the start.
    pub(super) config: Config,
    pub(super) containers: Arc<Containers>,
    ways: Ways,
    /// Its targets. One that has not changed is to keep what is known of its health.
    catalog: Arc<Catalog>,
    budget: Budget,
    places: Places,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}

impl Assembly {
    /// Makes what serves `config`; on failure, what was made before stays. The containers may have
    /// been made already, where that blocks nobody.
    pub(super) async fn make(
        &mut self,
        config: Config,
        containers: Arc<Containers>,
    ) -> Result<Live> {
        let before = self.made.as_ref();
        refuse_loops(&config, self.own).await?;
        let known = before.map(|made| (&made.config, &made.ways));
        let clock = self.meter.clock();
        let ways = Box::pin(Ways::new(&config, known, self.credentials.as_ref(), clock)).await?;
        let written = config.clone();
        let config = located(config, &ways.clients)?;
        for allow in &config.allow {
            // Now, and not in the call that is the first to name such an endpoint.
            containers.of(&allow.target("", ""))?;
        }
        let catalog = {
            let (ways, containers) = (ways.clone(), Arc::clone(&containers));
            let known = before.map(|made| &*made.catalog);
            Arc::new(Catalog::new(&config, self.meter.clock().clone(), known, move |target| {
                Ok((ways.to(target)?, containers.of(target)?))
            })?)
        };
        let limits = &config.limits;
        let memory = |limits: &config::Limits| {
            (limits.body_budget as u64, limits.max_body as u64, limits.body_timeout)
        };
        let same = before.filter(|made| memory(&made.config.limits) == memory(limits));
        let (total, each, wait) = memory(limits);
        let budget = same.map_or_else(
            || Budget::new(total, each, wait, self.meter.clone()),
            |made| made.budget.clone(),
        );
        let places = before.map(|made| made.places.clone());
        let places = places.unwrap_or_else(|| Places::new(limits.max_calls));
        let live = Live {
            gateway: stack::gateway(stack::Parts {
                meter: self.meter.clone(),
                budget: budget.clone(),
                authenticator: authenticator(&config.auth)?,
                catalog: Arc::clone(&catalog),
                limits: LimitsLayer::new(places.clone(), bounds(&config)),
                max_answer: limits.max_answer as u64,
            }),
            tls: config.tls.as_ref().map(tls).transpose()?,
            options: server::Options {
                max_connections: limits.max_connections,
                header_timeout: limits.header_timeout,
                idle_timeout: limits.keep_alive_timeout,
                write_timeout: limits.write_timeout,
                grace: config.drain.grace,
                deadline: config.drain.deadline,
            },
        };
        // From here on nothing can fail: what the gateways share may change.
        places.resize(limits.max_calls);
        self.observe(&config, &catalog, &places);
        self.polls.send_replace(ways.poll(&config, &catalog));
        self.made = Some(Made { config: written, containers, ways, catalog, budget, places });
        Ok(live)
    }

    /// The metrics tell of this configuration from now on.
    fn observe(&self, config: &Config, catalog: &Arc<Catalog>, places: &Places) {
        let metrics = self.meter.metrics();
        let now = self.meter.clock().now().unix_timestamp();
        metrics.config(config.hash, u64::try_from(now).unwrap_or(0));
        let principals: BTreeSet<String> = match config.auth.mode {
            AuthMode::Keys => config.auth.keys.principals().map(ToOwned::to_owned).collect(),
            AuthMode::None => BTreeSet::new(),
        };
        let (catalog, places) = (Arc::clone(catalog), places.clone());
        metrics.observe(move |readings| {
            catalog.read(readings);
            places.read(principals.iter().map(String::as_str), readings);
        });
    }
}

/// What calls may take of the places.
fn bounds(config: &Config) -> Bounds {
    let own = |principal: &config::Principal| Some((principal.name.clone(), principal.max_calls?));
    Bounds {
        queue: config.limits.queue,
        queue_wait: config.limits.queue_wait,
        share: config.limits.max_calls_per_principal,
        shares: config.principals.iter().filter_map(own).collect(),
    }
}

/// The configuration with the region that the SDK found, wherever the operator named none.
fn located(mut config: Config, clients: &Clients) -> Result<Config> {
    match clients.region() {
        Some(region) => config.assume_region(&region),
        None if config
            .models
            .iter()
            .any(|model| model.targets.iter().any(config::Target::needs_region)) =>
        {
            return Err(Error::internal().because(
                "no region: write `region` under [sagemaker], or set AWS_REGION; no call to SageMaker could be signed without it",
            ));
        }
        None => {}
    }
    Ok(config)
}

/// What is wrong with a configuration beyond its text: templates, certificates. The containers
/// that are right have been made afterwards.
pub(super) fn problems(config: &Config, containers: &Containers) -> Vec<Error> {
    let allowed = config.allow.iter().map(|allow| allow.target("", ""));
    let targets = config.models.iter().flat_map(|model| model.targets.clone()).chain(allowed);
    let containers = targets.filter_map(|target| containers.of(&target).err());
    let certificate = config.tls.as_ref().and_then(|files| tls(files).err());
    containers.chain(certificate).chain(authenticator(&config.auth).err()).collect()
}

/// The containers that were made. Targets that differ only in where they are share one, so that a
/// template is read and tried out once.
pub(super) struct Containers {
    clock: Clock,
    /// Those that this configuration has loaded.
    pub(super) tokenizers: Tokenizers,
    made: Mutex<Vec<Ready>>,
    /// Those of the configuration before, until they are wanted again.
    before: Mutex<Vec<Ready>>,
}

struct Ready {
    target: config::Target,
    /// The template's files as they were.
    files: Vec<Seen>,
    speaks: Speaks,
}

impl Containers {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            tokenizers: Tokenizers::default(),
            made: Mutex::default(),
            before: Mutex::default(),
        }
    }

    /// For the next configuration: what was made of files that are still the same need not be
    /// made again.
    pub(super) fn next(&self) -> Self {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let same = made.iter().filter(|ready| files(&ready.target) == ready.files);
        let before = Mutex::new(same.map(Ready::again).collect());
        Self { before, ..Self::new(self.clock.clone()) }
    }

    fn of(&self, target: &config::Target) -> Result<Speaks> {
        let anywhere = config::Target {
            endpoint: String::new(),
            place: None,
            region: None,
            endpoint_url: None,
            inference_component: None,
            target_variant: None,
            ..target.clone()
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = made.iter().find(|ready| ready.target == anywhere) {
            return Ok(ready.speaks.clone());
        }
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let known = before.iter().position(|ready| ready.target == anywhere);
        let ready = if let Some(at) = known {
            before.swap_remove(at)
        } else {
            let files = files(&anywhere);
            let speaks = container(&anywhere, &self.clock)?;
            let speaks = self.tokenizers.count(speaks, &anywhere, &self.clock)?;
            Ready { target: anywhere, files, speaks }
        };
        let speaks = ready.speaks.clone();
        made.push(ready);
        Ok(speaks)
    }
}

impl Ready {
    fn again(&self) -> Self {
        let (files, speaks) = (self.files.clone(), self.speaks.clone());
        Self { target: self.target.clone(), files, speaks }
    }
}

/// The files of a target's template and tokenizer, as they are now.
fn files(target: &config::Target) -> Vec<Seen> {
    let mut paths = match &target.template {
        Some(TemplateSource::Path(path)) => config::ModelFiles::paths(path).to_vec(),
        _ => vec![],
    };
    paths.extend(target.tokenizer.clone());
    reload::look(&paths)
}

/// The language of a target's container, with its template read and tried out.
pub(super) fn container(target: &config::Target, clock: &Clock) -> Result<Speaks> {
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
            return Ok(OpenAi::new(openai::Options {
                opens_thinking,
                guard,
                prompts: match target.prompts {
                    Prompts::Completion => openai::Prompts::Completion,
                    Prompts::Turns => openai::Prompts::Turns,
                },
                adds_bos: target.adds_bos,
                images: target.images,
                cached_in_usage: target.cached_in_usage,
                model: target.upstream_model.clone(),
                ..openai::Options::default()
            })
            .into());
        }
        Contract::Raw => return Ok(Speaks::Raw),
        Contract::Bedrock => return Ok(Speaks::Bedrock),
        Contract::Tei => return Ok(embedder(target, embedding::Dialect::Tei)),
        Contract::Embeddings => return Ok(embedder(target, embedding::Dialect::OpenAi)),
        Contract::LmiEmbeddings => return Ok(embedder(target, embedding::Dialect::Lmi)),
        Contract::HfFeatures => return Ok(embedder(target, embedding::Dialect::HuggingFace)),
        Contract::TeiRerank => return Ok(reranker(target, rerank::Dialect::Tei)),
        Contract::Rerank => return Ok(reranker(target, rerank::Dialect::VLlm)),
        Contract::Completions => text::Dialect::Completions,
        Contract::Tgi => text::Dialect::Tgi,
        Contract::Lmi => text::Dialect::Lmi,
        Contract::HuggingFace => text::Dialect::HuggingFace,
    };
    Ok(reader(target, dialect, clock)?.into())
}

fn embedder(target: &config::Target, dialect: embedding::Dialect) -> Speaks {
    Speaks::Embeddings(Arc::new(Embedder::new(embedding::Options {
        dialect,
        max_batch: target.max_batch,
        pooling: match target.pooling {
            config::Pooling::Mean => Pooling::Mean,
            config::Pooling::Cls => Pooling::Cls,
        },
        model: target.upstream_model.clone(),
        query_prefix: target.query_prefix.clone(),
        document_prefix: target.document_prefix.clone(),
    })))
}

fn reranker(target: &config::Target, dialect: rerank::Dialect) -> Speaks {
    Speaks::Rerank(Arc::new(Reranker::new(rerank::Options {
        dialect,
        max_batch: target.max_batch,
        model: target.upstream_model.clone(),
    })))
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
async fn refuse_loops(config: &Config, own: SocketAddr) -> Result<()> {
    for url in config.upstream_urls() {
        if server::leads_to(url, own).await {
            return Err(Error::internal().because(format!(
                "the endpoint URL {url} is this gateway's own address {own}: calls would go in circles; write the URL of SageMaker Runtime, or leave it out"
            )));
        }
    }
    Ok(())
}
