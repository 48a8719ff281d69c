//! How loaded a target is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How much of the average one new latency is.
const SHARE: f64 = 0.2;

/// Counts one more, unless there are `most` already.
pub(super) fn begin(count: &AtomicUsize, most: Option<usize>) -> bool {
    let more = |now| most.is_none_or(|most| now < most).then_some(now + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

/// Calls in flight, and how long the target takes to begin an answer.
#[derive(Debug, Default)]
pub(super) struct Load {
    in_flight: AtomicUsize,
    /// The bits of an `f64`: seconds, a moving average. Zero until the first answer.
    latency: AtomicU64,
}

impl Load {
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// One call more, unless there are `most` already.
    pub(super) fn begin(&self, most: Option<usize>) -> bool {
        begin(&self.in_flight, most)
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes the latency of one answer into the average. Of two that come at once one may be
    /// lost, which an average bears.
    pub(super) fn answered(&self, latency: Duration) {
        let before = f64::from_bits(self.latency.load(Ordering::Relaxed));
        let new = latency.as_secs_f64();
        let average = if before == 0.0 { new } else { before + SHARE * (new - before) };
        self.latency.store(average.to_bits(), Ordering::Relaxed);
    }

    /// How long a call would wait behind those in flight, roughly. A target that nobody has asked
    /// yet looks quick, so that it is tried.
    #[expect(clippy::cast_precision_loss, reason = "calls in flight are few")]
    pub(super) fn score(&self) -> f64 {
        let latency = f64::from_bits(self.latency.load(Ordering::Relaxed)).max(0.001);
        (self.in_flight() as f64 + 1.0) * latency
    }
}
