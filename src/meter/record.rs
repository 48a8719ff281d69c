//! What is known about one call.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::format_description::well_known::Rfc3339;

use tokio::sync::watch;

use super::Metrics;
use super::stage::{Stage, Stages};
use crate::clock::Clock;
use crate::converse::{Adaptation, TokenUsage};
use crate::{Code, Error, Result};

/// Opens records and takes them when they are closed.
#[derive(Clone, Debug)]
pub struct Meter {
    clock: Clock,
    metrics: Arc<Metrics>,
    stages: Arc<Stages>,
}

impl Meter {
    /// A meter that counts into `metrics`.
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, stages: Arc::default() }
    }

    /// How far the process is on its way to its end.
    pub fn stage(&self) -> Stage {
        self.stages.now()
    }

    /// Tells everybody that the process has come to `stage`.
    pub fn advance(&self, stage: Stage) {
        self.stages.advance(stage);
    }

    /// The stage, to be watched.
    pub fn stages(&self) -> watch::Receiver<Stage> {
        self.stages.subscribe()
    }

    /// The clock that records are timed with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens the record of a call that has just arrived.
    pub fn open(&self) -> Arc<Record> {
        self.metrics.arrived();
        Arc::new(Record {
            id: self.clock.uuid(),
            started: self.clock.monotonic(),
            meter: self.clone(),
            facts: Mutex::new(Some(Facts::default())),
        })
    }
}

/// How a call ended, as its caller saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With a complete answer.
    Complete,
    /// With an error: an HTTP status, or an exception frame in a stream.
    Failed,
    /// The caller had gone before the answer was complete.
    Gone,
    /// The gateway ended, and `drain.deadline` was over.
    Cut,
}

impl Ended {
    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Gone => "client_gone",
            Self::Cut => "cut",
        }
    }
}

/// Why the gateway itself refused a call that it could have answered another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its caller has its own share of calls in flight.
    PrincipalShare,
    /// As many calls as may are in flight, and as many as may wait.
    GatewayFull,
    /// All targets of its model have as many calls as they may.
    ModelFull,
    /// The memory for bodies is used up.
    BodyMemory,
}

impl Refusal {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrincipalShare => "principal_share",
            Self::GatewayFull => "gateway_full",
            Self::ModelFull => "model_full",
            Self::BodyMemory => "body_memory",
        }
    }
}

/// How a target failed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamFailure {
    /// It could not be reached.
    Unreachable,
    /// Its platform throttled the call.
    Throttled,
    /// Its model was not ready.
    NotReady,
    /// Its platform declined the call otherwise.
    Declined,
    /// Its container answered with an error.
    Container,
    /// It took too long.
    Timeout,
    /// It failed in another way, before it began to answer.
    Broken,
    /// It failed after it had begun to answer.
    InAnswer,
}

impl UpstreamFailure {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::NotReady => "not_ready",
            Self::Declined => "declined",
            Self::Container => "container",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::InAnswer => "in_answer",
        }
    }
}

/// The record of one call. Shared by all who learn something about it; closed once.
pub struct Record {
    id: String,
    started: Duration,
    meter: Meter,
    /// `None` once it is closed.
    facts: Mutex<Option<Facts>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) principal: Option<Arc<str>>,
    pub(super) operation: Option<&'static str>,
    /// As the caller wrote it: for the log only, since callers choose it.
    pub(super) model_id: Option<String>,
    /// As the configuration writes it: a metric's label.
    pub(super) model: Option<Arc<str>>,
    pub(super) target: Option<Arc<str>>,
    pub(super) streamed: Option<bool>,
    pub(super) status: Option<u16>,
    pub(super) code: Option<Code>,
    pub(super) reason: Option<String>,
    pub(super) refused: Option<Refusal>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) bytes_in: u64,
    pub(super) events: u64,
    pub(super) first_event: Option<Duration>,
    pub(super) last_event: Option<Duration>,
    pub(super) attempt: Option<String>,
    pub(super) family: Option<&'static str>,
    /// How many other targets were tried.
    pub(super) retries: u32,
    pub(super) adapted: Vec<Adaptation>,
    pub(super) request_metadata: Option<String>,
    /// The model's tags, as JSON.
    pub(super) tags: Option<Arc<str>>,
    /// The gateway's own end came before that of the call.
    pub(super) cut: bool,
}

impl Record {
    /// The request id: `x-amzn-RequestId`, and SageMaker's inference id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Time since the call arrived.
    pub fn elapsed(&self) -> Duration {
        self.meter.clock.monotonic().saturating_sub(self.started)
    }

