//! `POST /anthropic/v1/messages`: at once, or as server-sent events.

use http::Response;

use crate::Result;
use crate::family::anthropic;
use crate::ops::{Call, native};
use crate::relay::Relay;
use crate::wire::{Body, Dialect};

/// Answers one call.
pub(in crate::ops) async fn answer(relay: &Relay, call: Call) -> Result<Response<Body>> {
    native::route(relay, call, &anthropic::Anthropic::MESSAGES, Dialect::Anthropic).await
}
