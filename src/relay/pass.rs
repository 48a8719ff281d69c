//! Requests that go to another Bedrock as they came.

use super::Relay;
use super::reach::Search;
use crate::Result;
use crate::catalog::{Deployment, Target};
use crate::fleet::Lease;
use crate::meter::Record;
use crate::transport::{Failure, Passed, Verbatim};

impl Relay {
    /// Sends a request on, and returns with the head of its answer. What is sent may differ from
    /// target to target, by the model's name there. The place with the target is the caller's to
    /// keep until the last byte.
    pub async fn pass(
        &self,
        deployment: &Deployment,
        request: impl Fn(&Target) -> Result<Verbatim>,
        streamed: bool,
        record: &Record,
    ) -> Result<(Passed, Lease)> {
        let mut search = Search::new(deployment, record, None, self.random());
        loop {
            let (mut lease, target) = search.next().await?;
            record.target(&target.name, streamed);
            let sent = match request(target) {
                Ok(request) => target.transport.pass(request).await,
                Err(error) => Err(Failure::Unasked(error)),
            };
            match sent {
                Ok(passed) => {
                    lease.answered();
                    return Ok((passed, lease));
                }
                Err(failure) => search.failed(lease, target, failure).await?,
            }
        }
    }
}
