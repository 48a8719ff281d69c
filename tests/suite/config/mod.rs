//! The configuration, from outside: what is read, and what is said of what cannot be.

mod problems;
mod settings;

use helan::config::{Config, Problem, load, parse};

/// Reads `text` as a file, with nothing in the environment.
fn file(text: &str) -> Result<Config, Vec<Problem>> {
    parse("helan.toml".as_ref(), text, [])
}

fn owned(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Reads an environment, with no file.
fn environment(env: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    load(None, owned(env))
}
