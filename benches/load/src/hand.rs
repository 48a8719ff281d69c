//! The least that Converse in front of SageMaker can cost: hyper on both sides, one signature, the
//! translation of plain text. It checks nobody, limits, logs and counts nothing and knows neither
//! tools nor images: an anchor, not a gateway.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::frames::{self, Reader};
use crate::sign::Signer;

#[derive(Args)]
pub struct Options {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
}

type Answer = Response<Either<Full<Bytes>, Translated>>;
type Upstream = Client<HttpConnector, Full<Bytes>>;

pub async fn run(options: Options) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector);
    let listener = TcpListener::bind(options.listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), options.upstream);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let client = client.clone();
                async move {
                    let failed = |error: anyhow::Error| {
                        let body = Either::Left(Full::from(format!("{error:#}")));
                        let mut answer = Response::new(body);
                        *answer.status_mut() = StatusCode::BAD_GATEWAY;
                        Ok::<Answer, http::Error>(answer)
                    };
                    answer(&client, upstream, request).await.map(Ok).unwrap_or_else(failed)
                }
            });
            // A caller that has gone is no news.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    client: &Upstream,
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> Result<Answer> {
    let (head, body) = request.into_parts();
    let (endpoint, stream) = asked(&head.uri).context("not a call of Converse")?;
    let operation = if stream { "invocations-response-stream" } else { "invocations" };
    let asked = body.collect().await?.to_bytes();
    let question = serde_json::to_vec(&down(&serde_json::from_slice(&asked)?, stream))?;
    let path = format!("/endpoints/{endpoint}/{operation}");
    let signer = Signer::new("sagemaker", &upstream.to_string(), &path, question.into())?;
    let mut request = signer.request()?;
    *request.uri_mut() = format!("http://{upstream}{path}").parse()?;
    let answer = client.request(request).await?;
    anyhow::ensure!(answer.status() == StatusCode::OK, "SageMaker says {}", answer.status());
    if stream {
        let translated = Translated::of(answer.into_body());
        let mut answer = Response::new(Either::Right(translated));
        let kind = HeaderValue::from_static("application/vnd.amazon.eventstream");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        return Ok(answer);
    }
    let said = answer.into_body().collect().await?.to_bytes();
    let mut answer = Response::new(Either::Left(Full::from(up(&said)?)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// Endpoint and kind of call, from `/model/bench.ENDPOINT-v1%3A0/converse…`.
fn asked(uri: &Uri) -> Option<(&str, bool)> {
    let (model, operation) = uri.path().strip_prefix("/model/bench.")?.split_once('/')?;
    Some((model.strip_suffix("-v1%3A0")?, operation == "converse-stream"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Converse<'a> {
    #[serde(borrow)]
    messages: Vec<Turn<'a>>,
    #[serde(borrow, default)]
    system: Vec<Block<'a>>,
    inference_config: Inference,
}

#[derive(Deserialize)]
struct Turn<'a> {
    role: &'a str,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inference {
    max_tokens: u32,
    temperature: f64,
    top_p: f64,
}

#[derive(Serialize)]
struct OpenAi<'a> {
    messages: Vec<Message<'a>>,
    max_tokens: u32,
    temperature: f64,
    top_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

fn down<'a>(asked: &'a Converse<'a>, stream: bool) -> OpenAi<'a> {
    let system = asked.system.iter().map(|block| Message { role: "system", content: &block.text });
    let turns = asked.messages.iter().flat_map(|turn| {
        turn.content.iter().map(|block| Message { role: turn.role, content: &block.text })
    });
    OpenAi {
        messages: system.chain(turns).collect(),
        max_tokens: asked.inference_config.max_tokens,
        temperature: asked.inference_config.temperature,
        top_p: asked.inference_config.top_p,
        stream: stream.then_some(true),
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
    }
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, alias = "delta")]
    message: Piece<'a>,
    finish_reason: Option<&'a str>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    content: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl Usage {
    fn converse(&self) -> serde_json::Value {
        serde_json::json!({
            "inputTokens": self.prompt_tokens,
            "outputTokens": self.completion_tokens,
            "totalTokens": self.total_tokens,
        })
    }
}

fn up(said: &[u8]) -> Result<Vec<u8>> {
    let said: Said<'_> = serde_json::from_slice(said)?;
    let choice = said.choices.first().context("an answer without a choice")?;
    let answer = serde_json::json!({
        "output": {"message": {"role": "assistant", "content": [{"text": choice.message.content}]}},
        "stopReason": stop_reason(choice.finish_reason),
        "usage": said.usage.context("an answer without usage")?.converse(),
        "metrics": {"latencyMs": 1},
    });
    Ok(serde_json::to_vec(&answer)?)
}

fn stop_reason(finish: Option<&str>) -> &'static str {
    if finish == Some("length") { "max_tokens" } else { "end_turn" }
}

/// Parts of a payload in, events of Converse out, as they come.
struct Translated {
    parts: Incoming,
    reader: Reader,
    lines: BytesMut,
    begun: bool,
}

impl Translated {
    fn of(parts: Incoming) -> Self {
        let reader = Reader::new(true);
        Self { parts, reader, lines: BytesMut::new(), begun: false }
    }

    fn translate(&mut self, data: &[u8]) -> Result<Vec<u8>> {
        let mut out = vec![];
        if !self.begun {
            self.begun = true;
            event(&mut out, "messageStart", br#"{"p":"abcd","role":"assistant"}"#);
        }
        self.reader.push(data);
        while let Some(part) = self.reader.next()? {
            self.lines.extend_from_slice(part.payload());
        }
        while let Some(end) = memchr::memchr(b'\n', &self.lines) {
            let line = self.lines.split_to(end + 1);
            let Some(line) = line.trim_ascii().strip_prefix(b"data: ") else { continue };
            if line != b"[DONE]" {
                said(&mut out, &serde_json::from_slice(line)?)?;
            }
        }
        Ok(out)
    }
}

fn event(out: &mut Vec<u8>, kind: &str, payload: &[u8]) {
    let headers =
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    out.extend(frames::frame(&headers, payload));
}

fn said(out: &mut Vec<u8>, said: &Said<'_>) -> Result<()> {
    for choice in &said.choices {
        if let Some(text) = choice.message.content.as_deref().filter(|text| !text.is_empty()) {
            let text = serde_json::to_string(text)?;
            let payload =
                format!(r#"{{"contentBlockIndex":0,"delta":{{"text":{text}}},"p":"abcd"}}"#);
            event(out, "contentBlockDelta", payload.as_bytes());
        }
        if let Some(finish) = choice.finish_reason {
            event(out, "contentBlockStop", br#"{"contentBlockIndex":0,"p":"abcd"}"#);
            let reason = stop_reason(Some(finish));
            let payload = format!(r#"{{"p":"abcd","stopReason":"{reason}"}}"#);
            event(out, "messageStop", payload.as_bytes());
        }
    }
    if let Some(usage) = &said.usage {
        let payload = serde_json::json!({"metrics": {"latencyMs": 1}, "usage": usage.converse()});
        event(out, "metadata", &serde_json::to_vec(&payload)?);
    }
    Ok(())
}

impl Body for Translated {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.parts).poll_frame(context)?) else {
                return Poll::Ready(None);
            };
            let Some(data) = frame.data_ref() else { continue };
            let out = self.translate(data)?;
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
    }
}
