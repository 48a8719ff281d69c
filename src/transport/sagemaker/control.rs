//! SageMaker's own API: how an endpoint is.
//!
//! `DescribeEndpoint` alone (botocore `sagemaker` 2017-07-24), as signed JSON: the SDK's crate for
//! this API would be many times the size of this program.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::super::Failure;
use super::super::client::whole;
use super::{Address, Clients, SERVICE, Signer};
use crate::{Error, Result};

/// How an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It answers.
    InService,
    /// It does not, for this reason: its status, `scaled to zero`, or `missing`.
    Out(String),
}

/// The longest description that is read.
const MAX_DESCRIPTION: usize = 1 << 20;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an endpoint's own host name begins with, and what the host of its API does.
const RUNTIME: &str = "//runtime.sagemaker.";
const CONTROL: &str = "//api.sagemaker.";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    endpoint_status: String,
    #[serde(default)]
    production_variants: Vec<Variant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Variant {
    current_instance_count: Option<u32>,
}

impl Clients {
    /// Asks how an endpoint is.
    ///
    /// # Errors
    /// It could not be asked: that says nothing of the endpoint.
    pub async fn condition(&self, address: &Address) -> Result<Condition> {
        let unknown = |failure: Failure| match failure {
            Failure::Container { source, .. } => source,
            Failure::Unasked(error)
            | Failure::Unreached(error)
            | Failure::Declined(error)
            | Failure::Other(error) => error,
        };
        let asked = timeout(PATIENCE, self.describe(address)).await;
        asked.map_err(|_| Error::internal().because("no answer in time"))?.map_err(unknown)
    }

    async fn describe(&self, address: &Address) -> Result<Condition, Failure> {
        let region = address.region.clone().or_else(|| self.region());
        let region = region.ok_or_else(|| Error::internal().because("no region"))?;
        let uri = self.control(address, &region)?;
        let body = Bytes::from(json!({ "EndpointName": address.endpoint }).to_string());
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert(
            HeaderName::from_static("x-amz-target"),
            HeaderValue::from_static("SageMaker.DescribeEndpoint"),
        );
        let signer = Signer::new(self.identities.clone(), region, SERVICE);
        signer.sign(&mut request, &body, None).await?;
        let answer = self.client.send(request).await?;
        let status = answer.status();
        let body = whole(answer.into_body(), MAX_DESCRIPTION).await?;
        if status.is_success() {
            let description: Description =
                serde_json::from_slice(&body).map_err(|error| Error::internal().because(error))?;
            return Ok(of(&description));
        }
        let text = String::from_utf8_lossy(&body);
        if status == http::StatusCode::BAD_REQUEST && text.contains("Could not find endpoint") {
            return Ok(Condition::Out("missing".to_owned()));
        }
        Err(Error::internal().because(format!("DescribeEndpoint answered {status}")).into())
    }

    /// Where the API is: as configured, else beside the runtime that the SDK found.
    fn control(&self, address: &Address, region: &str) -> Result<Uri, Failure> {
        let url = if let Some(url) = &self.settings.control_url {
            url.clone()
        } else {
            let runtime = self.base(address.endpoint_url.as_deref(), region)?;
            if !runtime.contains(RUNTIME) {
                let reason = "SageMaker's own API is not at a runtime's URL: write control_url";
                return Err(Error::internal().because(reason).into());
            }
            runtime.replacen(RUNTIME, CONTROL, 1)
        };
        let uri = Uri::try_from(format!("{}/", url.trim_end_matches('/')));
        Ok(uri.map_err(|error| Error::internal().because(error))?)
    }
}

/// Updates and roll-backs leave the instances that answer; what is not known is left alone.
fn of(description: &Description) -> Condition {
    let variants = &description.production_variants;
    match description.endpoint_status.as_str() {
        out @ ("OutOfService" | "Creating" | "Deleting" | "Failed") => {
            Condition::Out(out.to_owned())
        }
        _ if !variants.is_empty()
            && variants.iter().all(|variant| variant.current_instance_count == Some(0)) =>
        {
            Condition::Out("scaled to zero".to_owned())
        }
        _ => Condition::InService,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_description_says() {
        let of = |text: &str| of(&serde_json::from_str(text).unwrap());
        let out = |reason: &str| Condition::Out(reason.to_owned());
        for status in ["InService", "Updating", "SystemUpdating", "RollingBack", "Newer"] {
            let text = format!("{{\"EndpointStatus\": \"{status}\"}}");
            assert_eq!(of(&text), Condition::InService, "{status}");
        }
        for status in ["OutOfService", "Creating", "Deleting", "Failed"] {
            assert_eq!(of(&format!("{{\"EndpointStatus\": \"{status}\"}}")), out(status));
        }
        let variants = |counts: &str| {
            format!("{{\"EndpointStatus\": \"InService\", \"ProductionVariants\": [{counts}]}}")
        };
        assert_eq!(of(&variants("{\"CurrentInstanceCount\": 0}")), out("scaled to zero"));
        let some = "{\"CurrentInstanceCount\": 0}, {\"CurrentInstanceCount\": 2}";
        assert_eq!(of(&variants(some)), Condition::InService);
        assert_eq!(of(&variants("{\"VariantName\": \"AllTraffic\"}")), Condition::InService);
    }
}