    /// Waits for a part of the answer, unless the gateway has to end first: then the error is what
    /// the caller reads.
    pub async fn in_time<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        self.before(self.meter.stages.reached(Stage::OutOfTime), part).await
    }

    /// The same for an answer of many parts.
    pub fn limit(self: &Arc<Self>) -> Limit {
        let stages = Arc::clone(&self.meter.stages);
        let end = async move { stages.reached(Stage::OutOfTime).await };
        Limit { record: Arc::clone(self), end: Box::pin(end) }
    }

    async fn before<T>(
        &self,
        end: impl Future<Output = ()>,
        part: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            biased; // what is there is still the caller's
            part = part => part,
            () = end => {
                self.note(|facts| facts.cut = true);
                Err(Error::new(
                    Code::ServiceUnavailable,
                    "The gateway is shutting down. Try your request again.",
                )
                .because("drain.deadline is over")
                .retry_after(Duration::from_secs(1)))
            }
        }
    }

    fn note(&self, write: impl FnOnce(&mut Facts)) {
        if let Some(facts) = self.facts.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            write(facts);
        }
    }

    /// Who calls.
    pub fn principal(&self, name: &Arc<str>) {
        self.note(|facts| facts.principal = Some(Arc::clone(name)));
    }

    /// What is asked, of which model (as the caller wrote its id).
    pub fn operation(&self, name: &'static str, model_id: Option<&str>) {
        self.note(|facts| {
            facts.operation = Some(name);
            facts.model_id = model_id.map(ToOwned::to_owned);
        });
    }

    /// The deployment that serves the model, as the configuration names it, and its tags as JSON.
    pub fn model(&self, model: &Arc<str>, tags: Option<&Arc<str>>) {
        self.note(|facts| {
            facts.model = Some(Arc::clone(model));
            facts.tags = tags.cloned();
        });
    }

    /// The target that is called, and whether its answer is streamed to us.
    pub fn target(&self, name: &Arc<str>, streamed: bool) {
        self.note(|facts| {
            facts.target = Some(Arc::clone(name));
            facts.streamed = Some(streamed);
        });
    }

    /// Another target is tried.
    pub fn retried(&self) {
        self.note(|facts| facts.retries += 1);
    }

    /// The gateway itself refuses the call.
    pub fn refused(&self, why: Refusal) {
        self.note(|facts| facts.refused = Some(why));
    }

    /// A target failed: `target`, or else the one that was called last.
    pub fn upstream_failed(&self, target: Option<&Arc<str>>, how: UpstreamFailure) {
        self.note(|facts| {
            let target = target.or(facts.target.as_ref());
            self.meter.metrics.upstream_failed(facts.model.as_ref(), target, how);
        });
    }

    /// Who calls, where it is known.
    pub fn principal_name(&self) -> Option<Arc<str>> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.as_ref()?.principal.clone()
    }

    /// The size of the caller's body.
    pub fn bytes_in(&self, bytes: usize) {
        self.note(|facts| facts.bytes_in = bytes as u64);
    }

    /// The client's own count of attempts (`amz-sdk-request`).
    pub fn attempt(&self, attempt: &str) {
        self.note(|facts| {
            facts.attempt = Some(attempt[..attempt.floor_char_boundary(64)].to_owned());
        });
    }

    /// The language of a native body.
    pub fn family(&self, name: &'static str) {
        self.note(|facts| facts.family = Some(name));
    }

    /// What was changed of the question before it reached the container.
    pub fn adapted(&self, adapted: &[Adaptation]) {
        if !adapted.is_empty() {
            self.note(|facts| facts.adapted.extend_from_slice(adapted));
        }
    }

    /// The labels that the caller gave the call, as JSON: meant for logs.
    pub fn request_metadata(&self, metadata: String) {
        self.note(|facts| facts.request_metadata = Some(metadata));
    }

    /// The status of the response's head.
    pub fn status(&self, status: u16) {
        self.note(|facts| facts.status = Some(status));
    }

    /// Events that leave for the caller, now.
    pub fn events(&self, count: usize) {
        let now = self.elapsed();
        self.note(|facts| {
            facts.events += count as u64;
            facts.first_event.get_or_insert(now);
            facts.last_event = Some(now);
        });
    }

    /// When the first of them left, since the call arrived.
    pub fn first_event(&self) -> Option<Duration> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.as_ref().and_then(|facts| facts.first_event)
    }

    /// The tokens, and why the model stopped.
    pub fn usage(&self, usage: &TokenUsage) {
        self.note(|facts| facts.usage = Some(usage.clone()));
    }

    /// Why the model stopped.
    pub fn stop_reason(&self, reason: &'static str) {
        self.note(|facts| facts.stop_reason = Some(reason));
    }

    /// Why the call failed. The error's own words and those of its sources go to the log; they
    /// never hold a body. What a container said may repeat the prompt, so that of an error which
    /// quotes it only the size is logged.
    pub fn failed(&self, error: &Error) {
        let upstream = error.from_upstream();
        let said = upstream.message.as_deref().unwrap_or_default();
        let mut reason = if !said.is_empty() && error.message().contains(said) {
            let status = upstream.status.map(|status| format!(" (status {status})"));
            let status = status.unwrap_or_default();
            format!("The container's error{status}, {} bytes of its own words", said.len())
        } else {
            error.message().to_owned()
        };
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        self.note(|facts| {
            facts.code = Some(error.code());
            facts.reason = Some(reason);
        });
    }

    /// Closes the record: writes the log line, counts the metrics. Only the first call counts.
    pub fn close(&self, gone: bool) {
        let Some(facts) = self.facts.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let ended = match (facts.code, gone) {
            _ if facts.cut => Ended::Cut,
            (Some(_), _) => Ended::Failed,
            (None, true) if self.meter.stage() == Stage::OutOfTime => Ended::Cut,
            (None, true) => Ended::Gone,
            (None, false) => Ended::Complete,
        };
        let took = self.elapsed();
        self.meter.metrics.count(&facts, ended, took);
        // Health checks come every few seconds and tell nothing.
        if facts.operation != Some("Ping") {
            self.log(&facts, ended, took);
        }
    }

    fn log(&self, facts: &Facts, ended: Ended, took: Duration) {
        let at = self.meter.clock.now() - took;
        let usage = facts.usage.as_ref();
        // One line for each call, all of its facts as fields; INFO whether it failed or not, so
        // that the log is complete at one level; what is wrong here is an ERROR besides.
        tracing::info!(
            target: "helan::call",
            request_id = self.id,
            at = at.format(&Rfc3339).unwrap_or_default(),
            principal = facts.principal.as_deref(),
            operation = facts.operation,
            model_id = facts.model_id,
            model = facts.model.as_deref(),
            target = facts.target.as_deref(),
            upstream = facts.streamed.map(|streamed| if streamed { "stream" } else { "invoke" }),
            status = facts.status,
            ended = ended.as_str(),
            code = facts.code.map(Code::name),
            reason = facts.reason,
            stop_reason = facts.stop_reason,
            input_tokens = usage.map(|usage| usage.input_tokens),
            output_tokens = usage.map(|usage| usage.output_tokens),
            cache_read_tokens = usage.and_then(|usage| usage.cache_read_input_tokens),
            cache_write_tokens = usage.and_then(|usage| usage.cache_write_input_tokens),
            bytes_in = facts.bytes_in,
            events = facts.events,
            first_event_ms = facts.first_event.map(millis),
            last_event_ms = facts.last_event.map(millis),
            duration_ms = millis(took),
            attempt = facts.attempt,
            retries = (facts.retries > 0).then_some(facts.retries),
            family = facts.family,
            adapted = adapted(&facts.adapted),
            request_metadata = facts.request_metadata,
            tags = facts.tags.as_deref(),
            "call"
        );
    }
}

