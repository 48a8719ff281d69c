//! The files of a model's repository that say how its prompts are written.

use std::io;
use std::path::{Path, PathBuf};

/// The file that holds nothing but the chat template.
const TEMPLATE: &str = "chat_template.jinja";
/// The file that holds the tokens, and in older repositories the template.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// The file that holds the vocabulary and the added tokens.
const TOKENIZER: &str = "tokenizer.json";

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

impl ModelFile {
    /// Reads one file.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self { text: std::fs::read_to_string(path)?, path: path.to_owned() })
    }
}

/// What stands beside each other in a model's repository; each of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// `chat_template.jinja`, or the template file that was named.
    pub template: Option<ModelFile>,
    /// `tokenizer_config.json`, or the `.json` file that was named.
    pub tokenizer_config: Option<ModelFile>,
    /// `tokenizer.json`.
    pub tokenizer: Option<ModelFile>,
}

impl ModelFiles {
    /// Every file that [`ModelFiles::read`] of `path` may look at.
    pub fn paths(path: &Path) -> [PathBuf; 4] {
        let directory = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let beside = |name| directory.join(name);
        [path.to_owned(), beside(TEMPLATE), beside(TOKENIZER_CONFIG), beside(TOKENIZER)]
    }

    /// Reads `path`: a directory, a `tokenizer_config.json` (any `.json`), or a template; and what
    /// belongs to it in the same directory. A `tokenizer_config.json` that is named by itself
    /// brings no `chat_template.jinja` with it. Fails with the file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let is_directory = path.is_dir();
        let directory = if is_directory { path } else { path.parent().unwrap_or(Path::new("")) };
        let is_config = path.extension().is_some_and(|extension| extension == "json");
        let template = match (is_directory, is_config) {
            (true, _) => present(directory.join(TEMPLATE))?,
            (false, true) => None,
            (false, false) => Some(read(path.to_owned())?),
        };
        let tokenizer_config = if is_config {
            Some(read(path.to_owned())?)
        } else {
            present(directory.join(TOKENIZER_CONFIG))?
        };
        Ok(Self { template, tokenizer_config, tokenizer: present(directory.join(TOKENIZER))? })
    }
}

/// The `tokenizer.json` of a directory, or beside a file in it.
pub(super) fn tokenizer_of(path: &Path) -> PathBuf {
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    directory.join(TOKENIZER)
}

fn present(path: PathBuf) -> Result<Option<ModelFile>, (PathBuf, io::Error)> {
    if path.is_file() { read(path).map(Some) } else { Ok(None) }
}

fn read(path: PathBuf) -> Result<ModelFile, (PathBuf, io::Error)> {
    ModelFile::read(&path).map_err(|error| (path, error))
}
