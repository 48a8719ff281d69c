//! The environment: the settings that a sidecar needs, without any file.

use std::collections::HashMap;

use super::problem::{Origin, Problem};
use super::reader::{Named, Set};
use super::settings::ANY_MODEL;
use super::spelling::nearest;
use super::value::{Leaf, Wrong};
use super::{Secret, raw};

/// What the environment says beside the settings of the file.
pub(super) struct Surroundings {
    /// The configuration as a whole, for what no single key is at fault for.
    pub(super) whole: Origin,
    pub(super) access_key: AccessKey,
    /// The region, as the AWS SDKs take it from the environment.
    pub(super) region: Option<String>,
    /// Where AWS SDKs are told to send calls.
    pub(super) endpoint_urls: Vec<Set<String>>,
    /// Whether they are told not to listen to that.
    pub(super) ignores_endpoint_urls: bool,
    /// All of it, for keys whose variables the file names.
    variables: HashMap<String, String>,
}

impl Surroundings {
    /// The text of a variable that the file names. An empty one counts as absent.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

#[derive(Debug, Default)]
pub(super) struct AccessKey {
    pub(super) id: Option<Set<String>>,
    pub(super) secret: Option<Set<Secret>>,
    pub(super) session_token: Option<Set<Secret>>,
    pub(super) principal: Option<Set<String>>,
}

/// What the `HELAN_` variables set.
#[derive(Default)]
struct Layer {
    file: raw::File,
    access_key: AccessKey,
    endpoint: Option<Set<String>>,
    model_ids: Option<Set<String>>,
    serving: raw::Serving,
    /// The first variable that says how the endpoint is served.
    about_endpoint: Option<Origin>,
}

type Put = fn(&mut Layer, &str, Origin) -> Result<(), Wrong>;

/// One variable of the environment.
#[derive(Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The key of the file that it stands for, if there is one.
    pub key: &'static str,
    /// What it says.
    pub meaning: &'static str,
    put: Put,
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.name, self.key, self.meaning)
    }
}

fn put<T: Leaf>(slot: &mut Option<Set<T>>, text: &str, origin: Origin) -> Result<(), Wrong> {
    *slot = Some(Set { value: T::from_text(text)?, origin });
    Ok(())
}

fn put_list<T: Leaf>(
    slot: &mut Option<Vec<Set<T>>>,
    text: &str,
    origin: &Origin,
) -> Result<(), Wrong> {
    let items = text
        .split(',')
        .map(|item| Ok(Set { value: T::from_text(item.trim())?, origin: origin.clone() }));
    *slot = Some(items.collect::<Result<_, Wrong>>()?);
    Ok(())
}

/// A variable that stands for a key of the file.
macro_rules! key {
    ($name:literal, $key:ident, $meaning:literal) => {
        Variable {
            name: $name,
            key: stringify!($key),
            meaning: $meaning,
            put: |layer, text, origin| put(&mut layer.file.$key, text, origin),
        }
    };
    ($name:literal, $section:ident . $key:ident, $meaning:literal) => {
        Variable {
            name: $name,
            key: concat!(stringify!($section), ".", stringify!($key)),
            meaning: $meaning,
            put: |layer, text, origin| {
                put(&mut layer.file.$section.get_or_insert_default().$key, text, origin)
            },
        }
    };
}

/// A variable that stands for a key of the file with several values.
macro_rules! list {
    ($name:literal, $section:ident . $key:ident, $meaning:literal) => {
        Variable {
            name: $name,
            key: concat!(stringify!($section), ".", stringify!($key)),
            meaning: $meaning,
            put: |layer, text, origin| {
                put_list(&mut layer.file.$section.get_or_insert_default().$key, text, &origin)
            },
        }
    };
}

/// A variable about the endpoint of the environment: how it is served.
macro_rules! serving {
    ($name:literal, $key:ident, $meaning:literal) => {
        Variable {
            name: $name,
            key: "",
            meaning: $meaning,
            put: |layer, text, origin| {
                layer.about_endpoint.get_or_insert_with(|| origin.clone());
                put(&mut layer.serving.$key, text, origin)
            },
        }
    };
}

/// A variable that no key of the file stands for.
macro_rules! own {
    ($name:literal, $($key:ident).+, $meaning:literal) => {
        Variable {
            name: $name,
            key: "",
            meaning: $meaning,
            put: |layer, text, origin| put(&mut layer.$($key).+, text, origin),
        }
    };
}

