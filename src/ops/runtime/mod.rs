//! The operations of `bedrock-runtime`.

pub mod converse;
pub mod converse_stream;
pub mod invoke_model;
pub mod invoke_model_with_response_stream;

mod frames;
mod invocation;
mod question;
mod vectors;
