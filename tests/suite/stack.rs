//! The request path over a scripted upstream: what leaves when, and what ends with what.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use helan::auth::Authenticator;
use helan::catalog::Catalog;
use helan::clock::Clock;
use helan::container::openai::OpenAi;
use helan::container::{Container, Decoder, Mode, Speaks};
use helan::converse::{Ask, Event};
use helan::layers::Inbound;
use helan::layers::admit::Budget;
use helan::layers::limits::{Bounds, LimitsLayer, Places};
use helan::meter::{Meter, Metrics};
use helan::stack::{self, Gateway};
use helan::transport::{Failure, Hints, Transport};
use helan::wire::{Body, Payload, Reply, frame};
use helan::{Code, Error, Result};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

/// Answers each call with the next script: bytes that the test sends, when it sends them.
#[derive(Debug, Default)]
struct Upstream {
    scripts: Mutex<VecDeque<Result<mpsc::Receiver<Result<Bytes>>, Failure>>>,
    taken: Arc<AtomicUsize>,
}

impl Upstream {
    fn script(&self) -> mpsc::Sender<Result<Bytes>> {
        let (send, receive) = mpsc::channel(64);
        self.scripts.lock().unwrap().push_back(Ok(receive));
        send
    }

    fn fail(&self, failure: Failure) {
        self.scripts.lock().unwrap().push_back(Err(failure));
    }

    fn answer(&self) -> Result<Reply, Failure> {
        let mut receive = self.scripts.lock().unwrap().pop_front().expect("a script")?;
        let taken = Arc::clone(&self.taken);
        let body = futures_util::stream::poll_fn(move |cx| {
            let next = receive.poll_recv(cx);
            if next.is_ready() {
                taken.fetch_add(1, Ordering::SeqCst);
            }
            next
        });
        Ok(Reply { content_type: None, body: Box::pin(body) })
    }
}

impl Transport for Upstream {
    fn invoke<'a>(&'a self, _: Payload, _: &'a Hints) -> BoxFuture<'a, Result<Reply, Failure>> {
        std::future::ready(self.answer()).boxed()
    }

    fn stream<'a>(&'a self, _: Payload, _: &'a Hints) -> BoxFuture<'a, Result<Reply, Failure>> {
        std::future::ready(self.answer()).boxed()
    }
}

struct Rig {
    gateway: Gateway<Full<Bytes>>,
    upstream: Arc<Upstream>,
    meter: Meter,
}

fn rig_with(container: Arc<dyn Container>, max_calls: usize, budget: u64) -> Rig {
    rig_within(container, max_calls, budget, Bounds::default())
}

fn rig_within(container: Arc<dyn Container>, max_calls: usize, budget: u64, bounds: Bounds) -> Rig {
    let clock = Clock::manual(time::macros::datetime!(2026-11-20 23:22:04 UTC), 7);
    let meter = Meter::new(clock, Arc::new(Metrics::new()));
    let upstream = Arc::new(Upstream::default());
    let text = "[auth]\nmode = \"none\"\n[models.\"m\"]\nendpoint = \"e\"\nunary = \"invoke\"\n";
    let config = helan::config::parse("helan.toml".as_ref(), text, []).expect("a configuration");
    let transport = Arc::clone(&upstream);
    let catalog = Catalog::new(&config, Clock::system(), None, move |_| {
        Ok((Arc::clone(&transport) as Arc<dyn Transport>, Speaks::Text(Arc::clone(&container))))
    });
    let gateway = stack::gateway(stack::Parts {
        budget: Budget::new(budget, 1024, Duration::from_secs(5), meter.clone()),
        authenticator: Authenticator::none(),
        catalog: Arc::new(catalog.expect("a catalogue")),
        limits: LimitsLayer::new(Places::new(max_calls), bounds),
        max_answer: 4096,
        meter: meter.clone(),
    });
    Rig { gateway, upstream, meter }
}

fn rig() -> Rig {
    rig_with(Arc::new(OpenAi::default()), 8, 64 * 1024)
}

const ASK: &str = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;

impl Rig {
    async fn post(&self, operation: &str, body: impl Into<Bytes>) -> Response<Body> {
        let request = Request::post(format!("/model/m/{operation}"))
            .body(Full::new(body.into()))
            .expect("a request");
        let peer = ([127, 0, 0, 1], 9).into();
        let Ok(response) = self.gateway.clone().oneshot(Inbound { peer, request }).await;
        assert!(response.headers().contains_key("x-amzn-requestid"));
        response
    }
}

