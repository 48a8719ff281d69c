//! What is done to one vector.

/// How far from 1 the square of a length may be for a vector to count as normalised: what the
/// rounding of single precision makes.
const ROUNDING: f64 = 1e-6;

/// Cuts a vector to its first `length` numbers. Models that are trained for it (Matryoshka) keep
/// what matters most in front; what is cut has to be [normalised](normalise) again.
pub fn shorten(vector: &mut Vec<f32>, length: usize) {
    vector.truncate(length);
}

/// Gives a vector the length 1. One that has it keeps its very numbers; one of zeros stays as it is.
pub fn normalise(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|number| f64::from(*number).powi(2)).sum();
    if square == 0.0 || (square - 1.0).abs() < ROUNDING {
        return;
    }
    let length = square.sqrt();
    for number in vector {
        *number = single(f64::from(*number) / length);
    }
}

/// The nearest number in single precision.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
pub(super) fn single(number: f64) -> f32 {
    number as f32
}

/// A count as a number. No vector or text has so many that one would be lost.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn length(vector: &[f32]) -> f64 {
        vector.iter().map(|number| f64::from(*number) * f64::from(*number)).sum::<f64>().sqrt()
    }

    #[test]
    fn zeros_and_unit_vectors_stay() {
        for mut vector in [vec![0.0, 0.0], vec![], vec![0.6, 0.8], vec![-1.0]] {
            let before = vector.clone();
            normalise(&mut vector);
            assert_eq!(vector, before);
        }
    }

    proptest! {
        #[test]
        fn the_length_is_one_and_the_direction_stays(vector in vec(-1e15_f32..1e15, 1..100)) {
            prop_assume!(length(&vector) > 1e-3);
            let mut unit = vector.clone();
            normalise(&mut unit);
            prop_assert!((length(&unit) - 1.0).abs() < 1e-5, "{}", length(&unit));
            let scale = length(&vector);
            for (number, before) in unit.iter().zip(&vector) {
                prop_assert!((f64::from(*number) * scale - f64::from(*before)).abs() <= scale * 1e-6);
            }
            let mut again = unit.clone();
            normalise(&mut again);
            prop_assert_eq!(again, unit);
        }
    }
}
