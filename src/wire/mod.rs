//! Bytes: what passes over a connection, before anyone asks what it means.
//!
//! - [`frame`]: the AWS event stream, both directions.
//! - [`lines`]: what containers stream, cut into lines, each line sniffed.
//! - [`sse`]: server-sent events, for callers.
//! - [`Payload`] and [`Reply`]: what goes up to a container and what comes down.
//! - [`Joined`]: bytes in pieces that are wanted as a whole. [`quoted`]: long strings in JSON.
//! - [`Body`]: a response body, which knows how it ended.
//! - [`error_response`] and [`exception`]: errors in each API's own shape.

pub mod body;
mod errors;
pub mod frame;
mod joined;
pub mod lines;
mod payload;
mod quoted;
pub mod sse;

pub use body::Body;
pub use errors::{Dialect, Exceptions, error_body, error_response, exception};
pub use joined::Joined;
pub use payload::{Payload, Reply};
pub use quoted::{quoted, write_quoted};
