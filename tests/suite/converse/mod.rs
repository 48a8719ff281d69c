//! The hub, held against the service model and against what clients send.

mod conformance;
mod fold;
mod model;
mod probe;
mod recorded;
