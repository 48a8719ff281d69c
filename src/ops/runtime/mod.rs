//! The operations of `bedrock-runtime`.

pub mod converse;
pub mod converse_stream;
pub mod count_tokens;
pub mod invoke_model;
pub mod invoke_model_with_response_stream;

mod invocation;
mod vectors;

use bytes::BytesMut;

use crate::Error;
use crate::wire::{Exceptions, exception, frame};

/// Appends the frame that ends a stream which failed.
pub(super) fn broken(error: &Error, exceptions: Exceptions, out: &mut BytesMut) {
    let (name, payload) = exception(error, exceptions);
    // An exception is never near the frame limit.
    let _ = frame::exception(out, name, &payload);
}
