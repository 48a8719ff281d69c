//! Prometheus metrics. Label values come from the configuration and from fixed sets, never from a
//! caller.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::readings::{Gauges, Readings};
use super::record::{Ended, Facts, UpstreamFailure};
use crate::Code;

/// Looks at what can be counted at any time.
type Look = dyn Fn(&mut Readings) + Send + Sync;

/// All metrics of a gateway.
pub struct Metrics {
    registry: Registry,
    /// What is looked at when the metrics are asked for.
    look: Mutex<Arc<Look>>,
    looked: Gauges,
    refused: Family<Refused, Counter>,
    upstream_failures: Family<Failed, Counter>,
    retries: Family<Retried, Counter>,
    in_flight: Gauge,
    calls: Family<Call, Counter>,
    tokens: Family<Tokens, Counter>,
    duration: Family<Answer, Histogram, fn() -> Histogram>,
    first_event: Family<Answer, Histogram, fn() -> Histogram>,
    connections: Gauge,
    body_bytes: Gauge<u64, AtomicU64>,
    reloads: Family<Reloaded, Counter>,
    config_applied: Gauge<u64, AtomicU64>,
    config_hash: Gauge<u64, AtomicU64>,
}

/// What became of a configuration that was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reload {
    /// Calls that come now are answered by it.
    Applied,
    /// It has errors; the one before goes on.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reloaded {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    model: String,
    target: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Retried {
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    model: String,
    code: &'static str,
    ended: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    model: String,
    principal: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    operation: &'static str,
    model: String,
}

