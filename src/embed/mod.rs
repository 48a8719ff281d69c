//! The hub of embeddings: what is asked for, what comes back, and what is done to vectors between.
//!
//! A native body becomes an [`Ask`]; a container answers vectors as its model made them; [`fit`]
//! makes of them what was asked for. Neither side knows the other.

mod pool;
mod quantise;
mod vector;

pub use pool::{Pooling, pool};
pub use quantise::{binary, bits, int8, ubinary, uint8};
pub use vector::{normalise, shorten};

use crate::{Code, Error, Result};

/// Texts that are to become vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The texts, in the order of the answer's vectors. Not empty.
    pub inputs: Vec<String>,
    /// How long the vectors are to be; `None`: as the model makes them.
    pub dimensions: Option<Dimensions>,
    /// Whether the vectors must have the length 1.
    pub normalize: bool,
    /// What the vectors are for, as far as the caller says so.
    pub purpose: Option<Purpose>,
    /// What happens to a text that the model cannot read as a whole.
    pub truncate: Truncate,
}

impl Ask {
    /// The plain question: vectors of the model's own size and of length 1.
    pub fn new(inputs: Vec<String>) -> Self {
        Self { inputs, dimensions: None, normalize: true, purpose: None, truncate: Truncate::None }
    }
}

/// How many numbers a vector has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimensions {
    /// So many, as the caller asked. A model that makes fewer cannot answer.
    Exactly(usize),
    /// So many at most: a family's default. A model that makes fewer answers all of its own.
    AtMost(usize),
}

/// What a vector is for. Models trained for search embed the two sides of it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Something that will be found.
    SearchDocument,
    /// What is looked for.
    SearchQuery,
    /// The input of a classifier.
    Classification,
    /// The input of a clustering.
    Clustering,
}

/// What happens to a text with more tokens than the model can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncate {
    /// The call fails.
    #[default]
    None,
    /// Its beginning is left out.
    Start,
    /// Its end is left out.
    End,
}

/// The vectors of some texts, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// One for each text, all of the same size.
    pub vectors: Vec<Vec<f32>>,
    /// How many tokens the model read; `None` where the container did not count.
    pub tokens: Option<u32>,
}

impl Answer {
    /// The answers to the batches of one question, as one. Tokens are known only if all counted.
    pub fn join(batches: impl IntoIterator<Item = Self>) -> Self {
        let mut batches = batches.into_iter();
        let mut all = batches.next().unwrap_or_default();
        for batch in batches {
            all.vectors.extend(batch.vectors);
            all.tokens = all.tokens.zip(batch.tokens).map(|(a, b)| a.saturating_add(b));
        }
        all
    }
}

/// Makes of a model's vectors what was asked for: as many, as long, of length 1.
///
/// # Errors
/// A `ModelErrorException` if these are not vectors for the texts of `ask`; a
/// `ValidationException` if the model's are shorter than the caller demands.
pub fn fit(answer: &mut Answer, ask: &Ask) -> Result<()> {
    let width = answer.vectors.first().map_or(0, Vec::len);
    let equal = answer.vectors.iter().all(|vector| vector.len() == width);
    if width == 0 || !equal || answer.vectors.len() != ask.inputs.len() {
        let (found, asked) = (answer.vectors.len(), ask.inputs.len());
        return Err(Error::new(
            Code::ModelError,
            "The model returned embeddings that do not belong to the input.",
        )
        .because(format!("{found} vectors for {asked} texts, the first of {width} numbers")));
    }
    let length = match ask.dimensions {
        None => width,
        Some(Dimensions::AtMost(most)) => width.min(most),
        Some(Dimensions::Exactly(asked)) if asked <= width => asked,
        Some(Dimensions::Exactly(asked)) => {
            return Err(Error::validation(format!(
                "The model's embeddings have {width} dimensions. It cannot return {asked}."
            )));
        }
    };
    for vector in &mut answer.vectors {
        shorten(vector, length);
        if ask.normalize {
            normalise(vector);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(vectors: &[&[f32]]) -> Answer {
        Answer { vectors: vectors.iter().map(|vector| vector.to_vec()).collect(), tokens: None }
    }

    fn asked(count: usize, dimensions: Option<Dimensions>, normalize: bool) -> Ask {
        Ask { dimensions, normalize, ..Ask::new(vec!["text".to_owned(); count]) }
    }

    #[test]
    fn vectors_are_cut_and_made_unit_again() {
        let mut two = answer(&[&[3.0, 4.0, 12.0], &[0.0, -2.0, 0.0]]);
        fit(&mut two, &asked(2, Some(Dimensions::Exactly(2)), true)).unwrap();
        assert_eq!(two.vectors, [[0.6, 0.8], [0.0, -1.0]]);
        let mut plain = answer(&[&[3.0, 4.0, 12.0]]);
        fit(&mut plain, &asked(1, Some(Dimensions::Exactly(2)), false)).unwrap();
        assert_eq!(plain.vectors, [[3.0, 4.0]]);
    }

    #[test]
    fn a_demand_is_met_or_refused_and_a_default_is_a_bound() {
        let model = || answer(&[&[1.0, 0.0]]);
        let refused = fit(&mut model(), &asked(1, Some(Dimensions::Exactly(3)), true)).unwrap_err();
        assert_eq!(refused.code(), Code::Validation);
        assert!(refused.message().contains("have 2 dimensions"), "{refused}");
        let mut all = model();
        fit(&mut all, &asked(1, Some(Dimensions::AtMost(3)), true)).unwrap();
        assert_eq!(all, model());
        let mut one = model();
        fit(&mut one, &asked(1, Some(Dimensions::AtMost(1)), true)).unwrap();
        assert_eq!(one.vectors, [[1.0]]);
    }

    #[test]
    fn what_does_not_belong_to_the_texts_is_no_answer() {
        for (vectors, texts) in [
            (&[&[1.0][..]][..], 2),
            (&[&[1.0], &[1.0]], 1),
            (&[&[1.0], &[1.0, 2.0]], 2),
            (&[&[]], 1),
            (&[], 1),
        ] {
            let error = fit(&mut answer(vectors), &asked(texts, None, true)).unwrap_err();
            assert_eq!(error.code(), Code::ModelError, "{vectors:?}");
        }
    }

    #[test]
    fn tokens_of_batches_are_added_only_if_all_were_counted() {
        let batch = |tokens| Answer { vectors: vec![vec![1.0]], tokens };
        let joined = Answer::join([batch(Some(2)), batch(Some(3))]);
        assert_eq!((joined.vectors.len(), joined.tokens), (2, Some(5)));
        assert_eq!(Answer::join([batch(Some(2)), batch(None)]).tokens, None);
        assert_eq!(Answer::join([batch(None), batch(Some(3))]).tokens, None);
    }
}
