//! A Bedrock-compatible API gateway in front of SageMaker endpoints.

pub mod clock;
pub mod config;
pub mod container;
pub mod converse;
pub mod error;
pub mod transport;
pub mod wire;

pub use error::{Code, Error, Result};