async fn json(response: Response<Body>) -> serde_json::Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

/// The next frame's event or exception type and payload.
async fn next(body: &mut Body, frames: &mut frame::Decoder) -> Option<(String, serde_json::Value)> {
    loop {
        if let Some(read) = frames.next() {
            let read = read.expect("a frame");
            let name = read.header(":event-type").or(read.header(":exception-type"));
            let payload = serde_json::from_slice(&read.payload).expect("JSON");
            return Some((name.expect("a type").to_owned(), payload));
        }
        let part = body.frame().await?.expect("no transport error");
        frames.push(&part.into_data().expect("data"));
    }
}

fn chunk(text: &str) -> Bytes {
    Bytes::from(format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    ))
}

fn last() -> Bytes {
    Bytes::from_static(b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n")
}

#[tokio::test]
async fn message_start_leaves_before_a_token_and_each_event_when_it_comes() {
    let rig = rig();
    let upstream = rig.upstream.script();
    let mut body = rig.post("converse-stream", ASK).await.into_body();
    let mut frames = frame::Decoder::new(frame::MAX_FRAME);
    assert_eq!(next(&mut body, &mut frames).await.expect("a frame").0, "messageStart");

    upstream.send(Ok(chunk("Ni"))).await.unwrap();
    let (name, payload) = next(&mut body, &mut frames).await.expect("a frame");
    assert_eq!((name.as_str(), &payload["delta"]["text"]), ("contentBlockDelta", &"Ni".into()));

    upstream.send(Ok(last())).await.unwrap();
    drop(upstream);
    let mut names = vec![];
    while let Some((name, _)) = next(&mut body, &mut frames).await {
        names.push(name);
    }
    assert_eq!(names, ["contentBlockStop", "messageStop", "metadata"]);
    let metrics = rig.meter.metrics().render();
    assert!(metrics.contains(r#"ended="complete""#), "{metrics}");
    assert!(metrics.contains(r#"kind="output"} 2"#), "{metrics}");
}

#[tokio::test]
async fn a_failure_after_the_head_is_an_exception_frame() {
    let rig = rig();
    let upstream = rig.upstream.script();
    let mut body = rig.post("converse-stream", ASK).await.into_body();
    upstream.send(Ok(chunk("Ni"))).await.unwrap();
    upstream.send(Err(Error::new(Code::ModelTimeout, "too slow"))).await.unwrap();
    let mut frames = frame::Decoder::new(frame::MAX_FRAME);
    let mut seen = vec![];
    while let Some(event) = next(&mut body, &mut frames).await {
        seen.push(event);
    }
    let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
    // ConverseStream has no modelTimeoutException.
    assert_eq!(names, ["messageStart", "contentBlockDelta", "modelStreamErrorException"]);
    assert_eq!(seen[2].1["message"], "too slow");
    let metrics = rig.meter.metrics().render();
    assert!(metrics.contains(r#"code="ModelTimeoutException",ended="failed""#), "{metrics}");
}

#[tokio::test]
async fn a_stream_that_ends_early_is_never_a_short_answer() {
    for operation in ["converse-stream", "converse"] {
        let rig = rig();
        let upstream = rig.upstream.script();
        upstream.send(Ok(chunk("Ni"))).await.unwrap();
        drop(upstream);
        let response = rig.post(operation, ASK).await;
        if operation == "converse" {
            assert_eq!(response.status(), 424);
            continue;
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("modelStreamErrorException"), "{text}");
        assert!(!text.contains("messageStop"), "{text}");
    }
}

#[tokio::test]
async fn a_failure_before_the_head_is_an_http_error() {
    let rig = rig();
    rig.upstream.fail(Failure::Other(Error::new(Code::Throttling, "slow down")));
    let response = rig.post("converse-stream", ASK).await;
    assert_eq!(response.status(), 429);
    let kind = response.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("ThrottlingException:"), "{kind}");
    assert_eq!(json(response).await["message"], "slow down");
}

#[tokio::test]
async fn what_the_container_refused_reaches_the_caller_in_its_words() {
    let rig = rig();
    let text = "This model's maximum context length is 2048 tokens. However, …";
    rig.upstream.fail(Failure::Container {
        status: Some(400),
        body: format!(r#"{{"error":{{"message":"{text}","type":"BadRequestError","param":"input_tokens","code":400}}}}"#),
        source: Error::internal(),
    });
    let response = rig.post("converse", ASK).await;
    assert_eq!(response.status(), 400);
    let message = json(response).await["message"].as_str().unwrap().to_owned();
    assert!(message.contains(text), "{message}");

    rig.upstream.fail(Failure::Container {
        status: Some(500),
        body: r#"{"error":{"message":"EngineCore died","type":"InternalServerError","param":null,"code":500}}"#.to_owned(),
        source: Error::internal(),
    });
    let response = rig.post("converse", ASK).await;
    assert_eq!(response.status(), 424);
    let answer = json(response).await;
    assert_eq!(
        (&answer["originalStatusCode"], &answer["resourceName"]),
        (&500.into(), &"e".into())
    );
}

#[tokio::test]
async fn nobody_has_a_share_where_nobody_is_asked_who_calls() {
    let bounds = Bounds { share: Some(1), ..Bounds::default() };
    let rig = rig_within(Arc::new(OpenAi::default()), 2, 64 * 1024, bounds);
    let mut held = vec![];
    for _ in 0..2 {
        let _upstream = rig.upstream.script();
        let response = rig.post("converse-stream", ASK).await;
        assert_eq!(response.status(), 200);
        held.push(response);
    }
    let response = rig.post("converse-stream", ASK).await;
    assert_eq!(response.status(), 503, "the gateway is full, and no caller is over a share");
    drop(response);
    let metrics = rig.meter.metrics().render();
    assert!(metrics.contains(r#"helan_refused_total{reason="gateway_full"} 1"#), "{metrics}");
}

#[tokio::test]
async fn dropping_the_body_drops_the_upstream_call() {
    let rig = rig();
    let upstream = rig.upstream.script();
    let body = rig.post("converse-stream", ASK).await.into_body();
    assert!(!upstream.is_closed());
    drop(body);
    assert!(upstream.is_closed());
    let metrics = rig.meter.metrics().render();
    assert!(metrics.contains(r#"ended="client_gone"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_caller_who_does_not_read_holds_the_upstream_back() {
    let rig = rig();
    let upstream = rig.upstream.script();
    for _ in 0..60 {
        upstream.send(Ok(chunk("word "))).await.unwrap();
    }
    let mut body = rig.post("converse-stream", ASK).await.into_body();
    assert_eq!(rig.upstream.taken.load(Ordering::SeqCst), 0);
    for read in 1..=20 {
        body.frame().await.unwrap().unwrap();
        assert!(rig.upstream.taken.load(Ordering::SeqCst) <= read, "it reads ahead");
    }
}

#[tokio::test]
async fn a_place_is_kept_until_the_last_byte() {
    let rig = rig_with(Arc::new(OpenAi::default()), 1, 64 * 1024);
    let _first = rig.upstream.script();
    let held = rig.post("converse-stream", ASK).await;
    let refused = rig.post("converse-stream", ASK).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(held);
    let _second = rig.upstream.script();
    assert_eq!(rig.post("converse-stream", ASK).await.status(), 200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let rig = rig();
    for announced in [true, false] {
        let mut request = Request::post("/model/m/converse");
        if announced {
            request = request.header("content-length", "2000");
        }
        let request = request.body(Full::new(Bytes::from(vec![b' '; 2000]))).unwrap();
        let peer = ([127, 0, 0, 1], 9).into();
        let Ok(response) = rig.gateway.clone().oneshot(Inbound { peer, request }).await;
        assert_eq!(response.status(), 413);
        let kind = response.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("ValidationException"), "{kind}");
        assert!(json(response).await["message"].as_str().unwrap().contains("1024 bytes"));
    }
}

#[tokio::test]
async fn what_has_no_body_needs_no_memory() {
    // Room for one body of unknown length, and it is taken.
    let rig = rig_with(Arc::new(OpenAi::default()), 8, 1024);
    let _upstream = rig.upstream.script();
    let mut first = Box::pin(rig.post("converse", ASK));
    assert!((&mut first).now_or_never().is_none(), "its answer has not come");
    let request = Request::get("/model/m/converse").body(Full::new(Bytes::new())).unwrap();
    let inbound = Inbound { peer: ([127, 0, 0, 1], 9).into(), request };
    let answer = rig.gateway.clone().oneshot(inbound).now_or_never();
    let Ok(answer) = answer.expect("an answer at once");
    assert_eq!(answer.status(), 405);
}

#[tokio::test]
async fn an_answer_to_head_is_complete_without_a_body() {
    let rig = rig();
    let request = Request::head("/ping").body(Full::new(Bytes::new())).unwrap();
    let inbound = Inbound { peer: ([127, 0, 0, 1], 9).into(), request };
    let Ok(answer) = rig.gateway.clone().oneshot(inbound).await;
    assert_eq!(answer.status(), 200);
    drop(answer); // as hyper does
    let metrics = rig.meter.metrics().render();
    assert!(metrics.contains(r#"operation="Ping",model="",code="",ended="complete"} 1"#));
    assert!(!metrics.contains("client_gone"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn bodies_wait_for_memory_and_give_it_back() {
    // Room for one body of unknown length.
    let rig = rig_with(Arc::new(OpenAi::default()), 8, 1024);
    let upstream = rig.upstream.script();
    let first = rig.post("converse", ASK);
    let second = async {
        tokio::task::yield_now().await;
        rig.post("converse-stream", ASK).await
    };
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    assert!((&mut first).now_or_never().is_none(), "its answer has not come");
    let refused = second.as_mut().await;
    assert_eq!(refused.status(), 503, "no memory came free in time");
    drop(refused);
    let metrics = rig.meter.metrics().render();
    assert!(metrics.contains(r#"helan_refused_total{reason="body_memory"} 1"#), "{metrics}");

    let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Ni"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    upstream.send(Ok(Bytes::from_static(answer.as_bytes()))).await.unwrap();
    drop(upstream);
    assert_eq!(first.await.status(), 200);
    let _third = rig.upstream.script();
    assert_eq!(rig.post("converse-stream", ASK).await.status(), 200);
}

#[tokio::test]
async fn an_answer_that_is_wanted_whole_is_bounded() {
    let rig = rig();
    let upstream = rig.upstream.script();
    upstream.send(Ok(Bytes::from(vec![b' '; 5000]))).await.unwrap();
    drop(upstream);
    let response = rig.post("converse", ASK).await;
    assert_eq!(response.status(), 424);
    assert!(json(response).await["message"].as_str().unwrap().contains("larger than"));
}

/// Panics where it is told to: the gateway must not.
#[derive(Debug)]
struct Broken {
    encode: bool,
}

impl Container for Broken {
    fn encode(&self, _: &Ask, _: Mode) -> Result<Payload> {
        assert!(!self.encode, "as asked");
        Ok(Payload::json("{}"))
    }

    fn decoder(&self, _: &Ask, _: Mode, _: fastrand::Rng) -> Box<dyn Decoder> {
        struct Panics;
        impl Decoder for Panics {
            fn push(&mut self, _: Bytes, _: &mut Vec<Event>) -> Result<()> {
                panic!("as asked")
            }
            fn finish(&mut self, _: &mut Vec<Event>) -> Result<()> {
                Ok(())
            }
        }
        Box::new(Panics)
    }

    fn refusal(&self, _: Option<u16>, _: &str) -> Error {
        Error::internal()
    }
}

#[tokio::test]
async fn a_panic_is_an_error_before_the_head_and_a_frame_after_it() {
    let rig = rig_with(Arc::new(Broken { encode: true }), 8, 64 * 1024);
    let response = rig.post("converse-stream", ASK).await;
    assert_eq!(response.status(), 500);
    assert!(json(response).await["message"].is_string());

    let rig = rig_with(Arc::new(Broken { encode: false }), 8, 64 * 1024);
    let upstream = rig.upstream.script();
    upstream.send(Ok(chunk("Ni"))).await.unwrap();
    let body = rig.post("converse-stream", ASK).await.into_body();
    let mut frames = frame::Decoder::new(frame::MAX_FRAME);
    let names: Vec<_> =
        futures_util::stream::unfold((body, &mut frames), |(mut body, frames)| async {
            let (name, _) = next(&mut body, frames).await?;
            Some((name, (body, frames)))
        })
        .collect()
        .await;
    assert_eq!(names, ["messageStart", "internalServerException"]);
}
