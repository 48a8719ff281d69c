//! How tokens are counted: by which file, or by whom.

use std::path::PathBuf;

use super::check::resolve;
use super::contract::{Contract, Kind};
use super::model_files::tokenizer_of;
use super::models::template;
use super::problem::Problem;
use super::raw::Serving;
use super::reader::Set;
use super::settings::{CountTokens, TemplateSource};

/// What a section and the defaults behind it say: the way of counting, and the file if it is
/// needed.
pub(super) fn counting(own: &Serving, defaults: &Serving) -> (CountTokens, Option<PathBuf>) {
    let counts = own.count_tokens.as_ref().or(defaults.count_tokens.as_ref());
    match counts.map(|set| set.value) {
        Some(other @ (CountTokens::Endpoint | CountTokens::Off)) => (other, None),
        Some(CountTokens::Tokenizer) | None => match file(own, defaults) {
            Some(file) => (CountTokens::Tokenizer, Some(file)),
            None => (CountTokens::Off, None),
        },
    }
}

/// The file that is named, or that lies beside the template.
fn file(own: &Serving, defaults: &Serving) -> Option<PathBuf> {
    if contract(own, defaults).kind() != Kind::Text || !cfg!(feature = "tokenizer") {
        return None;
    }
    if let Some(named) = own.tokenizer.as_ref().or(defaults.tokenizer.as_ref()) {
        return Some(named_file(named));
    }
    match template(own.template.as_ref().or(defaults.template.as_ref())?) {
        TemplateSource::Path(path) => Some(tokenizer_of(&path)).filter(|file| file.is_file()),
        TemplateSource::Builtin(_) => None,
    }
}

fn named_file(named: &Set<String>) -> PathBuf {
    let path = resolve(named);
    if path.is_dir() { tokenizer_of(&path) } else { path }
}

fn contract(own: &Serving, defaults: &Serving) -> Contract {
    own.contract.as_ref().or(defaults.contract.as_ref()).map(|set| set.value).unwrap_or_default()
}

/// What contradicts itself. What the defaults alone say is checked with them.
pub(super) fn check(own: &Serving, defaults: &Serving, problems: &mut Vec<Problem>) {
    let counts = own.count_tokens.as_ref().or(defaults.count_tokens.as_ref());
    let way = counts.map(|set| set.value);
    if let Some(named) = &own.tokenizer {
        if !cfg!(feature = "tokenizer") {
            problems.push(named.origin.error(
                "this build counts no tokens: it was made without the feature `tokenizer`",
                "remove the key, or use a build with the feature",
            ));
        } else if !named_file(named).is_file() {
            problems.push(named.origin.error(
                format!("there is no file {}", named_file(named).display()),
                "name the model's tokenizer.json, or a directory with one",
            ));
        }
        if let Some(other @ (CountTokens::Endpoint | CountTokens::Off)) = way {
            problems.push(named.origin.warning(
                format!("`tokenizer` has no effect: `count_tokens` is \"{}\"", other.as_str()),
                "remove one of the two",
            ));
        }
    }
    let is_raw = contract(own, defaults) == Contract::Raw;
    let keys = [
        ("tokenizer", own.tokenizer.as_ref().map(|set| &set.origin)),
        ("count_tokens", own.count_tokens.as_ref().map(|set| &set.origin)),
    ];
    for (key, origin) in keys.into_iter().filter_map(|(key, origin)| Some((key, origin?))) {
        if is_raw {
            problems.push(origin.warning(
                format!("`{key}` has no effect on an endpoint that is called as it is"),
                "remove it, or name another contract",
            ));
        }
    }
    let named = own
        .tokenizer
        .as_ref()
        .map(|set| &set.origin)
        .or_else(|| Some(&own.count_tokens.as_ref()?.origin));
    let template = own.template.as_ref().or(defaults.template.as_ref());
    let counts_here = way.is_none_or(|way| way == CountTokens::Tokenizer);
    if let Some(named) = named.filter(|_| counts_here && template.is_none() && !is_raw)
        && !contract(own, defaults).takes_text()
    {
        problems.push(named.warning(
            "no conversation can be counted without a template, which tells its prompt",
            "write `template = \"…\"`: the model's own, or a built-in's name",
        ));
    }
    let Some(wanted) = &own.count_tokens else { return };
    if wanted.value != CountTokens::Tokenizer || is_raw {
        return;
    }
    if !cfg!(feature = "tokenizer") {
        problems.push(wanted.origin.error(
            "this build counts no tokens: it was made without the feature `tokenizer`",
            "write \"endpoint\" or \"off\", or use a build with the feature",
        ));
    } else if file(own, defaults).is_none() {
        problems.push(wanted.origin.error(
            "there is no tokenizer that could count",
            "write `tokenizer = \"…\"`: the path of the model's tokenizer.json",
        ));
    }
}
