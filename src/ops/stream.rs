//! An answer as a stream: what the operations that stream have in common.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::converse::Event;
use crate::meter::Record;
use crate::relay::Answer;
use crate::wire::Body;
use crate::{Error, Result};

/// Writes one answer in the words of one operation.
pub(super) trait Speak: Send + 'static {
    /// The media type of the stream.
    const CONTENT_TYPE: &'static str;

    /// Appends what `event` says to `out`, and tells in how many pieces.
    fn event(&mut self, event: &Event, out: &mut BytesMut) -> Result<usize>;

    /// Appends what ends a stream that failed.
    fn failed(&mut self, error: &Error, out: &mut BytesMut);

    /// Appends what follows the last event of a complete answer.
    fn ended(&mut self, _out: &mut BytesMut) {}
}

/// The response that streams `answer`. Its failures are part of the stream from here on.
pub(super) fn response<S: Speak>(answer: Answer, speak: S, record: Arc<Record>) -> Response<Body> {
    let mut response = Response::new(Body::stream(stream(answer, speak, record)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(S::CONTENT_TYPE));
    response
}

/// What the upstream sent at once leaves at once; nothing waits for more.
fn stream<S: Speak>(
    answer: Answer,
    speak: S,
    record: Arc<Record>,
) -> impl Stream<Item = Bytes> + Send {
    let limit = record.limit();
    let writer = Writer { speak, record, events: vec![], buffer: BytesMut::new() };
    futures_util::stream::unfold(Some((answer, writer, limit)), |state| async move {
        let (mut answer, mut writer, mut limit) = state?;
        // The head has left: a panic, too, becomes a part of the stream that says so.
        let next = limit.on(answer.next(&mut writer.events));
        let next = AssertUnwindSafe(next).catch_unwind().await;
        let next = next.unwrap_or_else(|_| Err(Error::internal().because("a panic")));
        let (bytes, more) = writer.write(next);
        Some((bytes, more.then_some((answer, writer, limit))))
    })
}

struct Writer<S> {
    speak: S,
    record: Arc<Record>,
    events: Vec<Event>,
    buffer: BytesMut,
}

impl<S: Speak> Writer<S> {
    /// Writes the waiting events, and the failure that follows them if there is one. Tells
    /// whether more is to come.
    fn write(&mut self, next: Result<bool>) -> (Bytes, bool) {
        let written = self.events();
        self.events.clear();
        let more = match next.and_then(|more| written.map(|()| more)) {
            Ok(true) => true,
            Ok(false) => {
                self.speak.ended(&mut self.buffer);
                false
            }
            Err(error) => {
                self.record.failed(&error);
                self.speak.failed(&error, &mut self.buffer);
                false
            }
        };
        (self.buffer.split().freeze(), more)
    }

    fn events(&mut self) -> Result<()> {
        let mut count = 0;
        for event in &self.events {
            count += self.speak.event(event, &mut self.buffer)?;
        }
        if count > 0 {
            self.record.events(count);
        }
        Ok(())
    }
}
