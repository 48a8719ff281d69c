//! The emulator, called by the official SDK.

#![cfg(test)] // what the lints let tests do, they let helpers beside them do only under this

mod cancelled;
mod container;
mod pooling;
mod recorded;
mod refusals;
mod streams;
mod text;

use std::net::SocketAddr;

use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::config::retry::RetryConfig;
use aws_sdk_sagemakerruntime::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sagemakerruntime::primitives::Blob;
use aws_sdk_sagemakerruntime::types::ResponseStream;
use helan::auth::{AccessKey, Authenticator, Keyring};
use helan::clock::Clock;
use helan::emulator::{self, Emulator, Rules};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// An emulator that runs for as long as this lives.
struct Running {
    address: SocketAddr,
    _ends: oneshot::Sender<()>,
    _task: JoinSet<()>,
}

impl Running {
    async fn with(rules: &str) -> Self {
        Self::start(Rules::parse(rules).unwrap()).await
    }

    async fn start(rules: Rules) -> Self {
        let key = AccessKey {
            id: "AKIDTEST".to_owned(),
            secret: "the-secret".into(),
            session_token: None,
            principal: "test".to_owned(),
        };
        let emulator = Emulator::bind(emulator::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            authenticator: Authenticator::new(
                Keyring::new([key], []).unwrap(),
                &[emulator::SERVICE],
            ),
            rules,
            clock: Clock::system(),
        })
        .await
        .unwrap();
        let address = emulator.local_addr();
        let (ends, ended) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(emulator.run(async {
            let _ = ended.await;
        }));
        Self { address, _ends: ends, _task: task }
    }

    fn client(&self) -> Client {
        self.client_of("the-secret")
    }

    fn client_of(&self, secret: &str) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("cn-northwest-1"))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::new("AKIDTEST", secret, None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    /// The body of one of the emulator's own paths.
    async fn own(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.own("GET", path).await).unwrap()
    }

    /// Started, completed, cancelled, failed.
    async fn calls(&self) -> [u64; 4] {
        let calls = self.json("/_emulator/calls").await;
        ["started", "completed", "cancelled", "failed"].map(|name| calls[name].as_u64().unwrap())
    }

    /// Waits until the calls have come to this.
    async fn until(&self, calls: [u64; 4]) {
        while self.calls().await != calls {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn blob(body: impl Into<Vec<u8>>) -> Blob {
    Blob::new(body)
}

/// A chat of one message.
fn chat(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    body
}

/// The whole answer of `InvokeEndpoint`.
async fn invoke(running: &Running, body: impl Into<Vec<u8>>) -> Vec<u8> {
    let call = running.client().invoke_endpoint().endpoint_name("model");
    let answer = call.content_type("application/json").body(blob(body)).send().await.unwrap();
    answer.body.unwrap().into_inner()
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let running = Running::with("").await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    let uri = format!("http://{}/ping", running.address).parse().unwrap();
    let answer = client.get(uri).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
    let uri = format!("http://{}/elsewhere", running.address).parse().unwrap();
    assert_eq!(client.get(uri).await.unwrap().status().as_u16(), 404);
}

/// All parts of a stream, and the error that ended it.
async fn parts(running: &Running, body: impl Into<Vec<u8>>) -> (Vec<Vec<u8>>, Option<String>) {
    let call = running.client().invoke_endpoint_with_response_stream().endpoint_name("model");
    let mut answer = call.body(blob(body)).send().await.unwrap();
    let mut parts = Vec::new();
    loop {
        match answer.body.recv().await {
            Ok(Some(ResponseStream::PayloadPart(part))) => {
                parts.push(part.bytes.unwrap().into_inner());
            }
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (parts, None),
            Err(error) => return (parts, Some(format!("{:?}", error.into_service_error()))),
        }
    }
}

/// All bytes of a stream that ends well.
async fn stream(running: &Running, body: impl Into<Vec<u8>>) -> String {
    let (parts, error) = parts(running, body).await;
    assert_eq!(error, None);
    String::from_utf8(parts.concat()).unwrap()
}

/// The JSON of a stream's events.
fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}
