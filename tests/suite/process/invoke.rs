//! `InvokeModel` and its stream through the real binary: headers, metrics, failures, and endpoints
//! that are called as they are.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helan::wire::frame::{self, Decoder};
use serde_json::{Value, json};

use super::*;

const INVOKE: &str = "/model/m/invoke";
const STREAM: &str = "/model/m/invoke-with-response-stream";

const RULES: &str = r##"
[[rules]]
when.text = "#cut"
answer.text = "one two three four five six"
fault.truncate = { after = 3 }
[[rules]]
when.text = "#throttle"
fault.service.code = "ThrottlingException"
[[rules]]
answer.text = "贺兰山在宁夏。"
"##;

/// A frame's type, and its chunk or exception.
fn frames(answer: &Answer) -> Vec<(String, Value)> {
    let mut decoder = Decoder::new(frame::MAX_FRAME);
    decoder.push(&answer.unchunked());
    let frames: Vec<_> = decoder.by_ref().map(Result::unwrap).collect();
    decoder.finish().unwrap();
    let read = |frame: &frame::Frame| {
        let json: Value = serde_json::from_slice(&frame.payload).unwrap();
        if let Some(exception) = frame.header(":exception-type") {
            return (exception.to_owned(), json);
        }
        assert!(json["p"].is_string(), "every chunk is padded: {json}");
        let chunk = STANDARD.decode(json["bytes"].as_str().unwrap()).unwrap();
        let chunk = serde_json::from_slice(&chunk)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&chunk).into_owned()));
        (frame.header(":event-type").unwrap().to_owned(), chunk)
    };
    frames.iter().map(read).collect()
}

fn body(prompt: &str) -> String {
    json!({"prompt": prompt, "max_gen_len": 64}).to_string()
}

/// Posts with these headers beside the signed ones.
async fn post_with(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Answer {
    let head = head(address, "POST", path, body, now());
    let head = head.replace("\r\n\r\n", &format!("\r\n{headers}\r\n\r\n"));
    send(address, &[head.as_bytes(), body]).await
}

#[tokio::test]
async fn the_headers_tell_what_was_counted_and_echo_what_was_asked() {
    let pair = pair(RULES, "");
    let headers = "X-Amzn-Bedrock-PerformanceConfig-Latency: optimized\r\nX-Amzn-Bedrock-Service-Tier: flex\r\nX-Amzn-Bedrock-Request-Metadata: {\"team\":\"maps\"}";
    let address = pair.gateway.address;
    let answer = post_with(address, INVOKE, headers, body("Where?").as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!(
        (&json["generation"], &json["stop_reason"]),
        (&json!("贺兰山在宁夏。"), &json!("stop"))
    );
    let count = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
    assert_eq!(count("X-Amzn-Bedrock-Input-Token-Count"), json["prompt_token_count"]);
    assert_eq!(count("X-Amzn-Bedrock-Output-Token-Count"), json["generation_token_count"]);
    assert!(count("X-Amzn-Bedrock-Invocation-Latency") < 60_000);
    assert_eq!(answer.header("X-Amzn-Bedrock-Cache-Read-Input-Token-Count"), None);
    assert_eq!(answer.header("X-Amzn-Bedrock-PerformanceConfig-Latency"), Some("optimized"));
    assert_eq!(answer.header("X-Amzn-Bedrock-Service-Tier"), Some("flex"));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));

    let answer = post_with(address, STREAM, headers, body("Where?").as_bytes()).await;
    assert_eq!(answer.header("X-Amzn-Bedrock-Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Content-Type"), Some("application/vnd.amazon.eventstream"));
    assert_eq!(answer.header("X-Amzn-Bedrock-Service-Tier"), Some("flex"));
    assert_eq!(
        answer.header("X-Amzn-Bedrock-Input-Token-Count"),
        None,
        "metrics are in the stream"
    );

    for line in log::calls(&pair.gateway, 2).await {
        let told = (&line["request_metadata"], &line["family"]);
        assert_eq!(told, (&json!("{\"team\":\"maps\"}"), &json!("import")), "{line}");
    }

    for (header, words) in [
        (
            "X-Amzn-Bedrock-Service-Tier: cheap",
            "enum value set: [priority, default, flex, reserved]",
        ),
        ("X-Amzn-Bedrock-Request-Metadata: team", "'requestMetadata' failed"),
        ("X-Amzn-Bedrock-Request-Metadata: []", "'requestMetadata' failed"),
        (
            "X-Amzn-Bedrock-GuardrailIdentifier: g",
            "X-Amzn-Bedrock-GuardrailIdentifier is not supported",
        ),
        ("Content-Encoding: gzip", "Content-Encoding is not supported"),
    ] {
        let answer = post_with(address, INVOKE, header, body("Where?").as_bytes()).await;
        assert_eq!(answer.status, 400, "{header}");
        assert!(answer.message().contains(words), "{header}: {}", answer.message());
    }
}

