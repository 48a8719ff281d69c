//! Amazon Titan Text: `{inputText, textGenerationConfig}` → `{inputTextTokenCount, results:
//! [{tokenCount, outputText, completionReason}]}`.
//!
//! Source: Bedrock's user guide, "Amazon Titan Text models", with the defaults written there; the
//! chunks are as recorded from Bedrock. The counts in them are `null` until the last.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::prompt::{self, Rejoin};
use super::schema::Schema;
use super::{Chunks, Family, Invocation, Question, Voice};
use crate::converse::{
    Event, InferenceConfiguration, Parameters, Response, StopReason, TokenUsage,
};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../schemas/family/titan.json")).unwrap_or_default()
});

/// The family `titan`.
#[derive(Clone, Copy, Debug)]
pub struct Titan;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    input_text: String,
    #[serde(default)]
    text_generation_config: Config,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    temperature: Option<f32>,
    top_p: Option<f32>,
    max_token_count: Option<i32>,
    stop_sequences: Option<Vec<String>>,
}

impl Family for Titan {
    fn name(&self) -> &'static str {
        "titan"
    }

    fn read(&self, body: &[u8], _: Invocation<'_>) -> Result<Question> {
        let Body { input_text, text_generation_config: config } = SCHEMA.read(body)?;
        let inference = InferenceConfiguration {
            max_tokens: Some(config.max_token_count.unwrap_or(512)),
            stop_sequences: config.stop_sequences.filter(|stop| !stop.is_empty()),
            temperature: Some(config.temperature.unwrap_or(0.7)),
            top_p: Some(config.top_p.unwrap_or(0.9)),
        };
        let parameters = Parameters { inference, ..Parameters::default() };
        let (ask, adapted) = prompt::ask(input_text, vec![], parameters);
        let voice = Output { text: Rejoin::behind(&ask), reason: FINISHED, said: String::new() };
        Ok(Question { adapted, ..Question::new(ask, voice) })
    }
}

struct Output {
    text: Rejoin,
    reason: &'static str,
    /// Used again for each event.
    said: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    input_text_token_count: Option<u32>,
    results: [Outcome<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    token_count: u32,
    output_text: &'a str,
    completion_reason: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    output_text: &'a str,
    /// Which of several answers; there is one.
    index: u32,
    total_output_text_token_count: Option<u32>,
    completion_reason: Option<&'static str>,
    input_text_token_count: Option<u32>,
}

/// No prompt has no token: zero means that the container did not count.
fn input_tokens(usage: &TokenUsage) -> Option<u32> {
    (usage.input_tokens > 0).then_some(usage.input_tokens)
}

impl Voice for Output {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        let mut chunk = Chunk {
            output_text: &self.said,
            index: 0,
            total_output_text_token_count: None,
            completion_reason: None,
            input_text_token_count: None,
        };
        match event {
            Event::MessageStop(stop) => self.reason = of(stop.stop_reason),
            Event::Metadata(metadata) => {
                chunk.total_output_text_token_count = Some(metadata.usage.output_tokens);
                chunk.completion_reason = Some(self.reason);
                chunk.input_text_token_count = input_tokens(&metadata.usage);
                return out.push(&chunk);
            }
            _ => {}
        }
        if self.said.is_empty() { Ok(()) } else { out.push(&chunk) }
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        let result = Outcome {
            token_count: answer.usage.output_tokens,
            output_text: &text,
            completion_reason: of(answer.stop_reason),
        };
        let answer =
            Answer { input_text_token_count: input_tokens(&answer.usage), results: [result] };
        serde_json::to_vec(&answer).map_err(|error| Error::internal().because(error))
    }
}

/// As documented; some recorded answers say `FINISH` here.
const FINISHED: &str = "FINISHED";

fn of(reason: StopReason) -> &'static str {
    match reason {
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => "LENGTH",
        StopReason::StopSequence => "STOP_CRITERIA_MET",
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => "CONTENT_FILTERED",
        StopReason::EndTurn
        | StopReason::ToolUse
        | StopReason::MalformedModelOutput
        | StopReason::MalformedToolUse => FINISHED,
    }
}
