//! The hub of reranking: a query, documents, and how well each of them answers it.

use crate::{Code, Error, Result};

/// Documents that are to be put in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is looked for.
    pub query: String,
    /// The documents' texts. Not empty.
    pub documents: Vec<String>,
    /// How many of the best are wanted; `None`: all.
    pub top_n: Option<usize>,
}

/// How well a document answers the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    /// The document's place in the question.
    pub index: usize,
    /// The higher the better; its range is the model's own, mostly from 0 to 1.
    pub score: f32,
}

/// Documents in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Of a container in any order; to a caller the best first.
    pub results: Vec<Rank>,
    /// How many tokens the model read; `None` where the container did not count.
    pub tokens: Option<u32>,
}

/// The answers to the batches of one question as one, the best first: equal scores in the order
/// of the documents, and no more than was asked for. Each batch comes with the place of its first
/// document.
///
/// # Errors
/// A `ModelErrorException` unless each document was scored once.
pub fn merge(batches: impl IntoIterator<Item = (usize, Answer)>, ask: &Ask) -> Result<Answer> {
    let mut scores = vec![None; ask.documents.len()];
    let mut tokens = Some(0_u32);
    let mut once = true;
    for (first, batch) in batches {
        tokens = tokens.zip(batch.tokens).map(|(a, b)| a.saturating_add(b));
        for rank in batch.results {
            let place = first.checked_add(rank.index).and_then(|index| scores.get_mut(index));
            once &= place.is_some_and(|place| place.replace(rank.score).is_none());
        }
    }
    let mut results: Vec<Rank> = scores
        .iter()
        .enumerate()
        .filter_map(|(index, score)| Some(Rank { index, score: (*score)? }))
        .collect();
    if !once || results.len() != ask.documents.len() {
        return Err(Error::new(
            Code::ModelError,
            "The model returned scores that do not belong to the documents.",
        )
        .because(format!(
            "{} of {} documents were scored",
            results.len(),
            ask.documents.len()
        )));
    }
    results.sort_by(|a, b| b.score.total_cmp(&a.score));
    results.truncate(ask.top_n.unwrap_or(usize::MAX));
    Ok(Answer { results, tokens })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn asked(documents: usize, top_n: Option<usize>) -> Ask {
        Ask { query: "q".to_owned(), documents: vec!["d".to_owned(); documents], top_n }
    }

    fn batch(scores: &[(usize, f32)], tokens: Option<u32>) -> Answer {
        let results = scores.iter().map(|(index, score)| Rank { index: *index, score: *score });
        Answer { results: results.collect(), tokens }
    }

    #[test]
    fn the_best_come_first_wherever_they_were() {
        let batches = [
            (0, batch(&[(1, 0.5), (0, 0.1)], Some(3))),
            (2, batch(&[(0, 0.5), (1, 0.9)], Some(4))),
        ];
        let merged = merge(batches.clone(), &asked(4, None)).unwrap();
        let order: Vec<_> = merged.results.iter().map(|rank| rank.index).collect();
        assert_eq!((order, merged.tokens), (vec![3, 1, 2, 0], Some(7)));
        assert_eq!(merge(batches, &asked(4, Some(1))).unwrap().results.len(), 1);
    }

    #[test]
    fn each_document_is_scored_once() {
        for scores in [&[(0, 0.1)][..], &[(0, 0.1), (2, 0.2)], &[(0, 0.1), (0, 0.2)]] {
            let error = merge([(0, batch(scores, None))], &asked(2, None)).unwrap_err();
            assert_eq!(error.code(), Code::ModelError, "{scores:?}");
        }
        let twice = [(0, 0.1), (1, 0.2), (1, 0.3)];
        assert!(merge([(0, batch(&twice, None))], &asked(2, None)).is_err());
        assert!(merge([(usize::MAX, batch(&twice, None))], &asked(3, None)).is_err());
    }

    proptest! {
        #[test]
        fn batches_do_not_matter(scores in vec(-5.0_f32..5.0, 1..40), size in 1..10_usize, top in 1..50_usize) {
            let batches = scores.chunks(size).enumerate().map(|(at, chunk)| {
                let scores: Vec<_> = chunk.iter().copied().enumerate().rev().collect();
                (at * size, batch(&scores, None))
            });
            let merged = merge(batches, &asked(scores.len(), Some(top))).unwrap();
            let mut expected: Vec<_> = scores.iter().copied().enumerate().collect();
            expected.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
            expected.truncate(top);
            let found: Vec<_> = merged.results.iter().map(|r| (r.index, r.score)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
