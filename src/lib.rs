//! A Bedrock-compatible API gateway in front of SageMaker endpoints.

pub mod auth;
pub mod clock;
pub mod config;
pub mod emulator;
pub mod error;
pub mod wire;

pub use error::{Code, Error, Result};
