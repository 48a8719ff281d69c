//! A reverse proxy that changes nothing but the address: the least that a gateway built on hyper
//! can cost.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

#[derive(Args)]
pub struct Options {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
}

type Answer = Response<Either<Incoming, Full<Bytes>>>;

pub async fn run(options: Options) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector);
    let authority: Authority = options.upstream.to_string().parse()?;
    let host = HeaderValue::from_str(authority.as_str())?;
    let listener = TcpListener::bind(options.listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (client, authority, host) = (client.clone(), authority.clone(), host.clone());
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                pass_on(client.clone(), authority.clone(), host.clone(), request)
            });
            // A caller that has gone is no news.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn pass_on(
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
    host: HeaderValue,
    mut request: Request<Incoming>,
) -> Result<Answer, http::Error> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
        .build()?;
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().insert(HOST, host);
    match client.request(request).await {
        Ok(mut answer) => {
            answer.headers_mut().remove(CONNECTION);
            answer.headers_mut().remove(TRANSFER_ENCODING);
            Ok(answer.map(Either::Left))
        }
        Err(error) => Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .body(Either::Right(Full::from(error.to_string()))),
    }
}
