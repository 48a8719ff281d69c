//! Where templates come from: files as model repositories have them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::Template;
use crate::config::{ModelFile, ModelFiles};

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what its name says.
    #[error("{} is not a tokenizer's configuration", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// Neither file of the directory has one.
    #[error("{} has no chat template", path.display())]
    Missing {
        /// The file or directory.
        path: PathBuf,
    },
    /// The template is not one that Jinja2 would take.
    #[error("the chat template cannot be compiled")]
    Syntax(#[from] minijinja::Error),
}

/// `tokenizer_config.json`, as far as a template needs it.
#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    chat_template: Option<Json>,
    #[serde(flatten)]
    rest: Map<String, Json>,
}

/// What the files said.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) default: Option<String>,
    pub(super) tool_use: Option<String>,
    /// `bos_token`, `eos_token` and so on, by name.
    pub(super) tokens: Vec<(String, String)>,
    /// Every special or added token, in the order of the file.
    pub(super) control: Vec<String>,
}

impl Template {
    /// Loads a template from `path`: a directory with `chat_template.jinja` or
    /// `tokenizer_config.json`, a `tokenizer_config.json` (any `.json`), or the template's text.
    /// Beside a template's text, the directory's `tokenizer_config.json` and `tokenizer.json` give
    /// the tokens. Of several named templates, `tool_use` renders conversations with tools.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let files =
            ModelFiles::read(path).map_err(|(path, source)| LoadError::Read { path, source })?;
        let mut found = Found::default();
        if let Some(config) = &files.tokenizer_config {
            found = Found::parse(&config.text).map_err(|source| not_json(config, source))?;
        }
        if let Some(template) = files.template {
            found.default = Some(template.text);
            found.tool_use = None;
        }
        if let Some(tokenizer) = &files.tokenizer {
            found.add_tokenizer(&tokenizer.text).map_err(|source| not_json(tokenizer, source))?;
        }
        Self::from_found(found)?.ok_or_else(|| LoadError::Missing { path: path.to_owned() })
    }

    /// A template from the text of a `tokenizer_config.json`.
    pub fn from_tokenizer_config(config: &str) -> Result<Self, LoadError> {
        let path = PathBuf::from("tokenizer_config.json");
        let found = Found::parse(config)
            .map_err(|source| LoadError::Json { path: path.clone(), source })?;
        Self::from_found(found)?.ok_or(LoadError::Missing { path })
    }
}

impl Found {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let config: TokenizerConfig = serde_json::from_str(text)?;
        let mut found = Self::default();
        match config.chat_template {
            Some(Json::String(template)) => found.default = Some(template),
            Some(Json::Array(named)) => {
                for entry in &named {
                    let text = entry["template"].as_str().map(str::to_owned);
                    match entry["name"].as_str() {
                        Some("default") => found.default = text,
                        Some("tool_use") => found.tool_use = text,
                        // The rest are of no use to a conversation: `rag` and the like.
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        for (name, value) in &config.rest {
            match (name.as_str(), value) {
                ("added_tokens_decoder", Json::Object(added)) => {
                    found.control.extend(added.values().filter_map(token_text).map(str::to_owned));
                }
                ("additional_special_tokens" | "extra_special_tokens", Json::Array(tokens)) => {
                    found.control.extend(tokens.iter().filter_map(token_text).map(str::to_owned));
                }
                ("extra_special_tokens", Json::Object(tokens)) => {
                    for (name, token) in tokens {
                        found.name_token(name, token);
                    }
                }
                (name, value) if name.ends_with("_token") => found.name_token(name, value),
                _ => {}
            }
        }
        Ok(found)
    }

    fn name_token(&mut self, name: &str, token: &Json) {
        if let Some(text) = token_text(token) {
            self.tokens.push((name.to_owned(), text.to_owned()));
            self.control.push(text.to_owned());
        }
    }

    /// The added tokens of a `tokenizer.json`.
    fn add_tokenizer(&mut self, text: &str) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct Tokenizer {
            #[serde(default)]
            added_tokens: Vec<Json>,
        }
        let tokenizer: Tokenizer = serde_json::from_str(text)?;
        self.control
            .extend(tokenizer.added_tokens.iter().filter_map(token_text).map(str::to_owned));
        Ok(())
    }
}

/// A token is a string, or an `AddedToken` as a dictionary.
fn token_text(token: &Json) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

fn not_json(file: &ModelFile, source: serde_json::Error) -> LoadError {
    LoadError::Json { path: file.path.clone(), source }
}
