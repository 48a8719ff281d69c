//! The stream of payload parts: frames whose edges mean nothing; or the same bytes without frames.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;

use super::counters::{Call, Ending};
use super::model::Piece;
use super::refusal::StreamFailure;
use crate::wire::frame;

const PART: [(&str, &str); 3] = [
    (":event-type", "PayloadPart"),
    (":content-type", "application/octet-stream"),
    (":message-type", "event"),
];

/// Where the container's bytes come from.
pub(super) enum Source {
    Script(VecDeque<Piece>),
    Container(Incoming),
}

impl Source {
    /// What comes next; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        match self {
            Self::Script(pieces) => pieces.pop_front(),
            Self::Container(body) => loop {
                match body.frame().await? {
                    Ok(frame) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Some(Piece::Bytes(bytes));
                        }
                    }
                    Err(_) => return Some(Piece::Throw(StreamFailure::broken())),
                }
            },
        }
    }

    /// Whether it is known that nothing comes any more.
    fn is_over(&self) -> bool {
        match self {
            Self::Script(pieces) => pieces.is_empty(),
            Self::Container(_) => false,
        }
    }
}

/// Cuts bytes into parts of these sizes, over and over; without sizes leaves them as they come.
struct Cutter {
    framed: bool,
    sizes: Vec<usize>,
    at: usize,
    held: BytesMut,
}

impl Cutter {
    fn push(&mut self, bytes: &[u8], out: &mut VecDeque<Bytes>) {
        if self.sizes.is_empty() {
            self.part(bytes, out);
            return;
        }
        self.held.extend_from_slice(bytes);
        while let Some(size) = self.sizes.get(self.at % self.sizes.len()).copied() {
            if self.held.len() < size {
                break;
            }
            self.at += 1;
            let part = self.held.split_to(size);
            self.part(&part, out);
        }
    }

    fn flush(&mut self, out: &mut VecDeque<Bytes>) {
        let part = self.held.split();
        self.part(&part, out);
    }

    fn part(&self, bytes: &[u8], out: &mut VecDeque<Bytes>) {
        match (bytes, self.framed) {
            ([], _) => {}
            (bytes, true) => push_frame(bytes, out),
            (bytes, false) => out.push_back(Bytes::copy_from_slice(bytes)),
        }
    }
}

fn push_frame(bytes: &[u8], out: &mut VecDeque<Bytes>) {
    let mut frame = BytesMut::with_capacity(bytes.len() + 128);
    // Pieces are as long as what a socket gives, or an event: nowhere near the limit.
    if frame::encode(&mut frame, &PART, bytes).is_ok() {
        out.push_back(frame.freeze());
    }
}

/// The answer to `InvokeEndpointWithResponseStream`. Dropping it cancels the call.
pub(super) struct Stream {
    source: Source,
    cutter: Cutter,
    call: Call,
    ready: VecDeque<Bytes>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What is ready is all that comes.
    Over,
    /// The connection breaks, after what is ready.
    Breaking,
}

impl Stream {
    /// The parts, each in a frame.
    pub(super) fn framed(source: Source, sizes: Vec<usize>, call: Call) -> Self {
        Self::new(source, sizes, call, true)
    }

    /// The parts as they are.
    pub(super) fn plain(source: Source, sizes: Vec<usize>, call: Call) -> Self {
        Self::new(source, sizes, call, false)
    }

    fn new(source: Source, sizes: Vec<usize>, call: Call, framed: bool) -> Self {
        let cutter = Cutter { framed, sizes, at: 0, held: BytesMut::new() };
        Self { source, cutter, call, ready: VecDeque::new(), state: State::Open }
    }

    pub(super) fn into_body(
        self,
    ) -> impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static {
        StreamBody::new(unfold(self, |mut stream| async move {
            let frame = stream.next().await?;
            Some((frame, stream))
        }))
    }

    async fn next(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(Frame::data(frame)));
            }
            match self.state {
                State::Open => self.advance().await,
                State::Over => return None,
                State::Breaking => {
                    // Gives the connection the time to write what it has.
                    tokio::task::yield_now().await;
                    self.state = State::Over;
                    return Some(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
        }
    }

    async fn advance(&mut self) {
        match self.source.next().await {
            Some(Piece::Bytes(bytes)) => {
                self.cutter.push(&bytes, &mut self.ready);
                if self.source.is_over() {
                    // A client may leave as soon as it has read the last byte.
                    self.end(Ending::Completed);
                }
            }
            Some(Piece::Wait { time, flush }) => {
                if flush && !self.cutter.held.is_empty() {
                    self.cutter.flush(&mut self.ready);
                    if let Source::Script(pieces) = &mut self.source {
                        pieces.push_front(Piece::Wait { time, flush });
                    }
                    return;
                }
                tokio::time::sleep(time).await;
            }
            Some(Piece::Throw(failure)) => {
                self.end(Ending::Failed);
                if self.cutter.framed {
                    self.ready.push_back(failure.frame().freeze());
                } else {
                    self.state = State::Breaking; // a container has no frame to say so
                }
            }
            Some(Piece::Cut) => {
                self.end(Ending::Failed);
                self.state = State::Breaking;
                let mut torn = VecDeque::new();
                self.cutter.part(b"data: {", &mut torn);
                self.ready.extend(torn.pop_front().map(|frame| frame.slice(..frame.len() / 2)));
            }
            None => self.end(Ending::Completed),
        }
    }

    fn end(&mut self, ending: Ending) {
        self.cutter.flush(&mut self.ready);
        self.call.end(ending);
        self.state = State::Over;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_have_the_wanted_sizes_and_lose_nothing(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..10),
            sizes in proptest::collection::vec(1_usize..9, 0..4),
        ) {
            let mut cutter = Cutter { framed: true, sizes: sizes.clone(), at: 0, held: BytesMut::new() };
            let mut out = VecDeque::new();
            for piece in &pieces {
                cutter.push(piece, &mut out);
            }
            cutter.flush(&mut out);
            let mut decoder = frame::Decoder::new(frame::MAX_FRAME);
            for frame in &out {
                decoder.push(frame);
            }
            let parts: Vec<_> = decoder.map(|frame| frame.unwrap().payload).collect();
            prop_assert_eq!(parts.concat(), pieces.concat());
            if !sizes.is_empty() {
                for (at, part) in parts.iter().enumerate() {
                    let size = sizes[at % sizes.len()];
                    prop_assert!(part.len() == size || (at + 1 == parts.len() && part.len() < size));
                }
            }
        }
    }
}