fn adapted(adapted: &[Adaptation]) -> Option<String> {
    let names: Vec<_> = adapted.iter().map(|adaptation| adaptation.as_str()).collect();
    (!names.is_empty()).then(|| names.join(","))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Record {
    /// A call whose caller left before any answer is recorded too.
    fn drop(&mut self) {
        self.close(true);
    }
}

/// The end that the gateway's own sets to an answer of many parts. It is watched for all of them at
/// once: a stream of tokens does not enter a list and leave it again for each.
pub struct Limit {
    record: Arc<Record>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Limit {
    /// Waits for the next part, unless the gateway has to end first. Ask for nothing after that.
    pub async fn on<T>(&mut self, part: impl Future<Output = Result<T>>) -> Result<T> {
        self.record.before(&mut self.end, part).await
    }
}

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit").field("record", &self.record).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_record_is_closed_once_and_never_forgotten() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH, 1);
        let meter = Meter::new(clock.clone(), Arc::new(Metrics::new()));
        let record = meter.open();
        record.operation("Converse", Some("m"));
        clock.advance(Duration::from_millis(5));
        record.close(false);
        record.close(true);
        drop(record);
        drop(meter.open()); // never closed by hand
        let text = meter.metrics().render();
        assert!(text.contains(r#"ended="complete""#), "{text}");
        assert_eq!(text.matches(r#"ended="client_gone"} 1"#).count(), 1, "{text}");
        assert!(text.contains("helan_calls_in_flight 0"), "{text}");
    }
}
