//! The crate `tokenizers`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Cause, Passage};

pub(super) struct Model(tokenizers::Tokenizer);

impl fmt::Debug for Model {
    /// Without the vocabulary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("vocabulary", &self.vocabulary()).finish_non_exhaustive()
    }
}

impl Model {
    pub(super) fn parse(json: &str) -> Result<Self, Cause> {
        // Its own threads are for batches, and the variable that rules them is not ours.
        tokenizers::utils::parallelism::set_parallelism(false);
        let mut tokenizer: tokenizers::Tokenizer = guarded(|| json.parse())?;
        // Some files cut or fill what they are given, as it was when the model was trained.
        tokenizer.with_truncation(None)?;
        tokenizer.with_padding(None);
        Ok(Self(tokenizer))
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    pub(super) fn count(&self, passage: &Passage) -> Result<u32, Cause> {
        let encoding = guarded(|| self.0.encode_fast(passage.text.as_str(), passage.specials))?;
        let lacks_bos = passage.bos.as_deref().is_some_and(|bos| {
            let id = self.0.token_to_id(bos);
            id.is_none() || encoding.get_ids().first().copied() != id
        });
        Ok(u32::try_from(encoding.len() + usize::from(lacks_bos))?)
    }
}

/// The text is a stranger's and the library is not ours: should it panic, the call fails and
/// nothing else. It holds no lock whose state could be half written.
fn guarded<T>(work: impl FnOnce() -> Result<T, Cause>) -> Result<T, Cause> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the tokenizer panicked".into()))
}
