//! `helan render`: prompts from chat templates.

use std::process::ExitCode;

use super::output;
use crate::template;

pub(super) fn run() -> ExitCode {
    match template::jsonl(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(format_args!("cannot go on: {error}"));
            ExitCode::FAILURE
        }
    }
}
