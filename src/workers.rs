//! Threads for work that would hold up other calls: counting the tokens of a long text.
//!
//! A call waits for its work's result like for anything else, and nothing outlives it: work whose
//! caller has left before it began is not done. Work that has begun ends, a second or two
//! later for the most that one call may weigh, and holds its share of the room until then. The room bounds the
//! memory of all work together, and keeps the order in which it was asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

use crate::{Error, Result};

type Work = Box<dyn FnOnce() + Send>;

/// A few threads. Cheap to clone; they end with the last clone.
#[derive(Clone, Debug)]
pub struct Workers {
    queue: Sender<Work>,
    room: Arc<Semaphore>,
    /// What the room was made for.
    most: u32,
}

impl Workers {
    /// Half as many threads as the machine has processors, so that the others go on answering. The
    /// work on them may weigh `most` together.
    pub fn new(most: u32) -> Self {
        let threads = thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
        let (queue, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            // Without any thread there is nobody to receive: then `run` fails, and the rest works.
            let _ =
                thread::Builder::new().name("helan-worker".into()).spawn(move || serve(&waiting));
        }
        Self { queue, room: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Does `work` once there is room for its `weight`, and waits for it. Work that weighs more
    /// than there is room at all has all of it for itself.
    pub async fn run<T: Send + 'static>(
        &self,
        weight: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let failed = || Error::internal().because("the worker's thread failed");
        let room = Arc::clone(&self.room);
        let share = room.acquire_many_owned(weight.min(self.most)).await.map_err(|_| failed())?;
        let (done, result) = oneshot::channel();
        let work = move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
            drop(share);
        };
        self.queue.send(Box::new(work)).map_err(|_| failed())?;
        result.await.map_err(|_| failed())
    }
}

fn serve(waiting: &Mutex<Receiver<Work>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // Its caller is told by the channel that was dropped; the thread is for the others.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn work_is_done_elsewhere() {
        let workers = Workers::new(10);
        let here = thread::current().id();
        for weight in [0, 1, 10, 11] {
            let there = workers.run(weight, || thread::current().id()).await.unwrap();
            assert_ne!(here, there);
        }
    }

    #[tokio::test]
    async fn work_that_panics_fails_alone() {
        let workers = Workers::new(1);
        for _ in 0..64 {
            assert!(workers.run(1, || std::panic::resume_unwind(Box::new(()))).await.is_err());
        }
        assert_eq!(workers.run(1, || 7).await.unwrap(), 7);
    }

    /// With room for one, the second waits; dropped, it is never done, and the third is.
    #[tokio::test]
    async fn work_whose_caller_left_is_not_done() {
        let workers = Workers::new(1);
        let (release, held) = channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        let mut first = Box::pin(workers.run(1, move || held.recv().is_ok()));
        assert!(first.as_mut().now_or_never().is_none());
        let counted = Arc::clone(&done);
        let mut second = Box::pin(workers.run(1, move || counted.fetch_add(1, Ordering::SeqCst)));
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        workers.run(1, || ()).await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }

    /// In the queue already, since there is room, but behind work that takes long.
    #[tokio::test]
    async fn queued_work_whose_caller_left_is_not_done() {
        let workers = Workers::new(1000);
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let threads = thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
        let mut busy = vec![];
        for _ in 0..threads {
            let held = Arc::clone(&held);
            let mut run = Box::pin(workers.run(1, move || held.lock().unwrap().recv().is_ok()));
            assert!(run.as_mut().now_or_never().is_none());
            busy.push(run);
        }
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let mut late = Box::pin(workers.run(1, move || counted.fetch_add(1, Ordering::SeqCst)));
        assert!(late.as_mut().now_or_never().is_none());
        drop(late);
        for _ in 0..threads {
            release.send(()).unwrap();
        }
        for run in busy {
            assert!(run.await.unwrap());
        }
        workers.run(1, || ()).await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }
}
