//! What no SDK sends: heads that two readers may read in two ways, callers who are too slow, and
//! floods.

use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::keep_alive::{Connection, get, metric, request};
use super::*;

/// A signed head to which lines are added, and one that keeps the connection.
fn with(at: SocketAddr, body: &str, change: impl FnOnce(String) -> String) -> Vec<u8> {
    let head = head(at, "POST", PATH, body.as_bytes(), now());
    let head = change(head.replace("Connection: close\r\n", ""));
    [head.as_bytes(), body.as_bytes()].concat()
}

const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Writes `request`, then a ping, and tells what was answered to each until the connection ended.
async fn statuses(at: SocketAddr, request: &[u8]) -> Vec<u16> {
    statuses_of(at, &[&[request, PING].concat()]).await
}

/// What was answered to `pieces`, between which the gateway has time to read, until the connection
/// ended.
async fn statuses_of(at: SocketAddr, pieces: &[&[u8]]) -> Vec<u16> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    for (n, piece) in pieces.iter().enumerate() {
        if n > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        // A server that has closed already resets what comes after.
        let _ = stream.write_all(piece).await;
    }
    let mut answers = vec![];
    let _ = stream.read_to_end(&mut answers).await;
    let answers = String::from_utf8_lossy(&answers).into_owned();
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].parse().unwrap()).collect()
}

fn line(line: &'static str) -> impl FnOnce(String) -> String {
    move |head| head.replacen("\r\n", &format!("\r\n{line}\r\n"), 1)
}

#[tokio::test]
async fn a_head_is_read_in_one_way_or_not_at_all() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let chunked = format!("{:x}\r\n{ASK}\r\n0\r\n\r\n", ASK.len());
    let as_chunks =
        |head: String| head.replacen("\r\n", "\r\nTransfer-Encoding: chunked\r\n", 1).into_bytes();
    let signed = head(at, "POST", PATH, ASK.as_bytes(), now()).replace("Connection: close\r\n", "");
    let length = format!("Content-Length: {}\r\n", ASK.len());
    let after = signed
        .replace(&length, "")
        .replace("\r\n\r\n", &format!("\r\nTransfer-Encoding: chunked\r\n{length}\r\n"));
    let twice = format!("\r\n{length}{length}");
    for (what, request, expected) in [
        ("as it should be", with(at, ASK, |head| head), &[200, 200][..]),
        // Served by its chunks, whatever the length says; then the connection closes.
        (
            "length and chunks",
            [&as_chunks(signed.clone())[..], chunked.as_bytes()].concat(),
            &[200],
        ),
        ("chunks and length", [after.as_bytes(), chunked.as_bytes()].concat(), &[200]),
        (
            "the same length twice",
            with(at, ASK, |head| head.replacen("\r\n", &twice, 1).replacen(&length, "", 1)),
            &[200, 200],
        ),
        ("two lengths", with(at, ASK, line("Content-Length: 3")), &[400]),
        (
            "a length that is none",
            with(at, ASK, |head| head.replace(&length, "Content-Length: +61\r\n")),
            &[400],
        ),
        ("an encoding that is not chunks", with(at, ASK, line("Transfer-Encoding: gzip")), &[400]),
        ("two hosts", with(at, ASK, line("Host: other")), &[400, 200]),
        ("a folded line", with(at, ASK, line("X-Folded: a\r\n b")), &[400]),
        ("a space before the colon", with(at, ASK, line("X-Space : a")), &[400]),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), &[400]),
        (
            "an upgrade",
            with(
                at,
                ASK,
                line(
                    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings",
                ),
            ),
            &[200, 200],
        ),
        (
            "a whole URL",
            with(at, ASK, |head| head.replacen(PATH, &format!("http://{at}{PATH}"), 1)),
            &[200, 200],
        ),
        ("a CONNECT", b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n".to_vec(), &[403, 200]),
    ] {
        assert_eq!(
            statuses(at, &request).await,
            expected,
            "{what}: {}",
            String::from_utf8_lossy(&request)
        );
    }
}

#[tokio::test]
async fn large_heads_are_refused() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let many = |count: usize| {
        with(at, ASK, |head| {
            let lines: Vec<_> = (0..count).map(|n| format!("x-{n}: y\r\n")).collect();
            let lines = lines.concat();
            head.replacen("\r\n", &format!("\r\n{lines}"), 1)
        })
    };
    assert_eq!(statuses(at, &many(90)).await, [200, 200]);
    assert_eq!(statuses(at, &many(101)).await, [431]);
    let large = |bytes: usize| {
        with(at, ASK, |head| {
            head.replacen("\r\n", &format!("\r\nx-large: {}\r\n", "y".repeat(bytes)), 1)
        })
    };
    assert_eq!(statuses(at, &large(28_000)).await, [200, 200]);
    assert_eq!(statuses(at, &large(33_000)).await, [431, 200]);
    for cut in [9_000, 20_000, 32_800, 33_200] {
        let too_large = [&large(33_000)[..], PING].concat();
        let (begin, rest) = too_large.split_at(cut);
        assert_eq!(statuses_of(at, &[begin, rest]).await, [431, 200], "cut at {cut}");
    }
    // Of which 40 KB have come, and no end.
    assert_eq!(statuses_of(at, &[&large(70_000)[..42_000]]).await, [431]);
}

