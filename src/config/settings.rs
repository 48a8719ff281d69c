//! The ready configuration: every default filled in, every value checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::contract::{Contract, Family};
use super::reach::{Http, Place, SageMaker};
use super::value::words;
use super::{Keys, Limits, Principal, Problem};

/// Everything the operator decided.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// The certificate; without it the port speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Where `/metrics` and `/ready` are served; `None` when switched off.
    pub admin: Option<SocketAddr>,
    /// Who may call.
    pub auth: Auth,
    /// What is said of single callers.
    pub principals: Vec<Principal>,
    /// How the log is written.
    pub log: Log,
    /// What one process takes on.
    pub limits: Limits,
    /// How the process ends.
    pub drain: Drain,
    /// How SageMaker is reached.
    pub sagemaker: SageMaker,
    /// How other places are reached.
    pub http: Http,
    /// What is served, in the order of the file. A model whose id is [`ANY_MODEL`] serves every
    /// id that no other one has.
    pub models: Vec<Model>,
    /// SageMaker endpoints that may be named by their ARN, the most specific pattern first.
    pub allow: Vec<Allow>,
    /// URLs of `AWS_ENDPOINT_URL…` variables: where the SDK goes unless a setting says otherwise.
    pub inherited_urls: Vec<String>,
    /// What is worth a look, but no reason not to start.
    pub warnings: Vec<Problem>,
    /// What it was read from, and what it names: when one of these files changes, it is worth
    /// reading again.
    pub files: Vec<PathBuf>,
    /// 48 bits of the SHA-256 of the configuration file, to tell one from another; 0 without a
    /// file.
    pub hash: u64,
}

impl Config {
    /// Every URL that calls may go to, other than the ones that the SDK resolves from a region.
    pub fn upstream_urls(&self) -> impl Iterator<Item = &str> {
        let models = self.models.iter().flat_map(|model| &model.targets);
        let allow = self.allow.iter().map(|allow| &allow.template);
        let targets = models.chain(allow).filter_map(|target| match &target.place {
            Some(place) => Some(place.url.as_str()),
            None => target.endpoint_url.as_deref(),
        });
        let shared = self.sagemaker.endpoint_url.as_deref().into_iter();
        shared.chain(targets).chain(self.inherited_urls.iter().map(String::as_str))
    }

    /// Fills in the region, once the SDK has found it, wherever the operator named none.
    pub fn assume_region(&mut self, region: &str) {
        let targets = self.models.iter_mut().flat_map(|model| &mut model.targets);
        let models = targets.map(|target| &mut target.region);
        let allow = self.allow.iter_mut().map(|allow| &mut allow.template.region);
        for slot in models.chain(allow).chain([&mut self.sagemaker.region]) {
            slot.get_or_insert_with(|| region.to_owned());
        }
    }
}

/// The id of the model that serves every id which nobody else has.
pub const ANY_MODEL: &str = "*";

/// The files of the server's certificate. They exist; whether they fit is seen when they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Who may call.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether callers prove who they are.
    pub mode: AuthMode,
    /// Service names that a SigV4 scope may carry. Not empty.
    pub services: Vec<Service>,
    /// The keys that were given out. Not empty in the mode [`AuthMode::Keys`].
    pub keys: Keys,
}

words! {
    /// Whether callers prove who they are.
    pub enum AuthMode {
        /// By a SigV4 signature or a bearer key from the key file.
        #[default]
        Keys = "keys",
        /// They do not; everyone who reaches the port may use the models.
        None = "none",
    }
}

words! {
    /// A service name in a signature's scope.
    pub enum Service {
        /// `bedrock-runtime` and all of its clients.
        #[default]
        Bedrock = "bedrock",
        /// The OpenAI and Anthropic dialects of Bedrock.
        Mantle = "bedrock-mantle",
    }
}

/// How the log is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `None`: pretty on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// The least important level that is still written.
    pub level: LogLevel,
}

words! {
    /// How a line of the log looks.
    pub enum LogFormat {
        /// One JSON object a line, for programs.
        #[default]
        Json = "json",
        /// For people.
        Pretty = "pretty",
    }
}

words! {
    /// How important a line of the log is.
    pub enum LogLevel {
        /// Failures of the gateway itself.
        Error = "error",
        /// What an operator should look at.
        Warn = "warn",
        /// One line for each call.
        #[default]
        Info = "info",
        /// Steps of a call.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// How the process ends once it was asked to. Both times begin with the signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long new calls are still taken: until load balancers have seen that `/ready` says no.
    pub grace: Duration,
    /// When calls must have ended.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        // Within the two minutes that container platforms let a process have at most.
        Self { grace: Duration::from_secs(5), deadline: Duration::from_secs(110) }
    }
}

