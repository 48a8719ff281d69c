//! A proxy between the gateway and the emulator that damages answers on their way.
//!
//! It understands as much of HTTP/1.1 as it takes to find an answer's body, and as much of event
//! streams as it takes to find the frames. What happens to a call is chosen by the endpoint's name
//! in its path, so that one proxy serves calls with different faults at the same time.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use helan::wire::frame;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The headers of a payload part, as SageMaker writes them.
const PART: [(&str, &str); 3] = [
    (":event-type", "PayloadPart"),
    (":content-type", "application/octet-stream"),
    (":message-type", "event"),
];

/// A good answer, but for the length of its text.
const LONG: &[u8] = br#"{"choices":[{"index":0,"delta":{"content":"TEXT"},"message":{"content":"TEXT"},"finish_reason":FINISH}]}"#;

/// What becomes of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Damage {
    /// It passes.
    None,
    /// The request is read, and the connection is reset.
    Reset,
    /// The request is read, and the connection is closed.
    Close,
    /// The connection is reset after so many bytes of the head.
    ResetInHead(usize),
    /// Silence, until the client has gone.
    Stall,
    /// A head with `Content-Length` twice, and not the same.
    TwoLengths,
    /// A head that promises more than comes before the connection is closed.
    LongLength,
    /// The head, and a body without anything.
    Empty,
    /// So many bytes at once, each time after so many milliseconds.
    Drip { bytes: usize, ms: u64 },
    /// The first `after` frames of a stream pass; a whole body is hurt in its middle.
    Body { after: usize, then: Then },
}

/// What becomes of a body that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Silence, until the client has gone.
    Stall,
    /// The connection is reset.
    Reset,
    /// The connection is closed, the body's end not told.
    Close,
    /// The body ends well, inside a frame.
    EndInFrame,
    /// The body ends well, behind a frame.
    End,
    /// One byte of the next frame's last checksum is wrong.
    BadCrc,
    /// One byte of the next frame's first checksum is wrong.
    BadPreludeCrc,
    /// The next frame carries this instead of its JSON; of a whole body nothing else comes.
    /// `FINISH` stands for the finish reason.
    Json(&'static [u8]),
    /// The same with a text of so many bytes, which is there twice: for a stream and for a whole
    /// answer.
    Huge(usize),
    /// The next frame says that it has so many bytes; nothing follows.
    HugePrelude(u32),
}

/// What was seen of one endpoint's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests whose head and body have come.
    pub(super) calls: usize,
    /// Those that have neither been answered nor given up.
    pub(super) open: usize,
    /// Those whose client closed the connection before the answer's end.
    pub(super) hung_up: usize,
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    scripts: HashMap<String, Vec<Damage>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    endpoints: HashMap<String, Seen>,
    connections: usize,
    accepted: usize,
}

impl Proxy {
    /// Listens before `upstream`. The n-th call of an endpoint meets the n-th damage of its script,
    /// over and over; where there is no script, calls pass.
    pub(super) async fn start(upstream: SocketAddr, scripts: HashMap<String, Vec<Damage>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream, scripts, state: Mutex::default() });
        let mut accepting = JoinSet::new();
        let serving = Arc::clone(&shared);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                while connections.try_join_next().is_some() {}
                connections.spawn(connection(socket, Arc::clone(&serving)));
            }
        });
        Self { address, shared, _accepting: accepting }
    }

    /// What was seen of this endpoint.
    pub(super) fn seen(&self, endpoint: &str) -> Seen {
        self.shared.state.lock().unwrap().endpoints.get(endpoint).copied().unwrap_or_default()
    }

    /// What was seen of all endpoints.
    pub(super) fn all(&self) -> Seen {
        let state = self.shared.state.lock().unwrap();
        state.endpoints.values().fold(Seen::default(), |all, one| Seen {
            calls: all.calls + one.calls,
            open: all.open + one.open,
            hung_up: all.hung_up + one.hung_up,
        })
    }

    /// How many connections there have been.
    pub(super) fn accepted(&self) -> usize {
        self.shared.state.lock().unwrap().accepted
    }

    /// How many connections are open, those that rest in the client's pool among them.
    pub(super) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }
}

