//! What one streamed token costs between the container's bytes and the caller's frames, what one
//! request costs on its way down, without and with a guard, and what the parser takes for a token
//! of plain text. `cargo bench --bench translate` prints nanoseconds; compare figures of one run
//! only.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use bytes::BytesMut;
use helan::container::openai::{OpenAi, Options};
use helan::container::{Container as _, Mode};
use helan::converse::{Ask, Request};
use helan::parse::{self, Finish, Format, Parser, Piece};
use helan::template::{Builtin, ControlTokens, Guard, Policy};
use helan::wire::frame;

const TOKENS: usize = 200;
/// A token's letters, as a rule.
const PIECE: usize = 6;

fn stream() -> Vec<Vec<u8>> {
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#;
    let mut parts = vec![format!(
        "data: {head}{{\"role\":\"assistant\",\"content\":\"\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
    )];
    for token in 0..TOKENS {
        parts.push(format!("data: {head}{{\"content\":\" word{token}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"));
    }
    parts.push(format!("data: {head}{{}},\"logprobs\":null,\"finish_reason\":\"stop\"}}]}}\n\ndata: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":200,\"total_tokens\":209}}}}\n\ndata: [DONE]\n\n"));
    parts.into_iter().map(String::into_bytes).collect()
}

/// The best of several rounds, in nanoseconds for one call of `work`.
fn measure(rounds: u32, calls: u32, mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..calls {
            work();
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    best
}

fn main() {
    let body = r#"{"messages":[{"role":"user","content":[{"text":"Where is Ningxia?"}]},{"role":"assistant","content":[{"text":"In the northwest of China, on the upper Yellow River."}]},{"role":"user","content":[{"text":"And the Helan Mountains?"}]}],"system":[{"text":"Be short."}],"inferenceConfig":{"maxTokens":512,"temperature":0.5,"topP":0.9}}"#;
    let container = OpenAi::default();
    let request = || {
        let request = Request::parse(body.as_bytes()).unwrap_or_default();
        let valid = request.validate().is_ok();
        (Ask::from(request), valid)
    };
    let down = measure(20, 2_000, || {
        let (ask, valid) = request();
        black_box((container.encode(&ask, Mode::Stream).map(|p| p.body.len()).ok(), valid));
    });

    let template = Builtin::find("qwen3").and_then(|builtin| builtin.template().ok());
    let tokens = template.as_ref().map(ControlTokens::of).unwrap_or_default();
    let guard = Guard::new(tokens, Policy::Neutralise);
    let guarded = OpenAi::new(Options { guard, ..Options::default() });
    let safe = measure(20, 2_000, || {
        let (ask, valid) = request();
        black_box((guarded.encode(&ask, Mode::Stream).map(|p| p.body.len()).ok(), valid));
    });

    let words = "Rice grows well below the Helan Mountains. ".repeat(100);
    let mut seen = 0;
    let read = measure(20, 100, || {
        let mut parser = Parser::new(Format::Detect, parse::Options::default());
        let mut out = |piece: Piece<'_>| {
            if let Piece::Text(text) = piece {
                seen += text.len();
            }
        };
        for piece in words.as_bytes().chunks(PIECE) {
            parser.push(black_box(piece), &mut out);
        }
        parser.finish(Finish::End, &mut out);
    });
    black_box(seen);
    let pieces = u32::try_from(words.len().div_ceil(PIECE)).unwrap_or(1);

    let parts = stream();
    let (ask, _) = request();
    let mut random = fastrand::Rng::with_seed(7);
    let up = measure(20, 100, || {
        let mut decoder = container.decoder(&ask, Mode::Stream, random.fork());
        let (mut events, mut out) = (vec![], BytesMut::new());
        for part in &parts {
            let _ = decoder.push(part, &mut events);
            for event in events.drain(..) {
                let mut open = frame::begin_event(&mut out, event.name());
                let _ = event.write_payload(frame::padding(&mut random), &mut open);
                let _ = open.finish();
            }
            black_box(out.split());
        }
    });
    let tokens = u32::try_from(TOKENS).unwrap_or(1);
    let report = format!(
        "a request, parsed, validated and encoded: {down:.0} ns; guarded: {safe:.0} ns\n\
         a streamed token, bytes to frame:          {:.0} ns\n\
         a token of plain text, parsed:             {:.1} ns\n",
        up / f64::from(tokens),
        read / f64::from(pieces),
    );
    let _ = std::io::stdout().write_all(report.as_bytes());
}
