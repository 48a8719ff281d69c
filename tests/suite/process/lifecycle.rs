//! The end of the process, and callers who do not read.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::keep_alive::{Connection, frames, get, metric, request};
use super::running::until;
use super::*;

const STREAM: &str = "/model/m/converse-stream";
const FOREVER: &str =
    "[[rules]]\nanswer.text = \"one two three\"\nfault.stall = { after = 2, ms = 3600000 }\n";
const RAW: &str = "[models.raw]\nendpoint = \"e\"\ncontract = \"raw\"\n";

/// Waits until the gateway has taken note of the signal.
async fn ending(process: &Process) {
    while get(process.admin.unwrap(), "/ready").await.status != 503 {}
}

#[tokio::test]
async fn a_stream_ends_in_peace_when_the_gateway_is_asked_to_end() {
    let rules = "[[rules]]\nanswer.text = \"one two three four five\"\nfault.stall = { after = 3, ms = 700 }\n";
    let mut pair = pair(rules, "[drain]\ngrace = 0\n");
    let at = pair.gateway.address;
    let mut caller = Connection::open(at).await.unwrap();
    caller.send(STREAM, ASK).await.unwrap();
    until(&pair, |calls| calls["started"] == 1).await;
    pair.gateway.signal("-TERM");
    let answer = caller.answer().await.unwrap();
    let names: Vec<_> = frames(&answer).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.last().unwrap(), "metadata");
    assert!(pair.gateway.child.wait().unwrap().success());
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn what_outlives_the_deadline_is_told_so() {
    let config = "[drain]\ngrace = 0\ndeadline = \"1s\"\n[log]\nformat = \"json\"\n";
    let mut pair = pair(FOREVER, &format!("{config}{RAW}"));
    let at = pair.gateway.address;
    let native = r#"{"messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let mut callers = vec![];
    for (path, body) in
        [(STREAM, ASK), (PATH, ASK), ("/model/raw/invoke-with-response-stream", native)]
    {
        let mut caller = Connection::open(at).await.unwrap();
        caller.send(path, body).await.unwrap();
        callers.push(caller);
    }
    until(&pair, |calls| calls["started"] == 3).await;
    pair.gateway.signal("-TERM");
    for (index, mut caller) in callers.into_iter().enumerate() {
        let answer = caller.answer().await.unwrap();
        let message = if index == 1 {
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
            let kind = answer.header("x-amzn-errortype").unwrap();
            assert!(kind.starts_with("ServiceUnavailableException:"), "{kind}");
            answer.message()
        } else {
            assert_eq!(answer.status, 200);
            let (name, payload) = frames(&answer).pop().unwrap();
            assert_eq!(name, "serviceUnavailableException");
            payload["message"].as_str().unwrap().to_owned()
        };
        assert_eq!(message, "The gateway is shutting down. Try your request again.");
    }
    assert!(pair.gateway.child.wait().unwrap().success());
    let calls = log::calls(&pair.gateway, 3).await;
    assert!(calls.iter().all(|call| call["ended"] == "cut"), "{calls:#?}");
    until(&pair, |calls| calls["cancelled"] == 3).await;
}

#[tokio::test]
async fn during_the_grace_calls_are_taken_and_connections_given_up() {
    let mut pair = pair("", "[drain]\ngrace = \"1h\"\ndeadline = \"2h\"\n");
    let at = pair.gateway.address;
    let mut used = Connection::open(at).await.unwrap();
    let before = used.post(PATH, ASK).await.unwrap();
    assert_eq!((before.status, before.header("connection")), (200, None));
    let stream = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let (mut client, mut multiplexed) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let asking = client.send_request(request(at, PATH, ASK));
    let answer = tokio::select! { biased; answer = asking => answer, _ = &mut multiplexed => panic!("closed") };
    assert_eq!(answer.unwrap().status(), 200);

    pair.gateway.signal("-TERM");
    ending(&pair.gateway).await;
    multiplexed.await.unwrap(); // GOAWAY: the client closes it, since nothing is open
    let mut fresh = Connection::open(at).await.unwrap();
    for caller in [&mut used, &mut fresh] {
        let answer = caller.post(PATH, ASK).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
    for port in [at, pair.gateway.admin.unwrap()] {
        assert_eq!(get(port, "/ping").await.status, 200);
    }

    pair.gateway.signal("-TERM");
    assert!(!pair.gateway.child.wait().unwrap().success(), "calls may have been lost");
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut pair = pair(FOREVER, "[log]\nformat = \"json\"\n");
    let mut caller = Connection::open(pair.gateway.address).await.unwrap();
    caller.send(STREAM, ASK).await.unwrap();
    until(&pair, |calls| calls["started"] == 1).await;
    pair.gateway.signal("-INT");
    ending(&pair.gateway).await;
    pair.gateway.signal("-TERM");
    assert!(!pair.gateway.child.wait().unwrap().success());
    assert_eq!(log::calls(&pair.gateway, 1).await[0]["ended"], "cut");
}

/// Asks until nobody listens any more. An answer that is begun and not ended, or a question that
/// was taken and not answered, fails the test.
async fn ask_on(at: SocketAddr, path: &'static str, answered: Arc<AtomicUsize>) {
    'connections: loop {
        let mut caller = match Connection::open(at).await {
            Ok(caller) => caller,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
            Err(error) => panic!("{error}"),
        };
        loop {
            let answer = caller.post(path, ASK).await.expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            if path == STREAM {
                assert_eq!(frames(&answer).pop().unwrap().0, "metadata");
            }
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.header("connection") == Some("close") {
                continue 'connections;
            }
        }
    }
}

