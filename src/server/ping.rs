//! The other side of a listener: asks one whether it answers, as a container's health check does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Why a listener does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// The URL is none that can be asked.
    #[error("it is no URL of the form http://host:port/path or https://host:port/path")]
    Url,
    /// Nobody listens, or they hang up, or speak no TLS.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came back is no HTTP.
    #[error("the answer is no HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The answer says no.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// There is no answer.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

/// Asks `url`, once, on a connection of its own; whoever answers with a success within `limit` is
/// healthy.
///
/// A certificate is not judged: on loopback it hardly ever has the right name, and the question
/// gives nothing away.
pub async fn ping(url: &Uri, limit: Duration) -> Result<(), Unhealthy> {
    let status = timeout(limit, ask(url)).await.map_err(|_| Unhealthy::Late(limit))??;
    if status.is_success() { Ok(()) } else { Err(Unhealthy::Status(status)) }
}

async fn ask(url: &Uri) -> Result<StatusCode, Unhealthy> {
    let authority = url.authority().ok_or(Unhealthy::Url)?;
    let (tls, default) = match url.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(Unhealthy::Url),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(default);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(USER_AGENT, concat!("helan-ping/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|_| Unhealthy::Url)?;
    let stream = TcpStream::connect((host, port)).await?;
    if tls {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Unhealthy::Url)?;
        send(connector()?.connect(name, stream).await?, request).await
    } else {
        send(stream, request).await
    }
}

/// One request; the connection ends with the head of its answer.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, Unhealthy> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    // The end of the connection may be seen before the answer that came with it.
    let head = tokio::select! {
        head = &mut answer => head,
        ended = &mut connection => { ended?; answer.await }
    };
    Ok(head?.status())
}

fn connector() -> Result<TlsConnector, Unhealthy> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Takes every certificate whose key the other side has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
