//! Whose calls these are: credentials, kept until shortly before they end, and signatures with
//! them.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use tokio::sync::Mutex;

use super::{Failure, chain};
use crate::clock::Clock;
use crate::{Code, Error};

/// How long before their end credentials are fetched anew, and how long those without an end are
/// believed: as the SDK does.
const BUFFER: Duration = Duration::from_secs(10);
const WITHOUT_END: Duration = Duration::from_mins(15);

/// Credentials that are fetched when they are needed, and kept.
pub(super) struct Identities {
    provider: SharedCredentialsProvider,
    clock: Clock,
    known: RwLock<Option<Known>>,
    /// One call fetches, the others wait for it.
    fetching: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    identity: Identity,
    /// When they should be fetched anew.
    stale: SystemTime,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

impl Identities {
    pub(super) fn new(provider: SharedCredentialsProvider, clock: Clock) -> Self {
        Self { provider, clock, known: RwLock::default(), fetching: Mutex::default() }
    }

    fn fresh(&self, now: SystemTime) -> Option<Identity> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|known| now < known.stale).map(|known| known.identity.clone())
    }

    /// The credentials to sign with now.
    async fn get(&self) -> Result<Identity, Failure> {
        if let Some(identity) = self.fresh(self.clock.now().into()) {
            return Ok(identity);
        }
        let _turn = self.fetching.lock().await;
        let now: SystemTime = self.clock.now().into();
        if let Some(identity) = self.fresh(now) {
            return Ok(identity);
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                let stale = credentials
                    .expiry()
                    .map_or(now + WITHOUT_END, |end| end.checked_sub(BUFFER).unwrap_or(end));
                let identity = Identity::from(credentials);
                let known = Known { identity: identity.clone(), stale };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                Ok(identity)
            }
            Err(error) => {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                // Those that end in a moment are better than none.
                let usable = known
                    .as_ref()
                    .filter(|known| known.identity.expiration().is_some_and(|end| now < end));
                match usable {
                    Some(known) => Ok(known.identity.clone()),
                    None => Err(Failure::Unasked(no_credentials().because(chain(&error)))),
                }
            }
        }
    }
}

fn no_credentials() -> Error {
    Error::new(
        Code::InternalServer,
        "The gateway could not call the model's endpoint. Its log says why.",
    )
}

/// Signs requests to one service in one region.
#[derive(Debug)]
pub(super) struct Signer {
    identities: std::sync::Arc<Identities>,
    region: String,
    service: &'static str,
    settings: SigningSettings,
}

impl Signer {
    pub(super) fn new(
        identities: std::sync::Arc<Identities>,
        region: String,
        service: &'static str,
    ) -> Self {
        Self { identities, region, service, settings: SigningSettings::default() }
    }

    /// Adds date, token and signature to a request whose body is `body`.
    pub(super) async fn sign(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
    ) -> Result<(), Failure> {
        let identity = self.identities.get().await?;
        self.add(request, body, &identity)
            .map_err(|error| Failure::Unasked(no_credentials().because(error)))
    }

    fn add(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
        identity: &Identity,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let parameters = v4::SigningParams::builder()
            .identity(identity)
            .region(&self.region)
            .name(self.service)
            .time(self.identities.clock.now().into())
            .settings(self.settings.clone())
            .build()?
            .into();
        let uri = request.uri().to_string();
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers,
            SignableBody::Bytes(body),
        )?;
        let (added, _) = sign(signable, &parameters)?.into_parts().0.into_parts();
        for header in added {
            let mut value = HeaderValue::try_from(header.value())?;
            value.set_sensitive(header.sensitive());
            request.headers_mut().insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }
}