impl Shared {
    fn update(&self, endpoint: &str, change: impl FnOnce(&mut Seen)) {
        let mut state = self.state.lock().unwrap();
        change(state.endpoints.entry(endpoint.to_owned()).or_default());
    }

    /// Counts a call, and tells what becomes of it.
    fn begin(&self, endpoint: &str) -> Damage {
        let mut nth = 0;
        self.update(endpoint, |seen| {
            nth = seen.calls;
            seen.calls += 1;
            seen.open += 1;
        });
        match self.scripts.get(endpoint) {
            Some(script) => script[nth % script.len()],
            None => Damage::None,
        }
    }
}

/// How one answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The connection takes a further request.
    Kept,
    Closed,
    Reset,
    HungUp,
}

async fn connection(mut socket: TcpStream, shared: Arc<Shared>) {
    socket.set_nodelay(true).unwrap();
    {
        let mut state = shared.state.lock().unwrap();
        state.connections += 1;
        state.accepted += 1;
    }
    while let Ok(Ending::Kept) = exchange(&mut socket, &shared).await {}
    // Counted first: when the client sees the end, it is counted.
    shared.state.lock().unwrap().connections -= 1;
}

/// One request and its answer.
async fn exchange(socket: &mut TcpStream, shared: &Shared) -> io::Result<Ending> {
    let (read, mut write) = socket.split();
    let mut read = BufReader::new(read);
    match read.fill_buf().await?.first() {
        None => return Ok(Ending::Closed),
        // The client begins with TLS: say what a server without it says.
        Some(0x16) => {
            write.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(Ending::Closed);
        }
        Some(_) => {}
    }
    let head = Head::read(&mut read).await?;
    let mut request = head.bytes.clone();
    let begin = request.len();
    request.resize(begin + head.length().unwrap_or(0), 0);
    read.read_exact(&mut request[begin..]).await?;

    let endpoint = head.endpoint();
    let damage = shared.begin(&endpoint);
    let answering = Answering { damage, upstream: shared.upstream, request: &request };
    let ending = tokio::select! {
        biased;
        // Nobody sends a second request before the first answer: what comes is the end.
        _ = read.fill_buf() => Ending::HungUp,
        answered = answering.answer(&mut write) => answered.unwrap_or(Ending::Closed),
    };
    if ending == Ending::Reset {
        socket.set_zero_linger()?;
    }
    shared.update(&endpoint, |seen| {
        seen.open -= 1;
        seen.hung_up += usize::from(ending == Ending::HungUp);
    });
    Ok(ending)
}

/// The head of a request or of an answer.
struct Head {
    bytes: Vec<u8>,
}

impl Head {
    async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let mut bytes = vec![];
        loop {
            let begin = bytes.len();
            if from.read_until(b'\n', &mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if bytes[begin..] == *b"\r\n" {
                return Ok(Self { bytes });
            }
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.text().lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }

    /// Of `POST /endpoints/{name}/invocations`.
    fn endpoint(&self) -> String {
        self.text().split('/').nth(2).unwrap_or_default().to_owned()
    }

    /// The same with other lengths.
    fn with_lengths(&self, lengths: &[usize]) -> Vec<u8> {
        let kept = self.text().lines().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.is_empty()
                && !line.starts_with("content-length:")
                && !line.starts_with("transfer-encoding:")
        });
        let lengths = lengths.iter().map(|length| format!("content-length: {length}"));
        let lines: Vec<_> = kept.map(ToOwned::to_owned).chain(lengths).collect();
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }
}

struct Answering<'a> {
    damage: Damage,
    upstream: SocketAddr,
    request: &'a [u8],
}

