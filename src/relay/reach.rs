//! From target to target, while nothing has been shown.
//!
//! Another target is tried where the question has certainly not been worked on: it could not be
//! told to the target, the target could not be reached, or SageMaker declined the call. Whatever
//! may have cost GPU time is not repeated: the caller's SDK decides. A model with one target is
//! asked once, unless it is waited for until it is ready.

use std::time::Duration;

use tokio::time::sleep;

use crate::catalog::{Deployment, Target};
use crate::error::Upstream;
use crate::fleet::{Fault, Lease, Unavailable};
use crate::meter::{Record, Refusal, UpstreamFailure};
use crate::transport::Failure;
use crate::{Code, Error, Result};

/// How long a target that declined a call is left alone.
const THROTTLED: Duration = Duration::from_secs(1);
const NOT_READY: Duration = Duration::from_secs(5);
/// How often a model that is waited for is asked whether it is ready.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The way from target to target of one question.
///
/// ```text
/// let mut search = Search::new(…);
/// loop {
///     let (mut lease, target) = search.next().await?;
///     match send(target).await {
///         Ok(sent) => { lease.answered(); break (sent, lease) }
///         Err(failure) => search.failed(lease, target, failure).await?,
///     }
/// }
/// ```
pub(super) struct Search<'d, 'r> {
    deployment: &'d Deployment,
    record: &'r Record,
    affinity: Option<u64>,
    random: fastrand::Rng,
    tried: Vec<usize>,
    retries: u32,
    last: Option<Error>,
}

impl<'d, 'r> Search<'d, 'r> {
    pub(super) fn new(
        deployment: &'d Deployment,
        record: &'r Record,
        affinity: Option<u64>,
        random: fastrand::Rng,
    ) -> Self {
        Self { deployment, record, affinity, random, tried: vec![], retries: 0, last: None }
    }

    /// A place with the next target, waiting for room where the configuration lets calls wait.
    pub(super) async fn next(&mut self) -> Result<(Lease, &'d Target)> {
        let fleet = &self.deployment.fleet;
        let lease = match fleet.lease(&self.tried, self.affinity, &mut self.random).await {
            Ok(lease) => lease,
            Err(Unavailable::Full) => {
                return Err(self.last.take().unwrap_or_else(|| {
                    self.record.refused(Refusal::ModelFull);
                    full()
                }));
            }
            Err(Unavailable::Tried) => {
                return Err(self.last.take().unwrap_or_else(Error::internal));
            }
        };
        match self.deployment.targets.get(lease.index()) {
            Some(target) => Ok((lease, target)),
            None => Err(Error::internal().because("a target that is not there")),
        }
    }

    /// Takes a failure: `Ok` if another attempt may follow, else what the caller is told.
    pub(super) async fn failed(
        &mut self,
        mut lease: Lease,
        target: &Target,
        failure: Failure,
    ) -> Result<()> {
        let costs_nothing = matches!(failure, Failure::Unasked(_));
        let may_have_run = matches!(failure, Failure::Container { .. } | Failure::Other(_));
        if let Some(how) = how(&failure) {
            self.record.upstream_failed(Some(&target.name), how);
        }
        match fault(&failure) {
            Some(fault) => lease.failed(fault),
            None if costs_nothing => {}
            None => lease.answered(),
        }
        self.tried.push(lease.index());
        drop(lease);
        let error = refused(target, failure);
        let settings = &self.deployment.settings;
        let others = self.tried.len() < self.deployment.targets.len();
        if !others && !may_have_run && error.code() == Code::ModelNotReady {
            // Scaled to zero: this call has woken it.
            if self.record.elapsed() + ASK_AGAIN > settings.wait_ready {
                return Err(error);
            }
            sleep(ASK_AGAIN).await;
            self.tried.clear();
            return Ok(());
        }
        self.retries += u32::from(!costs_nothing);
        let in_time = self.record.elapsed() < settings.retry_within;
        let may_retry = others
            && in_time
            && !may_have_run
            && (costs_nothing || self.deployment.fleet.may_retry(self.retries));
        if !may_retry {
            return Err(error);
        }
        self.record.retried();
        self.last = Some(error);
        Ok(())
    }
}

/// What a failure tells of the target. `None`: it answered, and the question was at fault, or it
/// was not asked at all.
fn fault(failure: &Failure) -> Option<Fault> {
    match failure {
        Failure::Unasked(_) => None,
        Failure::Unreached(_) => Some(Fault::Unreachable),
        Failure::Declined(error) => Some(match error.code() {
            Code::Throttling => Fault::Busy { rest: THROTTLED },
            Code::ModelNotReady => Fault::Busy { rest: NOT_READY },
            _ => Fault::Broken,
        }),
        Failure::Container { status, .. } => {
            status.is_none_or(|status| status >= 500).then_some(Fault::Broken)
        }
        Failure::Other(error) => (error.code() != Code::Validation).then_some(Fault::Broken),
    }
}

/// The same, as it is counted.
fn how(failure: &Failure) -> Option<UpstreamFailure> {
    Some(match failure {
        Failure::Unasked(_) => return None,
        Failure::Unreached(_) => UpstreamFailure::Unreachable,
        Failure::Declined(error) => match error.code() {
            Code::Throttling => UpstreamFailure::Throttled,
            Code::ModelNotReady => UpstreamFailure::NotReady,
            _ => UpstreamFailure::Declined,
        },
        Failure::Container { .. } => UpstreamFailure::Container,
        Failure::Other(error) => match error.code() {
            Code::ModelTimeout => UpstreamFailure::Timeout,
            _ => UpstreamFailure::Broken,
        },
    })
}

fn full() -> Error {
    Error::new(
        Code::ServiceUnavailable,
        "The model is busy with other requests. Try your request again.",
    )
    .because("every target has as many calls in flight as it may")
    .retry_after(Duration::from_secs(1))
}

/// What the caller reads of a call that brought no answer.
fn refused(target: &Target, failure: Failure) -> Error {
    match failure {
        Failure::Unasked(error)
        | Failure::Unreached(error)
        | Failure::Declined(error)
        | Failure::Other(error) => error,
        Failure::Container { status, body, source } => {
            let error = target.speaks.refusal(status, &body);
            let upstream = Upstream {
                status: error.from_upstream().status.or(status),
                message: error.from_upstream().message.clone(),
                resource: Some(target.endpoint.to_string()),
            };
            error.upstream(upstream).because(source)
        }
    }
}
