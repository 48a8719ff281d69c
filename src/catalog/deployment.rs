//! Who answers for a model.

use std::sync::Arc;

use crate::config::{self, Contract, Unary};
use crate::container::{Mode, Speaks};
use crate::converse::BlockOrder;
use crate::family::Family;
use crate::fleet::Fleet;
use crate::transport::{Hints, Transport};
use crate::{Error, Result};

/// One container that answers: how it is reached, what it speaks, and what it can.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each from its own key")]
pub struct Target {
    /// The label in metrics, from the configuration alone: the endpoint's name and, after a
    /// slash, its inference component; after an `@`, its region, where that is not the one that
    /// `[sagemaker]` names; the pattern where callers named the endpoint.
    pub name: Arc<str>,
    /// The endpoint's name.
    pub endpoint: Arc<str>,
    /// The model's name there, where it is another than ours.
    pub model: Option<Arc<str>>,
    /// How bytes get there.
    pub transport: Arc<dyn Transport>,
    /// What they say.
    pub speaks: Speaks,
    /// Which operation carries a unary answer.
    pub unary: Unary,
    /// How fast the model writes, for [`Unary::Auto`].
    pub tokens_per_second: f64,
    /// Whether the container can stream.
    pub streams: bool,
    /// Whether its stream reports the tokens used.
    pub stream_usage: bool,
    /// Whether calls with the same beginning are sent to the same instance.
    pub prefix_aware: bool,
    /// Whether the caller's session id goes to the endpoint.
    pub forward_session_id: bool,
    /// Whether the caller's custom attributes go to the endpoint.
    pub forward_custom_attributes: bool,
}

/// The longest time in seconds that a unary answer is left to `InvokeEndpoint`, which gives up
/// after 60: the queue and the prompt need some of it too.
const PATIENCE: f64 = 40.0;

impl Target {
    pub(super) fn new(
        name: Arc<str>,
        config: &config::Target,
        (transport, speaks): (Arc<dyn Transport>, Speaks),
    ) -> Self {
        Self {
            name,
            endpoint: config.endpoint.as_str().into(),
            model: config.upstream_model.as_deref().map(Into::into),
            transport,
            speaks,
            unary: unary(config),
            tokens_per_second: config.tokens_per_second,
            streams: config.stream && config.contract != Contract::HuggingFace,
            stream_usage: config.stream_usage,
            prefix_aware: config.prefix_aware,
            forward_session_id: config.forward_session_id,
            forward_custom_attributes: config.forward_custom_attributes,
        }
    }

    /// What of the caller's hints the endpoint may be told.
    pub fn hints(&self, hints: &Hints) -> Hints {
        let allowed = |hint: &Option<String>, allowed: bool| hint.clone().filter(|_| allowed);
        Hints {
            inference_id: hints.inference_id.clone(),
            session_id: allowed(&hints.session_id, self.forward_session_id),
            custom_attributes: allowed(&hints.custom_attributes, self.forward_custom_attributes),
            prefix_aware_id: allowed(&hints.prefix_aware_id, self.prefix_aware),
        }
    }

    /// Which operation carries a unary answer of at most `max_tokens`. A stream that does not
    /// report the tokens used would give an answer without its usage, so it is never folded.
    pub fn mode(&self, max_tokens: Option<i32>) -> Mode {
        if !self.streams || !self.stream_usage {
            return Mode::Unary;
        }
        let stream = match self.unary {
            Unary::Stream => true,
            Unary::Invoke => false,
            Unary::Auto => {
                max_tokens.is_none_or(|limit| f64::from(limit) / self.tokens_per_second > PATIENCE)
            }
        };
        if stream { Mode::Stream } else { Mode::Unary }
    }
}

/// A whole answer of TGI or LMI does not count the tokens of the prompt; their streams do.
fn unary(config: &config::Target) -> Unary {
    let counts = !matches!(config.contract, Contract::Tgi | Contract::Lmi);
    if config.unary == Unary::Auto && !counts { Unary::Stream } else { config.unary }
}

/// What a model id stands for.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The id as configured, whatever the caller wrote: the label in metrics.
    pub model_id: Arc<str>,
    /// The language of native bodies; `None`: as the model id or the body tells.
    pub family: Option<&'static dyn Family>,
    /// The name of that language in the configuration, where it names one: embedding models are
    /// asked in languages of their own.
    pub provider: Option<&'static str>,
    /// The order of the blocks in a unary answer.
    pub block_order: BlockOrder,
    /// Who answers: at least one, all of the same kind.
    pub targets: Arc<[Target]>,
    /// Which of them is asked.
    pub fleet: Arc<Fleet>,
    /// What holds for all of them.
    pub settings: config::Fleet,
    /// What its calls are told apart by in the log: a JSON object.
    pub tags: Option<Arc<str>>,
}

impl Deployment {
    /// Whether Bedrock in another region answers, to which calls go as they came.
    pub fn is_bedrock(&self) -> bool {
        self.targets.iter().any(|target| matches!(target.speaks, Speaks::Bedrock))
    }

    /// What kind of question the model takes.
    pub fn speaks(&self) -> Result<&Speaks> {
        self.targets.first().map(|target| &target.speaks).ok_or_else(Error::internal)
    }
}
