//! The end of an answer.

use super::pointers::Pointers;
use crate::converse::{Event, MessageStopEvent, MetadataEvent, Metrics, StopReason, TokenUsage};

/// What is known once nothing more comes.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) stop_reason: StopReason,
    /// The stop sequence that was met; told only if it is the reason.
    pub(super) sequence: Option<String>,
    pub(super) usage: TokenUsage,
}

impl Ending {
    /// The last two events.
    pub(super) fn push(self, pointers: Pointers, out: &mut Vec<Event>) {
        let Self { stop_reason, sequence, usage } = self;
        out.push(Event::MessageStop(MessageStopEvent {
            additional_model_response_fields: pointers.into_fields(),
            stop_reason,
            stop_sequence: sequence.filter(|_| stop_reason == StopReason::StopSequence),
        }));
        out.push(Event::Metadata(MetadataEvent {
            metrics: Metrics::default(),
            performance_config: None,
            service_tier: None,
            trace: None,
            usage,
        }));
    }
}
