//! `Authorization`, for calls of our own.

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue};
use http::{HeaderName, Method, Uri};
use sha2::{Digest as _, Sha256};

use super::{ALGORITHM, AmzDate, SignedHeaders, SigningKey, head, payload};
use crate::config::Secret;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What signs requests to one service in one region on one day.
#[derive(Debug)]
pub(crate) struct Signing {
    access_key: Box<str>,
    token: Option<HeaderValue>,
    /// `20261120/cn-northwest-1/sagemaker/aws4_request`
    scope: Box<str>,
    key: SigningKey,
}

impl Signing {
    /// Derives the day's key.
    ///
    /// # Errors
    /// The token is no header's value.
    pub(crate) fn new(
        access_key: &str,
        secret: &Secret,
        token: Option<&str>,
        date: AmzDate,
        region: &str,
        service: &str,
    ) -> Result<Self, BoxError> {
        let token = token.map(HeaderValue::try_from).transpose()?;
        Ok(Self {
            access_key: access_key.into(),
            token: token.map(sensitive),
            scope: format!("{}/{region}/{service}/aws4_request", date.text().day()).into(),
            key: SigningKey::derive(secret, date, region, service),
        })
    }

    /// Whether this is the key of the day of `date`.
    pub(crate) fn is_for(&self, date: AmzDate) -> bool {
        self.scope.starts_with(date.text().day())
    }

    /// Adds host, date, token and signature. Every header that is there by then is signed; those
    /// that are added later are not.
    ///
    /// The path is signed as it is: the SDK's signer takes dot segments out first, which none of our
    /// addresses have.
    ///
    /// # Errors
    /// The address has no host, or something cannot be a header's value.
    pub(crate) fn sign(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        body_sha256: &[u8; 32],
        date: AmzDate,
    ) -> Result<(), BoxError> {
        if !headers.contains_key(HOST) {
            headers.insert(HOST, host(uri)?);
        }
        headers.insert(DATE, HeaderValue::from_str(date.text().as_str())?);
        if let Some(token) = &self.token {
            headers.insert(TOKEN, token.clone());
        }
        let mut names = String::with_capacity(256);
        let signed = SignedHeaders::all(headers, &mut names);
        let mut canonical = Sha256::new();
        head(method, uri, headers, signed, &mut canonical).map_err(|_| "a header went missing")?;
        payload(body_sha256, &mut canonical);
        let signature = self.key.sign(date, &self.scope, &canonical.finalize().into());
        let value = [
            ALGORITHM,
            " Credential=",
            &self.access_key,
            "/",
            &self.scope,
            ", SignedHeaders=",
            signed.as_str(),
            ", Signature=",
            &signature,
        ]
        .concat();
        headers.insert(AUTHORIZATION, sensitive(HeaderValue::try_from(value)?));
        Ok(())
    }
}

/// `Host`, as clients write it: a scheme's own port is left out.
fn host(uri: &Uri) -> Result<HeaderValue, BoxError> {
    let authority = uri.authority().ok_or("an address without a host")?;
    let is_usual = matches!(
        (uri.scheme_str(), authority.port_u16()),
        (Some("https"), Some(443)) | (Some("http"), Some(80))
    );
    let text = if is_usual { authority.host() } else { authority.as_str() };
    Ok(HeaderValue::from_str(text)?)
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;
    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::*;

    /// What the SDK adds to a request that has its host.
    fn by_the_sdk(
        uri: &str,
        headers: &HeaderMap,
        body: &[u8],
        token: Option<&str>,
        at: OffsetDateTime,
    ) -> Vec<(String, String)> {
        let token = token.map(ToOwned::to_owned);
        let identity = Credentials::from_keys("AKIDEXAMPLE", "a secret", token).into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("cn-northwest-1")
            .name("sagemaker")
            .time(SystemTime::from(at))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let told = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let request = SignableRequest::new("POST", uri, told, SignableBody::Bytes(body)).unwrap();
        let (added, _) = sign(request, &parameters).unwrap().into_parts().0.into_parts();
        added.iter().map(|h| (h.name().to_owned(), h.value().to_owned())).collect()
    }

    proptest! {
        #[test]
        fn it_is_the_sdks_own_signature(
            host in prop::sample::select(vec!["127.0.0.1:8080", "runtime.example.cn"]),
            path in "/[a-zA-Z0-9][a-zA-Z0-9._%:~-]{0,11}/[a-z0-9-]{1,12}",
            values in prop::collection::vec("[a-z]([ -~]{0,12}[!-~])?", 0..4),
            body in prop::collection::vec(any::<u8>(), 0..80),
            token in prop::option::of("[a-zA-Z0-9+/=]{1,80}"),
            second in 0_i64..4_000_000_000,
        ) {
            let names = ["content-type", "accept", "x-amzn-sagemaker-session-id", "zz"];
            let mut headers: HeaderMap = names
                .into_iter()
                .zip(&values)
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
                .collect();
            // A bare `%` is no path.
            let uri = format!("https://{host}{}", path.replace('%', "%3A"));
            let at = OffsetDateTime::from_unix_timestamp(second).unwrap();
            let expected = by_the_sdk(&uri, &headers, &body, token.as_deref(), at);

            let date = AmzDate::from(at);
            let secret = Secret::from("a secret");
            let signing = Signing::new("AKIDEXAMPLE", &secret, token.as_deref(), date, "cn-northwest-1", "sagemaker").unwrap();
            prop_assert!(signing.is_for(date));
            let sha256 = Sha256::digest(&body).into();
            let uri: Uri = uri.parse().unwrap();
            signing.sign(&Method::POST, &uri, &mut headers, &sha256, date).unwrap();
            prop_assert_eq!(headers.get(HOST).unwrap(), host);
            for (name, value) in expected {
                prop_assert_eq!(headers.get(&name).unwrap().to_str().unwrap(), value, "{}", name);
            }
        }
    }

    #[test]
    fn a_key_is_of_its_day_and_a_usual_port_is_not_said() {
        let day = AmzDate::parse(b"20261120T235959Z").unwrap();
        let signing = Signing::new("A", &Secret::from("s"), None, day, "r", "s").unwrap();
        assert!(signing.is_for(day));
        assert!(!signing.is_for(AmzDate::parse(b"20261121T000000Z").unwrap()));
        for (uri, expected) in [
            ("https://a.cn:443/x", "a.cn"),
            ("http://a.cn:80/x", "a.cn"),
            ("http://a.cn:443/x", "a.cn:443"),
            ("https://a.cn/x", "a.cn"),
        ] {
            assert_eq!(host(&uri.parse().unwrap()).unwrap(), expected);
        }
        assert!(host(&"/x".parse().unwrap()).is_err());
        let broken = Signing::new("A", &Secret::from("s"), Some("a\nb"), day, "r", "s");
        assert!(broken.is_err());
    }
}