/// One model: how callers name it, and who answers for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The id as configured. Metrics carry it as their label.
    pub id: String,
    /// Other ids and ARNs for the same model. No two models share a name.
    pub aliases: Vec<String>,
    /// The language of native bodies; `None`: as the model id or the body tells.
    pub family: Option<Family>,
    /// The order of the blocks in a unary answer; `None`: as the model that the id names does.
    pub block_order: Option<BlockOrder>,
    /// Who answers: at least one, all of the same kind.
    pub targets: Vec<Target>,
    /// What holds for all of them.
    pub fleet: Fleet,
    /// What its calls are told apart by in the log, in the order of the file.
    pub tags: Vec<(String, String)>,
}

/// What holds for all targets of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Calls in flight to all targets together; `None`: as many as come.
    pub max_calls: Option<usize>,
    /// Calls that may wait for room.
    pub queue: usize,
    /// How long one of them waits.
    pub queue_wait: Duration,
    /// How many other targets a call may try.
    pub retries: u32,
    /// How long after its arrival a call may still try another target.
    pub retry_within: Duration,
    /// How long a call waits for a model that is not ready.
    pub wait_ready: Duration,
    /// How many bytes of a conversation's beginning choose its target; `None`: it is not chosen by
    /// the conversation.
    pub sticky: Option<usize>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            max_calls: None,
            queue: 0,
            queue_wait: Duration::from_secs(5),
            retries: 2,
            retry_within: Duration::from_secs(30),
            wait_ready: Duration::ZERO,
            sticky: None,
        }
    }
}

/// Who answers for a model: an endpoint and what is known of the container behind it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the file")]
pub struct Target {
    /// The SageMaker endpoint's name: 1 to 63 letters, digits and inner hyphens. Of another
    /// place, host and port.
    pub endpoint: String,
    /// Where it is, if it is no SageMaker endpoint.
    pub place: Option<Place>,
    /// Targets of a lower number are preferred.
    pub priority: u32,
    /// Its share of the calls among targets of its priority.
    pub weight: u32,
    /// Calls in flight at once; `None`: as many as come.
    pub max_concurrency: Option<usize>,
    /// The language of the container.
    pub contract: Contract,
    /// The endpoint's region: its own, else [`SageMaker::region`].
    pub region: Option<String>,
    /// Where the endpoint is reached: its own, else [`SageMaker::endpoint_url`].
    pub endpoint_url: Option<String>,
    /// The inference component of the endpoint.
    pub inference_component: Option<String>,
    /// The production variant of the endpoint.
    pub target_variant: Option<String>,
    /// Which operation carries a unary answer.
    pub unary: Unary,
    /// How fast the model writes, for [`Unary::Auto`]. Above zero.
    pub tokens_per_second: f64,
    /// Whether the container can stream.
    pub stream: bool,
    /// Whether the container's stream reports the tokens used.
    pub stream_usage: bool,
    /// Whether the model takes images.
    pub images: bool,
    /// Whether cached tokens are taken out of `inputTokens` even when the request has no
    /// cache point.
    pub cached_in_usage: bool,
    /// What goes into the payload's `model` member.
    pub upstream_model: Option<String>,
    /// The model's chat template. Containers that take text need it; of others it tells the
    /// control tokens, and whether answers begin with reasoning.
    pub template: Option<TemplateSource>,
    /// The model's `tokenizer.json`, if its tokens are counted by it.
    pub tokenizer: Option<PathBuf>,
    /// How the tokens of a question are counted where no answer is wanted.
    pub count_tokens: CountTokens,
    /// How the model marks reasoning and calls in its text, by the parser's name; `None`: as the
    /// template implies, else as the text shows.
    pub format: Option<String>,
    /// What happens to control tokens in what callers send.
    pub control_tokens: ControlTokens,
    /// How prompts that callers have rendered reach a container that takes messages.
    pub prompts: Prompts,
    /// Whether the container's tokenizer puts a BOS token before the prompt.
    pub adds_bos: bool,
    /// The limit of tokens for a request that names none, where the container needs one.
    pub default_max_tokens: u32,
    /// How many texts or documents go into one call of a container that embeds or reranks;
    /// `None`: as its contract usually takes.
    pub max_batch: Option<usize>,
    /// How the vectors of tokens become one, for [`Contract::HfFeatures`].
    pub pooling: Pooling,
    /// What stands in front of an embedding model's search queries.
    pub query_prefix: String,
    /// What stands in front of the documents that are searched.
    pub document_prefix: String,
    /// Whether calls with the same beginning are sent to the same instance.
    pub prefix_aware: bool,
    /// Whether the caller's `X-Amzn-SageMaker-Session-Id` goes to the endpoint.
    pub forward_session_id: bool,
    /// Whether the caller's `X-Amzn-SageMaker-Custom-Attributes` go to the endpoint.
    pub forward_custom_attributes: bool,
}

