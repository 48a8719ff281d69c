//! Chat templates: what transformers renders, what the built-ins render, and what no client can do.

mod builtins;
mod conversation;
mod load;
mod renders;
mod safety;
mod turns;

use serde_json::{Map, Value};
use time::macros::datetime;

use helan::template::Input;

/// The template's input for a recorded conversation, at the time they were recorded.
fn input(case: &Value) -> Input {
    let list = |name: &str| case[name].as_array().cloned();
    Input {
        tools: list("tools"),
        kwargs: case["kwargs"].as_object().cloned().unwrap_or_else(Map::new),
        ..Input::new(list("messages").unwrap(), datetime!(2026-11-20 09:05:03 UTC))
    }
}

/// A file of `tests/fixtures/template/`.
fn fixture(name: &str) -> String {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/template/");
    std::fs::read_to_string([dir, name].concat()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}
