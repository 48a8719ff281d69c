//! A Messages request → a question.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Manner};
use super::blocks::{CacheControl, Said, TextBlock};
use super::stream::Speaker;
use super::tools::{self, Choice, Offered};
use super::turns::{self, Sent};
use crate::Result;
use crate::converse::{
    Ask, Conversation, InferenceConfiguration, Input, JsonSchemaDefinition, OutputConfig,
    OutputFormat, OutputFormatStructure, OutputFormatType, Parameters, SystemContentBlock,
};
use crate::family::schema::Schema;
use crate::family::{Invocation, Question};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/anthropic.json")).unwrap_or_default()
});

#[derive(Deserialize)]
struct Body {
    max_tokens: i32,
    messages: Vec<Sent>,
    system: Option<Said<TextBlock>>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    stop_sequences: Option<Vec<String>>,
    #[serde(default)]
    tools: Vec<Offered>,
    tool_choice: Option<Choice>,
    thinking: Option<Thinking>,
    output_config: Option<Output>,
    output_format: Option<Format>,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
struct Thinking {
    r#type: ThinkingType,
    display: Option<Display>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ThinkingType {
    Enabled,
    /// As much as the model finds right: ours always do.
    Adaptive,
    BetweenTools,
    Disabled,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Display {
    Summarized,
    Updates,
    /// Only the signature is answered.
    Omitted,
}

#[derive(Deserialize)]
struct Output {
    effort: Option<String>,
    format: Option<Format>,
}

/// A JSON Schema that the answer keeps to.
#[derive(Deserialize)]
struct Format {
    schema: Value,
}

/// Reads a body whose envelope is gone.
pub(super) fn read(
    members: Map<String, Value>,
    mut invocation: Invocation<'_>,
    id_prefix: &str,
) -> Result<Question> {
    tools::refuse_anthropics(members.get("tools"))?;
    let mut body: Body = SCHEMA.take(members)?;
    let manner = Manner {
        id: answer::id(id_prefix, &mut invocation.random),
        model: answer::model_name(invocation.model_id).to_owned(),
        omits_thinking: body
            .thinking
            .as_ref()
            .is_some_and(|thinking| thinking.display == Some(Display::Omitted)),
        only_stop: match body.stop_sequences.as_deref() {
            Some([only]) => Some(only.clone()),
            _ => None,
        },
    };
    let parameters = parameters(&mut body);
    let ask = Ask {
        input: Input::Conversation(Conversation {
            system: body.system.map(system).unwrap_or_default(),
            messages: turns::turns(body.messages, body.cache_control)?,
            tools: tools::offered(body.tools, body.tool_choice.as_ref())?,
        }),
        parameters,
    };
    Ok(Question::new(ask, Speaker::new(manner)))
}

fn system(said: Said<TextBlock>) -> Vec<SystemContentBlock> {
    let blocks = match said {
        Said::Text(text) => vec![TextBlock { text, cache_control: None }],
        Said::Blocks(blocks) => blocks,
    };
    blocks
        .into_iter()
        .map(|block| TextBlock { text: without_billing(block.text), ..block })
        .filter(|block| !block.text.is_empty())
        .flat_map(|block| {
            let cached = block.cache_control.map(Into::into).map(SystemContentBlock::CachePoint);
            std::iter::once(SystemContentBlock::Text(block.text)).chain(cached)
        })
        .collect()
}

/// A system prompt without the line that Claude Code writes before it for Anthropic's billing
/// (`x-anthropic-billing-header: cc_version=…; cch=…;`). It is not meant for the model, and since
/// it differs from call to call, no container's prefix cache would hold with it.
fn without_billing(mut text: String) -> String {
    if text.starts_with("x-anthropic-billing-header:") {
        let end = text.find('\n').map_or(text.len(), |end| end + 1);
        text.drain(..end);
    }
    text
}

fn parameters(body: &mut Body) -> Parameters {
    let mut fields = Map::new();
    // None of them: so Claude's documentation calls the default.
    if let Some(top_k) = body.top_k.filter(|top_k| *top_k > 0) {
        fields.insert("top_k".to_owned(), top_k.into());
    }
    if body.tool_choice.as_ref().is_some_and(Choice::one_call) && !body.tools.is_empty() {
        fields.insert("parallel_tool_calls".to_owned(), false.into());
    }
    if let Some(thinking) = &body.thinking {
        let thinks = thinking.r#type != ThinkingType::Disabled;
        fields.insert(
            "chat_template_kwargs".to_owned(),
            json!({"enable_thinking": thinks, "thinking": thinks}),
        );
    }
    let (effort, format) =
        body.output_config.take().map_or((None, None), |config| (config.effort, config.format));
    Parameters {
        inference: InferenceConfiguration {
            max_tokens: Some(body.max_tokens),
            stop_sequences: body.stop_sequences.take(),
            temperature: body.temperature,
            top_p: body.top_p,
        },
        additional_request_fields: fields,
        output: OutputConfig {
            effort,
            text_format: format.or_else(|| body.output_format.take()).map(Into::into),
        },
        ..Parameters::default()
    }
}

impl From<Format> for OutputFormat {
    fn from(format: Format) -> Self {
        Self {
            structure: OutputFormatStructure::JsonSchema(JsonSchemaDefinition {
                description: None,
                name: None,
                schema: format.schema.to_string(),
            }),
            kind: OutputFormatType::JsonSchema,
        }
    }
}