#[tokio::test]
async fn no_call_is_lost_when_the_gateway_ends_under_load() {
    let rules = "tokens_per_second = 40\n[[rules]]\nanswer.text = \"one two three four five six\"\nfault.delay_ms = 30\n";
    let config =
        "[drain]\ngrace = \"1s\"\n[models.invoked]\nendpoint = \"e\"\nunary = \"invoke\"\n";
    let mut pair = pair(rules, config);
    let (at, answered) = (pair.gateway.address, Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for path in [PATH, STREAM, "/model/invoked/converse"].repeat(6) {
        callers.spawn(ask_on(at, path, Arc::clone(&answered)));
    }
    while answered.load(Ordering::Relaxed) < 36 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pair.gateway.signal("-TERM");
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    assert!(pair.gateway.child.wait().unwrap().success());
    let answered = answered.load(Ordering::Relaxed);
    let calls = log::calls(&pair.gateway, answered).await;
    assert_eq!(calls.len(), answered);
    assert!(calls.iter().all(|call| call["ended"] == "complete"), "{calls:#?}");
}

#[tokio::test]
async fn who_reads_nothing_loses_the_connection() {
    let words = "word ".repeat(40_000);
    let rules = format!(
        "[[rules]]\nanswer.text = \"{words}\"\nfault.stall = {{ after = 39990, ms = 3600000 }}\n"
    );
    let pair = pair(&rules, "[limits]\nwrite_timeout = \"500 ms\"\n");
    let at = pair.gateway.address;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(at).await.unwrap();
    let head = head(at, "POST", STREAM, ASK.as_bytes(), now());
    stream.write_all(&[head.as_bytes(), ASK.as_bytes()].concat()).await.unwrap();
    metric(&pair.gateway, r#"ended="client_gone"} 1"#).await;
    metric(&pair.gateway, "helan_connections 0").await;
    drop(stream); // until here it was open
    until(&pair, |calls| calls["cancelled"] == 1).await;
}

#[tokio::test]
async fn who_leaves_one_stream_of_many_unread_loses_that_one() {
    let words = "word ".repeat(400);
    let rules = format!(
        "[[rules]]\nanswer.text = \"{words}\"\nfault.stall = {{ after = 390, ms = 3600000 }}\n"
    );
    let pair = pair(&rules, "[limits]\nwrite_timeout = \"500 ms\"\n");
    let at = pair.gateway.address;
    let stream = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1000)
        .handshake(stream)
        .await
        .unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let unread = client.send_request(request(at, STREAM, ASK)).await.unwrap();
    assert_eq!(unread.status(), 200);
    until(&pair, |calls| calls["cancelled"] == 1).await;
    metric(&pair.gateway, r#"ended="client_gone"} 1"#).await;
    let ping = http::Request::get(format!("http://{at}/ping"))
        .body(http_body_util::Full::default())
        .unwrap();
    let other = client.send_request(ping).await.unwrap();
    assert_eq!(other.status(), 200, "the connection is alive");
    let rest = http_body_util::BodyExt::collect(unread.into_body()).await;
    assert!(rest.is_err(), "what is missing is not taken for the end");
}

/// A client of HTTP/2 counts frames without a byte, and takes the hundredth for an attack.
#[tokio::test]
async fn one_http2_connection_carries_stream_after_stream() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let stream = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    for n in 0..120 {
        let answer = client.send_request(request(at, STREAM, ASK)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let read = http_body_util::BodyExt::collect(answer.into_body()).await;
        let read = read.unwrap_or_else(|error| panic!("stream {n}: {error:?}"));
        assert!(!read.to_bytes().is_empty());
    }
}
