//! What is served: models and patterns for endpoints.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::check::{missing, resolve};
use super::contract::Contract;
use super::environment::Surroundings;
use super::place::{Written, place};
use super::problem::{Origin, Problem, Severity};
use super::raw;
use super::reader::{Named, Set};
use super::settings::{ANY_MODEL, Allow, Fleet, Model, Target, TemplateSource, Unary};
use super::value::{Number, Span, quoted};
use super::{tags, tokenizer, upstream};

/// The longest model id that the service model allows.
const LONGEST_ID: usize = 2048;

/// Makes the ready models.
pub(super) struct Builder<'a> {
    defaults: raw::Serving,
    region: Option<String>,
    endpoint_url: Option<String>,
    listen: SocketAddr,
    around: &'a Surroundings,
    problems: &'a mut Vec<Problem>,
    /// The files with keys for other places.
    pub(super) key_files: Vec<PathBuf>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        defaults: raw::Serving,
        region: Option<String>,
        endpoint_url: Option<String>,
        listen: SocketAddr,
        around: &'a Surroundings,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let key_files = Vec::new();
        let mut builder =
            Self { defaults, region, endpoint_url, listen, around, problems, key_files };
        let defaults = builder.defaults.clone();
        builder.check_serving(&defaults);
        builder
    }

    pub(super) fn models(&mut self, models: Vec<(Set<String>, raw::Model)>) -> Vec<Model> {
        let mut names: HashMap<String, Origin> = HashMap::new();
        let mut ready = Vec::new();
        for (id, model) in models {
            self.check_id(&id, true);
            self.claim(&mut names, &id);
            let aliases = model.aliases.clone().unwrap_or_default();
            for alias in &aliases {
                self.check_id(alias, false);
                self.claim(&mut names, alias);
            }
            self.check_serving(&model.serving);
            self.warn_of_control_tokens(&model.serving);
            let targets = self.targets(&id, &model);
            if targets.is_empty() {
                continue;
            }
            let fleet = Self::fleet(&model);
            ready.push(Model {
                fleet,
                tags: tags::tags(model.tags, self.problems),
                id: id.value,
                aliases: aliases.into_iter().map(|alias| alias.value).collect(),
                family: model
                    .serving
                    .family
                    .as_ref()
                    .or(self.defaults.family.as_ref())
                    .map(|family| family.value),
                block_order: model
                    .serving
                    .block_order
                    .as_ref()
                    .or(self.defaults.block_order.as_ref())
                    .map(|order| order.value),
                targets,
            });
        }
        ready
    }

    /// The target that the model names itself, and those under `targets`.
    fn targets(&mut self, id: &Set<String>, model: &raw::Model) -> Vec<Target> {
        let mut ready: Vec<Target> = Vec::new();
        let own = Written::of_model(model);
        let others = model.targets.iter().flatten();
        // A model may leave the place to its targets.
        if own.says_where() || others.clone().next().is_none() {
            let found = self.at(&own, &model.serving, None, &id.origin);
            ready.extend(found.map(|target| Target {
                priority: small(model.priority.as_ref(), 0),
                weight: small(model.weight.as_ref(), 1),
                max_concurrency: model.max_concurrency.as_ref().map(|set| set.value),
                ..target
            }));
        }
        for more in others {
            self.check_serving(&more.serving);
            let written = Written::of_target(more);
            let section = more.serving.at.as_ref().unwrap_or(&id.origin);
            let serving = (&more.serving, Some(&model.serving));
            let Some(target) = self.at(&written, serving.0, serving.1, section) else { continue };
            let target = Target {
                priority: small(more.priority.as_ref(), 0),
                weight: small(more.weight.as_ref(), 1),
                max_concurrency: more.max_concurrency.as_ref().map(|set| set.value),
                ..target
            };
            if let Some(named) = written.named() {
                self.check_another(&target, &ready, more, named);
            }
            ready.push(target);
        }
        ready
    }

    /// The target at the place that a section names; `None` after a problem.
    fn at(
        &mut self,
        written: &Written<'_>,
        own: &raw::Serving,
        model: Option<&raw::Serving>,
        section: &Origin,
    ) -> Option<Target> {
        const HELP: &str = "write `endpoint = \"…\"`: the name of the SageMaker endpoint";
        if let Some(url) = written.url {
            let target = self.target(String::new(), own, model);
            let (place, file) = place(written, url, &target, self.around, self.problems)?;
            self.key_files.extend(file);
            upstream::check(None, Some(url), self.listen, self.problems);
            return Some(Target {
                endpoint: upstream::authority(&place.url),
                place: Some(place),
                ..target
            });
        }
        written.refuse_keys_of_urls(self.problems);
        let Some(endpoint) = written.endpoint else {
            missing(section, "endpoint", HELP, self.problems);
            return None;
        };
        self.check_endpoint(endpoint);
        let target = self.target(endpoint.value.clone(), own, model);
        if target.contract == Contract::Bedrock {
            self.problems.push(endpoint.origin.error(
                "the contract \"bedrock\" is for Bedrock in another region, no endpoint of SageMaker",
                "write `url = \"…\"` in place of `endpoint`",
            ));
        }
        Some(target)
    }

    /// Targets of one model answer the same questions, and each is there once.
    fn check_another(
        &mut self,
        target: &Target,
        ready: &[Target],
        written: &raw::Target,
        endpoint: &Set<String>,
    ) {
        if ready.first().is_some_and(|first| first.contract.kind() != target.contract.kind()) {
            let contract = written.serving.contract.as_ref();
            let origin = contract.map_or(&endpoint.origin, |contract| &contract.origin);
            self.problems.push(origin.error(
                format!(
                    "the contract {} is of another kind than that of the model's first target",
                    quoted(target.contract.as_str())
                ),
                "write two models: one for each kind of question",
            ));
        }
        if ready.contains(target) {
            self.problems.push(endpoint.origin.error(
                "this target is there already",
                "remove it; `weight` gives a target more calls",
            ));
        }
    }

    fn fleet(model: &raw::Model) -> Fleet {
        let base = Fleet::default();
        let span = |set: &Option<Set<Span>>, base| set.as_ref().map_or(base, |set| set.value.0);
        Fleet {
            max_calls: model.max_calls.as_ref().map(|set| set.value),
            queue: model.queue.as_ref().map_or(base.queue, |set| set.value.0 as usize),
            queue_wait: span(&model.queue_wait, base.queue_wait),
            retries: small(model.retries.as_ref(), base.retries),
            retry_within: span(&model.retry_within, base.retry_within),
            wait_ready: span(&model.wait_ready, base.wait_ready),
            sticky: model.sticky.as_ref().map(|set| set.value.0),
        }
    }

    pub(super) fn allow(&mut self, allow: Option<Named<raw::Serving>>) -> Vec<Allow> {
        let mut ready = Vec::new();
        for (pattern, serving) in allow.unwrap_or_default().0 {
            let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'*';
            if pattern.value.is_empty() || !pattern.value.bytes().all(letters) {
                self.problems.push(pattern.origin.error(
                    format!("{} matches no endpoint's name", quoted(&pattern.value)),
                    "write letters, digits, hyphens and `*`, such as \"chat-*\"",
                ));
            }
            self.check_serving(&serving);
            self.warn_of_control_tokens(&serving);
            let order = serving.block_order.as_ref().or(self.defaults.block_order.as_ref());
            let family = serving.family.as_ref().or(self.defaults.family.as_ref());
            ready.push(Allow {
                family: family.map(|family| family.value),
                block_order: order.map(|order| order.value).unwrap_or_default(),
                template: self.target(pattern.value.clone(), &serving, None),
                pattern: pattern.value,
            });
        }
        // Stable: of two that are equally specific, the first in the file wins.
        ready.sort_by_key(|allow| {
            std::cmp::Reverse(allow.pattern.bytes().filter(|byte| *byte != b'*').count())
        });
        ready
    }

    /// What a target says itself, else the model, else the defaults.
    fn target(&self, endpoint: String, own: &raw::Serving, model: Option<&raw::Serving>) -> Target {
        let base = Target::new(endpoint);
        macro_rules! own_or_default {
            ($key:ident) => {
                own.$key
                    .as_ref()
                    .or_else(|| model?.$key.as_ref())
                    .or(self.defaults.$key.as_ref())
                    .map(|set| set.value.clone())
            };
        }
        let (count_tokens, tokenizer) = tokenizer::counting(own, model.unwrap_or(&self.defaults));
        Target {
            count_tokens,
            tokenizer,
            contract: own_or_default!(contract).unwrap_or(base.contract),
            region: own_or_default!(region).or_else(|| self.region.clone()),
            endpoint_url: own_or_default!(endpoint_url).or_else(|| self.endpoint_url.clone()),
            inference_component: own_or_default!(inference_component),
            target_variant: own_or_default!(target_variant),
            unary: own_or_default!(unary).unwrap_or(base.unary),
            tokens_per_second: own_or_default!(tokens_per_second)
                .map_or(base.tokens_per_second, |rate| rate.0),
            stream: own_or_default!(stream).unwrap_or(base.stream),
            stream_usage: own_or_default!(stream_usage).unwrap_or(base.stream_usage),
            images: own_or_default!(images).unwrap_or(base.images),
            cached_in_usage: own_or_default!(cached_in_usage).unwrap_or(base.cached_in_usage),
            upstream_model: own_or_default!(upstream_model),
            template: own
                .template
                .as_ref()
                .or_else(|| model?.template.as_ref())
                .or(self.defaults.template.as_ref())
                .map(template),
            format: own_or_default!(format),
            control_tokens: own_or_default!(control_tokens).unwrap_or(base.control_tokens),
            prompts: own_or_default!(prompts).unwrap_or(base.prompts),
            adds_bos: own_or_default!(adds_bos).unwrap_or(base.adds_bos),
            default_max_tokens: own_or_default!(default_max_tokens)
                .and_then(|limit| u32::try_from(limit).ok())
                .unwrap_or(base.default_max_tokens),
            max_batch: own_or_default!(max_batch),
            pooling: own_or_default!(pooling).unwrap_or(base.pooling),
            query_prefix: own_or_default!(query_prefix).unwrap_or(base.query_prefix),
            document_prefix: own_or_default!(document_prefix).unwrap_or(base.document_prefix),
            prefix_aware: own_or_default!(prefix_aware).unwrap_or(base.prefix_aware),
            forward_session_id: own_or_default!(forward_session_id)
                .unwrap_or(base.forward_session_id),
            forward_custom_attributes: own_or_default!(forward_custom_attributes)
                .unwrap_or(base.forward_custom_attributes),
            endpoint: base.endpoint,
            place: base.place,
            priority: base.priority,
            weight: base.weight,
            max_concurrency: base.max_concurrency,
        }
    }

    /// A contract that takes text needs a template.
    fn check_template(&mut self, serving: &raw::Serving) {
        let contract = serving.contract.clone().or_else(|| self.defaults.contract.clone());
        let contract = contract.as_ref();
        if contract.is_none_or(|contract| !contract.value.takes_text()) {
            self.warn_of_text_keys(serving);
        } else if let Some(prompts) = &serving.prompts {
            self.problems.push(prompts.origin.warning(
                "`prompts` has no effect on a container that takes text".to_owned(),
                "remove it: prompts go out as they are",
            ));
        }
        self.warn_of_vector_keys(serving, contract.map(|contract| contract.value));
        let Some(contract) = &serving.contract else { return };
        let template = serving.template.as_ref().or(self.defaults.template.as_ref());
        if contract.value.takes_text() && template.is_none() {
            self.problems.push(contract.origin.error(
                format!(
                    "the contract {} takes text, and no template says how it is written",
                    quoted(contract.value.as_str())
                ),
                "write `template = \"…\"`: a built-in's name, such as \"chatml\", or a path",
            ));
        }
    }

    /// Keys that say how a prompt is written and read, where no prompt is.
    fn warn_of_text_keys(&mut self, serving: &raw::Serving) {
        let keys = [
            ("format", serving.format.as_ref().map(|set| &set.origin)),
            ("default_max_tokens", serving.default_max_tokens.as_ref().map(|set| &set.origin)),
        ];
        for (key, origin) in keys {
            if let Some(origin) = origin {
                self.problems.push(origin.warning(
                    format!("`{key}` has no effect on a container that takes messages"),
                    "remove it, or name a contract that takes text",
                ));
            }
        }
    }

    /// Without a template no control token is known. What the defaults say is no mistake: one of
    /// the models may have a template.
    fn warn_of_control_tokens(&mut self, serving: &raw::Serving) {
        let template = serving.template.as_ref().or(self.defaults.template.as_ref());
        let contract = serving.contract.as_ref().or(self.defaults.contract.as_ref());
        let Some(control_tokens) = serving.control_tokens.as_ref().filter(|_| {
            template.is_none() && contract.is_none_or(|contract| !contract.value.takes_text())
        }) else {
            return;
        };
        self.problems.push(control_tokens.origin.warning(
            "`control_tokens` has no effect without a template, which tells the tokens",
            "write `template = \"…\"`: the model's own, or a built-in's name",
        ));
    }

    /// What one section of serving keys says, with the defaults behind it.
    fn check_serving(&mut self, serving: &raw::Serving) {
        let (region, url) = (serving.region.as_ref(), serving.endpoint_url.as_ref());
        upstream::check(region, url, self.listen, self.problems);
        for name in [&serving.inference_component, &serving.target_variant].into_iter().flatten() {
            if !is_resource_name(&name.value) {
                self.problems.push(name.origin.error(
                    format!("{} cannot be a name in SageMaker", quoted(&name.value)),
                    "write at most 63 letters, digits and inner hyphens",
                ));
            }
        }
        self.check_template(serving);
        tokenizer::check(serving, &self.defaults, self.problems);
        let unary = serving.unary.as_ref().or(self.defaults.unary.as_ref());
        let Some(unary) = unary.filter(|unary| unary.value == Unary::Stream) else { return };
        for (own, default, lack) in [
            (&serving.stream, &self.defaults.stream, "a container that cannot stream"),
            (
                &serving.stream_usage,
                &self.defaults.stream_usage,
                "a stream that does not report the tokens used",
            ),
        ] {
            // What the defaults alone contradict was said of the defaults.
            let said = own.is_none() && serving.unary.is_none() && serving.at.is_none();
            let set = own.as_ref().or(default.as_ref());
            if !said && set.is_some_and(|set| !set.value) {
                self.problems.push(unary.origin.error(
                    format!("`unary = \"stream\"` cannot be had from {lack}"),
                    "write `unary = \"invoke\"`, or \"auto\"",
                ));
            }
        }
    }

    /// Keys that say how vectors and scores are asked for, where none are.
    fn warn_of_vector_keys(&mut self, serving: &raw::Serving, contract: Option<Contract>) {
        let (embeds, reranks) =
            contract.map_or((false, false), |contract| (contract.embeds(), contract.reranks()));
        let pools = contract == Some(Contract::HfFeatures);
        let keys = [
            ("max_batch", embeds || reranks, serving.max_batch.as_ref().map(|set| &set.origin)),
            ("pooling", pools, serving.pooling.as_ref().map(|set| &set.origin)),
            ("query_prefix", embeds, serving.query_prefix.as_ref().map(|set| &set.origin)),
            ("document_prefix", embeds, serving.document_prefix.as_ref().map(|set| &set.origin)),
        ];
        for (key, used, origin) in keys {
            if let Some(origin) = origin.filter(|_| !used) {
                self.problems.push(origin.warning(
                    format!("`{key}` has no effect on a container of this contract"),
                    "remove it, or name a contract that it is for",
                ));
            }
        }
    }

    fn check_endpoint(&mut self, endpoint: &Set<String>) {
        if is_resource_name(&endpoint.value) {
            return;
        }
        let message = format!("{} cannot be an endpoint's name", quoted(&endpoint.value));
        let help = match endpoint.value.rsplit_once(":endpoint/") {
            Some((_, name)) if is_resource_name(name) => {
                format!("write the name alone: \"{name}\"; the ARN may be an alias")
            }
            _ => "write at most 63 letters, digits and inner hyphens".to_owned(),
        };
        self.problems.push(endpoint.origin.error(message, help));
    }

    fn check_id(&mut self, id: &Set<String>, may_be_any: bool) {
        let value = id.value.as_str();
        if value == ANY_MODEL {
            if !may_be_any {
                self.problems.push(id.origin.error(
                    "\"*\" cannot be an alias",
                    "write a model of its own: `[models.\"*\"]`",
                ));
            }
        } else if value.is_empty() || value.len() > LONGEST_ID {
            self.problems.push(id.origin.error(
                format!("a model id has 1 to {LONGEST_ID} bytes, this one {}", value.len()),
                "write the id that callers pass as `modelId`",
            ));
        } else if value.chars().any(|c| c.is_control() || c.is_whitespace()) {
            self.problems.push(id.origin.error(
                format!("the model id {} has a blank or a control character", quoted(value)),
                "write the id that callers pass as `modelId`",
            ));
        } else if value.contains(":prompt/") || value.contains("prompt-router/") {
            self.problems.push(id.origin.error(
                "the ARN of a prompt or of a prompt router is not a model",
                "write the model's id, or the ARN of a model, a profile or an endpoint",
            ));
        } else if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b)) {
            self.problems.push(id.origin.warning(
                format!("{} does not fit Bedrock's pattern for model ids", quoted(value)),
                "use letters, digits and `.` `_` `:` `/` `-`; some clients send nothing else",
            ));
        }
    }

    /// Makes sure that a name belongs to one model only.
    fn claim(&mut self, names: &mut HashMap<String, Origin>, name: &Set<String>) {
        let Some(first) = names.get(&name.value) else {
            names.insert(name.value.clone(), name.origin.clone());
            return;
        };
        let first = first.problem(Severity::Error, String::new(), None);
        let place = first
            .line()
            .map_or_else(|| first.path.clone(), |line| format!("`{}` on line {line}", first.path));
        self.problems.push(name.origin.error(
            format!("{} names two models; it is taken by {place}", quoted(&name.value)),
            "keep it with one of them",
        ));
    }
}

fn small(set: Option<&Set<Number>>, base: u32) -> u32 {
    set.map_or(base, |set| set.value.0)
}

/// The service model's pattern for names of endpoints, components and variants.
pub(super) fn is_resource_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A path has a `/`, or the extension of one of the two files.
pub(super) fn template(named: &Set<String>) -> TemplateSource {
    let is_path = named.value.contains('/')
        || [".jinja", ".json"].iter().any(|extension| named.value.ends_with(extension));
    if is_path {
        TemplateSource::Path(resolve(named))
    } else {
        TemplateSource::Builtin(named.value.clone())
    }
}
