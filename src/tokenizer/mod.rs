//! A model's own tokenizer, from its `tokenizer.json`: how many tokens a text has.
//!
//! The work is done by Hugging Face's crate, which the containers use too, so that the counts are
//! theirs. It is behind the cargo feature `tokenizer`; without it a tokenizer cannot be loaded, and
//! everything else here stays as it is.

#[cfg(feature = "tokenizer")]
mod hugging_face;
#[cfg(not(feature = "tokenizer"))]
mod nothing;

use std::path::{Path, PathBuf};

use crate::config::ModelFile;
use crate::{Error, Result};

#[cfg(feature = "tokenizer")]
use hugging_face::Model;
#[cfg(not(feature = "tokenizer"))]
use nothing::Model;

/// What the libraries of tokenizers say when they fail.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no tokenizer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the tokenizer {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no tokenizer, or one that needs what this version does not have.
    #[error("{} is no tokenizer that can be used; `count_tokens = \"off\"` does without", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: Cause,
    },
}

/// A tokenizer, ready to count. It may be asked from several threads at once.
#[derive(Debug)]
pub struct Tokenizer {
    model: Model,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. That takes tenths of a second and some ten times the file's size
    /// of memory, so it is done at the start.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let file = ModelFile::read(path)
            .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let model = Model::parse(&file.text)
            .map_err(|source| LoadError::Unusable { path: path.to_owned(), source })?;
        Ok(Self { model })
    }

    /// How many tokens there are to choose from, the added ones included.
    pub fn vocabulary(&self) -> usize {
        self.model.vocabulary()
    }

    /// How many tokens the model reads of `passage`.
    ///
    /// Takes about half a second for a megabyte, and some 500 bytes of memory for each token: what
    /// a stranger sent is for the caller to bound. A text that makes the library give up is an
    /// internal error, never a panic.
    pub fn count(&self, passage: &Passage) -> Result<u32> {
        self.model.count(passage).map_err(|source| Error::internal().because(source))
    }
}

/// A text as the model reads it, whole or but for what the container's tokenizer puts around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// The text, with its control tokens.
    pub text: String,
    /// Whether the container's tokenizer adds its special tokens, such as a BOS, to the text.
    pub specials: bool,
    /// The BOS token that was left out of the text because the container's tokenizer adds it. It
    /// counts once, also where this tokenizer would not add it: what several models' libraries do
    /// by a setting of their own (`add_bos_token`) is not in their `tokenizer.json`.
    pub bos: Option<String>,
}

impl Passage {
    /// A text that nothing is added to.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), specials: false, bos: None }
    }
}
