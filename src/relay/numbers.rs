//! Questions that are answered in numbers: vectors, and the order of documents.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::Relay;
use super::reach::Search;
use crate::catalog::{Deployment, Target};
use crate::converse::TokenUsage;
use crate::error::Upstream;
use crate::meter::{Record, UpstreamFailure};
use crate::transport::{Failure, Hints};
use crate::wire::Payload;
use crate::{Code, Error, Result, embed, rerank};

/// How many batches of one question are under way at once.
const BATCHES: usize = 4;

impl Relay {
    /// Asks a model of embeddings: batch by batch, a few of them at once. One that fails fails the
    /// question, and drops the others.
    pub async fn embed(
        &self,
        deployment: &Deployment,
        ask: &embed::Ask,
        hints: &Hints,
        record: &Record,
    ) -> Result<embed::Answer> {
        let size = smallest(deployment, |target| Ok(target.speaks.embedder()?.batch()))?;
        let batches: Vec<BoxFuture<'_, Result<embed::Answer>>> = ask
            .inputs
            .chunks(size)
            .map(|texts| {
                let batch = async move {
                    let payload = |target: &Target| target.speaks.embedder()?.encode(texts, ask);
                    let (target, body) = self.batch(deployment, payload, hints, record).await?;
                    let answer = target.speaks.embedder()?.decode(texts.len(), &body);
                    answer.map_err(|error| blamed(target, error))
                };
                batch.boxed()
            })
            .collect();
        let answers: Vec<_> = stream::iter(batches).buffered(BATCHES).try_collect().await?;
        let mut answer = embed::Answer::join(answers);
        embed::fit(&mut answer, ask)?;
        read(record, answer.tokens);
        Ok(answer)
    }

    /// Asks a model that puts documents in order, in the same way.
    pub async fn rerank(
        &self,
        deployment: &Deployment,
        ask: &rerank::Ask,
        hints: &Hints,
        record: &Record,
    ) -> Result<rerank::Answer> {
        let size = smallest(deployment, |target| Ok(target.speaks.reranker()?.batch()))?;
        let batches: Vec<BoxFuture<'_, Result<(usize, rerank::Answer)>>> = ask
            .documents
            .chunks(size)
            .enumerate()
            .map(|(at, documents)| {
                let batch = async move {
                    let payload =
                        |target: &Target| target.speaks.reranker()?.encode(&ask.query, documents);
                    let (target, body) = self.batch(deployment, payload, hints, record).await?;
                    let answer = target.speaks.reranker()?.decode(documents.len(), &body);
                    Ok((at * size, answer.map_err(|error| blamed(target, error))?))
                };
                batch.boxed()
            })
            .collect();
        let answers: Vec<_> = stream::iter(batches).buffered(BATCHES).try_collect().await?;
        let answer = rerank::merge(answers, ask)?;
        read(record, answer.tokens);
        Ok(answer)
    }

    /// The body that answers one payload, and who sent it. No vector is there before the last:
    /// nothing is streamed.
    async fn batch<'d>(
        &self,
        deployment: &'d Deployment,
        payload: impl Fn(&Target) -> Result<Payload>,
        hints: &Hints,
        record: &Record,
    ) -> Result<(&'d Target, Bytes)> {
        let mut search = Search::new(deployment, record, None, self.random());
        loop {
            let (mut lease, target) = search.next().await?;
            record.target(&target.name, false);
            let sent = match payload(target) {
                Ok(payload) => target.transport.invoke(payload, &target.hints(hints)).await,
                Err(error) => Err(Failure::Unasked(error)),
            };
            match sent {
                Ok(reply) => {
                    lease.answered();
                    let answer = self.collect(reply).await;
                    let answer = answer.inspect_err(|_| {
                        record.upstream_failed(Some(&target.name), UpstreamFailure::InAnswer);
                    })?;
                    return Ok((target, answer.1));
                }
                Err(failure) => search.failed(lease, target, failure).await?,
            }
        }
    }
}

/// A question is cut for the target that takes the least at once: any of them may get a batch.
fn smallest(deployment: &Deployment, batch: impl Fn(&Target) -> Result<usize>) -> Result<usize> {
    deployment.targets.iter().map(batch).try_fold(usize::MAX, |least, size| Ok(least.min(size?)))
}

/// A failure that the container told inside an answer, or that its answer is: by its name.
fn blamed(target: &Target, error: Error) -> Error {
    if error.code() != Code::ModelError {
        return error;
    }
    let resource = Some(target.endpoint.to_string());
    let upstream = Upstream { resource, ..error.from_upstream().clone() };
    error.upstream(upstream)
}

/// Notes the tokens that a model read and answered with numbers.
fn read(record: &Record, tokens: Option<u32>) {
    if let Some(tokens) = tokens {
        let usage =
            TokenUsage { input_tokens: tokens, total_tokens: tokens, ..TokenUsage::default() };
        record.usage(&usage);
    }
}
