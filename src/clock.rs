//! Time, ids and chance: the only module that asks the machine for any of them.
//!
//! Everything that depends on them takes a [`Clock`], so that `SigV4` windows, meters and frame
//! padding are tested at fixed times and from fixed seeds.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// Tells the time and draws random numbers. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    random: Arc<Mutex<fastrand::Rng>>,
}

#[derive(Clone, Debug)]
enum Source {
    System {
        started: Instant,
    },
    /// Nanoseconds since the epoch, moved by hand.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's own time, and chance from its entropy.
    pub fn system() -> Self {
        Self {
            source: Source::System { started: Instant::now() },
            random: Arc::new(Mutex::new(fastrand::Rng::new())),
        }
    }

    /// A clock that stands at `at` until it is [advanced](Self::advance), with chance from `seed`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use helan::clock::Clock;
    /// let clock = Clock::manual(time::macros::datetime!(2026-11-20 23:22:04 UTC), 7);
    /// let before = clock.monotonic();
    /// clock.advance(Duration::from_millis(3));
    /// assert_eq!(clock.monotonic() - before, Duration::from_millis(3));
    /// ```
    pub fn manual(at: OffsetDateTime, seed: u64) -> Self {
        let nanos = i64::try_from(at.unix_timestamp_nanos()).unwrap_or(i64::MAX);
        Self {
            source: Source::Manual(Arc::new(AtomicI64::new(nanos))),
            random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
        }
    }

    /// The wall clock, UTC.
    pub fn now(&self) -> OffsetDateTime {
        match &self.source {
            Source::System { .. } => OffsetDateTime::now_utc(),
            Source::Manual(nanos) => {
                OffsetDateTime::from_unix_timestamp_nanos(nanos.load(Ordering::Relaxed).into())
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            }
        }
    }

    /// Time since some fixed moment, never running backwards: for durations.
    pub fn monotonic(&self) -> Duration {
        match &self.source {
            Source::System { started } => started.elapsed(),
            Source::Manual(nanos) => {
                Duration::from_nanos(u64::try_from(nanos.load(Ordering::Relaxed)).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock forward. The machine's own time is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(nanos) = &self.source {
            nanos.fetch_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// A generator of its own, seeded from this clock's: for a stream's padding.
    pub fn fork(&self) -> fastrand::Rng {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    /// A random UUID (version 4) in its usual form: request ids.
    pub fn uuid(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.fork().fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut text = hex::encode(bytes);
        for at in [8, 13, 18, 23] {
            text.insert(at, '-');
        }
        text
    }
}

/// `len` characters of `A-Za-z0-9`: the tail of ids such as `tooluse_…`.
pub fn alphanumeric(random: &mut fastrand::Rng, len: usize) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_seed() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let (a, b) = (Clock::manual(at, 1).uuid(), Clock::manual(at, 1).uuid());
        assert_eq!(a, b);
        assert_ne!(a, Clock::manual(at, 2).uuid());
        assert_eq!((a.len(), &a[14..15]), (36, "4"));
    }
}
