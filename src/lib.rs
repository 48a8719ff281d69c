//! A Bedrock-compatible API gateway in front of SageMaker endpoints.

pub mod clock;
pub mod error;
pub mod wire;

pub use error::{Code, Error, Result};
