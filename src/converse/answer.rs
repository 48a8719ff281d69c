//! What `Converse` answers.
#![expect(missing_docs, reason = "members are the service model's, which documents them")]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shape::{string_enum, structures, union};
use super::{CacheTtl, Message, Trace};

/// The body of a `Converse` answer. Members are written in alphabetical order, as Bedrock does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_response_fields: Option<Value>,
    pub metrics: Metrics,
    pub output: Output,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_config: Option<PerformanceConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
    pub stop_reason: StopReason,
    /// The stop sequence that was met, where the container tells it: not a member of Converse,
    /// but of some families' native bodies.
    #[serde(skip)]
    pub stop_sequence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<Trace>>,
    pub usage: TokenUsage,
}

union! {
    /// `ConverseOutput`.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Output {
        Message(Message) = "message",
    }
}

/// `ConverseMetrics`, `ConverseStreamMetrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Metrics {
    /// Milliseconds from the request to the end of the answer.
    pub latency_ms: u64,
}

string_enum! {
    /// Why the model stopped.
    pub enum StopReason {
        EndTurn = "end_turn",
        ToolUse = "tool_use",
        MaxTokens = "max_tokens",
        StopSequence = "stop_sequence",
        GuardrailIntervened = "guardrail_intervened",
        ContentFiltered = "content_filtered",
        MalformedModelOutput = "malformed_model_output",
        MalformedToolUse = "malformed_tool_use",
        ModelContextWindowExceeded = "model_context_window_exceeded",
    }
}

/// Tokens. `input_tokens` excludes those read from or written to a cache; `total_tokens` is the
/// sum of all four.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct TokenUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_details: Option<Vec<CacheDetail>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_input_tokens: Option<u32>,
    pub input_tokens: u32,
    pub output_tokens: u32,
    pub total_tokens: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct CacheDetail {
    pub input_tokens: u32,
    pub ttl: CacheTtl,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct PerformanceConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<PerformanceLatency>,
}

string_enum! {
    pub enum PerformanceLatency {
        Standard = "standard",
        Optimized = "optimized",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ServiceTier {
    #[serde(rename = "type")]
    pub kind: ServiceTierType,
}

string_enum! {
    pub enum ServiceTierType {
        Priority = "priority",
        Default = "default",
        Flex = "flex",
        Reserved = "reserved",
    }
}

structures!(Response, Metrics, TokenUsage, CacheDetail, PerformanceConfiguration, ServiceTier);
