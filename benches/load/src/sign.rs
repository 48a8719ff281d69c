//! SigV4 as the AWS SDKs sign: a fresh date for each call. The body's hash is kept from call to
//! call, as the body is; the gateway hashes it each time, and that is what is measured.

use std::time::SystemTime;

use anyhow::Result;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

/// The key that the configuration of a benchmark knows.
pub const KEY: &str = "AKIDBENCH";
pub const SECRET: &str = "benchmark-secret-key";
pub const REGION: &str = "cn-northwest-1";

/// Makes signed requests of one kind.
pub struct Signer {
    identity: Identity,
    service: &'static str,
    authority: HeaderValue,
    uri: String,
    path: http::Uri,
    body: Bytes,
    sha256: String,
}

impl Signer {
    pub fn new(service: &'static str, authority: &str, path: &str, body: Bytes) -> Result<Self> {
        Ok(Self {
            identity: Credentials::from_keys(KEY, SECRET, None).into(),
            service,
            authority: HeaderValue::from_str(authority)?,
            uri: format!("http://{authority}{path}"),
            path: path.parse()?,
            sha256: hex::encode(Sha256::digest(&body)),
            body,
        })
    }

    /// A request that is signed now.
    pub fn request(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.path.clone()).body(Full::new(self.body.clone()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, self.body.len().into());
        headers.insert(USER_AGENT, HeaderValue::from_static("helan-load"));
        let settings = SigningSettings::default();
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(REGION)
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let signed = [("content-type", "application/json")];
        let signable = SignableRequest::new(
            "POST",
            &self.uri,
            signed.into_iter(),
            SignableBody::Precomputed(self.sha256.clone()),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
