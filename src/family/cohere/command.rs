//! Command: `{prompt, temperature, p, k, max_tokens, …}` → `{generations: [{id, text,
//! finish_reason}], id, prompt}`; a chunk is `{text, is_finished}`, the last one says why.
//!
//! Source: Bedrock's user guide, "Cohere Command models", with the defaults written there. One
//! answer is generated, without likelihoods. `truncate` concerns prompts that are too long for the
//! model; containers refuse those, so that nothing of a prompt is ever left out.
//!
//! langchain-aws reads `is_finished` of every chunk and `text` of all but the last; litellm takes
//! the reason only of a chunk without `text`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::prompt::{self, Rejoin};
use super::super::schema::{Schema, malformed};
use super::super::{Chunks, Invocation, Question, Voice};
use super::{finish_reason, top_k, top_p, uuid};
use crate::converse::{Event, InferenceConfiguration, Input, Parameters, Response};
use crate::{Error, Result};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(include_str!("../../../schemas/family/cohere_command.json")).unwrap_or_default()
});

#[derive(Deserialize)]
struct Body {
    prompt: String,
    temperature: Option<f32>,
    p: Option<f32>,
    k: Option<f64>,
    max_tokens: Option<i32>,
    stop_sequences: Option<Vec<String>>,
    return_likelihoods: Option<String>,
    num_generations: Option<u32>,
    #[serde(default)]
    logit_bias: Map<String, Value>,
    stream: Option<bool>,
}

pub(super) fn read(request: Map<String, Value>, invocation: Invocation<'_>) -> Result<Question> {
    let body: Body = SCHEMA.take(request)?;
    if body.num_generations.is_some_and(|count| count > 1) {
        return Err(Error::not_supported("num_generations greater than 1"));
    }
    if body.return_likelihoods.as_deref().is_some_and(|which| which != "NONE") {
        return Err(Error::not_supported("return_likelihoods"));
    }
    // The operation decides. Whoever reads a stream can read it whatever the body says.
    if body.stream == Some(true) && !invocation.streamed {
        return Err(malformed(
            "#/stream: true is for InvokeModelWithResponseStream, and this is InvokeModel",
        ));
    }
    let mut fields = Map::new();
    if let Some(k) = top_k(body.k) {
        fields.insert("top_k".to_owned(), k.into());
    }
    if !body.logit_bias.is_empty() {
        fields.insert("logit_bias".to_owned(), body.logit_bias.into());
    }
    let parameters = Parameters {
        inference: InferenceConfiguration {
            max_tokens: Some(body.max_tokens.unwrap_or(20)),
            stop_sequences: body.stop_sequences.filter(|stop| !stop.is_empty()),
            temperature: Some(body.temperature.unwrap_or(0.9)),
            top_p: Some(top_p(body.p.unwrap_or(0.75))),
        },
        additional_request_fields: fields,
        ..Parameters::default()
    };
    let (ask, adapted) = prompt::ask(body.prompt, vec![], parameters);
    let mut random = invocation.random;
    let voice = Generation {
        text: Rejoin::behind(&ask),
        id: uuid(&mut random),
        only_id: uuid(&mut random),
        // Only the whole answer repeats the prompt.
        prompt: match &ask.input {
            Input::Prompt(prompt) if !invocation.streamed => prompt.text.clone(),
            _ => String::new(),
        },
        finish_reason: "COMPLETE",
        said: String::new(),
    };
    Ok(Question { adapted, ..Question::new(ask, voice) })
}

struct Generation {
    text: Rejoin,
    id: String,
    /// Of the only generation.
    only_id: String,
    prompt: String,
    finish_reason: &'static str,
    /// Used again for each event.
    said: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    generations: [Generated<'a>; 1],
    id: &'a str,
    prompt: &'a str,
}

#[derive(Serialize)]
struct Generated<'a> {
    finish_reason: &'static str,
    id: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Chunk<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    is_finished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    /// Which of several generations; there is one.
    index: u32,
}

impl Voice for Generation {
    fn chunks(&mut self, event: &Event, out: &mut Chunks) -> Result<()> {
        self.said.clear();
        self.text.event(event, &mut self.said);
        if !self.said.is_empty() {
            let text = Some(self.said.as_str());
            out.push(&Chunk { text, is_finished: false, finish_reason: None, index: 0 })?;
        }
        match event {
            Event::MessageStop(stop) => self.finish_reason = finish_reason(stop.stop_reason),
            Event::Metadata(_) => {
                let finish_reason = Some(self.finish_reason);
                out.push(&Chunk { text: None, is_finished: true, finish_reason, index: 0 })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn whole(self: Box<Self>, answer: Response) -> Result<Vec<u8>> {
        let text = self.text.whole(&answer);
        let generated = Generated {
            finish_reason: finish_reason(answer.stop_reason),
            id: &self.only_id,
            text: &text,
        };
        let answer = Answer { generations: [generated], id: &self.id, prompt: &self.prompt };
        serde_json::to_vec(&answer).map_err(|error| Error::internal().because(error))
    }
}
