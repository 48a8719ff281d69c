//! Waiting for room: bounded in number and in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{Instant, timeout_at};

use super::{Fleet, Lease, Unavailable};

impl Fleet {
    /// Takes a place with a target that was not `tried`; where all are full, waits for room behind
    /// those who came before, if the queue has a place.
    pub async fn lease(
        self: &Arc<Self>,
        tried: &[usize],
        affinity: Option<u64>,
        random: &mut fastrand::Rng,
    ) -> Result<Lease, Unavailable> {
        let all = &self.all;
        // Nobody overtakes those who wait.
        if all.line.is_empty() {
            match self.choose(tried, affinity, random) {
                Err(Unavailable::Full) => {}
                chosen => return chosen,
            }
        }
        let _waits = all.line.enter(self.settings.queue).ok_or(Unavailable::Full)?;
        let deadline = Instant::now() + self.settings.queue_wait;
        loop {
            // Enlisted before it looks, so that no room that is made meanwhile goes unseen.
            let mut room = std::pin::pin!(all.room.notified());
            room.as_mut().enable();
            match self.choose(tried, affinity, random) {
                Err(Unavailable::Full) => {}
                chosen => {
                    // Room for two may have woken one alone.
                    all.room.notify_one();
                    return chosen;
                }
            }
            timeout_at(deadline, room).await.map_err(|_| Unavailable::Full)?;
        }
    }

    /// Calls that wait for room.
    pub fn waiting(&self) -> usize {
        self.all.line.len()
    }
}

/// How many wait, and never more than may. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<AtomicUsize>);

impl Line {
    /// One more waits until the guard is dropped; `None` where `most` wait already.
    pub fn enter(&self, most: usize) -> Option<Waits> {
        let more = |now: usize| (now < most).then_some(now + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Waits(self.clone()))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One that waits, until it is dropped.
#[derive(Debug)]
pub struct Waits(Line);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
