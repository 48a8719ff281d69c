//! What a deployment is asked, whoever asks it and in whatever words.

use serde_json::{Map, Value};

use super::{
    ContentBlock, ImageBlock, InferenceConfiguration, Message, OutputConfig,
    PerformanceConfiguration, Request, ServiceTier, SystemContentBlock, Tool, ToolConfiguration,
};

/// One question to one deployment: what every family's request becomes, and what every container
/// encodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// What the model is to read.
    pub input: Input,
    /// How it is to answer.
    pub parameters: Parameters,
}

/// What the model is to read.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Turns, which the container or our template renders.
    Conversation(Conversation),
    /// Text that its author has rendered already: it travels as a completion wherever the
    /// container takes one.
    Prompt(Prompt),
}

/// Turns, what stands before them, and the tools they may call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// System prompts, in order.
    pub system: Vec<SystemContentBlock>,
    /// The turns, in order.
    pub messages: Vec<Message>,
    /// The tools, and which of them must be called.
    pub tools: Option<ToolConfiguration>,
}

/// A rendered prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// The text, control tokens included.
    pub text: String,
    /// Images that the text refers to.
    pub images: Vec<ImageBlock>,
}

/// How the model is to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Limits and sampling.
    pub inference: InferenceConfiguration,
    /// Fields that only the model knows: they reach the container at the top level of its body.
    pub additional_request_fields: Map<String, Value>,
    /// JSON pointers into the container's answer, to be copied into ours.
    pub additional_response_field_paths: Vec<String>,
    /// Structured output and effort.
    pub output: OutputConfig,
    /// Accepted and echoed.
    pub performance: Option<PerformanceConfiguration>,
    /// Accepted and echoed.
    pub service_tier: Option<ServiceTier>,
}

/// What was changed of a question before it reached the container: for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Adaptation {
    /// A spelling of the BOS marker that no tokenizer knows became the right one.
    BosRespelled,
    /// The BOS marker went, since the container's tokenizer puts one there itself.
    BosRemoved,
    /// A prompt became the turns that its template shows.
    PromptParsed,
    /// A prompt in no known template became one turn of the user.
    PromptWrapped,
}

impl Adaptation {
    /// Its name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BosRespelled => "bos_respelled",
            Self::BosRemoved => "bos_removed",
            Self::PromptParsed => "prompt_parsed",
            Self::PromptWrapped => "prompt_wrapped",
        }
    }
}

impl Conversation {
    /// Whether the caller asked for caching anywhere: only then is the usage split into tokens
    /// read from a cache and others.
    pub fn has_cache_point(&self) -> bool {
        self.system.iter().any(|block| matches!(block, SystemContentBlock::CachePoint(_)))
            || self
                .tools
                .iter()
                .flat_map(|config| &config.tools)
                .any(|tool| matches!(tool, Tool::CachePoint(_)))
            || self
                .messages
                .iter()
                .flat_map(|message| &message.content)
                .any(|block| matches!(block, ContentBlock::CachePoint(_)))
    }
}

impl Ask {
    /// Whether the caller asked for caching anywhere.
    pub fn has_cache_point(&self) -> bool {
        matches!(&self.input, Input::Conversation(conversation) if conversation.has_cache_point())
    }
}

impl From<Request> for Ask {
    /// Takes a validated request apart. `guardrailConfig`, `promptVariables` and
    /// `requestMetadata` are the operation's business and stay behind.
    fn from(request: Request) -> Self {
        Self {
            input: Input::Conversation(Conversation {
                system: request.system.unwrap_or_default(),
                messages: request.messages.unwrap_or_default(),
                tools: request.tool_config,
            }),
            parameters: Parameters {
                inference: request.inference_config.unwrap_or_default(),
                additional_request_fields: match request.additional_model_request_fields {
                    Some(Value::Object(fields)) => fields,
                    _ => Map::new(), // anything but an object was refused by the validation
                },
                additional_response_field_paths: request
                    .additional_model_response_field_paths
                    .unwrap_or_default(),
                output: request.output_config.unwrap_or_default(),
                performance: request.performance_config,
                service_tier: request.service_tier,
            },
        }
    }
}
