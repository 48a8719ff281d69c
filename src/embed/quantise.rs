//! Vectors of fewer bits, as Cohere's and Titan's answers have them.
//!
//! Of a bit, 1 stands for a number that is not negative. Bits are packed eight to a byte, the first
//! in the highest place, as `numpy.unpackbits` takes them apart in Cohere's documentation; a last
//! byte that is not full ends with zeros. The signed form of a packed byte is the byte less 128
//! (offset binary), as vLLM's edition of Cohere's API and sentence-transformers have it. Cohere
//! documents neither that nor the ranges behind its `int8`; what is done here is told at [`int8`].

use super::vector::number;

/// How many times the root mean square of a unit vector's numbers fits into 127. Trained
/// embeddings hold hardly a number beyond; recorded answers of Cohere's look alike.
const SPREAD: f64 = 4.0;

/// Each number as a byte with a sign.
///
/// The scale depends on the vector's size alone, so that bytes of different calls compare: a number
/// of a unit vector of `n` dimensions is multiplied by `127·√n / 4`, rounded, and cut at -128 and
/// 127. The vector must be of length 1.
pub fn int8(vector: &[f32]) -> Vec<i8> {
    let scale = 127.0 * number(vector.len()).sqrt() / SPREAD;
    vector.iter().map(|value| byte(f64::from(*value) * scale)).collect()
}

/// [`int8`] above zero: each byte is 128 more.
pub fn uint8(vector: &[f32]) -> Vec<u8> {
    int8(vector).into_iter().map(above_zero).collect()
}

/// The signs, eight to a byte.
pub fn ubinary(vector: &[f32]) -> Vec<u8> {
    vector
        .chunks(8)
        .map(|chunk| {
            let places = (0..8).rev();
            chunk.iter().zip(places).fold(0, |byte, (value, place)| byte | (bit(*value) << place))
        })
        .collect()
}

/// [`ubinary`] with a sign: each byte is 128 less.
pub fn binary(vector: &[f32]) -> Vec<i8> {
    ubinary(vector).into_iter().map(|byte| (byte ^ 0x80).cast_signed()).collect()
}

/// The signs, each a number of its own: Titan's `binary`.
pub fn bits(vector: &[f32]) -> Vec<u8> {
    vector.iter().map(|value| bit(*value)).collect()
}

fn bit(value: f32) -> u8 {
    u8::from(value >= 0.0)
}

fn above_zero(byte: i8) -> u8 {
    byte.cast_unsigned() ^ 0x80
}

/// The nearest byte; a number that is none is zero.
#[expect(clippy::cast_possible_truncation, reason = "a cast from floats stops at the bounds")]
fn byte(value: f64) -> i8 {
    value.round() as i8
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signs_are_packed_from_the_highest_bit() {
        // 1011 0000 | 1 and seven zeros
        let vector = [0.5, -0.1, 0.0, 2.0, -1.0, -1.0, -1.0, -1.0, 0.1];
        assert_eq!(bits(&vector), [1, 0, 1, 1, 0, 0, 0, 0, 1]);
        assert_eq!(ubinary(&vector), [0b1011_0000, 0b1000_0000]);
        assert_eq!(binary(&vector), [48, 0]);
        assert_eq!(binary(&[1.0; 8]), [127]);
        assert_eq!(binary(&[-1.0; 8]), [-128]);
        assert!(ubinary(&[]).is_empty());
    }

    #[test]
    fn bytes_fill_their_range() {
        // Four dimensions: 127·2/4 = 63.5 times the number.
        assert_eq!(int8(&[1.0, -1.0, 0.5, 0.0]), [64, -64, 32, 0]);
        assert_eq!(uint8(&[1.0, -1.0, 0.5, 0.0]), [192, 64, 160, 128]);
        let mut peak = vec![0.0; 100];
        peak[0] = 1.0;
        peak[1] = -1.0;
        assert_eq!(int8(&peak)[..3], [127, -128, 0]);
        assert_eq!(int8(&[f32::NAN]), [0]);
    }

    proptest! {
        #[test]
        fn bytes_are_the_numbers_on_a_scale(vector in vec(-1.0_f32..1.0, 1..600)) {
            let size = u32::try_from(vector.len()).unwrap();
            let scale = 31.75 * f64::from(size).sqrt();
            let (signed, unsigned) = (int8(&vector), uint8(&vector));
            for ((value, signed), unsigned) in vector.iter().zip(signed).zip(unsigned) {
                let expected = (f64::from(*value) * scale).round().clamp(-128.0, 127.0);
                prop_assert!((f64::from(signed) - expected).abs() < 0.5, "{} {}", signed, expected);
                prop_assert_eq!(i16::from(unsigned), i16::from(signed) + 128);
            }
        }

        #[test]
        fn packed_bits_are_the_signs_again(vector in vec(-1.0_f32..1.0, 0..200)) {
            let text: String = vector.iter().map(|v| if *v < 0.0 { '0' } else { '1' }).collect();
            let bytes: Vec<u8> = text
                .as_bytes()
                .chunks(8)
                .map(|eight| format!("{:0<8}", std::str::from_utf8(eight).unwrap()))
                .map(|eight| u8::from_str_radix(&eight, 2).unwrap())
                .collect();
            let signed: Vec<i16> = bytes.iter().map(|byte| i16::from(*byte) - 128).collect();
            prop_assert_eq!(binary(&vector).into_iter().map(i16::from).collect::<Vec<_>>(), signed);
            prop_assert_eq!(ubinary(&vector), bytes);
            let digits: String = bits(&vector).iter().map(ToString::to_string).collect();
            prop_assert_eq!(digits, text);
        }
    }
}