impl Answering<'_> {
    /// Dropping the future closes the connection to the upstream.
    async fn answer(&self, to: &mut WriteHalf<'_>) -> io::Result<Ending> {
        match self.damage {
            Damage::Reset => return Ok(Ending::Reset),
            Damage::Close => return Ok(Ending::Closed),
            Damage::Stall => return std::future::pending().await,
            _ => {}
        }
        let mut upstream = TcpStream::connect(self.upstream).await?;
        upstream.write_all(self.request).await?;
        let (read, _write) = upstream.split();
        let mut from = BufReader::new(read);
        let head = Head::read(&mut from).await?;
        if let Damage::ResetInHead(bytes) = self.damage {
            to.write_all(&head.bytes[..bytes]).await?;
            // What was written before a reset may be lost with it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(Ending::Reset);
        }
        match head.length() {
            Some(length) => {
                let mut body = vec![0; length];
                from.read_exact(&mut body).await?;
                self.whole(&head, &body, to).await
            }
            None => self.stream(&head, Frames { from, held: BytesMut::new() }, to).await,
        }
    }

    async fn whole(&self, head: &Head, body: &[u8], to: &mut WriteHalf<'_>) -> io::Result<Ending> {
        let half = body.len() / 2;
        let (head, body, ending) = match self.damage {
            Damage::TwoLengths => {
                (head.with_lengths(&[half, body.len()]), body.to_vec(), Ending::Kept)
            }
            Damage::LongLength => {
                (head.with_lengths(&[body.len() + 1]), body.to_vec(), Ending::Closed)
            }
            Damage::Empty => (head.with_lengths(&[0]), vec![], Ending::Kept),
            Damage::Drip { bytes, ms } => {
                to.write_all(&head.bytes).await?;
                drip(body, bytes, ms, to).await?;
                return Ok(Ending::Kept);
            }
            Damage::Body { then, .. } => match then {
                Then::Stall => {
                    to.write_all(&[&head.bytes, &body[..half]].concat()).await?;
                    return std::future::pending().await;
                }
                Then::Reset => (head.bytes.clone(), body[..half].to_vec(), Ending::Reset),
                Then::Close => (head.bytes.clone(), body[..half].to_vec(), Ending::Closed),
                Then::End | Then::EndInFrame => {
                    (head.with_lengths(&[half]), body[..half].to_vec(), Ending::Kept)
                }
                Then::Json(_) | Then::Huge(_) => {
                    let body = instead(then, "\"stop\"");
                    (head.with_lengths(&[body.len()]), body, Ending::Kept)
                }
                Then::BadCrc | Then::BadPreludeCrc | Then::HugePrelude(_) => {
                    panic!("a whole answer has no frames")
                }
            },
            Damage::None => (head.bytes.clone(), body.to_vec(), Ending::Kept),
            Damage::Reset | Damage::Close | Damage::ResetInHead(_) | Damage::Stall => {
                panic!("it comes before the body")
            }
        };
        to.write_all(&[head, body].concat()).await?;
        if ending == Ending::Reset {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(ending)
    }

    async fn stream(
        &self,
        head: &Head,
        mut frames: Frames<'_>,
        to: &mut WriteHalf<'_>,
    ) -> io::Result<Ending> {
        match self.damage {
            Damage::TwoLengths => {
                to.write_all(&head.with_lengths(&[5, 7])).await?;
                return Ok(Ending::Closed);
            }
            Damage::LongLength => {
                let mut all = vec![];
                while let Some(frame) = frames.next().await? {
                    all.extend_from_slice(&frame);
                }
                to.write_all(&[head.with_lengths(&[all.len() + 1]), all].concat()).await?;
                return Ok(Ending::Closed);
            }
            Damage::Empty => {
                to.write_all(&[&head.bytes, &b"0\r\n\r\n"[..]].concat()).await?;
                return Ok(Ending::Kept);
            }
            Damage::Drip { bytes, ms } => {
                to.write_all(&head.bytes).await?;
                while let Some(frame) = frames.next().await? {
                    drip(&chunk(&frame), bytes, ms, to).await?;
                }
                to.write_all(b"0\r\n\r\n").await?;
                return Ok(Ending::Kept);
            }
            _ => {}
        }
        let Damage::Body { after, then } = self.damage else {
            to.write_all(&head.bytes).await?;
            while let Some(frame) = frames.next().await? {
                to.write_all(&chunk(&frame)).await?;
            }
            to.write_all(b"0\r\n\r\n").await?;
            return Ok(Ending::Kept);
        };
        // In one piece: what passes has arrived when the rest is waited for.
        let mut before = head.bytes.clone();
        for _ in 0..after {
            before.extend(chunk(&frames.next().await?.expect("so many frames")));
        }
        to.write_all(&before).await?;
        let next = frames.next().await?.expect("a frame to damage");
        let ending = damaged(then, &next, to).await?;
        if let Some(ending) = ending {
            return Ok(ending);
        }
        while let Some(frame) = frames.next().await? {
            to.write_all(&chunk(&frame)).await?;
        }
        to.write_all(b"0\r\n\r\n").await?;
        Ok(Ending::Kept)
    }
}

