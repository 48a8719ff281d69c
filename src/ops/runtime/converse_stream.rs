//! `ConverseStream`: `POST /model/{modelId}/converse-stream`.

use bytes::BytesMut;
use http::Response;

use super::broken;
use crate::converse::Event;
use crate::ops::stream::{self, Speak};
use crate::ops::{Call, question};
use crate::relay::{Relay, Want};
use crate::wire::{Body, Exceptions, frame};
use crate::{Error, Result};

/// Answers one call. Until the upstream's head every failure is an HTTP error; afterwards it is an
/// exception frame.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    let deployment = call.deployment()?;
    let ask = question::read(&call)?;
    let hints = question::hints(&call);
    let answer = relay.ask(&deployment, &ask, Want::Events, &hints, &call.record).await?;
    Ok(stream::response(answer, Events { padding: relay.random() }, call.record))
}

/// Each event is a frame of its own.
struct Events {
    padding: fastrand::Rng,
}

impl Speak for Events {
    const CONTENT_TYPE: &'static str = frame::CONTENT_TYPE;

    fn event(&mut self, event: &Event, out: &mut BytesMut) -> Result<usize> {
        let padding = frame::padding(&mut self.padding);
        let mut open = frame::begin_event(out, event.name());
        event
            .write_payload(padding, &mut open)
            .map_err(|error| Error::internal().because(error))?;
        open.finish()?;
        Ok(1)
    }

    fn failed(&mut self, error: &Error, out: &mut BytesMut) {
        broken(error, Exceptions::ConverseStream, out);
    }
}
