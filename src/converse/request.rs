//! What `Converse` and `ConverseStream` are sent.
#![expect(missing_docs, reason = "members are the service model's, which documents them")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shape::{string_enum, structures, union};
use super::{CachePointBlock, GuardContent, Message, PerformanceConfiguration, ServiceTier};

/// The body of `Converse` and of `ConverseStream` (`modelId` travels in the path).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Request {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_request_fields: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_response_field_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_config: Option<GuardrailConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<InferenceConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_config: Option<PerformanceConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_variables: Option<BTreeMap<String, PromptVariable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_metadata: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<Vec<SystemContentBlock>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfiguration>,
}

/// `InferenceConfiguration`. `max_tokens` ≥ 1; `temperature` and `top_p` 0..=1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct InferenceConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum SystemContentBlock {
        Text(String) = "text",
        GuardContent(GuardContent) = "guardContent",
        CachePoint(CachePointBlock) = "cachePoint",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    pub tools: Vec<Tool>,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ToolChoice {
        Auto(Empty) = "auto",
        Any(Empty) = "any",
        Tool(NamedTool) = "tool",
    }
}

/// `AutoToolChoice`, `AnyToolChoice`: structures without members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Empty {}

/// `SpecificToolChoice`, `SystemTool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NamedTool {
    pub name: String,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum Tool {
        ToolSpec(ToolSpecification) = "toolSpec",
        SystemTool(NamedTool) = "systemTool",
        CachePoint(CachePointBlock) = "cachePoint",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ToolSpecification {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub input_schema: ToolInputSchema,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum ToolInputSchema {
        /// A JSON Schema, its members in the caller's order.
        Json(Value) = "json",
    }
}

/// `GuardrailConfiguration`, and `GuardrailStreamConfiguration` with its mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct GuardrailConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_processing_mode: Option<StreamProcessingMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<GuardrailTrace>,
}

string_enum! {
    pub enum StreamProcessingMode {
        Sync = "sync",
        Async = "async",
    }
}

string_enum! {
    pub enum GuardrailTrace {
        Enabled = "enabled",
        Disabled = "disabled",
        EnabledFull = "enabled_full",
    }
}

union! {
    /// `PromptVariableValues`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum PromptVariable {
        Text(String) = "text",
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct OutputConfig {
    /// low, medium, high, xhigh, max: at most 16 characters, not an enum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_format: Option<OutputFormat>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct OutputFormat {
    pub structure: OutputFormatStructure,
    #[serde(rename = "type")]
    pub kind: OutputFormatType,
}

string_enum! {
    pub enum OutputFormatType {
        JsonSchema = "json_schema",
    }
}

union! {
    #[derive(Clone, Debug, PartialEq)]
    pub enum OutputFormatStructure {
        JsonSchema(JsonSchemaDefinition) = "jsonSchema",
    }
}

/// `schema` is a JSON Schema as a *string*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct JsonSchemaDefinition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub schema: String,
}

structures!(
    Request,
    InferenceConfiguration,
    ToolConfiguration,
    Empty,
    NamedTool,
    ToolSpecification,
    GuardrailConfiguration,
    OutputConfig,
    OutputFormat,
    JsonSchemaDefinition
);