impl Target {
    /// A target with every default.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            place: None,
            priority: 0,
            weight: 1,
            max_concurrency: None,
            contract: Contract::default(),
            region: None,
            endpoint_url: None,
            inference_component: None,
            target_variant: None,
            unary: Unary::default(),
            tokens_per_second: 15.0,
            stream: true,
            stream_usage: true,
            images: true,
            cached_in_usage: false,
            upstream_model: None,
            template: None,
            tokenizer: None,
            count_tokens: CountTokens::Off,
            format: None,
            control_tokens: ControlTokens::default(),
            prompts: Prompts::default(),
            adds_bos: true,
            default_max_tokens: 2048,
            max_batch: None,
            pooling: Pooling::default(),
            query_prefix: String::new(),
            document_prefix: String::new(),
            prefix_aware: false,
            forward_session_id: true,
            forward_custom_attributes: true,
        }
    }

    /// Whether no call could be made to it, for want of a region.
    pub const fn needs_region(&self) -> bool {
        self.place.is_none() && self.region.is_none()
    }
}

/// Where a model's chat template comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSource {
    /// One of Helan's own, by its name.
    Builtin(String),
    /// A `chat_template.jinja`, a `tokenizer_config.json`, or a directory with them.
    Path(PathBuf),
}

words! {
    /// How prompts that callers have rendered reach a container that takes messages.
    pub enum Prompts {
        /// As completions, on the same path.
        #[default]
        Completion = "completion",
        /// As the turns that their template shows.
        Turns = "turns",
    }
}

words! {
    /// How the vectors of a text's tokens become one.
    pub enum Pooling {
        /// Their mean.
        #[default]
        Mean = "mean",
        /// The first one.
        Cls = "cls",
    }
}

words! {
    /// What happens to control tokens in what callers send.
    pub enum ControlTokens {
        /// They become plain text.
        #[default]
        Neutralise = "neutralise",
        /// The call is refused.
        Reject = "reject",
        /// They go through.
        Allow = "allow",
    }
}

words! {
    /// How the tokens of a question are counted where no answer is wanted.
    pub enum CountTokens {
        /// By the model's tokenizer: exact, and nobody is called.
        #[default]
        Tokenizer = "tokenizer",
        /// By the container, which is asked for an answer of one token: a step of its GPU.
        Endpoint = "endpoint",
        /// Not at all.
        Off = "off",
    }
}

words! {
    /// Which of SageMaker's operations carries a unary answer.
    pub enum Unary {
        /// The stream when the answer may take long, else one whole body.
        #[default]
        Auto = "auto",
        /// Always the stream, folded into one answer.
        Stream = "stream",
        /// Always one whole body.
        Invoke = "invoke",
    }
}

words! {
    /// The order of the blocks in a unary answer.
    pub enum BlockOrder {
        /// As the model generated them: reasoning, then text.
        #[default]
        AsGenerated = "as-generated",
        /// Text before reasoning, as Bedrock's DeepSeek-R1 answers.
        TextFirst = "text-first",
    }
}

/// Endpoints that callers may name by ARN, and how all of them are served.
#[derive(Clone, Debug, PartialEq)]
pub struct Allow {
    /// A pattern for endpoint names; `*` stands for any text.
    pub pattern: String,
    /// The language of native bodies; `None`: as the body tells.
    pub family: Option<Family>,
    /// The order of the blocks in a unary answer.
    pub block_order: BlockOrder,
    /// What is known of the containers. Its `endpoint` is the pattern: use [`Allow::target`].
    pub(super) template: Target,
}

impl Allow {
    /// Whether the pattern covers this endpoint name. Names differ by more than their case, which
    /// an ARN does not always keep.
    pub fn matches(&self, endpoint: &str) -> bool {
        glob(self.pattern.as_bytes(), endpoint.as_bytes())
    }

    /// The region that endpoints must be in, when it is known.
    pub fn region(&self) -> Option<&str> {
        self.template.region.as_deref()
    }

    /// What all targets under this pattern have in common.
    pub(super) const fn any(&self) -> &Target {
        &self.template
    }

    /// The target for one endpoint under this pattern. `region` is its ARN's.
    pub fn target(&self, endpoint: &str, region: &str) -> Target {
        Target {
            endpoint: endpoint.to_owned(),
            region: Some(region.to_owned()),
            ..self.template.clone()
        }
    }
}

/// Matches in time linear in `text` for each `*` (the last star is the only one ever retried).
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if byte.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("chat-*", "chat-1", true),
            ("chat-*", "chat-", true),
            ("chat-*", "chat", false),
            ("chat-*", "my-chat-1", false),
            ("*", "", true),
            ("*-prod", "a-prod-b-prod", true),
            ("*-prod", "a-prod-b", false),
            ("Chat-*", "chat-1", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
