//! Callers who use a connection again, as SDKs do.

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;

/// A connection over HTTP/1.1.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    at: SocketAddr,
}

impl Connection {
    pub(super) async fn open(at: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(TcpStream::connect(at).await?), at })
    }

    /// Asks, and reads the answer to its last byte.
    pub(super) async fn post(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        self.send(path, body).await?;
        self.answer().await
    }

    pub(super) async fn send(&mut self, path: &str, body: &str) -> io::Result<()> {
        self.send_as(KEY, path, body).await
    }

    /// Asks with another key, of the same secret.
    pub(super) async fn send_as(&mut self, key: &str, path: &str, body: &str) -> io::Result<()> {
        let head = signed(self.at, "POST", path, body.as_bytes(), (key, SECRET), now());
        let head = head.replace("Connection: close\r\n", "");
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await
    }

    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, head));
            }
        }
        let head = head.trim_end().to_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: vec![] };
        match answer.header("content-length").map(|length| length.parse().unwrap()) {
            Some(length) => {
                answer.body = vec![0; length];
                self.stream.read_exact(&mut answer.body).await?;
            }
            None => answer.body = self.chunks().await?,
        }
        Ok(answer)
    }

    /// A chunked body with its sizes.
    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut all = vec![];
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "in a chunked body"));
            }
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).await?;
            all.extend_from_slice(line.as_bytes());
            all.extend_from_slice(&chunk);
            if size == 0 {
                return Ok(all);
            }
        }
    }
}

/// The same question for a client of HTTP/2.
pub(super) fn request(at: SocketAddr, path: &str, body: &str) -> http::Request<Full<Bytes>> {
    let head = head(at, "POST", path, body.as_bytes(), now());
    let mut request = http::Request::post(format!("http://{at}{path}"));
    for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        if !["host", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value);
        }
    }
    request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

/// The names of the frames, each of them whole.
pub(super) fn frames(answer: &Answer) -> Vec<(String, serde_json::Value)> {
    let mut decoder = helan::wire::frame::Decoder::new(helan::wire::frame::MAX_FRAME);
    decoder.push(&answer.unchunked());
    let frames: Vec<_> = decoder.by_ref().map(Result::unwrap).collect();
    decoder.finish().unwrap();
    let named = |frame: &helan::wire::frame::Frame| {
        let name = frame.header(":exception-type").or(frame.header(":event-type")).unwrap();
        (name.to_owned(), serde_json::from_slice(&frame.payload).unwrap())
    };
    frames.iter().map(named).collect()
}

/// What `GET path` answers on a connection of its own.
pub(super) async fn get(at: SocketAddr, path: &str) -> Answer {
    let get = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    send(at, &[get.as_bytes()]).await
}

/// Waits for a line of the metrics.
pub(super) async fn metric(process: &Process, line: &str) {
    let admin = process.admin.unwrap();
    let mut text = String::new();
    for _ in 0..500 {
        text = String::from_utf8(get(admin, "/metrics").await.body).unwrap();
        if text.contains(line) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{line} never came:\n{text}\n{}", process.log());
}
