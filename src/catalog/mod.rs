//! Model id, ARN or profile → deployment. (placeholder until merge)
#![expect(missing_docs, reason = "placeholder")]
use crate::container::{Container, Mode};
use crate::converse::BlockOrder;
use crate::transport::Transport;
use crate::{Error, Result};
use std::sync::Arc;

#[derive(Debug)]
pub struct Target {
    pub name: Arc<str>,
    pub endpoint: Arc<str>,
    pub transport: Arc<dyn Transport>,
    pub container: Arc<dyn Container>,
    pub streams: bool,
    pub prefix_aware: bool,
}
impl Target {
    pub fn mode(&self, _max_tokens: Option<i32>) -> Mode {
        Mode::Unary
    }
}
#[derive(Debug)]
pub struct Deployment {
    pub model_id: Arc<str>,
    pub block_order: BlockOrder,
    pub target: Target,
}
#[derive(Debug, Default)]
pub struct Catalog;
impl Catalog {
    pub fn resolve(&self, _id: &str) -> Result<Arc<Deployment>> {
        Err(Error::internal())
    }
}
