//! `/openai/v1`: OpenAI's API on the host of `bedrock-runtime`.

pub mod chat_completions;
pub mod completions;
