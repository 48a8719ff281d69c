//! `POST /openai/v1/chat/completions`: at once, or as server-sent events.

use http::Response;

use crate::Result;
use crate::family::openai;
use crate::ops::{Call, native};
use crate::relay::Relay;
use crate::wire::{Body, Dialect};

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    native::route(relay, call, &openai::ChatCompletions, Dialect::OpenAi).await
}
