//! `/anthropic/v1`: Anthropic's API on the host of `bedrock-runtime`.

pub mod count_tokens;
pub mod messages;
