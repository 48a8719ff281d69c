//! Whether a target is well, from the calls that it answered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures in a row after which a target rests.
const FAILURES: u32 = 5;
/// The first rest; each that follows without a success between is twice as long.
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_mins(5);

/// A failure that is the target's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It could not be reached.
    Unreachable,
    /// It failed, or did not answer in time.
    Broken,
    /// It asked to be left alone for a while: throttling, or a model that is not ready.
    Busy {
        /// How long.
        rest: Duration,
    },
}

/// How a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Ask it.
    Well,
    /// Leave it alone.
    Resting {
        /// Until then, on the monotonic clock.
        until: Duration,
    },
}

#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    /// Failures since the last success.
    failures: u32,
    /// Rests since the last success.
    rests: u32,
    until: Option<Duration>,
    /// Whether a call tries it after its rest.
    probed: bool,
}

impl Health {
    fn with<T>(&self, look: impl FnOnce(&mut Facts) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn standing(&self, now: Duration) -> Standing {
        self.with(|facts| match facts.until {
            Some(until) if now < until => Standing::Resting { until },
            // One call at a time finds out; the others go elsewhere meanwhile.
            Some(until) if facts.probed => Standing::Resting { until: until.max(now) },
            _ => Standing::Well,
        })
    }

    /// A call begins; tells whether it is the one that tries a target after its rest.
    pub(super) fn begin(&self, now: Duration) -> bool {
        self.with(|facts| {
            let probes = facts.until.is_some_and(|until| now >= until) && !facts.probed;
            facts.probed |= probes;
            probes
        })
    }

    /// The call that tried it has ended without an answer.
    pub(super) fn abandoned(&self) {
        self.with(|facts| facts.probed = false);
    }

    pub(super) fn succeeded(&self) {
        self.with(|facts| *facts = Facts::default());
    }

    pub(super) fn failed(&self, fault: Fault, now: Duration) {
        self.with(|facts| {
            let was_resting = facts.until.is_some();
            facts.probed = false;
            if let Fault::Busy { rest } = fault {
                facts.until = Some(facts.until.unwrap_or_default().max(now + rest));
                return;
            }
            facts.failures += 1;
            if facts.failures < FAILURES && !was_resting {
                return;
            }
            let rest = FIRST_REST.saturating_mul(1 << facts.rests.min(10)).min(LONGEST_REST);
            // Calls that began before the rest and fail during it do not make it longer.
            if facts.until.is_none_or(|until| now >= until) {
                facts.rests += 1;
                facts.until = Some(now + rest);
            }
        });
    }
}
