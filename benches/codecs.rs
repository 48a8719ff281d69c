//! The codecs of a call, each alone: what a token, a question, an answer and a signature cost
//! without a connection.
//!
//! `cargo bench --bench codecs` prints nanoseconds; compare figures of one run only.
//! `benches/instructions` counts instructions of the same work: it calls `codecs NAME ROUNDS`.

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::{Bytes, BytesMut};
use helan::auth::{AccessKey, Authenticator, Claim, Keyring};
use helan::container::openai::OpenAi;
use helan::container::{Container as _, Mode};
use helan::converse::{Ask, BlockOrder, ContentBlockDelta, Event, Fold, Request};
use helan::parse::{self, Finish, Format, Parser, Piece};
use helan::template::{Builtin, ControlTokens, Input, Policy};
use helan::wire::frame;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::macros::datetime;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One round; an error is a bench that measures something else than it says.
type Work = Box<dyn FnMut() -> Result<()>>;

struct Case {
    name: &'static str,
    what: &'static str,
    /// How often what is named happens in a round.
    times: u32,
    make: fn() -> Result<Work>,
}

const TOKENS: u32 = 200;

const CASES: [Case; 8] = [
    Case {
        name: "frame",
        what: "a token's event, as a frame",
        times: TOKENS,
        make: || Ok(frames()),
    },
    Case { name: "delta", what: "a token's line, to its event", times: TOKENS, make: deltas },
    Case {
        name: "plain",
        what: "a token of plain text, parsed",
        times: TOKENS,
        make: || Ok(plain()),
    },
    Case { name: "question", what: "20 turns and 5 tools, down", times: 1, make: question },
    Case { name: "answer", what: "a whole answer of 1 KB, up", times: 1, make: answer },
    Case { name: "signature", what: "a signed body of 10 KB", times: 1, make: || signed(10_000) },
    Case { name: "head", what: "a signed body of nothing", times: 1, make: || signed(0) },
    Case { name: "template", what: "a prompt of three turns", times: 1, make: template },
];

fn frames() -> Work {
    let events: Vec<Event> = (0..TOKENS)
        .map(|token| Event::delta(0, ContentBlockDelta::Text(format!(" word{token}"))))
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut out = BytesMut::new();
    Box::new(move || {
        for event in &events {
            let mut open = frame::begin_event(&mut out, event.name());
            event.write_payload(frame::padding(&mut random), &mut open)?;
            open.finish()?;
            black_box(out.split().freeze());
        }
        Ok(())
    })
}

/// What vLLM streams, event by event.
fn stream() -> Vec<Bytes> {
    let head = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#;
    let tail = r#","logprobs":null,"finish_reason":"#;
    let mut parts =
        vec![format!("{head}{{\"role\":\"assistant\",\"content\":\"\"}}{tail}null}}]}}\n\n")];
    for token in 0..TOKENS {
        parts.push(format!("{head}{{\"content\":\" word{token}\"}}{tail}null}}]}}\n\n"));
    }
    parts.push(format!("{head}{{}}{tail}\"stop\"}}]}}\n\ndata: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":200,\"total_tokens\":209}}}}\n\ndata: [DONE]\n\n"));
    parts.into_iter().map(Bytes::from).collect()
}

fn deltas() -> Result<Work> {
    let (parts, container) = (stream(), OpenAi::default());
    let ask = ask(&small())?;
    let mut events = vec![];
    Ok(Box::new(move || {
        let random = fastrand::Rng::with_seed(7);
        let mut decoder = container.decoder(&ask, Mode::Stream, random);
        let mut seen = 0;
        for part in &parts {
            decoder.push(part.clone(), &mut events)?;
            seen += events.drain(..).map(black_box).count();
        }
        decoder.finish(&mut events)?;
        seen += events.drain(..).count();
        if seen < TOKENS as usize { Err("a token was lost".into()) } else { Ok(()) }
    }))
}

/// Text in which any markup may yet begin.
fn plain() -> Work {
    let words: Vec<String> = (0..TOKENS).map(|token| format!(" word{token}")).collect();
    Box::new(move || {
        let mut parser = Parser::new(Format::Detect, parse::Options::default());
        let mut seen = 0;
        let mut out = |piece: Piece<'_>| {
            if let Piece::Text(text) = piece {
                seen += text.len();
            }
        };
        for word in &words {
            parser.push(black_box(word.as_bytes()), &mut out);
        }
        parser.finish(Finish::End, &mut out);
        if seen == words.concat().len() { Ok(()) } else { Err("a letter was lost".into()) }
    })
}

fn small() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "Where is Ningxia?"}]}]})
}

fn ask(body: &Value) -> Result<Ask> {
    let request = Request::parse(&serde_json::to_vec(body)?)?;
    request.validate()?;
    Ok(Ask::from(request))
}

/// An agent's twentieth step: half of the turns call a tool or tell what it found.
fn agent() -> Value {
    let mut messages = vec![];
    for turn in 0..10 {
        let id = format!("tooluse_{turn:022}");
        let (asked, found) = if turn % 2 == 0 {
            let call = json!({"toolUse": {"toolUseId": id, "name": "search_0", "input": {"query": "snow on the Helan Mountains", "limit": 5}}});
            let result = json!({"toolResult": {"toolUseId": id, "content": [{"json": {"hits": [{"title": "Helan", "metres": 3556}]}}], "status": "success"}});
            (call, result)
        } else {
            (
                json!({"text": "It snows there from November on, as it does every year."}),
                json!({"text": "And what does the Yellow River do there in the winter months?"}),
            )
        };
        if turn == 0 {
            let first = "What do the fields of Ningxia live on?";
            messages.push(json!({"role": "user", "content": [{"text": first}]}));
        }
        messages.push(
            json!({"role": "assistant", "content": [{"text": "Let me look that up."}, asked]}),
        );
        messages.push(json!({"role": "user", "content": [found]}));
    }
    messages.truncate(20);
    // The last word is the user's.
    messages.pop();
    let tools: Vec<Value> = (0..5)
        .map(|tool| json!({"toolSpec": {"name": format!("search_{tool}"), "description": "Searches what was written about a place.", "inputSchema": {"json": {"type": "object", "properties": {"query": {"type": "string", "description": "What to look for"}, "limit": {"type": "integer", "minimum": 1}}, "required": ["query"]}}}}))
        .collect();
    json!({"messages": messages, "system": [{"text": "Answer in a few short sentences."}], "toolConfig": {"tools": tools, "toolChoice": {"auto": {}}}, "inferenceConfig": {"maxTokens": 1024, "temperature": 0.5}})
}

