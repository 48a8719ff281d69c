//! The operations of `bedrock-runtime`.

pub mod converse;
pub mod converse_stream;
mod question;
