//! `/anthropic/v1`: Anthropic's API on the host of `bedrock-runtime`.

pub mod messages;
