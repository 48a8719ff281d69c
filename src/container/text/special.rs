//! Special tokens that are part of what a model says.
//!
//! Engines flag tokens that no text can hold, and leave them out of an answer's final text. Most
//! of them end a turn; but some open reasoning or a tool call, and those the parser must see.

use crate::parse::Format;

/// Tokens, and beginnings of tokens, that open or divide reasoning and calls.
const MARKUP: [&str; 18] = [
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<tool_call>",
    "</tool_call>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<|python_tag|>",
    "<|python_start|>",
    "<|python_end|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]",
    "<｜tool",
    "<|tool_call",
];
/// Those of harmony, of which other models use some to end a turn.
const HARMONY: [&str; 7] = [
    "<|start|>",
    "<|channel|>",
    "<|constrain|>",
    "<|message|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
];

/// Whether the parser of `format` has to see `token`.
pub(super) fn is_markup(format: Option<Format>, token: &str) -> bool {
    let token = token.trim();
    let harmony = || HARMONY.contains(&token);
    match format {
        None => false,
        Some(Format::Harmony) => harmony(),
        Some(Format::Detect) => starts(token) || harmony(),
        Some(_) => starts(token),
    }
}

fn starts(token: &str) -> bool {
    MARKUP.iter().any(|markup| token.starts_with(markup))
}

/// Whether the markers of `format` are special tokens, so that an engine has to be asked not to
/// leave them out.
pub(super) fn has_special(format: Option<Format>) -> bool {
    match format {
        Some(
            Format::Llama3Json
            | Format::Pythonic
            | Format::Mistral
            | Format::MistralV11
            | Format::DeepSeekV3
            | Format::DeepSeekV31
            | Format::KimiK2
            | Format::Harmony
            | Format::Detect,
        ) => true,
        Some(
            Format::Hermes | Format::Qwen3Coder | Format::Glm45 | Format::Think | Format::Qwen3,
        )
        | None => false,
    }
}
