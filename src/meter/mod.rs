//! The record of one call, and what is made of it: one log line, and the metrics.
//!
//! Whoever learns something about a call (who calls, which model, which target, how many tokens,
//! when the first event left) writes it into the [`Record`]. It is closed once, by the response
//! body, with how the call ended; refused calls have one too. Nothing else logs a call.

mod metrics;
mod readings;
mod record;
mod stage;

pub use metrics::{BodyGuard, ConnectionGuard, Metrics, Reload};
pub use readings::Readings;
pub use record::{Ended, Limit, Meter, Record, Refusal, UpstreamFailure};
pub use stage::Stage;