fn question() -> Result<Work> {
    let (body, container) = (serde_json::to_vec(&agent())?, OpenAi::default());
    Ok(Box::new(move || {
        let request = Request::parse(black_box(&body))?;
        request.validate()?;
        black_box(container.encode(&Ask::from(request), Mode::Unary)?);
        Ok(())
    }))
}

fn answer() -> Result<Work> {
    let text = "Snow on the Helan Mountains feeds the fields. ".repeat(21);
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 200, "total_tokens": 209},
    });
    let (body, container, ask) =
        (Bytes::from(serde_json::to_vec(&body)?), OpenAi::default(), ask(&small())?);
    let mut events = vec![];
    Ok(Box::new(move || {
        let mut decoder = container.decoder(&ask, Mode::Unary, fastrand::Rng::with_seed(7));
        decoder.push(black_box(body.clone()), &mut events)?;
        decoder.finish(&mut events)?;
        let mut fold = Fold::new(BlockOrder::default());
        fold.push(Event::message_start());
        events.drain(..).for_each(|event| fold.push(event));
        black_box(serde_json::to_vec(&fold.finish()?)?);
        Ok(())
    }))
}

const NOW: OffsetDateTime = datetime!(2026-11-20 23:22:04 UTC);

/// A caller that has called before: its key is derived once a day.
fn signed(length: usize) -> Result<Work> {
    let body = vec![b'x'; length];
    let path = "/model/deepseek.r1-v1%3A0/converse";
    let identity = Credentials::from_keys("AKIDEXAMPLE", "SECRET", None).into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("cn-northwest-1")
        .name("bedrock")
        .time(SystemTime::from(NOW))
        .settings(SigningSettings::default())
        .build()?
        .into();
    let mut request = http::Request::post(path)
        .header("host", "127.0.0.1:8080")
        .header("content-type", "application/json")
        .header("amz-sdk-invocation-id", "3f1d3a6e-6f0b-4d0e-9a43-58a0f3f0a8d1")
        .header("amz-sdk-request", "attempt=1")
        .body(())?;
    let signable = SignableRequest::new(
        "POST",
        format!("http://127.0.0.1:8080{path}"),
        [("content-type", "application/json")].into_iter(),
        SignableBody::Bytes(&body),
    )?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let (head, ()) = request.into_parts();
    let key = AccessKey {
        id: "AKIDEXAMPLE".into(),
        secret: "SECRET".into(),
        session_token: None,
        principal: "bench".into(),
    };
    let authenticator = Authenticator::new(Keyring::new([key], [])?, &["bedrock"]);
    Ok(Box::new(move || {
        let Claim::Signed(pending) = authenticator.head(black_box(&head), NOW)? else {
            return Err("not taken for a signature".into());
        };
        black_box(pending.verify(Sha256::digest(&body).into())?);
        Ok(())
    }))
}

fn template() -> Result<Work> {
    let template = Builtin::find("qwen3").ok_or("qwen3 is not built in")?.template()?;
    let tokens = ControlTokens::of(&template);
    let messages = vec![
        json!({"role": "system", "content": "You are a helpful assistant."}),
        json!({"role": "user", "content": "Where is Ningxia?"}),
        json!({"role": "assistant", "content": "In the northwest of China, on the upper Yellow River."}),
        json!({"role": "user", "content": "And the Helan Mountains?"}),
    ];
    let input = Input::new(messages, OffsetDateTime::UNIX_EPOCH);
    Ok(Box::new(move || {
        black_box(template.render_guarded(input.clone(), &tokens, Policy::Neutralise)?);
        Ok(())
    }))
}

/// The best of some rounds of at least 20 ms each, in nanoseconds.
fn nanoseconds(work: &mut Work, times: u32) -> Result<f64> {
    let mut rounds = 1;
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let began = Instant::now();
        for _ in 0..rounds {
            work()?;
        }
        let took = began.elapsed().as_secs_f64();
        if took < 0.02 {
            rounds *= 2;
        }
        best = best.min(took * 1e9 / f64::from(rounds) / f64::from(times));
    }
    Ok(best)
}

fn main() -> Result<()> {
    // `cargo bench` adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut out = std::io::stdout();
    match words.as_slice() {
        [] => {
            for case in &CASES {
                let took = nanoseconds(&mut (case.make)()?, case.times)?;
                writeln!(out, "{:10} {:30} {took:>9.0} ns", case.name, case.what)?;
            }
        }
        [list] if list == "--list" => {
            for case in &CASES {
                writeln!(out, "{} {}", case.name, case.times)?;
            }
        }
        [name, rounds] => {
            let case = CASES.iter().find(|case| case.name == name).ok_or("no such codec")?;
            let mut work = (case.make)()?;
            for _ in 0..rounds.parse()? {
                work()?;
            }
        }
        _ => return Err("usage: codecs [NAME ROUNDS | --list]".into()),
    }
    Ok(())
}
