//! `helan render`: the exact text that a model's container is sent.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use super::{Render, assemble, check, lines, output};
use crate::clock::Clock;
use crate::config::{Contract, Target, TemplateSource};
use crate::container::{Mode, text};
use crate::converse::{Ask, Request};
use crate::template;
use crate::{Error, Result};

pub(super) fn run(arguments: &Render) -> ExitCode {
    if arguments.jsonl {
        return lines(template::jsonl);
    }
    let Some(target) = target(arguments) else { return ExitCode::FAILURE };
    let rendered = read(arguments.request.as_deref()).and_then(|ask| render(&target, &ask));
    match rendered {
        Ok(text) => {
            output::print_part(text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}

/// What is rendered for: a model of the configuration, or a template by itself.
fn target(arguments: &Render) -> Option<Target> {
    if let Some(named) = &arguments.template {
        let source = if Path::new(named).exists() {
            TemplateSource::Path(named.into())
        } else {
            TemplateSource::Builtin(named.clone())
        };
        let mut target = Target::new("template");
        target.contract = Contract::Completions;
        target.template = Some(source);
        target.adds_bos = false; // the whole prompt, as the model reads it
        return Some(target);
    }
    let config = check::load(arguments.config.as_deref())?;
    let wanted = arguments.model.as_deref();
    let named = |model: &&crate::config::Model| {
        wanted.is_none_or(|id| model.id == id || model.aliases.iter().any(|alias| alias == id))
    };
    let found = config.models.iter().find(named);
    if found.is_none() {
        output::error("the configuration has no such model");
    }
    found.and_then(|model| model.targets.first().cloned())
}

/// A Converse request, from a file or from standard input.
fn read(file: Option<&Path>) -> Result<Ask> {
    let mut body = vec![];
    let read = match file {
        Some(path) if path != Path::new("-") => std::fs::read(path).map(|bytes| body = bytes),
        _ => std::io::stdin().lock().read_to_end(&mut body).map(|_| ()),
    };
    read.map_err(|error| Error::internal().because(error))?;
    let request = Request::parse(&body)?;
    request.validate()?;
    Ok(Ask::from(request))
}

fn render(target: &Target, ask: &Ask) -> Result<String> {
    let clock = Clock::system();
    if target.contract.takes_text() {
        return assemble::reader(target, text::Dialect::Completions, &clock)?.prompt(ask);
    }
    // A container that takes messages renders them itself: this is what it is sent.
    let payload = assemble::container(target, &clock)?.text()?.encode(ask, Mode::Unary)?;
    Ok(String::from_utf8_lossy(&payload.body).into_owned())
}
