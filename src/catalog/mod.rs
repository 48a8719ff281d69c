//! Model id, ARN or profile → [`Deployment`].
//!
//! A name is looked up in this order, and the first that fits wins:
//!
//! 1. the very id, alias or ARN that the configuration has;
//! 2. an id without its cross-region prefix (`us.`, `eu.`, …);
//! 3. the ARN of a foundation model or inference profile, by the id in it, as in 1 and 2; the ARN
//!    of another Bedrock model or profile, by its last part;
//! 4. the ARN of a SageMaker endpoint: the one model that is served by the endpoint of this name,
//!    else the most specific pattern under `[endpoints.allow]`. It must be in the endpoints'
//!    region where that is known; where it is left to the SDK, the ARN's region is called. The
//!    account in the ARN is not looked at: calls go out with the gateway's own credentials;
//! 5. the model `"*"`, for every id and Bedrock ARN that is well formed.
//!
//! A name that a caller wrote is compared, never passed on: an endpoint's name comes from the
//! configuration, or from an ARN whose name has the service model's pattern, and then only where
//! an operator's pattern allows it.

mod arn;
mod deployment;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use deployment::{Deployment, Target};

use crate::clock::Clock;
use crate::config::{self, ANY_MODEL, Allow, Config};
use crate::container::Speaks;
use crate::converse::BlockOrder;
use crate::family::{self, Family};
use crate::fleet::{Fleet, Member, Settings, State};
use crate::meter::Readings;
use crate::transport::Transport;
use crate::{Error, Result};
use arn::Arn;

/// The prefixes of cross-region inference profiles.
const PREFIXES: [&str; 8] = ["us.", "eu.", "apac.", "jp.", "au.", "ca.", "us-gov.", "global."];

/// The service model's longest model id.
const LONGEST_ID: usize = 2048;

/// How many endpoints that callers named are remembered.
const REMEMBERED: usize = 256;

/// How the two ends of a target are made.
type Connect = dyn Fn(&config::Target) -> Result<(Arc<dyn Transport>, Speaks)> + Send + Sync;

/// Everything that is served.
pub struct Catalog {
    models: Vec<Arc<Deployment>>,
    /// By id, alias and configured ARN.
    names: HashMap<String, Arc<Deployment>>,
    /// By the endpoint's name in lower case. Several models may share an endpoint.
    endpoints: HashMap<String, Vec<Served>>,
    any: Option<Any>,
    allow: Vec<Allow>,
    named: Mutex<Named>,
    connect: Box<Connect>,
    clock: Clock,
    /// The region of targets that name none.
    region: Option<String>,
    /// What is known of the targets that the configuration names.
    states: Vec<(config::Target, Arc<State>)>,
}

/// What an endpoint of the configuration serves.
struct Served {
    region: Option<String>,
    deployment: Arc<Deployment>,
}

/// The model that serves every id: the order of its blocks depends on the id.
struct Any {
    others: Arc<Deployment>,
    text_first: Arc<Deployment>,
}

/// Endpoints that callers named, the oldest first.
#[derive(Default)]
struct Named {
    order: VecDeque<(String, String)>,
    deployments: HashMap<(String, String), Arc<Deployment>>,
}

impl Catalog {
    /// Builds the deployments of `config`; `connect` makes the ends of each target, now and later
    /// for endpoints that callers name. A target that was in the catalogue `before` keeps what is
    /// known of it: its health, its calls in flight; and a model keeps its calls, those that wait
    /// among them.
    pub fn new(
        config: &Config,
        clock: Clock,
        before: Option<&Self>,
        connect: impl Fn(&config::Target) -> Result<(Arc<dyn Transport>, Speaks)>
        + Send
        + Sync
        + 'static,
    ) -> Result<Self> {
        let mut catalog = Self {
            models: Vec::new(),
            names: HashMap::new(),
            endpoints: HashMap::new(),
            any: None,
            allow: config.allow.clone(),
            named: Mutex::default(),
            connect: Box::new(connect),
            clock,
            region: config.sagemaker.region.clone(),
            states: Vec::new(),
        };
        for model in &config.models {
            catalog.add(model, before)?;
        }
        Ok(catalog)
    }

