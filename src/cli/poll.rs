//! Asks SageMaker from time to time how the endpoints are, so that one that is not in service rests
//! before a call finds out. Runs beside the calls, never on their path.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::output;
use crate::clock::Clock;
use crate::fleet::State;
use crate::transport::sagemaker::{Address, Clients, Condition};

/// How many endpoints are asked at once.
const AT_ONCE: usize = 4;

/// What is polled: the endpoints of one configuration.
#[derive(Debug)]
pub(super) struct Poll {
    pub(super) every: Duration,
    pub(super) clients: Arc<Clients>,
    pub(super) clock: Clock,
    pub(super) endpoints: Vec<(Address, Arc<State>)>,
}

/// Polls what the configuration in use says; never ends by itself.
pub(super) async fn run(mut polls: watch::Receiver<Option<Arc<Poll>>>) {
    loop {
        let poll = polls.borrow_and_update().clone();
        let polling = async {
            match poll {
                Some(poll) => poll.run().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = polling => {}
            changed = polls.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
        }
    }
}

impl Poll {
    async fn run(&self) {
        // What the last round found: told once, when it changes.
        let mut last = vec![Ok(Condition::InService); self.endpoints.len()];
        loop {
            let mut asked = Vec::with_capacity(self.endpoints.len());
            for some in self.endpoints.chunks(AT_ONCE) {
                let some = some.iter().map(|(address, _)| self.clients.condition(address));
                asked.extend(
                    join_all(some)
                        .await
                        .into_iter()
                        .map(|condition| condition.map_err(|error| output::causes(&error))),
                );
            }
            for ((found, before), endpoint) in asked.iter().zip(&last).zip(&self.endpoints) {
                self.note(endpoint, found, before);
            }
            last = asked;
            sleep(self.every).await;
        }
    }

    fn note(
        &self,
        (address, state): &(Address, Arc<State>),
        found: &Result<Condition, String>,
        before: &Result<Condition, String>,
    ) {
        let endpoint = &*address.endpoint;
        match found {
            // Until the next round has surely come.
            Ok(Condition::Out(_)) => state.rests(self.every * 2, self.clock.monotonic()),
            Ok(Condition::InService) if *before != Ok(Condition::InService) => state.is_back(),
            _ => {}
        }
        if found == before {
            return;
        }
        match found {
            Ok(Condition::Out(status)) => {
                tracing::warn!(endpoint, status, "the endpoint is not in service");
            }
            Ok(Condition::InService) => tracing::info!(endpoint, "the endpoint is in service"),
            Err(reason) => {
                tracing::warn!(endpoint, reason, "the endpoint's condition is not known");
            }
        }
    }
}
