//! Chat templates: a conversation becomes exactly the prompt that the model's own template makes
//! of it in transformers (5.23; Jinja2 3.1.6).
//!
//! A [`Template`] is compiled once from `chat_template.jinja` or `tokenizer_config.json` and then
//! rendered for every call. The engine is `minijinja`; where it differs from Jinja2 and Python,
//! `rewrite` respells the source and `python` brings the types, filters and methods.
//!
//! The way back is [`turns`]: what a prompt in a known template shows.

mod builtin;
mod control;
mod conversation;
pub(crate) mod documents;
mod findings;
mod guard;
mod jsonl;
mod load;
mod markers;
mod operators;
mod python;
mod render;
mod rewrite;
pub(crate) mod said;
mod turns;

pub use builtin::{BUILTINS, Builtin};
pub use control::{ControlTokens, Policy};
pub use conversation::{Options, input};
pub use findings::{Arguments, CallIds, Content, Findings, System};
pub use guard::Guard;
pub use jsonl::jsonl;
pub use load::LoadError;
pub use render::{Input, RenderError, Template};
pub use said::Image;
pub use turns::{Turn, Turns, bos, turns};

/// An error and its causes in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
