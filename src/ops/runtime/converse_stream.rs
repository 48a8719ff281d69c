//! `ConverseStream`: `POST /model/{modelId}/converse-stream`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::question;
use crate::converse::Event;
use crate::meter::Record;
use crate::ops::Call;
use crate::relay::{Answer, Relay, Want};
use crate::wire::{Body, exception, frame};
use crate::{Error, Result};

/// Answers one call. Until the upstream's head every failure is an HTTP error; afterwards it is an
/// exception frame.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let ask = question::read(&call)?;
    let hints = question::hints(&call, &deployment.target);
    let answer = relay.ask(&deployment, &ask, Want::Events, hints, &call.record).await?;

    let padding = relay.random();
    let mut response = Response::new(Body::stream(frames(answer, padding, call.record)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(frame::CONTENT_TYPE));
    Ok(response)
}

/// The answer as event-stream frames. What the upstream sent at once leaves at once; nothing waits
/// for more.
fn frames(
    answer: Answer,
    padding: fastrand::Rng,
    record: Arc<Record>,
) -> impl Stream<Item = Bytes> + Send {
    let writer = Writer { padding, record, events: vec![], buffer: BytesMut::new() };
    futures_util::stream::unfold(Some((answer, writer)), |state| async move {
        let (mut answer, mut writer) = state?;
        loop {
            // The head has left: a panic, too, becomes a frame that says so.
            let next = AssertUnwindSafe(answer.next(&mut writer.events)).catch_unwind().await;
            let next = next.unwrap_or_else(|_| Err(Error::internal().because("a panic")));
            match writer.write(next) {
                (bytes, true) if bytes.is_empty() => {}
                (bytes, true) => return Some((bytes, Some((answer, writer)))),
                (bytes, false) => return Some((bytes, None)),
            }
        }
    })
}

struct Writer {
    padding: fastrand::Rng,
    record: Arc<Record>,
    events: Vec<Event>,
    buffer: BytesMut,
}

impl Writer {
    /// Writes the waiting events, and the exception that follows them if there is one. Tells
    /// whether more is to come.
    fn write(&mut self, next: Result<bool>) -> (Bytes, bool) {
        let written = self.events();
        self.events.clear();
        let more = match next.and_then(|more| written.map(|()| more)) {
            Ok(more) => more,
            Err(error) => {
                self.record.failed(&error);
                let (name, payload) = exception(&error);
                // An exception is never near the frame limit.
                let _ = frame::exception(&mut self.buffer, name, &payload);
                false
            }
        };
        (self.buffer.split().freeze(), more)
    }

    fn events(&mut self) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        for event in &self.events {
            let padding = frame::padding(&mut self.padding);
            let mut open = frame::begin_event(&mut self.buffer, event.name());
            event
                .write_payload(padding, &mut open)
                .map_err(|error| Error::internal().because(error))?;
            open.finish()?;
        }
        self.record.events(self.events.len());
        Ok(())
    }
}
