//! What the operator wrote: one TOML file, environment variables, or both, as plain and validated
//! structs. The only reader of the environment.
//!
//! [`load`] gives a [`Config`] whose every value is decided, or *all* the [`Problem`]s, each with
//! its place and with what to write instead. The raw file is apart from the ready configuration:
//! `raw` declares what may be written, `check` and `models` decide.
//!
//! A sidecar with one endpoint needs no file: [`VARIABLES`] lists the `HELAN_` variables, and
//! `examples/sidecar.env` shows them. `examples/helan.toml` shows every key of the file,
//! `schemas/config.json` describes it to editors.

mod check;
mod contract;
mod environment;
mod keys;
mod limits;
mod listening;
mod model_files;
mod models;
mod place;
mod problem;
mod raw;
mod reach;
mod reader;
pub mod secret;
mod settings;
mod spelling;
mod tags;
mod tokenizer;
mod upstream;
mod value;

use std::path::{Path, PathBuf};

pub use contract::{Contract, Family, Kind};
pub use environment::{VARIABLES, Variable, environment};
pub use keys::{AccessKey, BearerKey, Keys};
pub use limits::{Limits, Principal};
pub use listening::{Listening, listening};
pub use model_files::{ModelFile, ModelFiles};
pub use problem::{Position, Problem, Report, Severity};
pub use raw::schema;
pub use reach::{Http, Place, SageMaker, SageMakerClient};
pub use secret::Secret;
pub use settings::{
    ANY_MODEL, Allow, Auth, AuthMode, BlockOrder, Config, ControlTokens, CountTokens, Drain, Fleet,
    Log, LogFormat, LogLevel, Model, Pooling, Prompts, Service, Target, TemplateSource, Tls, Unary,
};

use problem::{Origin, Source};
use reader::Reader;

/// Reads the configuration: from `file`, or else from the file that `HELAN_CONFIG` names, with the
/// environment laid over it; or from the environment alone.
///
/// Gives back all problems at once, those that are no reason not to start among them.
///
/// ```
/// use helan::config::load;
///
/// let env = [
///     ("HELAN_ENDPOINT", "r1-distill-qwen-32b"),
///     ("HELAN_MODEL_ID", "deepseek.r1-v1:0"),
///     ("HELAN_AUTH_MODE", "none"),
/// ];
/// let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
/// let config = load(None, env)?;
/// assert_eq!(config.models[0].targets[0].endpoint, "r1-distill-qwen-32b");
/// # Ok::<(), Vec<helan::config::Problem>>(())
/// ```
pub fn load(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Vec<Problem>> {
    let env: Vec<_> = env.into_iter().collect();
    let source = source(file, &env)?;
    build(source, env)
}

/// The configuration file, if there is one.
fn source(file: Option<&Path>, env: &[(String, String)]) -> Result<Option<Source>, Vec<Problem>> {
    let named = env.iter().find(|(name, value)| name == "HELAN_CONFIG" && !value.is_empty());
    let (path, origin) = match (file, named) {
        (Some(path), _) => (path.to_owned(), None),
        (None, Some((name, value))) => (PathBuf::from(value), Some(Origin::variable(name))),
        (None, None) => return Ok(None),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(Source { file: path, text, quotable: true })),
        Err(error) => {
            let origin = origin.unwrap_or_else(|| Origin::variable(""));
            Err(vec![origin.error(
                format!("the configuration file {} cannot be read: {error}", path.display()),
                "name a TOML file; `helan check --help` says how",
            )])
        }
    }
}

/// Reads a configuration from text. `name` is what problems call it, and where relative paths
/// start from.
pub fn parse(
    name: &Path,
    text: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Vec<Problem>> {
    let source = Source { file: name.to_owned(), text: text.to_owned(), quotable: true };
    build(Some(source), env.into_iter().collect())
}

/// What a file says, where it stands, and what is wrong with it.
fn read(source: Option<Source>) -> Result<(raw::File, Origin, Vec<Problem>), Vec<Problem>> {
    let mut whole = Origin::variable("");
    let Some(source) = source else { return Ok((raw::File::default(), whole, Vec::new())) };
    let mut reader = Reader::new(source);
    let Some(file) = reader.document() else {
        return Err(reader.problems); // not TOML: nothing more can be said
    };
    whole.source = Some(reader.source);
    Ok((file, whole, reader.problems))
}

fn build(source: Option<Source>, mut env: Vec<(String, String)>) -> Result<Config, Vec<Problem>> {
    env.sort(); // the system's own order is no order
    let main = source.as_ref().map(|source| source.file.clone());
    let (file, whole, mut problems) = read(source)?;
    let (file, around) = environment::apply(file, whole, &env, &mut problems);
    let mut config = check::ready(file, &around, &mut problems);
    // The file first, from top to bottom; then the key file; then the environment.
    problems.sort_by_key(|problem| {
        let (file, place) = (problem.file.clone(), (problem.line(), problem.column()));
        let variable = if file.is_none() { problem.path.clone() } else { String::new() };
        (file.is_none(), file != main, place, variable)
    });
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(problems);
    }
    config.warnings = problems;
    Ok(config)
}
