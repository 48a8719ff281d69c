//! `POST /openai/v1/completions`: what goes on behind a prompt.

use http::Response;

use crate::Result;
use crate::family::openai;
use crate::ops::{Call, native};
use crate::relay::Relay;
use crate::wire::{Body, Dialect};

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    native::route(relay, call, &openai::Completions, Dialect::OpenAi).await
}
