//! What the operator wrote: plain, validated structs.

pub mod secret;

pub use secret::Secret;
