//! The ways to targets that a configuration has: connections, credentials, time limits.

use std::sync::Arc;

use aws_credential_types::Credentials;

use super::poll::Poll;
use crate::Result;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, Config, Contract};
use crate::transport::bedrock::Bedrock;
use crate::transport::http::Http;
use crate::transport::sagemaker::{Address, Clients};
use crate::transport::{Client, Transport};

/// The ways to targets. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) clients: Arc<Clients>,
    /// Connections to other places.
    others: Client,
    http: config::Http,
    clock: Clock,
}

impl Ways {
    /// Those of `config`. What it has in common with the one before goes on: connections, and the
    /// credentials that are known.
    pub(super) async fn new(
        config: &Config,
        before: Option<(&Config, &Self)>,
        credentials: Option<&Credentials>,
        clock: &Clock,
    ) -> Result<Self> {
        let same = before.filter(|(other, _)| other.sagemaker == config.sagemaker);
        let clients = if let Some((_, ways)) = same {
            Arc::clone(&ways.clients)
        } else {
            let settings = config.sagemaker.clone();
            Arc::new(Clients::connect(settings, credentials.cloned(), clock.clone()).await?)
        };
        let others = match before.filter(|(other, _)| other.http == config.http) {
            Some((_, ways)) => ways.others.clone(),
            None => Client::new(config.http.connect_timeout, config.http.pool_idle)?,
        };
        Ok(Self { clients, others, http: config.http.clone(), clock: clock.clone() })
    }

    /// The way to one target.
    pub(super) fn to(&self, target: &config::Target) -> Result<Arc<dyn Transport>> {
        let Some(place) = &target.place else {
            return self.clients.target(address(target));
        };
        let others = self.others.clone();
        Ok(match target.contract {
            Contract::Bedrock => {
                let (region, clock) = (target.region.as_deref(), self.clock.clone());
                Arc::new(Bedrock::new(others, &self.http, place, region, clock)?)
            }
            _ => Arc::new(Http::new(others, &self.http, place)?),
        })
    }

    /// What is asked of SageMaker beside the calls, if the configuration wants it.
    pub(super) fn poll(&self, config: &Config, catalog: &Catalog) -> Option<Arc<Poll>> {
        let endpoints = catalog.targets().filter(|(target, _)| target.place.is_none());
        Some(Arc::new(Poll {
            every: config.sagemaker.poll?,
            clients: Arc::clone(&self.clients),
            clock: self.clock.clone(),
            endpoints: endpoints
                .map(|(target, state)| (address(target), Arc::clone(state)))
                .collect(),
        }))
    }
}

fn address(target: &config::Target) -> Address {
    Address {
        endpoint: target.endpoint.clone(),
        region: target.region.clone(),
        endpoint_url: target.endpoint_url.clone(),
        inference_component: target.inference_component.clone(),
        target_variant: target.target_variant.clone(),
    }
}
