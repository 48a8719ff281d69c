#![doc = include_str!("README.md")]

pub mod auth;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod container;
pub mod converse;
pub mod embed;
pub mod emulator;
pub mod error;
pub mod family;
pub mod fleet;
pub mod layers;
pub mod meter;
pub mod ops;
pub mod parse;
pub mod relay;
pub mod rerank;
pub mod server;
mod sigv4;
pub mod stack;
pub mod template;
pub mod tokenizer;
pub mod transport;
pub mod wire;
pub mod workers;

pub use error::{Code, Error, Result};
