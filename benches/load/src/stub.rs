//! SageMaker Runtime, as cheap as it can be: no framework, answers built once, a write for each
//! token. It reads no body and verifies no signature; it only insists that there is one.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BytesMut};
use clap::Args;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{Instant, sleep_until};

use crate::frames::frame;
use crate::spec::Spec;

#[derive(Args)]
pub struct Options {
    #[arg(long)]
    listen: SocketAddr,
}

/// A head longer than this is none that a gateway sends.
const MAX_HEAD: usize = 64 * 1024;

#[derive(Default)]
struct Stub {
    unary: RefCell<HashMap<String, Rc<Vec<u8>>>>,
    streams: RefCell<HashMap<String, Rc<Script>>>,
    /// Calls that were answered to the end, of both operations.
    whole: Cell<u64>,
    streamed: Cell<u64>,
}

struct Script {
    head: Vec<u8>,
    /// Chunks of the body: what is said first, a token each, what is said last.
    parts: Vec<Vec<u8>>,
    pause: Option<Duration>,
}

pub async fn run(options: Options) -> Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let stub = Rc::new(Stub::default());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let stub = Rc::clone(&stub);
        spawn_local(async move {
            // Connections break whenever a gateway ends; anything else is worth a word.
            if let Err(error) = serve(socket, &stub).await
                && !error.is::<std::io::Error>()
            {
                eprintln!("stub: {error:#}");
            }
        });
    }
}

async fn serve(mut socket: TcpStream, stub: &Stub) -> Result<()> {
    let mut input = BytesMut::with_capacity(16 * 1024);
    loop {
        let Some(asked) = head(&mut socket, &mut input).await? else { return Ok(()) };
        discard(&mut socket, &mut input, asked.length).await?;
        if asked.path == "/counts" {
            let counts = json!({"unary": stub.whole.get(), "streams": stub.streamed.get()});
            socket.write_all(&whole(&counts.to_string())).await?;
            continue;
        }
        ensure!(asked.signed, "{}: without a signature", asked.path);
        let Some((endpoint, operation)) =
            asked.path.strip_prefix("/endpoints/").and_then(|rest| rest.split_once('/'))
        else {
            bail!("no operation has the path {:?}", asked.path);
        };
        match operation {
            "invocations" => {
                socket.write_all(&stub.answer(endpoint)?).await?;
                stub.whole.set(stub.whole.get() + 1);
            }
            "invocations-response-stream" => {
                stream(&mut socket, &*stub.script(endpoint)?).await?;
                stub.streamed.set(stub.streamed.get() + 1);
            }
            other => bail!("no operation is called {other:?}"),
        }
    }
}

struct Asked {
    path: String,
    length: usize,
    signed: bool,
}

/// The next request's head, or nothing where the connection ends between two.
async fn head(socket: &mut TcpStream, input: &mut BytesMut) -> Result<Option<Asked>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(size) = request.parse(input)? {
            let header = |name: &str| {
                let found = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
                found.map(|header| header.value)
            };
            let length = match header("content-length") {
                Some(text) => std::str::from_utf8(text)?.parse()?,
                None => 0,
            };
            ensure!(
                header("transfer-encoding").is_none(),
                "a body in chunks: SageMaker takes none"
            );
            let signature = header("authorization").unwrap_or_default();
            let asked = Asked {
                path: request.path.context("a path")?.to_owned(),
                length,
                signed: signature.starts_with(b"AWS4-HMAC-SHA256 "),
            };
            input.advance(size);
            return Ok(Some(asked));
        }
        ensure!(input.len() < MAX_HEAD, "a head of over {MAX_HEAD} bytes");
        if socket.read_buf(input).await? == 0 {
            ensure!(input.is_empty(), "the connection ended inside a head");
            return Ok(None);
        }
    }
}

async fn discard(socket: &mut TcpStream, input: &mut BytesMut, mut length: usize) -> Result<()> {
    loop {
        let here = length.min(input.len());
        input.advance(here);
        length -= here;
        if length == 0 {
            return Ok(());
        }
        input.reserve(length.min(256 * 1024));
        ensure!(socket.read_buf(input).await? > 0, "the connection ended inside a body");
    }
}

