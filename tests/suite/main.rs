//! The integration tests: one binary, one module for each area.
#![cfg(test)] // so that the lints know tests when they see them

mod auth;
mod config;
mod converse;
mod embedding;
mod emulator;
mod family;
mod faults;
mod fleet;
mod openai;
mod parse;
mod process;
mod server;
mod stack;
mod template;
mod text;
mod tokenizer;