/// From a cached first token to a long chain of thought, in seconds.
const SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0, 600.0];

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry of its own.
    pub fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut registry = Registry::with_prefix("helan");
        let this = Self {
            look: Mutex::new(Arc::new(|_: &mut Readings| {})),
            looked: Gauges::default(),
            refused: Family::default(),
            upstream_failures: Family::default(),
            retries: Family::default(),
            in_flight: Gauge::default(),
            calls: Family::default(),
            tokens: Family::default(),
            duration: Family::new_with_constructor(histogram),
            first_event: Family::new_with_constructor(histogram),
            connections: Gauge::default(),
            body_bytes: Gauge::default(),
            reloads: Family::default(),
            config_applied: Gauge::default(),
            config_hash: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "build",
            "The version that runs",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "calls_in_flight",
            "Calls that have arrived and not ended",
            this.in_flight.clone(),
        );
        registry.register("calls", "Calls that ended, by how they ended", this.calls.clone());
        registry.register(
            "tokens",
            "Tokens read and written, as the containers count them",
            this.tokens.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "From a call's arrival to its last byte",
            Unit::Seconds,
            this.duration.clone(),
        );
        registry.register_with_unit(
            "first_event",
            "From a call's arrival to the first event that left",
            Unit::Seconds,
            this.first_event.clone(),
        );
        this.register_failures(&mut registry);
        this.looked.register(&mut registry);
        registry.register("connections", "Open connections of callers", this.connections.clone());
        registry.register_with_unit(
            "request_bodies_in_flight",
            "Memory reserved for callers' bodies",
            Unit::Bytes,
            this.body_bytes.clone(),
        );
        registry.register(
            "reloads",
            "Configurations that were read again while the gateway ran",
            this.reloads.clone(),
        );
        registry.register_with_unit(
            "config_applied_timestamp",
            "When the configuration in use was applied, since the Unix epoch",
            Unit::Seconds,
            this.config_applied.clone(),
        );
        registry.register(
            "config_hash",
            "48 bits of the SHA-256 of the configuration file in use; 0 without a file",
            this.config_hash.clone(),
        );
        Self { registry, ..this }
    }

    fn register_failures(&self, registry: &mut Registry) {
        registry.register(
            "refused",
            "Calls that the gateway refused for want of room, by what there was none of",
            self.refused.clone(),
        );
        registry.register(
            "upstream_failures",
            "Attempts in which a target failed, by how it did",
            self.upstream_failures.clone(),
        );
        registry.register(
            "retries",
            "Attempts with another target, after one that failed",
            self.retries.clone(),
        );
    }

    pub(super) fn arrived(&self) {
        self.in_flight.inc();
    }

    pub(super) fn count(&self, facts: &Facts, ended: Ended, took: Duration) {
        self.in_flight.dec();
        let operation = facts.operation.unwrap_or("none");
        let model = facts.model.as_deref().unwrap_or_default().to_owned();
        let code = facts.code.map_or("", Code::name);
        if let Some(refused) = facts.refused {
            self.refused.get_or_create(&Refused { reason: refused.as_str() }).inc();
        }
        if facts.retries > 0 {
            let retried = Retried { model: model.clone() };
            self.retries.get_or_create(&retried).inc_by(facts.retries.into());
        }
        self.calls
            .get_or_create(&Call { operation, model: model.clone(), code, ended: ended.as_str() })
            .inc();
        let answer = Answer { operation, model };
        self.duration.get_or_create(&answer).observe(took.as_secs_f64());
        if let Some(first) = facts.first_event {
            self.first_event.get_or_create(&answer).observe(first.as_secs_f64());
        }
        if let Some(usage) = &facts.usage {
            for (kind, tokens) in [
                ("input", usage.input_tokens),
                ("output", usage.output_tokens),
                ("cache_read", usage.cache_read_input_tokens.unwrap_or(0)),
                ("cache_write", usage.cache_write_input_tokens.unwrap_or(0)),
            ] {
                if tokens > 0 {
                    let principal = facts.principal.as_deref().unwrap_or_default().to_owned();
                    self.tokens
                        .get_or_create(&Tokens { model: answer.model.clone(), principal, kind })
                        .inc_by(tokens.into());
                }
            }
        }
    }

    pub(super) fn upstream_failed(
        &self,
        model: Option<&Arc<str>>,
        target: Option<&Arc<str>>,
        how: UpstreamFailure,
    ) {
        let label = |name: Option<&Arc<str>>| name.map(ToString::to_string).unwrap_or_default();
        let failed = Failed { model: label(model), target: label(target), kind: how.as_str() };
        self.upstream_failures.get_or_create(&failed).inc();
    }

    /// What `look` sees is told whenever the metrics are asked for, instead of what was looked at
    /// before.
    pub fn observe(&self, look: impl Fn(&mut Readings) + Send + Sync + 'static) {
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(look);
    }

    /// Counts a configuration that was read again.
    pub fn reloaded(&self, result: Reload) {
        let result = match result {
            Reload::Applied => "applied",
            Reload::Refused => "refused",
        };
        self.reloads.get_or_create(&Reloaded { result }).inc();
    }

    /// Tells which configuration is in use, since when (seconds since the Unix epoch).
    pub fn config(&self, hash: u64, since: u64) {
        self.config_hash.set(hash);
        self.config_applied.set(since);
    }

    /// Counts an open connection until the guard is dropped.
    pub fn connection(&self) -> ConnectionGuard {
        self.connections.inc();
        ConnectionGuard(self.connections.clone())
    }

    /// Counts memory reserved for a body until the guard is dropped.
    pub fn body(&self, bytes: u64) -> BodyGuard {
        self.body_bytes.inc_by(bytes);
        BodyGuard(self.body_bytes.clone(), bytes)
    }

    /// The text that Prometheus scrapes (`OpenMetrics`).
    pub fn render(&self) -> String {
        // One at a time: the gauges are set anew for each.
        let look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readings = Readings::default();
        look(&mut readings);
        self.looked.set(&readings);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            let _ = write!(text, "# {error}");
        }
        text
    }
}

/// One open connection.
#[derive(Debug)]
pub struct ConnectionGuard(Gauge);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Memory reserved for one body.
#[derive(Debug)]
pub struct BodyGuard(Gauge<u64, AtomicU64>, u64);

impl Drop for BodyGuard {
    fn drop(&mut self) {
        self.0.dec_by(self.1);
    }
}
