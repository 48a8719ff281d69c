//! The hub: Bedrock's Converse data model, complete to the newest service model (botocore
//! `bedrock-runtime` 2023-09-30). Plain data; imports nothing of this crate but the error.
//!
//! Every family of native bodies and every container translates to and from these types, and the
//! two never meet. What goes down is an [`Ask`]; what comes up is always [`Event`]s, and a unary
//! [`Response`] is their [`Fold`].
//!
//! Types and members are named as in the service model. Unknown members are ignored, as rest-json
//! services do; absent optional members are never written.

mod answer;
mod ask;
mod blob;
mod content;
mod event;
mod fold;
mod read;
mod request;
mod shape;
mod trace;
mod validate;

pub use answer::{
    CacheDetail, Metrics, Output, PerformanceConfiguration, PerformanceLatency, Response,
    ServiceTier, ServiceTierType, StopReason, TokenUsage,
};
pub use ask::{Adaptation, Ask, Conversation, Input, Parameters, Prompt};
pub use blob::Blob;
pub use content::*;
pub use event::{
    CitationSourceContentDelta, CitationsDelta, ContentBlockDelta, ContentBlockDeltaEvent,
    ContentBlockStart, ContentBlockStartEvent, ContentBlockStopEvent, Event, ImageBlockDelta,
    ImageBlockStart, MessageStartEvent, MessageStopEvent, MetadataEvent,
    ReasoningContentBlockDelta, ToolResultBlockDelta, ToolResultBlockStart, ToolUseBlockDelta,
    ToolUseBlockStart,
};
pub use fold::{BlockOrder, Fold};
pub use read::read;
pub use request::*;
pub use trace::*;