#[tokio::test]
async fn the_last_chunk_carries_the_metrics() {
    let pair = pair(RULES, "");
    let answer = post(pair.gateway.address, STREAM, &body("Where?")).await;
    let chunks = frames(&answer);
    assert!(chunks.len() > 2 && chunks.iter().all(|(name, _)| name == "chunk"), "{chunks:?}");
    let (last, before) = chunks.split_last().unwrap();
    let metrics = &last.1["amazon-bedrock-invocationMetrics"];
    assert_eq!(metrics["inputTokenCount"], last.1["prompt_token_count"]);
    assert_eq!(metrics["outputTokenCount"], last.1["generation_token_count"]);
    assert!(metrics["firstByteLatency"].as_u64() <= metrics["invocationLatency"].as_u64());
    assert!(
        before.iter().all(|(_, chunk)| chunk.get("amazon-bedrock-invocationMetrics").is_none())
    );
    let text: String =
        chunks.iter().map(|(_, chunk)| chunk["generation"].as_str().unwrap()).collect();
    assert_eq!(text, "贺兰山在宁夏。");
}

#[tokio::test]
async fn failures_are_those_of_the_operation() {
    let pair = pair(RULES, "");
    let address = pair.gateway.address;
    for path in [INVOKE, STREAM] {
        let answer = post(address, path, &body("#throttle")).await;
        assert_eq!(answer.status, 429, "{answer:?}");
        let answer = post(address, path, "{\"max_gen_len\":1}").await;
        assert_eq!(
            answer.message(),
            "Malformed input request: #: no known request format, please reformat your input and try again."
        );
        let guarded = "{\"prompt\":\"x\",\"max_gen_len\":5,\"amazon-bedrock-guardrailConfig\":{}}";
        let answer = post(address, path, guarded).await;
        let told = "amazon-bedrock-guardrailConfig is not supported by this gateway yet.";
        assert_eq!(answer.message(), told);
        let answer = post(address, path, "").await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let answer = post(address, STREAM, &body("#cut")).await;
    assert_eq!(answer.status, 200);
    let chunks = frames(&answer);
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last.0, "modelStreamErrorException", "{chunks:?}");
    assert!(!before.is_empty(), "what was generated is still the caller's");
    assert!(before.iter().all(|(_, chunk)| chunk["stop_reason"].is_null()));
}

/// A container of one's own: answers each body with its headers and its bytes reversed, in two
/// pieces, as a type that is not JSON; a body that says so is refused.
fn container() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![];
            let mut piece = [0; 4096];
            let (head, body) = loop {
                let read = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
                let Some(end) = request.windows(4).position(|at| at == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8(request[..end].to_vec()).unwrap().to_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if request.len() >= end + 4 + length {
                    break (head, request[end + 4..].to_vec());
                }
            };
            let header = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().to_owned()
            };
            if body == b"refuse" {
                let told = b"HTTP/1.1 422 No\r\nContent-Length: 12\r\nConnection: close\r\n\r\nno such tone";
                stream.write_all(told).unwrap();
                continue;
            }
            let seen = format!("{}|{}|", header("content-type: "), header("accept: "));
            let reversed: Vec<u8> = body.iter().rev().copied().collect();
            let length = seen.len() + reversed.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: audio/x-custom\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{seen}").unwrap();
            stream.flush().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(30)); // a piece of its own
            stream.write_all(&reversed).unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_raw_endpoint_is_called_byte_for_byte() {
    let rules = format!("container = \"http://{}/invocations\"\n", container());
    let pair = pair(&rules, "contract = \"raw\"\n");
    let address = pair.gateway.address;
    let sent = b"\x00\xff not JSON \xe8\xb4\r\n";
    let reversed: Vec<u8> = sent.iter().rev().copied().collect();

    let headers = "Content-Type: audio/x-tone\r\nAccept: audio/x-custom";
    let answer = post_with(address, INVOKE, headers, sent).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("audio/x-custom"));
    assert_eq!(answer.body, [&b"audio/x-tone|audio/x-custom|"[..], &reversed].concat());
    assert!(answer.header("X-Amzn-Bedrock-Invocation-Latency").is_some());
    assert_eq!(answer.header("X-Amzn-Bedrock-Output-Token-Count"), None, "nobody counted");

    let headers = "Content-Type: audio/x-tone\r\nX-Amzn-Bedrock-Accept: audio/x-custom";
    let answer = post_with(address, STREAM, headers, sent).await;
    assert_eq!(answer.header("X-Amzn-Bedrock-Content-Type"), Some("audio/x-custom"));
    let mut decoder = Decoder::new(frame::MAX_FRAME);
    decoder.push(&answer.unchunked());
    let parts: Vec<Vec<u8>> = decoder
        .by_ref()
        .map(|frame| serde_json::from_slice::<Value>(&frame.unwrap().payload).unwrap())
        .map(|json| STANDARD.decode(json["bytes"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(parts.concat(), [&b"audio/x-tone|audio/x-custom|"[..], &reversed].concat());
    assert!(parts.len() >= 2, "a chunk for each part");

    for path in [INVOKE, STREAM] {
        let answer = post(address, path, "refuse").await;
        assert!(answer.status == 400 || answer.status == 424, "{answer:?}");
        assert!(answer.message().contains("no such tone"), "{answer:?}");
    }
    for path in ["/model/m/converse", "/model/m/converse-stream"] {
        let answer = post(address, path, ASK).await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.message().starts_with("This action doesn't support the model"),
            "{answer:?}"
        );
    }
}
