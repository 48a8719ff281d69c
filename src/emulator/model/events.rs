//! A streamed answer, chunk by chunk, in vLLM's order of members.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::script::{Counted, Script, Token};
use super::{Event, Manner};
use crate::emulator::rules::Reasoning;

/// What vLLM 0.32.0 calls itself.
pub(super) const FINGERPRINT: &str = "vllm-0.32.0-252609a4";

/// All events of the stream: the role, one for each token, the finish, the usage, the end.
pub(super) fn chunks(ask: &Ask, script: &Script, manner: &Manner<'_>) -> Vec<Event> {
    let chunks = Chunks { ask, script, manner };
    let mut events = Vec::with_capacity(script.tokens.len() + 4);
    if ask.chat {
        events.push(chunks.role());
    }
    let mut finished = false;
    for (at, token) in script.tokens.iter().enumerate() {
        if let Some(pause) = manner.pause {
            events.push(Event::Pause(pause));
        }
        // What was cut off finishes with its last token; what came to its end with a chunk more.
        finished = script.cut_off && at + 1 == script.tokens.len();
        if finished || !chunks.hidden(token) {
            events.push(chunks.token(Some(token), finished, at as u64 + 1));
        }
    }
    if !finished {
        events.push(chunks.token(None, true, script.tokens.len() as u64));
    }
    if ask.include_usage {
        let mut chunk = chunks.chunk(Vec::new());
        chunk.insert("usage".to_owned(), chunks.usage(script.usage.completion));
        chunk.insert("system_fingerprint".to_owned(), FINGERPRINT.into());
        events.push(Event::Data { json: chunk.into(), finish: true });
    }
    events.push(Event::Done);
    events
}

struct Chunks<'a> {
    ask: &'a Ask,
    script: &'a Script,
    manner: &'a Manner<'a>,
}

impl Chunks<'_> {
    fn chunk(&self, choices: Vec<Value>) -> Map<String, Value> {
        let object = if self.ask.chat { "chat.completion.chunk" } else { "text_completion" };
        let mut chunk = Map::new();
        chunk.insert("id".to_owned(), self.script.id.clone().into());
        chunk.insert("object".to_owned(), object.into());
        chunk.insert("created".to_owned(), self.script.created.into());
        chunk.insert("model".to_owned(), self.manner.model.into());
        chunk.insert("choices".to_owned(), choices.into());
        chunk
    }

    fn role(&self) -> Event {
        let mut chunk = self.chunk(vec![json!({
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": null,
            "finish_reason": null,
        })]);
        self.add_usage(&mut chunk, 0);
        chunk.insert("prompt_token_ids".to_owned(), Value::Null);
        chunk.insert("prompt_text".to_owned(), Value::Null);
        Event::Data { json: chunk.into(), finish: false }
    }

    /// The chunk of a token, or of the end that is no token; `so_far` tokens with it.
    fn token(&self, token: Option<&Token>, finish: bool, so_far: u64) -> Event {
        let reason = if finish { Value::from(self.script.finish.clone()) } else { Value::Null };
        let stop = self.script.stop.clone().filter(|_| finish);
        let choice = if self.ask.chat {
            let delta = token.map_or_else(|| json!({}), |token| self.delta(token));
            let mut choice = json!({
                "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason,
            });
            if finish {
                choice["stop_reason"] = stop.into();
            }
            choice["token_ids"] = Value::Null;
            choice
        } else {
            json!({
                "index": 0,
                "text": match token {
                    Some(Token::Text(text)) => text.as_str(),
                    _ => "",
                },
                "logprobs": null,
                "finish_reason": reason,
                "stop_reason": stop,
                "prompt_token_ids": null,
                "token_ids": null,
            })
        };
        let mut chunk = self.chunk(vec![choice]);
        self.add_usage(&mut chunk, so_far);
        if finish && !self.ask.include_usage {
            chunk.insert("system_fingerprint".to_owned(), FINGERPRINT.into());
        }
        Event::Data { json: chunk.into(), finish }
    }

    fn hidden(&self, token: &Token) -> bool {
        matches!(token, Token::Reasoning(_)) && !self.ask.show_reasoning
    }

    fn delta(&self, token: &Token) -> Value {
        match token {
            Token::Reasoning(_) if self.hidden(token) => json!({}),
            Token::Reasoning(text) if self.manner.reasoning == Reasoning::OldField => {
                json!({"reasoning_content": text})
            }
            Token::Reasoning(text) => json!({"reasoning": text}),
            Token::Text(text) | Token::Special(text) | Token::End(text) => json!({"content": text}),
            Token::Call(index) => {
                let (id, name) = match self.script.calls.get(*index) {
                    Some(call) => (call.id.as_str(), call.name.as_str()),
                    None => ("", ""),
                };
                json!({"content": null, "tool_calls": [
                    {"id": id, "type": "function", "index": index, "function": {"name": name}},
                ]})
            }
            Token::Arguments(index, text) => json!({"content": null, "tool_calls": [
                {"index": index, "function": {"arguments": text}},
            ]}),
        }
    }

    fn usage(&self, completion: u64) -> Value {
        let mut usage = usage(self.script.usage, completion, self.ask.chat);
        if let Some(usage) = usage.as_object_mut() {
            usage.retain(|_, value| !value.is_null());
        }
        usage
    }

    fn add_usage(&self, chunk: &mut Map<String, Value>, so_far: u64) {
        if self.ask.include_usage && self.ask.continuous_usage {
            chunk.insert("usage".to_owned(), self.usage(so_far));
        }
    }
}

/// The usage of a whole answer; a stream leaves out what is null.
pub(super) fn usage(counted: Counted, completion: u64, chat: bool) -> Value {
    let cached = counted.cached.map(|cached| {
        let mut details = json!({"cached_tokens": cached});
        if let Some(created) = counted.created {
            details["created_cache_tokens"] = created.into();
        }
        details
    });
    let reasoning = chat.then(|| json!({"reasoning_tokens": counted.reasoning.min(completion)}));
    json!({
        "prompt_tokens": counted.prompt,
        "total_tokens": counted.prompt + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": cached,
        "completion_tokens_details": reasoning,
    })
}
