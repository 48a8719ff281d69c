//! One vector out of the vectors of a text's tokens.

use super::vector::{number, single};

/// How the vectors of tokens become that of their text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean, number by number: sentence-transformers' default.
    #[default]
    Mean,
    /// The first one, of the token `[CLS]`: BERT, BGE.
    Cls,
}

/// The vector of a text whose tokens have these `rows`. `None` if there are none, or if they are
/// not all of the same size.
pub fn pool(rows: &[Vec<f32>], how: Pooling) -> Option<Vec<f32>> {
    let first = rows.first()?;
    if rows.iter().any(|row| row.len() != first.len()) {
        return None;
    }
    match how {
        Pooling::Cls => Some(first.clone()),
        Pooling::Mean => {
            let mut sums = vec![0.0_f64; first.len()];
            for row in rows {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*value);
                }
            }
            let count = number(rows.len());
            Some(sums.into_iter().map(|sum| single(sum / count)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mean_and_first() {
        let rows = [vec![1.0, -2.0], vec![3.0, 4.0]];
        assert_eq!(pool(&rows, Pooling::Mean), Some(vec![2.0, 1.0]));
        assert_eq!(pool(&rows, Pooling::Cls), Some(vec![1.0, -2.0]));
        assert_eq!(pool(&[], Pooling::Mean), None);
        assert_eq!(pool(&[vec![1.0], vec![1.0, 2.0]], Pooling::Cls), None);
    }

    proptest! {
        #[test]
        fn a_mean_is_the_sum_of_a_column_by_its_height(
            rows in (1..9_usize).prop_flat_map(|width| vec(vec(-10.0_f32..10.0, width), 1..9)),
        ) {
            let mean = pool(&rows, Pooling::Mean).unwrap();
            for (column, value) in mean.iter().enumerate() {
                let numbers: Vec<f64> = rows.iter().map(|row| f64::from(row[column])).collect();
                let expected = numbers.iter().sum::<f64>() / f64::from(u32::try_from(numbers.len()).unwrap());
                prop_assert!((f64::from(*value) - expected).abs() < 1e-6);
            }
        }
    }
}