/// Every variable that is read, for `helan --help` and the documentation. An empty one counts as
/// absent. What a variable sets wins over the file.
///
/// With `HELAN_ENDPOINT`, the environment describes a model of its own; the variables without a
/// key below are about it.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "HELAN_CONFIG",
        key: "",
        meaning: "the configuration file, unless the command line names one",
        put: |_, _, _| Ok(()),
    },
    key!("HELAN_LISTEN", listen, "the address and port that callers connect to"),
    key!("HELAN_TLS_CERTIFICATE", tls.certificate, "the certificate chain, PEM"),
    key!("HELAN_TLS_KEY", tls.key, "its private key, PEM"),
    key!("HELAN_ADMIN_LISTEN", admin.listen, "the operator's address and port, or off"),
    key!("HELAN_AUTH_MODE", auth.mode, "keys or none"),
    key!("HELAN_KEYS_FILE", auth.keys_file, "the key file"),
    list!(
        "HELAN_AUTH_SERVICES",
        auth.services,
        "service names of a signature's scope, with commas"
    ),
    key!(
        "HELAN_ALLOW_UNAUTHENTICATED_NETWORK_ACCESS",
        auth.allow_unauthenticated_network_access,
        "the words that let strangers in"
    ),
    own!(
        "HELAN_ACCESS_KEY_ID",
        access_key.id,
        "an access key that callers sign with, beside those of the key file"
    ),
    own!("HELAN_SECRET_ACCESS_KEY", access_key.secret, "its secret"),
    own!(
        "HELAN_SESSION_TOKEN",
        access_key.session_token,
        "the session token that calls with it must carry"
    ),
    own!(
        "HELAN_PRINCIPAL",
        access_key.principal,
        "who calls with it, for the log; default: sidecar"
    ),
    key!("HELAN_LOG_FORMAT", log.format, "json or pretty"),
    key!("HELAN_LOG_LEVEL", log.level, "error, warn, info, debug or trace"),
    key!("HELAN_MAX_BODY", limits.max_body, "the largest body of one request"),
    key!("HELAN_MAX_ANSWER", limits.max_answer, "the largest body of a unary answer"),
    key!("HELAN_BODY_BUDGET", limits.body_budget, "all request bodies in flight together"),
    key!("HELAN_BODY_TIMEOUT", limits.body_timeout, "how long a request's body may take"),
    key!("HELAN_HEADER_TIMEOUT", limits.header_timeout, "how long a request's head may take"),
    key!("HELAN_MAX_CONNECTIONS", limits.max_connections, "callers' connections at once"),
    key!("HELAN_MAX_CALLS", limits.max_calls, "calls answered at once"),
    key!("HELAN_QUEUE", limits.queue, "calls that may wait until one of those has ended"),
    key!("HELAN_QUEUE_WAIT", limits.queue_wait, "how long one of them waits"),
    key!(
        "HELAN_MAX_CALLS_PER_PRINCIPAL",
        limits.max_calls_per_principal,
        "calls that one principal may have in flight"
    ),
    key!(
        "HELAN_KEEP_ALIVE_TIMEOUT",
        limits.keep_alive_timeout,
        "how long a connection may wait for its next request"
    ),
    key!("HELAN_WRITE_TIMEOUT", limits.write_timeout, "how long an answer may be left unread"),
    key!("HELAN_DRAIN_GRACE", drain.grace, "how long new calls are taken after the signal to end"),
    key!("HELAN_DRAIN_DEADLINE", drain.deadline, "when calls must have ended after that signal"),
    key!("HELAN_REGION", sagemaker.region, "the region of the endpoints"),
    key!("HELAN_ENDPOINT_URL", sagemaker.endpoint_url, "another place than the region's own"),
    key!("HELAN_PROFILE", sagemaker.profile, "the AWS profile that gives the credentials"),
    key!("HELAN_SAGEMAKER_CLIENT", sagemaker.client, "who makes the calls: direct or sdk"),
    key!(
        "HELAN_CONNECT_TIMEOUT",
        sagemaker.connect_timeout,
        "how long a connection may take to be made"
    ),
    key!(
        "HELAN_FIRST_BYTE_TIMEOUT",
        sagemaker.first_byte_timeout,
        "how long the head of a streamed answer may take"
    ),
    key!("HELAN_IDLE_TIMEOUT", sagemaker.idle_timeout, "how long a streamed answer may pause"),
    key!("HELAN_POLL", sagemaker.poll, "how often endpoints are asked how they are"),
    key!("HELAN_CONTROL_URL", sagemaker.control_url, "where SageMaker's own API is, for that"),
    key!("HELAN_INVOKE_TIMEOUT", sagemaker.invoke_timeout, "how long a unary answer may take"),
    own!("HELAN_ENDPOINT", endpoint, "the SageMaker endpoint to serve"),
    own!("HELAN_MODEL_ID", model_ids, "the model ids it serves, with commas; default: *, any id"),
    serving!(
        "HELAN_CONTRACT",
        contract,
        "the language of its container, such as openai, tgi or tei"
    ),
    serving!("HELAN_INFERENCE_COMPONENT", inference_component, "its inference component"),
    serving!("HELAN_TARGET_VARIANT", target_variant, "its production variant"),
    serving!("HELAN_UNARY", unary, "auto, stream or invoke"),
    serving!("HELAN_TOKENS_PER_SECOND", tokens_per_second, "how fast the model writes"),
    serving!("HELAN_STREAM", stream, "whether the container can stream"),
    serving!("HELAN_STREAM_USAGE", stream_usage, "whether its stream reports the tokens used"),
    serving!("HELAN_FAMILY", family, "the language of InvokeModel's bodies, such as anthropic"),
    serving!("HELAN_BLOCK_ORDER", block_order, "as-generated or text-first"),
    serving!("HELAN_IMAGES", images, "whether the model takes images"),
    serving!(
        "HELAN_CACHED_IN_USAGE",
        cached_in_usage,
        "whether cached tokens are always taken out of inputTokens"
    ),
    serving!("HELAN_UPSTREAM_MODEL", upstream_model, "what goes into the payload's model member"),
    serving!("HELAN_TEMPLATE", template, "its chat template: a built-in's name, or a path"),
    serving!("HELAN_TOKENIZER", tokenizer, "its tokenizer.json, or a directory with one"),
    serving!("HELAN_COUNT_TOKENS", count_tokens, "how tokens are counted before a call"),
    serving!("HELAN_FORMAT", format, "how the model marks reasoning and calls in its text"),
    serving!("HELAN_CONTROL_TOKENS", control_tokens, "neutralise, reject or allow"),
    serving!("HELAN_PROMPTS", prompts, "completion or turns"),
    serving!("HELAN_ADDS_BOS", adds_bos, "whether the tokenizer puts a BOS token before prompts"),
    serving!("HELAN_DEFAULT_MAX_TOKENS", default_max_tokens, "the limit where none is named"),
    serving!("HELAN_MAX_BATCH", max_batch, "texts or documents in one call that embeds or reranks"),
    serving!("HELAN_POOLING", pooling, "mean or cls, where vectors of tokens become one"),
    serving!("HELAN_QUERY_PREFIX", query_prefix, "what stands before search queries"),
    serving!("HELAN_DOCUMENT_PREFIX", document_prefix, "what stands before searched documents"),
    serving!(
        "HELAN_PREFIX_AWARE",
        prefix_aware,
        "whether calls with the same beginning go to the same instance"
    ),
    serving!(
        "HELAN_FORWARD_SESSION_ID",
        forward_session_id,
        "whether the caller's session id goes to the endpoint"
    ),
    serving!(
        "HELAN_FORWARD_CUSTOM_ATTRIBUTES",
        forward_custom_attributes,
        "whether the caller's custom attributes go to the endpoint"
    ),
];

