//! The integration tests: one binary, one module for each area.

#[cfg(test)] // helpers beside the tests are tests to the lints, too
mod openai;
