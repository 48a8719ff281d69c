//! The hub, held against the service model and against what clients send.
#![cfg(test)] // helpers may do what only tests may

mod conformance;
mod fold;
mod model;
mod probe;
mod recorded;
