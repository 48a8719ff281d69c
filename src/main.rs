//! Runs the gateway.

fn main() {}
