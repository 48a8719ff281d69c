//! Answers to `inputs`: `generated_text`, whole and token by token, as each container writes them.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::inputs::{self, Inputs};
use super::script::{Script, Token};
use super::{Event, Manner};
use crate::emulator::rules::Dialect;

/// What every token is said to have been worth.
const LOGPROB: f64 = -0.05;

/// One answer to `inputs`.
pub(super) struct Generated<'a> {
    pub(super) ask: &'a Ask,
    pub(super) inputs: &'a Inputs,
    pub(super) script: &'a Script,
    pub(super) manner: &'a Manner<'a>,
}

impl Generated<'_> {
    /// All events of the stream: one for each token, then the end.
    pub(super) fn stream(&self) -> Vec<Event> {
        let tokens = &self.script.tokens;
        let mut events = Vec::with_capacity(tokens.len() + 1);
        for (at, token) in tokens.iter().enumerate() {
            events.extend(self.manner.pause.map(Event::Pause));
            let finish = at + 1 == tokens.len();
            events.push(Event::Data { json: self.event(at, token, finish), finish });
        }
        events.push(Event::Done);
        events
    }

    /// The answer in one piece.
    pub(super) fn whole(&self) -> Value {
        let dialect = self.manner.dialect;
        let generated = self.generated();
        let details = self.inputs.details.then(|| self.details());
        let mut answer = Map::new();
        answer.insert("generated_text".to_owned(), generated.clone().into());
        match dialect {
            Dialect::Rolling3p => return self.envelope(&generated, None),
            Dialect::Dynamic | Dialect::Hf => return json!([answer]),
            _ => {}
        }
        if let Some(details) = details {
            answer.insert("details".to_owned(), details);
        }
        match dialect {
            Dialect::Jsonlines | Dialect::Rolling | Dialect::RollingSse => answer.into(),
            _ => json!([answer]),
        }
    }

    /// What there is of the text, with the prompt if it is wanted.
    fn generated(&self) -> String {
        let before = if self.inputs.repeats_prompt { self.ask.text.as_str() } else { "" };
        let texts = self.script.tokens.iter().map(|token| self.kept(token));
        std::iter::once(before).chain(texts).collect()
    }

    /// A token's part of the whole text: special ones have one only where they are asked for.
    fn kept<'t>(&self, token: &'t Token) -> &'t str {
        match token {
            Token::Text(text) => text,
            Token::Special(text) if self.ask.shows_special => text,
            // vLLM cuts the token that ends the turn off, unless it is asked not to.
            Token::End(text) if self.ask.shows_special && self.ask.shows_stop => text,
            _ => "",
        }
    }

    /// A token's text in its own event.
    fn shown<'t>(&self, token: &'t Token) -> &'t str {
        match token {
            Token::Special(text) | Token::End(text) if self.manner.dialect == Dialect::Tgi => text,
            token => self.kept(token),
        }
    }

    fn token(&self, at: usize, token: &Token) -> Value {
        let (id, text) = (1000 + at, self.shown(token));
        let special = matches!(token, Token::Special(_) | Token::End(_));
        match self.manner.dialect {
            Dialect::Tgi => json!({"id": id, "text": text, "logprob": LOGPROB, "special": special}),
            Dialect::Jsonlines | Dialect::RollingTgi => {
                json!({"id": id, "text": text, "logprob": LOGPROB})
            }
            _ => json!({"id": id, "text": text, "log_prob": LOGPROB}),
        }
    }

    fn event(&self, at: usize, token: &Token, last: bool) -> Value {
        let dialect = self.manner.dialect;
        match dialect {
            Dialect::Dynamic => return json!({"outputs": [self.shown(token)]}),
            Dialect::Rolling3p => return self.envelope(self.shown(token), Some((at, last))),
            _ => {}
        }
        let details = (last && self.inputs.details).then(|| self.last_details());
        let generated = last.then(|| self.generated());
        let token = self.token(at, token);
        if dialect.is_rolling() {
            let mut event = json!({"token": token});
            if let Some(generated) = generated {
                event["generated_text"] = generated.into();
            }
            if let Some(details) = details {
                event["details"] = details;
            }
            return event;
        }
        // TGI counts its events; async mode has the index of the choice.
        let index = if dialect == Dialect::Tgi { at + 1 } else { 0 };
        json!({"index": index, "token": token, "generated_text": generated, "details": details})
    }

    /// Why it ended, in the words of TGI, which rolling batch has taken over.
    fn reason(&self) -> &str {
        match self.script.finish.as_str() {
            "stop" if self.script.stop.is_some() => "stop_sequence",
            "stop" => "eos_token",
            other => other,
        }
    }

    /// `details` of a whole answer.
    fn details(&self) -> Value {
        let count = self.script.usage.completion;
        let tokens = self.script.tokens.iter().enumerate();
        let tokens: Vec<_> = tokens.map(|(at, token)| self.token(at, token)).collect();
        if self.manner.dialect.is_rolling() {
            let mut details = json!({
                "finish_reason": self.reason(), "generated_tokens": count,
                "inputs": self.ask.text, "tokens": tokens,
            });
            if self.inputs.lists_prompt {
                details["prefill"] = self.prefill("log_prob");
            }
            return details;
        }
        let is_tgi = self.manner.dialect == Dialect::Tgi;
        let prefill = if self.inputs.lists_prompt { self.prefill("logprob") } else { json!([]) };
        // Async mode gives vLLM's `stop_reason`: null for the end and for the limit alike.
        let reason = if is_tgi { Some(self.reason()) } else { self.script.stop.as_deref() };
        json!({
            "finish_reason": reason, "generated_tokens": count, "seed": self.inputs.seed,
            "prefill": prefill, "tokens": tokens,
        })
    }

    /// `details` of a stream's last event.
    fn last_details(&self) -> Value {
        let usage = self.script.usage;
        match self.manner.dialect {
            Dialect::Tgi => json!({
                "finish_reason": self.reason(), "generated_tokens": usage.completion,
                "seed": self.inputs.seed, "input_length": usage.prompt,
            }),
            Dialect::Jsonlines => json!({
                "finish_reason": self.script.finish, "seed": self.inputs.seed,
                // It counts the last token twice.
                "generated_tokens": usage.completion + 1, "input_length": usage.prompt,
            }),
            _ => json!({
                "finish_reason": self.reason(), "generated_tokens": usage.completion,
                "inputs": self.ask.text,
            }),
        }
    }

    fn prefill(&self, logprob: &str) -> Value {
        let tokens = inputs::prompt_tokens(self.manner.bos, &self.ask.text).enumerate();
        tokens.map(|(at, text)| json!({"id": at, "text": text, logprob: LOGPROB})).collect()
    }

    /// What the `3p` formatters write: `of_stream` is a token's place, and whether it is the last.
    fn envelope(&self, text: &str, of_stream: Option<(usize, bool)>) -> Value {
        let usage = self.script.usage;
        let (at, last) = of_stream.unwrap_or((0, true));
        let count = of_stream.map_or(usage.completion, |(at, _)| at as u64 + 1);
        let prompt = (at == 0).then_some(usage.prompt);
        let metering = match prompt {
            Some(prompt) => json!({"inputTokenCount": prompt, "outputTokenCount": count}),
            None => json!({"outputTokenCount": count}),
        };
        json!({
            "body": {
                "generation": text, "prompt_token_count": prompt, "generation_token_count": count,
                "stop_reason": last.then(|| self.reason()),
            },
            "metering": metering,
            "content_type": if of_stream.is_some() { "application/jsonlines" } else { "application/json" },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::clock::Clock;
    use crate::emulator::model::{Limits, Piece, answer};
    use crate::emulator::rules::{Endpoint, Rule};

    const DIALECTS: [Dialect; 10] = [
        Dialect::Sse,
        Dialect::Jsonlines,
        Dialect::Emd,
        Dialect::Tgi,
        Dialect::Rolling,
        Dialect::RollingSse,
        Dialect::RollingTgi,
        Dialect::Rolling3p,
        Dialect::Dynamic,
        Dialect::Hf,
    ];

    /// What a container that says `text` answers to `body`.
    fn said(dialect: Dialect, text: &str, body: &str) -> String {
        let endpoint = Endpoint {
            dialect,
            special_tokens: vec!["[X]".to_owned()],
            context: 60,
            ..Endpoint::default()
        };
        let mut rule = Rule::default();
        text.clone_into(&mut rule.answer.text);
        let clock = Clock::manual(datetime!(2026-11-20 23:22:04 UTC), 7);
        let played = match Ask::read(body.as_bytes(), Limits::of("model", &endpoint)) {
            Ok(ask) => answer("model", &endpoint, &rule, &ask, &clock),
            Err(refused) => refused.played(),
        };
        let bytes = played.pieces.into_iter().map(|piece| match piece {
            Piece::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        });
        bytes.collect()
    }

    proptest! {
        #[test]
        fn a_stream_says_what_a_whole_answer_says(
            text in "([a-c贺]| |\\[X\\]|\n){0,12}",
            dialect in proptest::sample::select(vec![
                Dialect::Jsonlines, Dialect::Tgi, Dialect::Rolling, Dialect::RollingSse,
                Dialect::RollingTgi,
            ]),
            limit in 1..40,
            skips in any::<bool>(),
        ) {
            let ask = |stream: bool| {
                json!({"inputs": "hi", "stream": stream, "parameters": {
                    "max_new_tokens": limit, "stop": ["b"], "skip_special_tokens": skips,
                }})
                .to_string()
            };
            let whole: Value = serde_json::from_str(&said(dialect, &text, &ask(false))).unwrap();
            let whole = whole.get(0).unwrap_or(&whole)["generated_text"].clone();
            let stream = said(dialect, &text, &ask(true));
            let events: Vec<Value> = stream
                .lines()
                .map(|line| line.strip_prefix("data:").unwrap_or(line))
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let texts = events.iter().filter(|e| e["token"]["special"] != json!(true));
            let streamed: String = texts.map(|e| e["token"]["text"].as_str().unwrap()).collect();
            prop_assert_eq!(&events.last().unwrap()["generated_text"], &whole);
            prop_assert_eq!(Value::from(streamed), whole);
        }

        #[test]
        fn no_request_panics(
            noise in ".{0,40}",
            members in "(\"(inputs|prompt|messages|parameters|stream|stop|temperature|top_p|max_new_tokens|grammar|type|value|details)\"|[\\[\\]{}:,]|null|true|-1|0|1e9|\"json\"|\"x\"){0,40}",
            value in "(-1|0|1|99|1e300|true|null|\"a\"|\\[\"a\",1\\]|\\{\"type\":\"json\"\\})",
            name in "(temperature|top_p|top_k|stop|max_new_tokens|details|seed|grammar|return_full_text|decoder_input_details)",
            stream in any::<bool>(),
        ) {
            let fit = format!(
                r#"{{"inputs":"hi","stream":{stream},"parameters":{{"{name}":{value}}}}}"#
            );
            for dialect in DIALECTS {
                for body in [&noise, &members, &fit] {
                    prop_assert!(!said(dialect, "a b", body).is_empty());
                }
            }
        }
    }
}
