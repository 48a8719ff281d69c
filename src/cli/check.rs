//! `helan check`: reads a configuration as `helan serve` would, and says what is wrong with it.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::assemble::{self, Containers};
use super::counting::Tokenizers;
use super::output;
use crate::clock::Clock;
use crate::config::{self, Config, CountTokens, Problem, Severity, TemplateSource};
use crate::template::{Builtin, Findings};

pub(super) fn run(file: Option<&Path>) -> ExitCode {
    let Some(config) = load(file) else { return ExitCode::FAILURE };
    let containers = Containers::new(Clock::system());
    let problems = assemble::problems(&config, &containers);
    if !problems.is_empty() {
        problems.iter().for_each(output::failure);
        return ExitCode::FAILURE;
    }
    let models = config.models.len();
    output::print(format_args!(
        "{}ok{:#}: {} {models} model{}, {} on {}",
        output::HEADING,
        output::HEADING,
        if file.is_some() { "the configuration serves" } else { "the environment serves" },
        if models == 1 { "" } else { "s" },
        match config.auth.mode {
            config::AuthMode::Keys => "for known keys",
            config::AuthMode::None => "for everyone who reaches it,",
        },
        config.listen,
    ));
    for model in &config.models {
        for target in &model.targets {
            output::print(format_args!(
                "  {} {}→ {} ({}){:#}",
                model.id,
                output::DIM,
                target.endpoint,
                target.contract.as_str(),
                output::DIM
            ));
            if let Some(source) = &target.template {
                show_findings(source);
            }
            show_counting(target, &containers.tokenizers);
        }
    }
    ExitCode::SUCCESS
}

/// How a model's tokens are counted, if they are.
fn show_counting(target: &config::Target, tokenizers: &Tokenizers) {
    let line = match (target.count_tokens, &target.tokenizer) {
        (CountTokens::Endpoint, _) => "tokens are counted by the endpoint".to_owned(),
        (CountTokens::Tokenizer, Some(path)) => match tokenizers.of(path) {
            Ok(tokenizer) => {
                format!("tokens are counted by a vocabulary of {}", tokenizer.vocabulary())
            }
            Err(_) => return, // said before
        },
        (CountTokens::Off | CountTokens::Tokenizer, _) => return,
    };
    output::print(format_args!("    {}{line}{:#}", output::DIM, output::DIM));
}

/// What a model's template can do, as its probe found.
fn show_findings(source: &TemplateSource) {
    if let TemplateSource::Builtin(name) = source
        && Builtin::find(name).is_some_and(|builtin| !builtin.verified)
    {
        output::print(format_args!(
            "    {}{name} follows the documented format; the model's own chat_template.jinja is surer{:#}",
            output::WARNING,
            output::WARNING
        ));
    }
    if let Ok((template, _)) = assemble::template(source) {
        for line in Findings::of(&template).to_string().lines() {
            output::print(format_args!("    {}{line}{:#}", output::DIM, output::DIM));
        }
    }
}

/// The configuration; its problems and warnings have been shown on standard error.
pub(super) fn load(file: Option<&Path>) -> Option<Config> {
    match config::load(file, config::environment()) {
        Ok(config) => {
            config.warnings.iter().for_each(show);
            Some(config)
        }
        Err(problems) => {
            problems.iter().for_each(show);
            let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
            output::error(format_args!(
                "the configuration has {errors} error{}",
                if errors == 1 { "" } else { "s" }
            ));
            None
        }
    }
}

fn show(problem: &Problem) {
    let style = match problem.severity {
        Severity::Error => output::ERROR,
        Severity::Warning => output::WARNING,
    };
    let text = problem.to_string();
    let word = problem.severity.to_string();
    let rest = text.strip_prefix(&word).unwrap_or(&text);
    let _ = writeln!(anstream::stderr(), "{style}{word}{style:#}{rest}\n");
}
