//! How a model's tokens are counted: its tokenizer, loaded once, and what writes its prompts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::assemble::reader;
use crate::clock::Clock;
use crate::config::{self, Contract, CountTokens};
use crate::container::{Counted, Counter, Counting, Speaks, text};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

/// The tokenizers that were loaded: one takes more memory than all else that a model needs.
#[derive(Debug, Default)]
pub(super) struct Tokenizers(Mutex<Vec<(PathBuf, Arc<Tokenizer>)>>);

impl Tokenizers {
    /// The tokenizer of a file, loaded once.
    pub(super) fn of(&self, path: &Path) -> Result<Arc<Tokenizer>> {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tokenizer)) = loaded.iter().find(|(known, _)| known == path) {
            return Ok(Arc::clone(tokenizer));
        }
        let tokenizer = Tokenizer::load(path).map_err(|error| Error::internal().because(error))?;
        let tokenizer = Arc::new(tokenizer);
        loaded.push((path.to_owned(), Arc::clone(&tokenizer)));
        Ok(tokenizer)
    }

    /// `speaks`, with the way of counting that its target has.
    pub(super) fn count(
        &self,
        speaks: Speaks,
        target: &config::Target,
        clock: &Clock,
    ) -> Result<Speaks> {
        let Speaks::Text(container) = speaks else { return Ok(speaks) };
        let counting = match (target.count_tokens, &target.tokenizer) {
            (CountTokens::Endpoint, _) => Counting::Endpoint,
            (CountTokens::Tokenizer, Some(path)) => {
                Counting::Tokenizer(Arc::new(counter(self.of(path)?, target, clock)?))
            }
            (CountTokens::Off | CountTokens::Tokenizer, _) => Counting::Off,
        };
        Ok(match counting {
            Counting::Off => Speaks::Text(container),
            counting => Speaks::Text(Arc::new(Counted::new(container, counting))),
        })
    }
}

fn counter(tokenizer: Arc<Tokenizer>, target: &config::Target, clock: &Clock) -> Result<Counter> {
    let dialect = match target.contract {
        Contract::OpenAi => {
            // To what it makes of messages, a container's tokenizer adds nothing.
            let as_rendered = config::Target { adds_bos: false, ..target.clone() };
            let text = reader(&as_rendered, text::Dialect::Completions, clock)?;
            return Ok(Counter::of_messages(tokenizer, text, target.adds_bos));
        }
        Contract::Completions => text::Dialect::Completions,
        Contract::Tgi => text::Dialect::Tgi,
        Contract::Lmi => text::Dialect::Lmi,
        Contract::HuggingFace => text::Dialect::HuggingFace,
        _ => return Err(Error::internal().because("only text has tokens that are counted")),
    };
    Ok(Counter::of_prompts(tokenizer, reader(target, dialect, clock)?))
}
