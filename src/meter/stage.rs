//! How far the process is on its way to its end. Whoever must act on it waits for the stage; nobody
//! is told by a task of its own.

use tokio::sync::watch;

/// A stage of the process's life. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Calls come in.
    #[default]
    Serving,
    /// The process was asked to end. Calls are still taken, for those who have not heard of it.
    Ending,
    /// No calls come any more; those in flight go on.
    Closing,
    /// What is still in flight is ended by us, not by its caller.
    OutOfTime,
}

/// The stage, shared.
#[derive(Debug, Default)]
pub(super) struct Stages(watch::Sender<Stage>);

impl Stages {
    pub(super) fn now(&self) -> Stage {
        *self.0.borrow()
    }

    /// Goes on to `stage`; a stage that was passed is not entered again.
    pub(super) fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let later = stage > *now;
            *now = stage.max(*now);
            later
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Stage> {
        self.0.subscribe()
    }

    /// Waits until `stage` is reached.
    pub(super) async fn reached(&self, stage: Stage) {
        // The sender is ours: this cannot end in any other way.
        let _ = self.0.subscribe().wait_for(|now| *now >= stage).await;
    }
}