    fn add(&mut self, model: &config::Model, before: Option<&Self>) -> Result<()> {
        let known = before.map_or(&[][..], |before| &before.states);
        let states: Vec<_> =
            model.targets.iter().map(|target| self.member(target, known)).collect();
        let same = before.and_then(|before| {
            before.models.iter().find(|deployment| *deployment.model_id == *model.id)
        });
        let same = same.map(|deployment| &*deployment.fleet);
        let names = || model.aliases.iter().chain([&model.id]);
        let order = model
            .block_order
            .map_or_else(|| natural_order(names().any(|name| is_deepseek_r1(name))), block_order);
        let deployment = Arc::new(Deployment {
            model_id: model.id.as_str().into(),
            family: language(model.family),
            provider: model.family.map(config::Family::as_str),
            block_order: order,
            targets: model
                .targets
                .iter()
                .map(|target| Ok(Target::new(self.label(target), target, (self.connect)(target)?)))
                .collect::<Result<_>>()?,
            fleet: fleet(states, &model.fleet, same, &self.clock),
            settings: model.fleet.clone(),
            tags: tags(&model.tags),
        });
        self.models.push(Arc::clone(&deployment));
        for name in names().filter(|name| *name != ANY_MODEL) {
            self.names.insert(name.clone(), Arc::clone(&deployment));
        }
        // An ARN names no other place than an endpoint.
        for target in model.targets.iter().filter(|target| target.place.is_none()) {
            let served =
                Served { region: target.region.clone(), deployment: Arc::clone(&deployment) };
            self.endpoints.entry(target.endpoint.to_ascii_lowercase()).or_default().push(served);
        }
        if model.id == ANY_MODEL {
            let text_first = match model.block_order {
                Some(_) => Arc::clone(&deployment),
                None => Arc::new(Deployment {
                    block_order: BlockOrder::TextFirst,
                    ..Deployment::clone(&deployment)
                }),
            };
            self.any = Some(Any { others: deployment, text_first });
        }
        Ok(())
    }

    /// How a target takes part, and what is known of it.
    fn member(
        &mut self,
        target: &config::Target,
        before: &[(config::Target, Arc<State>)],
    ) -> (Member, Arc<State>) {
        let member = Member {
            priority: target.priority,
            weight: target.weight,
            max_concurrency: target.max_concurrency,
        };
        // How it takes part is no part of what it is; several models may share a target.
        let target =
            config::Target { priority: 0, weight: 1, max_concurrency: None, ..target.clone() };
        let known = self.states.iter().chain(before).find(|(known, _)| *known == target);
        let state = known.map(|(_, state)| Arc::clone(state)).unwrap_or_default();
        self.states.push((target, Arc::clone(&state)));
        (member, state)
    }

    /// What `model_id` stands for, in any of the ways that Bedrock lets a caller name a model.
    pub fn resolve(&self, model_id: &str) -> Result<Arc<Deployment>> {
        if model_id.is_empty() || model_id.len() > LONGEST_ID {
            return Err(invalid());
        }
        if let Some(deployment) = self.names.get(model_id) {
            return Ok(Arc::clone(deployment));
        }
        if !model_id.starts_with("arn:") {
            return self.model(model_id);
        }
        match arn::parse(model_id) {
            Some(Arn::Model(id)) => self.model(id),
            Some(Arn::Resource { id, last }) => self
                .names
                .get(id)
                .or_else(|| self.names.get(last))
                .or(self.any.as_ref().map(|any| &any.others))
                .cloned()
                .ok_or_else(invalid),
            Some(Arn::Endpoint { region, name }) => self.endpoint(region, name),
            Some(Arn::Prompt) => Err(Error::not_supported("A prompt ARN as modelId")),
            None => Err(invalid()),
        }
    }

    /// The targets of the configuration, each once, and what is known of them.
    pub fn targets(&self) -> impl Iterator<Item = (&config::Target, &Arc<State>)> {
        self.states.iter().enumerate().filter_map(|(at, (target, state))| {
            let mut before = self.states.iter().take(at);
            let known = before.any(|(_, other)| Arc::ptr_eq(other, state));
            (!known).then_some((target, state))
        })
    }

