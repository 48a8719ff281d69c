//! The container `openai`: recorded answers of a real vLLM 0.32, and the shapes of other engines.

mod answers;
mod encode;
mod engines;
mod faults;
mod guard;
mod markup;
mod prompts;
mod properties;
mod tools;

use bytes::Bytes;
use helan::container::openai::{OpenAi, Options};
use helan::container::{Container as _, Mode};
use helan::converse::{Ask, BlockOrder, Event, Fold, Request};
use helan::{Error, Result};
use serde_json::Value;

/// The ask of a Converse request.
fn ask(request: &str) -> Ask {
    Ask::from(serde_json::from_str::<Request>(request).expect("a Converse request"))
}

/// Any ask without cache points.
fn plain() -> Ask {
    ask(r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#)
}

/// What a decoder gave, and how it ended.
#[derive(Debug)]
struct Decoded {
    events: Vec<Event>,
    end: Result<(), Error>,
}

impl Decoded {
    /// The events as the JSON of the wire, one per line; fails if the answer did.
    #[track_caller]
    fn lines(self) -> Vec<String> {
        self.end.as_ref().expect("a whole answer");
        self.events.iter().map(|event| serde_json::to_string(event).unwrap()).collect()
    }

    #[track_caller]
    fn error(self) -> Error {
        self.end.expect_err("a failed answer")
    }

    /// Everything that can be told of it, comparable.
    fn told(self) -> (Vec<Event>, Option<String>) {
        (self.events, self.end.err().map(|error| format!("{error:?}")))
    }

    #[track_caller]
    fn folded(self) -> Value {
        self.end.expect("a whole answer");
        let mut fold = Fold::new(BlockOrder::AsGenerated);
        self.events.into_iter().for_each(|event| fold.push(event));
        serde_json::to_value(fold.finish().expect("a complete answer")).unwrap()
    }
}

fn decode_as<'a>(
    options: Options,
    ask: &Ask,
    mode: Mode,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Decoded {
    let mut decoder = OpenAi::new(options).decoder(ask, mode, fastrand::Rng::with_seed(7));
    let mut events = vec![];
    for piece in pieces {
        if let Err(error) = decoder.push(Bytes::copy_from_slice(piece), &mut events) {
            return Decoded { events, end: Err(error) };
        }
    }
    let end = decoder.finish(&mut events);
    Decoded { events, end }
}

fn decode<'a>(mode: Mode, pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    decode_as(Options::default(), &plain(), mode, pieces)
}

/// A stream that comes in one piece.
fn stream(bytes: impl AsRef<[u8]>) -> Decoded {
    decode(Mode::Stream, [bytes.as_ref()])
}

/// A whole body.
fn unary(bytes: impl AsRef<[u8]>) -> Decoded {
    decode(Mode::Unary, [bytes.as_ref()])
}

/// Chunks of `choices[0]`, as server-sent events with their end.
fn sse(choices: &[&str]) -> String {
    let chunk = |choice: &&str| format!("data: {{\"choices\":[{choice}]}}\n\n");
    choices.iter().map(chunk).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

/// A recorded or expected file.
fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/vllm/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pieces of `bytes`, whose lengths are `cuts` over and over.
fn cut<'a>(mut bytes: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let at = (*cuts.next()?).clamp(1, bytes.len().max(1)).min(bytes.len());
        let (piece, rest) = bytes.split_at(at);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
