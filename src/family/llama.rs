//! Meta's Llama: `{prompt, temperature, top_p, max_gen_len, images}` → `{generation,
//! prompt_token_count, generation_token_count, stop_reason}`; a chunk has the same shape.
//!
//! Source: Bedrock's user guide, "Meta Llama models", with the defaults written there. In chunks
//! the counts are `null` until the last: containers count when they are done.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::prompt::{self, Rejoin, stop_or_length};
use super::schema::{Schema, malformed};
use super::{Chunks, Family, Invocation, Question, Voice};
use crate::converse::{
    Ask, Blob, Event, ImageBlock, ImageFormat, InferenceConfiguration, MediaSource, Parameters,
    Response, TokenUsage,
};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../schemas/family/llama.json")).unwrap_or_default()
});

/// The family `llama`.
#[derive(Clone, Copy, Debug)]
pub struct Llama;

#[derive(Deserialize)]
struct Body {
    prompt: String,
    temperature: Option<f32>,
    top_p: Option<f32>,
    max_gen_len: Option<i32>,
    images: Option<Vec<Blob>>,
}

impl Family for Llama {
    fn name(&self) -> &'static str {
        "llama"
    }

    fn read(&self, body: &[u8], _: Invocation<'_>) -> Result<Question> {
        let body: Body = SCHEMA.read(body)?;
        let inference = InferenceConfiguration {
            max_tokens: Some(body.max_gen_len.unwrap_or(512)),
            stop_sequences: None,
            temperature: Some(body.temperature.unwrap_or(0.5)),
            top_p: Some(body.top_p.unwrap_or(0.9)),
        };
        let parameters = Parameters { inference, ..Parameters::default() };
        let images = body.images.unwrap_or_default().into_iter().enumerate().map(image);
        let (ask, adapted) = prompt::ask(body.prompt, images.collect::<Result<_>>()?, parameters);
        let voice = Generation::behind(&ask);
        Ok(Question { adapted, ..Question::new(ask, voice) })
    }
}

/// An image whose format its first bytes tell: the body does not say it.
pub(super) fn image((index, bytes): (usize, Blob)) -> Result<ImageBlock> {
    let format = ImageFormat::of_base64(bytes.as_base64()).ok_or_else(|| {
        malformed(&format!("#/images/{index}: the image is no PNG, JPEG, GIF or WebP"))
    })?;
    Ok(ImageBlock { error: None, format, source: MediaSource::Bytes(bytes) })
}

/// Says the text that is generated behind a prompt.
pub(super) struct Generation {
    text: Rejoin,
    /// `logprobs` of an imported model: always `null`.
    logprobs: Option<()>,
    stop_reason: &'static str,
    /// Used again for each event.
    said: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    generation: &'a str,
    prompt_token_count: Option<u32>,
    generation_token_count: Option<u32>,
    stop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<()>,
}

impl Generation {
    pub(super) fn behind(ask: &Ask) -> Self {
        let said = String::new();
        Self { text: Rejoin::behind(ask), logprobs: None, stop_reason: "stop", said }
    }

    /// With the member `logprobs`, as imported models have it.
    pub(super) fn with_logprobs(self) -> Self {
        Self { logprobs: Some(()), ..self }
    }

    fn last<'a>(&self, generation: &'a str, usage: &TokenUsage) -> Answer<'a> {
        Answer {
            generation,
            // No prompt has no token: zero means that the container did not count.
            prompt_token_count: (usage.input_tokens > 0).then_some(usage.input_tokens),
            generation_token_count: Some(usage.output_tokens),
            stop_reason: Some(self.stop_reason),
            logprobs: self.logprobs,
        }
    }
}

impl Voice for Generation {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        match event {
            Event::MessageStop(stop) => self.stop_reason = stop_or_length(stop.stop_reason),
            Event::Metadata(metadata) => {
                return out.push(&self.last("", &metadata.usage));
            }
            _ => {}
        }
        if self.said.is_empty() {
            return Ok(());
        }
        out.push(&Answer {
            generation: &self.said,
            prompt_token_count: None,
            generation_token_count: None,
            stop_reason: None,
            logprobs: self.logprobs,
        })
    }

    fn whole(mut self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        self.stop_reason = stop_or_length(answer.stop_reason);
        serde_json::to_vec(&self.last(&text, &answer.usage))
            .map_err(|error| Error::internal().because(error))
    }
}
