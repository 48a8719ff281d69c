//! Bytes on the wire: payloads, response bodies that know how they ended, errors in each API's
//! shape, event-stream frames and lines.
//!
//! - [`frame`]: the AWS event stream, both directions.
//! - [`lines`]: what containers stream, cut into lines, each line sniffed.

pub mod body;
mod errors;
pub mod frame;
pub mod lines;
mod payload;

pub use body::Body;
pub use errors::{Dialect, error_response, exception};
pub use payload::{Payload, Reply};
