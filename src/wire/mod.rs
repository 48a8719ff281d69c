//! Bytes: what passes over a connection, before anyone asks what it means.
//!
//! - [`frame`]: the AWS event stream, both directions.
//! - [`lines`]: what containers stream, cut into lines, each line sniffed.

pub mod frame;
pub mod lines;
