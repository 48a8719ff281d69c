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
        // Nobody overtakes those who wait.
        if self.waiting.load(Ordering::Relaxed) == 0 {
            match self.choose(tried, affinity, random) {
                Err(Unavailable::Full) => {}
                chosen => return chosen,
            }
        }
        let _place = Place::take(&self.waiting, self.settings.queue).ok_or(Unavailable::Full)?;
        let deadline = Instant::now() + self.settings.queue_wait;
        loop {
            // Enlisted before it looks, so that no room that is made meanwhile goes unseen.
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            match self.choose(tried, affinity, random) {
                Err(Unavailable::Full) => {}
                chosen => {
                    // Room for two may have woken one alone.
                    self.room.notify_one();
                    return chosen;
                }
            }
            timeout_at(deadline, room).await.map_err(|_| Unavailable::Full)?;
        }
    }

    /// Calls that wait for room.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A place in the queue, until it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |now: usize| (now < most).then_some(now + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