/// The process's own environment. Text that is not Unicode comes with replacement characters.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

/// Lays the environment over the file.
pub(super) fn apply(
    file: raw::File,
    whole: Origin,
    env: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> (raw::File, Surroundings) {
    let mut layer = Layer { file, ..Layer::default() };
    for (name, text) in env {
        if !name.starts_with("HELAN_") || text.is_empty() {
            continue;
        }
        let origin = Origin::variable(name);
        if let Some(variable) = VARIABLES.iter().find(|variable| variable.name == name) {
            if let Err(wrong) = (variable.put)(&mut layer, text, origin.clone()) {
                problems.push(origin.error(wrong.message, wrong.help));
            }
        } else {
            let help = match nearest(name, VARIABLES.iter().map(|variable| variable.name)) {
                Some(known) => format!("did you mean {known}?"),
                None => "`helan serve --help` lists the variables; no other may begin with HELAN_"
                    .to_owned(),
            };
            problems.push(origin.error(format!("{name} is not a variable of Helan"), help));
        }
    }
    add_models(&mut layer, problems);
    let find = |name: &str| {
        env.iter().find(|(key, text)| key == name && !text.is_empty()).map(|(_, text)| text.clone())
    };
    let endpoint_urls = ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "AWS_ENDPOINT_URL"];
    let around = Surroundings {
        whole,
        access_key: layer.access_key,
        region: find("AWS_REGION").or_else(|| find("AWS_DEFAULT_REGION")),
        endpoint_urls: endpoint_urls
            .into_iter()
            .filter_map(|name| Some(Set { value: find(name)?, origin: Origin::variable(name) }))
            .collect(),
        ignores_endpoint_urls: find("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        variables: env.iter().cloned().collect(),
    };
    (layer.file, around)
}

/// Adds the models of the environment's endpoint, over those of the file with the same ids.
fn add_models(layer: &mut Layer, problems: &mut Vec<Problem>) {
    let Some(endpoint) = layer.endpoint.clone() else {
        let alone = layer.model_ids.as_ref().map(|ids| &ids.origin);
        if let Some(origin) = alone.or(layer.about_endpoint.as_ref())
            && problems.iter().all(|problem| problem.path != "HELAN_ENDPOINT")
        {
            problems.push(origin.error(
                format!("{} says something of an endpoint that is not named", origin.path),
                "set HELAN_ENDPOINT too",
            ));
        }
        return;
    };
    let ids = layer
        .model_ids
        .take()
        .unwrap_or_else(|| Set { value: ANY_MODEL.to_owned(), origin: endpoint.origin.clone() });
    let models = &mut layer.file.models.get_or_insert_with(Named::default).0;
    let ids: Vec<&str> = ids.value.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    models.retain(|(id, _)| !ids.contains(&id.value.as_str()));
    for id in ids {
        let model = raw::Model {
            endpoint: Some(endpoint.clone()),
            serving: layer.serving.clone(),
            ..raw::Model::default()
        };
        let id = Set { value: id.to_owned(), origin: Origin::variable("HELAN_MODEL_ID") };
        models.push((id, model));
    }
}
