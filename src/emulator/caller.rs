//! The other end: a caller of `bedrock-runtime`, as small as one can be. It signs, posts, and reads
//! the answer, as any SDK does; the demo asks its first questions with it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::clock::Clock;
use crate::wire::frame;
use crate::{Error, Result};

/// Asks one gateway.
#[derive(Debug)]
pub struct Caller {
    address: SocketAddr,
    region: &'static str,
    credentials: Credentials,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Caller {
    /// Calls to `address`, signed for `region` with `credentials`.
    pub fn new(address: SocketAddr, region: &'static str, credentials: Credentials) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { address, region, credentials, http }
    }

    /// The body of a `Converse` answer to `question`.
    pub async fn converse(&self, model: &str, question: &str) -> Result<Bytes> {
        let answer = self.post(model, "converse", question).await?;
        Ok(answer.collect().await.map_err(failed)?.to_bytes())
    }

    /// Shows each frame of a `ConverseStream` answer as it arrives.
    pub async fn converse_stream(
        &self,
        model: &str,
        question: &str,
        mut show: impl FnMut(&frame::Frame) -> Result<()>,
    ) -> Result<()> {
        let mut answer = self.post(model, "converse-stream", question).await?;
        let mut frames = frame::Decoder::new(frame::MAX_FRAME);
        while let Some(part) = answer.frame().await {
            frames.push(part.map_err(failed)?.data_ref().map_or(&[], |data| data.as_ref()));
            for event in frames.by_ref() {
                show(&event?)?;
            }
        }
        Ok(frames.finish()?)
    }

    async fn post(&self, model: &str, operation: &str, question: &str) -> Result<Incoming> {
        let body = json!({ "messages": [{ "role": "user", "content": [{ "text": question }] }] });
        let path = format!("/model/{}/{operation}", model.replace(':', "%3A"));
        let request = self.signed(&path, body.to_string())?;
        let response = self.http.request(request).await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await.map(Collected::to_bytes);
        let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        Err(failed(format_args!("the gateway answered {status}: {text}")))
    }

    fn signed(&self, path: &str, body: String) -> Result<Request<Full<Bytes>>> {
        let uri = format!("http://{}{path}", self.address);
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("bedrock")
            .time(SystemTime::from(Clock::system().now()))
            .settings(SigningSettings::default())
            .build()
            .map_err(failed)?
            .into();
        let headers = [("content-type", "application/json")].into_iter();
        let signable = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", &uri, headers, signable).map_err(failed)?;
        let (instructions, _) = sign(signable, &parameters).map_err(failed)?.into_parts();
        let mut request = Request::post(&uri)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(failed)?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn failed(error: impl Display) -> Error {
    Error::internal().because(error.to_string())
}
