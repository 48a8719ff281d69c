//! One answer on its way.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::count;
use crate::container::Decoder;
use crate::converse::{
    BlockOrder, Event, Fold, PerformanceConfiguration, Response, ServiceTier, TokenUsage,
};
use crate::error::Upstream;
use crate::fleet::{Fault, Lease};
use crate::meter::{Record, UpstreamFailure};
use crate::tokenizer::{Passage, Tokenizer};
use crate::workers::Workers;
use crate::{Code, Error, Result};

pub(super) fn too_long() -> Error {
    Error::new(
        Code::ModelError,
        "The model's answer is larger than this gateway holds. Ask for fewer tokens, or stream it.",
    )
    .because("the answer is over limits.max_answer")
}

/// The prompt, and what counts it.
pub(super) type Uncounted = (Workers, Arc<Tokenizer>, Passage);

/// One answer on its way.
pub struct Answer {
    /// `None` once it has ended.
    pub(super) body: Option<BoxStream<'static, Result<Bytes>>>,
    /// Whether the caller is shown all of it at once.
    pub(super) whole: bool,
    /// How many bytes it may still take; a caller who reads events holds none of them up.
    pub(super) room: u64,
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) endpoint: Arc<str>,
    pub(super) started: bool,
    /// What counts the prompt, where the container's answer does not say how long it was.
    pub(super) uncounted: Option<Uncounted>,
    pub(super) performance: Option<PerformanceConfiguration>,
    pub(super) service_tier: Option<ServiceTier>,
    pub(super) record: Arc<Record>,
    /// The place with the target: taken until the last byte.
    pub(super) lease: Lease,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Answer {
    /// Waits for the next events and appends them to `out`; `false` once the answer is complete.
    ///
    /// The first call gives `messageStart` without waiting for a token. Where it fails, the events
    /// in `out` were generated before the failure and are still the caller's.
    pub async fn next(&mut self, out: &mut Vec<Event>) -> Result<bool> {
        if !self.started {
            self.started = true;
            out.push(Event::message_start());
            return Ok(true);
        }
        let first = out.len();
        let more = self.advance(out).await.map_err(|error| self.failed(error));
        for event in out.iter_mut().skip(first) {
            if let Event::Metadata(metadata) = event {
                self.fill(&mut metadata.usage).await;
            }
            self.complete(event);
        }
        more
    }

    /// Waits for all of it. The upstream may stream all the same: its events are folded.
    pub async fn whole(mut self, order: BlockOrder) -> Result<Response> {
        let mut fold = Fold::new(order);
        let mut events = vec![];
        loop {
            let more = self.next(&mut events).await?;
            events.drain(..).for_each(|event| fold.push(event));
            if !more {
                return fold.finish();
            }
        }
    }

    /// Counts the prompt, if the container did not. A count that fails leaves it unknown.
    async fn fill(&mut self, usage: &mut TokenUsage) {
        let Some((workers, tokenizer, passage)) = self.uncounted.take() else { return };
        if usage.total_tokens > usage.output_tokens {
            return;
        }
        if let Ok(tokens) = count(&workers, &tokenizer, passage).await {
            usage.input_tokens = tokens;
            usage.total_tokens = tokens.saturating_add(usage.output_tokens);
        }
    }

    async fn advance(&mut self, out: &mut Vec<Event>) -> Result<bool> {
        let Some(body) = &mut self.body else { return Ok(false) };
        let before = out.len();
        while out.len() == before {
            let Some(bytes) = body.next().await else {
                self.body = None;
                self.decoder.finish(out)?;
                return Ok(false);
            };
            let bytes = bytes?;
            self.room = self.room.checked_sub(bytes.len() as u64).ok_or_else(too_long)?;
            self.decoder.push(bytes, out)?;
        }
        Ok(true)
    }

    /// Adds what only the relay knows to the last event.
    fn complete(&self, event: &mut Event) {
        match event {
            Event::Metadata(metadata) => {
                let took = self.record.elapsed().as_millis();
                metadata.metrics.latency_ms = u64::try_from(took).unwrap_or(u64::MAX);
                metadata.performance_config = self.performance;
                metadata.service_tier = self.service_tier;
                self.record.usage(&metadata.usage);
            }
            Event::MessageStop(stop) => self.record.stop_reason(stop.stop_reason.as_str()),
            _ => {}
        }
    }

    /// The failure as the caller's operation knows it: an answer at once has no stream that could
    /// fail, whatever carried it to us.
    fn failed(&mut self, error: Error) -> Error {
        self.body = None;
        self.record.upstream_failed(None, UpstreamFailure::InAnswer);
        if is_targets_own(error.code()) {
            self.lease.failed(Fault::Broken);
        }
        let code = match error.code() {
            Code::ModelStreamError if self.whole => Code::ModelError,
            code => code,
        };
        if code != Code::ModelError || error.from_upstream().resource.is_some() {
            return error.with_code(code);
        }
        let resource = Some(self.endpoint.to_string());
        let upstream = Upstream { resource, ..error.from_upstream().clone() };
        error.with_code(code).upstream(upstream)
    }
}

/// Whether a failure within an answer tells something of the target, and not of the question.
fn is_targets_own(code: Code) -> bool {
    matches!(
        code,
        Code::ModelStreamError
            | Code::ModelTimeout
            | Code::ServiceUnavailable
            | Code::InternalServer
    )
}
