//! What goes up to a container and what comes down.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::Result;
use crate::converse::Adaptation;

/// One body for a container.
#[derive(Clone, Debug)]
pub struct Payload {
    /// `Content-Type`, which SageMaker hands on.
    pub content_type: Cow<'static, str>,
    /// `Accept`, which SageMaker hands on.
    pub accept: Cow<'static, str>,
    /// The bytes.
    pub body: Bytes,
    /// The bytes' SHA-256, if somebody has hashed them before: the caller's own bytes.
    pub sha256: Option<[u8; 32]>,
    /// Where an OpenAI-compatible API takes it, below its base: `chat/completions`. SageMaker has
    /// one path for everything.
    pub path: Option<&'static str>,
    /// Whether each part of a streamed answer means something by itself, and is handed on as it
    /// came; else those that are there at the same time may come as one.
    pub parts_matter: bool,
    /// What had to be changed of the question, for the log.
    pub adapted: Vec<Adaptation>,
}

impl Payload {
    /// A JSON body that is answered with JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self {
            content_type: Cow::Borrowed("application/json"),
            accept: Cow::Borrowed("application/json"),
            body: body.into(),
            sha256: None,
            path: None,
            parts_matter: false,
            adapted: vec![],
        }
    }

    /// The same for an OpenAI-compatible API, which takes it at this path.
    #[must_use]
    pub const fn at(mut self, path: &'static str) -> Self {
        self.path = Some(path);
        self
    }
}

/// What a container answered: its bytes, whole or as they come, cut anywhere.
pub struct Reply {
    /// What the container says it sends; never trusted for parsing.
    pub content_type: Option<String>,
    /// The bytes. A unary reply is a stream of one item.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl Reply {
    /// A whole body.
    pub fn whole(content_type: Option<String>, body: Bytes) -> Self {
        let body = futures_util::stream::once(std::future::ready(Ok(body)));
        Self { content_type, body: Box::pin(body) }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}
