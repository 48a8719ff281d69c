//! Bytes on the wire: payloads, response bodies that know how they ended, errors in each API's
//! shape, event-stream frames and lines.

pub mod body;
mod errors;
mod payload;

pub use body::Body;
pub use errors::{Dialect, error_response, exception};
pub use payload::{Payload, Reply};