/// Writes what stands for `frame`. `None`: the rest of the stream follows.
async fn damaged(then: Then, frame: &[u8], to: &mut WriteHalf<'_>) -> io::Result<Option<Ending>> {
    let flipped = |at: usize| {
        let mut frame = frame.to_vec();
        frame[at] ^= 0x40;
        chunk(&frame)
    };
    let half = chunk(&frame[..frame.len() / 2]);
    match then {
        Then::Stall => {
            to.write_all(&half).await?;
            std::future::pending().await
        }
        Then::Reset => {
            to.write_all(&half).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Some(Ending::Reset))
        }
        Then::Close => to.write_all(&half).await.map(|()| Some(Ending::Closed)),
        Then::EndInFrame => {
            to.write_all(&[&half, &b"0\r\n\r\n"[..]].concat()).await.map(|()| Some(Ending::Kept))
        }
        Then::End => to.write_all(b"0\r\n\r\n").await.map(|()| Some(Ending::Kept)),
        Then::BadCrc => to.write_all(&flipped(frame.len() - 1)).await.map(|()| None),
        Then::BadPreludeCrc => to.write_all(&flipped(8)).await.map(|()| None),
        Then::Json(_) | Then::Huge(_) => {
            let line = [&b"data: "[..], &instead(then, "null"), b"\n\n"].concat();
            to.write_all(&chunk(&part(&line))).await.map(|()| None)
        }
        Then::HugePrelude(size) => {
            let mut prelude = [size.to_be_bytes(), 16_u32.to_be_bytes()].concat();
            prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
            prelude.extend([0; 64]);
            to.write_all(&chunk(&prelude)).await?;
            std::future::pending().await
        }
    }
}

/// A payload part of any size; `frame::encode` has the usual limit.
fn part(payload: &[u8]) -> Vec<u8> {
    let mut small = BytesMut::new();
    frame::encode(&mut small, &PART, b"").unwrap();
    let headers = &small[12..small.len() - 4];
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let length = u32::try_from(headers.len()).unwrap();
    let mut all = [total.to_be_bytes(), length.to_be_bytes()].concat();
    all.extend(crc32fast::hash(&all).to_be_bytes());
    all.extend_from_slice(headers);
    all.extend_from_slice(payload);
    all.extend(crc32fast::hash(&all).to_be_bytes());
    all
}

/// What stands for the container's JSON.
fn instead(then: Then, finish: &str) -> Vec<u8> {
    let (json, text) = match then {
        Then::Json(json) => (json, String::new()),
        Then::Huge(size) => (LONG, "x".repeat(size)),
        _ => panic!("{then:?} has no JSON"),
    };
    // Bytes, since they may be no UTF-8.
    let mut out = vec![];
    let mut rest = json;
    while !rest.is_empty() {
        for (name, value) in [("FINISH", finish), ("TEXT", &*text)] {
            if rest.starts_with(name.as_bytes()) {
                out.extend_from_slice(value.as_bytes());
                rest = &rest[name.len()..];
            }
        }
        out.extend(rest.split_off_first());
    }
    out
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

async fn drip(bytes: &[u8], at_once: usize, ms: u64, to: &mut WriteHalf<'_>) -> io::Result<()> {
    for piece in bytes.chunks(at_once) {
        // Before the piece: after the last one the client may go on at once.
        tokio::time::sleep(Duration::from_millis(ms)).await;
        to.write_all(piece).await?;
    }
    Ok(())
}

/// The frames of a chunked body.
struct Frames<'a> {
    from: BufReader<ReadHalf<'a>>,
    held: BytesMut,
}

impl Frames<'_> {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(length) = self.held.get(..4) {
                let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
                if self.held.len() >= length {
                    return Ok(Some(self.held.split_to(length).freeze()));
                }
            }
            let mut size = String::new();
            if self.from.read_line(&mut size).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let begin = self.held.len();
            self.held.resize(begin + size, 0);
            self.from.read_exact(&mut self.held[begin..]).await?;
            self.from.read_until(b'\n', &mut vec![]).await?;
            if size == 0 {
                // What is left would be no frame.
                assert!(self.held.is_empty());
                return Ok(None);
            }
        }
    }
}