    /// What is served, in the order of the configuration.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.models.iter()
    }

    /// Tells the calls of each model, and those of each target and how it stands.
    pub fn read(&self, readings: &mut Readings) {
        let now = self.clock.monotonic();
        let mut seen: Vec<*const State> = vec![]; // models may share a target
        let mut read = |deployment: &Deployment| {
            let fleet = &deployment.fleet;
            readings.model(&deployment.model_id, fleet.in_flight(), fleet.waiting());
            for (target, state) in deployment.targets.iter().zip(fleet.states()) {
                if !seen.contains(&Arc::as_ptr(state)) {
                    seen.push(Arc::as_ptr(state));
                    readings.target(&target.name, state.in_flight(), state.standing(now));
                }
            }
        };
        self.models.iter().for_each(|deployment| read(deployment));
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.deployments.values().for_each(|deployment| read(deployment));
    }

    /// The label of a target. Endpoints in two regions often have the same name.
    fn label(&self, target: &config::Target) -> Arc<str> {
        let mut label = target.endpoint.clone();
        if let Some(component) = &target.inference_component {
            label = format!("{label}/{component}");
        }
        match &target.region {
            Some(region) if self.region.as_ref().is_some_and(|own| own != region) => {
                format!("{label}@{region}").into()
            }
            _ => label.into(),
        }
    }

    /// An id without an ARN around it.
    fn model(&self, id: &str) -> Result<Arc<Deployment>> {
        let known = self.names.get(id).or_else(|| self.names.get(without_prefix(id)?));
        if let Some(deployment) = known {
            return Ok(Arc::clone(deployment));
        }
        match &self.any {
            Some(any) if arn::is_plain(id) && is_deepseek_r1(id) => Ok(Arc::clone(&any.text_first)),
            Some(any) if arn::is_plain(id) => Ok(Arc::clone(&any.others)),
            _ => Err(invalid()),
        }
    }

    fn endpoint(&self, region: &str, name: &str) -> Result<Arc<Deployment>> {
        let served = self.endpoints.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        let mut here = served
            .iter()
            .filter(|served| served.region.as_deref().is_none_or(|at| at == region))
            .map(|served| &served.deployment);
        // Two models on one endpoint differ in their inference component, which no ARN tells.
        if let Some(deployment) = here.next()
            && here.all(|other| Arc::ptr_eq(other, deployment))
        {
            return Ok(Arc::clone(deployment));
        }
        let allow = self.allow.iter().find(|allow| {
            allow.matches(name) && allow.region().is_none_or(|allowed| allowed == region)
        });
        self.named(allow.ok_or_else(invalid)?, region, name)
    }

    /// The deployment of an endpoint that a caller named and a pattern allows.
    fn named(&self, allow: &Allow, region: &str, name: &str) -> Result<Arc<Deployment>> {
        let key = (region.to_owned(), name.to_owned());
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deployment) = named.deployments.get(&key) {
            return Ok(Arc::clone(deployment));
        }
        let target = allow.target(name, region);
        let alone = config::Fleet::default();
        // Labels come from the configuration, so that callers cannot make new ones.
        let label: Arc<str> = allow.pattern.as_str().into();
        let deployment = Arc::new(Deployment {
            model_id: Arc::clone(&label),
            family: language(allow.family),
            provider: allow.family.map(config::Family::as_str),
            block_order: block_order(allow.block_order),
            targets: Arc::new([Target::new(label, &target, (self.connect)(&target)?)]),
            fleet: fleet([(Member::default(), Arc::default())], &alone, None, &self.clock),
            settings: alone,
            tags: None,
        });
        if named.order.len() >= REMEMBERED
            && let Some(oldest) = named.order.pop_front()
        {
            named.deployments.remove(&oldest);
        }
        named.order.push_back(key.clone());
        named.deployments.insert(key, Arc::clone(&deployment));
        Ok(deployment)
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("models", &self.models)
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

/// Bedrock's own words for every id that it cannot call.
fn invalid() -> Error {
    Error::validation("The provided model identifier is invalid.")
}

fn without_prefix(id: &str) -> Option<&str> {
    let rest = PREFIXES.iter().find_map(|prefix| id.strip_prefix(prefix));
    rest.filter(|rest| !rest.starts_with("arn:")) // ids have these prefixes, ARNs never
}

fn fleet(
    members: impl IntoIterator<Item = (Member, Arc<State>)>,
    settings: &config::Fleet,
    before: Option<&Fleet>,
    clock: &Clock,
) -> Arc<Fleet> {
    let settings = Settings {
        max_calls: settings.max_calls,
        queue: settings.queue,
        queue_wait: settings.queue_wait,
        retries: settings.retries,
    };
    let fleet = Fleet::new(members, settings, clock.clone());
    Arc::new(match before {
        Some(before) => fleet.in_place_of(before),
        None => fleet,
    })
}

/// Tags as the JSON object of a log line.
fn tags(tags: &[(String, String)]) -> Option<Arc<str>> {
    let object: serde_json::Map<_, _> =
        tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string().into())
}

fn language(family: Option<config::Family>) -> Option<&'static dyn Family> {
    family::named(family?.as_str())
}

const fn block_order(order: config::BlockOrder) -> BlockOrder {
    match order {
        config::BlockOrder::AsGenerated => BlockOrder::AsGenerated,
        config::BlockOrder::TextFirst => BlockOrder::TextFirst,
    }
}

const fn natural_order(deepseek_r1: bool) -> BlockOrder {
    if deepseek_r1 { BlockOrder::TextFirst } else { BlockOrder::AsGenerated }
}

/// Whether a name is Bedrock's for DeepSeek-R1, whose unary answers begin with the text.
fn is_deepseek_r1(name: &str) -> bool {
    let id = match arn::parse(name) {
        Some(Arn::Model(id)) => id,
        _ => name,
    };
    without_prefix(id)
        .unwrap_or(id)
        .strip_prefix("deepseek.r1")
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}