#[tokio::test]
async fn a_large_head_is_refused_over_http2_too() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let stream = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let asking = async {
        for (bytes, expected) in [(28_000, 200), (33_000, 431), (10, 200)] {
            let mut asked = request(at, PATH, ASK);
            asked.headers_mut().insert("x-large", "y".repeat(bytes).parse().unwrap());
            let answer = client.send_request(asked).await.unwrap();
            assert_eq!(answer.status(), expected, "{bytes}");
            if expected == 431 {
                let kind = answer.headers()["x-amzn-errortype"].to_str().unwrap();
                assert!(kind.starts_with("ValidationException:"), "{kind}");
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let message = body["message"].as_str().unwrap();
                assert!(message.ends_with("larger than the limit of 32768 bytes."), "{message}");
            }
        }
    };
    tokio::select! { biased; () = asking => {}, ended = connection => panic!("{ended:?}") };
}

#[tokio::test]
async fn who_is_too_slow_loses_the_connection() {
    let pair = pair(
        "",
        "[limits]\nheader_timeout = \"300 ms\"\nbody_timeout = \"300 ms\"\nkeep_alive_timeout = \"300 ms\"\n",
    );
    let at = pair.gateway.address;
    let whole = with(at, ASK, |head| head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    for (sent, status) in [(0, None), (20, None), (whole.len() - 1, Some("HTTP/1.1 400"))] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(&whole[..sent]).await.unwrap();
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        match status {
            None => assert!(answer.is_empty(), "{answer}"),
            Some(status) => assert!(answer.starts_with(status), "{answer}"),
        }
    }
    let mut used = Connection::open(at).await.unwrap();
    assert_eq!(used.post(PATH, ASK).await.unwrap().status, 200);
    assert!(used.answer().await.is_err(), "it was closed, and nothing was said");
    metric(&pair.gateway, "helan_connections 0").await;
    assert_eq!(post(at, PATH, ASK).await.status, 200);
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_a_place() {
    let pair = pair("", "[limits]\nmax_connections = 1\n");
    let at = pair.gateway.address;
    let mut first = Connection::open(at).await.unwrap();
    assert_eq!(first.post(PATH, ASK).await.unwrap().status, 200);
    let mut second = std::pin::pin!(get(at, "/ping"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "there is no place for it");
    drop(first);
    assert_eq!(second.await.status, 200);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The error code of the GOAWAY among these frames.
fn goaway(mut frames: &[u8]) -> Option<u32> {
    while let Some((head, rest)) = frames.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if head[3] == 7 {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        frames = rest;
    }
    None
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET http /ping` of authority `h`, by HPACK's static table and a literal.
const HEAD: &[u8] = b"\x82\x86\x44\x05/ping\x41\x01h";
const ENHANCE_YOUR_CALM: u32 = 11;

#[tokio::test]
async fn floods_of_http2_end_their_connection() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    // Streams that are opened and reset (CVE-2023-44487).
    let resets: Vec<u8> = (0..4000_u32)
        .flat_map(|n| {
            let id = 2 * n + 1;
            [frame(1, 5, id, HEAD), frame(3, 0, id, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    // A head that never ends (CONTINUATION, VU#421644).
    let endless: Vec<u8> = std::iter::once(frame(1, 0, 1, HEAD))
        .chain(
            (0..64)
                .map(|_| frame(9, 0, 1, &[b"\x00\x01x\x7f\x81\x7c", &[b'y'; 16_000][..]].concat())),
        )
        .flatten()
        .collect();
    for (what, flood) in [("resets", resets), ("a head without an end", endless)] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let all = [PREFACE, &frame(4, 0, 0, &[]), &flood].concat();
        let (mut read, mut write) = stream.split();
        let mut bytes = vec![];
        // The server ends it in the middle of what we write.
        let _ = tokio::join!(write.write_all(&all), read.read_to_end(&mut bytes));
        assert_eq!(goaway(&bytes), Some(ENHANCE_YOUR_CALM), "{what}");
    }
    metric(&pair.gateway, "helan_connections 0").await;
    metric(&pair.gateway, "helan_calls_in_flight 0").await;
    assert_eq!(post(at, PATH, ASK).await.status, 200);
}

#[tokio::test]
async fn the_streams_of_a_connection_are_counted() {
    let pair = pair("", "");
    let mut stream = TcpStream::connect(pair.gateway.address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
    // The server's own SETTINGS come first, and tell how many streams it takes.
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut settings = vec![0; length as usize];
    stream.read_exact(&mut settings).await.unwrap();
    assert_eq!(head[3], 4);
    let settings: Vec<_> = settings
        .chunks(6)
        .map(|s| (s[1], u32::from_be_bytes(s[2..].try_into().unwrap())))
        .collect();
    assert!(settings.contains(&(3, 256)), "{settings:?}");
}
