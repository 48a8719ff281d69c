//! Whose calls these are: credentials, kept until shortly before they end, and signatures with
//! them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::{Failure, chain};
use crate::clock::Clock;
use crate::config::Secret;
use crate::sigv4::{AmzDate, Signing};
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

struct Known {
    credentials: Arc<Credentials>,
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

    fn fresh(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| now < known.stale)?;
        Some(Arc::clone(&known.credentials))
    }

    /// The credentials to sign with now.
    async fn get(&self) -> Result<Arc<Credentials>, Failure> {
        if let Some(credentials) = self.fresh(self.clock.now().into()) {
            return Ok(credentials);
        }
        let _turn = self.fetching.lock().await;
        let now: SystemTime = self.clock.now().into();
        if let Some(credentials) = self.fresh(now) {
            return Ok(credentials);
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                let stale = credentials
                    .expiry()
                    .map_or(now + WITHOUT_END, |end| end.checked_sub(BUFFER).unwrap_or(end));
                let credentials = Arc::new(credentials);
                let known = Known { credentials: Arc::clone(&credentials), stale };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                Ok(credentials)
            }
            Err(error) => {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                // Those that end in a moment are better than none.
                let usable = known
                    .as_ref()
                    .filter(|known| known.credentials.expiry().is_some_and(|end| now < end));
                match usable {
                    Some(known) => Ok(Arc::clone(&known.credentials)),
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
    identities: Arc<Identities>,
    region: String,
    service: &'static str,
    today: RwLock<Option<Arc<Today>>>,
}

/// A day's key, and whose it is.
#[derive(Debug)]
struct Today {
    credentials: Arc<Credentials>,
    signing: Signing,
}

impl Signer {
    pub(super) fn new(identities: Arc<Identities>, region: String, service: &'static str) -> Self {
        Self { identities, region, service, today: RwLock::default() }
    }

    /// Adds host, date, token and signature to a request whose body is `body`, or has this hash
    /// if somebody has hashed it before.
    pub(super) async fn sign(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
        sha256: Option<[u8; 32]>,
    ) -> Result<(), Failure> {
        let credentials = self.identities.get().await?;
        let sha256 = sha256.unwrap_or_else(|| Sha256::digest(body).into());
        self.add(request, &sha256, credentials)
            .map_err(|error| Failure::Unasked(no_credentials().because(error)))
    }

    fn add(
        &self,
        request: &mut Request<Full<Bytes>>,
        sha256: &[u8; 32],
        credentials: Arc<Credentials>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let date = AmzDate::from(self.identities.clock.now());
        let today = match self.today(&credentials, date) {
            Some(today) => today,
            None => self.derive(credentials, date)?,
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        today.signing.sign(&method, &uri, request.headers_mut(), sha256, date)
    }

    fn today(&self, credentials: &Arc<Credentials>, date: AmzDate) -> Option<Arc<Today>> {
        let today = self.today.read().unwrap_or_else(PoisonError::into_inner);
        let is_right = |today: &&Arc<Today>| {
            Arc::ptr_eq(&today.credentials, credentials) && today.signing.is_for(date)
        };
        today.as_ref().filter(is_right).cloned()
    }

    fn derive(
        &self,
        credentials: Arc<Credentials>,
        date: AmzDate,
    ) -> Result<Arc<Today>, Box<dyn std::error::Error + Send + Sync>> {
        let signing = Signing::new(
            credentials.access_key_id(),
            &Secret::from(credentials.secret_access_key()),
            credentials.session_token(),
            date,
            &self.region,
            self.service,
        )?;
        let today = Arc::new(Today { credentials, signing });
        *self.today.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&today));
        Ok(today)
    }
}
