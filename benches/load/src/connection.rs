//! Connections to what is measured: one for each caller, or a few that callers share, as the
//! clients of HTTP/2 do.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::spawn_local;

type Question = Request<Full<Bytes>>;

/// A caller's way to the server.
pub enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2 { sender: http2::SendRequest<Full<Bytes>>, to: SocketAddr },
}

impl Connection {
    pub async fn ready(&mut self) -> Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await?,
            Self::Http2 { sender, .. } => sender.ready().await?,
        }
        Ok(())
    }

    pub fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2 { sender, .. } => sender.is_closed(),
        }
    }

    pub async fn send(&mut self, mut question: Question) -> Result<Response<Incoming>> {
        let answer = match self {
            Self::Http1(sender) => sender.send_request(question).await?,
            Self::Http2 { sender, to } => {
                // The host is a part of the address there; it is signed all the same.
                question.headers_mut().remove(HOST);
                let path = question.uri().path_and_query().context("a path")?;
                *question.uri_mut() = Uri::builder()
                    .scheme("http")
                    .authority(to.to_string())
                    .path_and_query(path.clone())
                    .build()?;
                sender.send_request(question).await?
            }
        };
        Ok(answer)
    }
}

/// Where connections come from.
pub struct Connections {
    to: SocketAddr,
    /// Those over HTTP/2 that callers share; none: each has one over HTTP/1.1.
    shared: Vec<Mutex<Option<http2::SendRequest<Full<Bytes>>>>>,
}

impl Connections {
    pub fn new(to: SocketAddr, shared: usize) -> Self {
        Self { to, shared: (0..shared).map(|_| Mutex::default()).collect() }
    }

    /// That of the caller with this number.
    pub async fn of(&self, caller: usize) -> Result<Connection> {
        if self.shared.is_empty() {
            return Ok(Connection::Http1(connect(self.to).await?));
        }
        let mut shared = self.shared[caller % self.shared.len()].lock().await;
        let sender = match &*shared {
            Some(sender) if !sender.is_closed() => sender.clone(),
            _ => shared.insert(multiplex(self.to).await?).clone(),
        };
        Ok(Connection::Http2 { sender, to: self.to })
    }
}

/// One connection over HTTP/1.1, kept open by a task of its own.
pub async fn connect(to: SocketAddr) -> Result<http1::SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(open(to).await?)).await?;
    spawn_local(async move {
        // Its end reaches the sender.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn multiplex(to: SocketAddr) -> Result<http2::SendRequest<Full<Bytes>>> {
    let (sender, connection) = http2::handshake(Here, TokioIo::new(open(to).await?)).await?;
    spawn_local(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

async fn open(to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Runs what hyper wants to have run on the one thread that there is.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(async {
            future.await;
        });
    }
}