async fn stream(socket: &mut TcpStream, script: &Script) -> Result<()> {
    socket.write_all(&script.head).await?;
    let began = Instant::now();
    for (index, part) in script.parts.iter().enumerate() {
        match script.pause {
            Some(pause) => sleep_until(began + pause * u32::try_from(index)?).await,
            // Streams take turns, as they do in a server that makes one step for all of them.
            None => yield_now().await,
        }
        socket.write_all(part).await?;
    }
    Ok(())
}

fn whole(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nx-amzn-requestid: 6f8a1c52-4f0e-4d6a-9a53-0d2a7be1c9f4\r\nx-amzn-invoked-production-variant: AllTraffic\r\n\r\n{body}").into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

impl Stub {
    fn answer(&self, endpoint: &str) -> Result<Rc<Vec<u8>>> {
        if let Some(known) = self.unary.borrow().get(endpoint) {
            return Ok(Rc::clone(known));
        }
        let text = endpoint.parse::<Spec>()?.text();
        let body = format!(
            r#"{{"id":"chatcmpl-5d1f4c0e9b7a4e0f","object":"chat.completion","created":1790000000,"model":"bench","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"tool_calls":[],"reasoning_content":null}},"logprobs":null,"finish_reason":"stop","stop_reason":null}}],"usage":{{"prompt_tokens":212,"total_tokens":412,"completion_tokens":200,"prompt_tokens_details":null}},"prompt_logprobs":null}}"#
        );
        let answer = Rc::new(whole(&body));
        self.unary.borrow_mut().insert(endpoint.to_owned(), Rc::clone(&answer));
        Ok(answer)
    }

    fn script(&self, endpoint: &str) -> Result<Rc<Script>> {
        if let Some(known) = self.streams.borrow().get(endpoint) {
            return Ok(Rc::clone(known));
        }
        let script = Rc::new(script(endpoint)?);
        self.streams.borrow_mut().insert(endpoint.to_owned(), Rc::clone(&script));
        Ok(script)
    }
}

/// What vLLM streams, in a part for each of its events.
fn script(endpoint: &str) -> Result<Script> {
    let spec: Spec = endpoint.parse()?;
    let Spec::Tokens { count, rate } = spec else { bail!("{endpoint} does not stream") };
    let event = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-5d1f4c0e9b7a4e0f\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"bench\",\"choices\":[{choices}]{usage}}}\n\n"
        )
    };
    let delta = |delta: &str, reason: &str| {
        event(
            &format!(r#"{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}"#),
            "",
        )
    };
    let mut events = vec![delta(r#"{"role":"assistant","content":""}"#, "null")];
    events.extend(spec.tokens().map(|token| delta(&format!(r#"{{"content":"{token}"}}"#), "null")));
    let usage = format!(
        r#","usage":{{"prompt_tokens":212,"total_tokens":{},"completion_tokens":{count}}}"#,
        212 + count
    );
    let last = delta(r#"{"content":""}"#, r#""stop""#) + &event("", &usage) + "data: [DONE]\n\n";
    events.push(last);
    let headers = [
        (":event-type", "PayloadPart"),
        (":content-type", "application/octet-stream"),
        (":message-type", "event"),
    ];
    let mut parts: Vec<Vec<u8>> =
        events.iter().map(|event| chunk(&frame(&headers, event.as_bytes()))).collect();
    if let Some(last) = parts.last_mut() {
        last.extend_from_slice(b"0\r\n\r\n");
    }
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\nx-amzn-requestid: 6f8a1c52-4f0e-4d6a-9a53-0d2a7be1c9f4\r\nx-amzn-sagemaker-content-type: text/event-stream\r\nx-amzn-invoked-production-variant: AllTraffic\r\n\r\n";
    let pause = rate.map(|rate| Duration::from_secs(1) / rate);
    Ok(Script { head: head.to_vec(), parts, pause })
}
