//! Bytes that come in pieces and are wanted as a whole.

use bytes::{Bytes, BytesMut};

/// Pieces in a row. One piece alone is not copied; several are put together in memory of their own.
///
/// ```
/// # use bytes::Bytes;
/// # use helan::wire::Joined;
/// let mut joined = Joined::default();
/// joined.push(Bytes::from_static(b"a"));
/// joined.push(Bytes::from_static(b"bc"));
/// assert_eq!(joined.len(), 3);
/// assert_eq!(joined.take(), "abc");
/// assert!(joined.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Joined {
    first: Bytes,
    /// All of them, once there are two.
    more: BytesMut,
    room: usize,
}

impl Joined {
    /// Takes memory for `room` bytes at once when a second piece comes.
    pub fn with_room(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    /// Adds a piece.
    pub fn push(&mut self, piece: Bytes) {
        if self.is_empty() {
            self.first = piece;
            return;
        }
        if self.more.is_empty() {
            self.more.reserve(self.room.max(self.first.len() + piece.len()));
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&piece);
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it; nothing is left.
    pub fn take(&mut self) -> Bytes {
        if self.more.is_empty() {
            return std::mem::take(&mut self.first);
        }
        std::mem::take(&mut self.more).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_is_handed_on_as_it_is() {
        let piece = Bytes::from(vec![b'a'; 9]);
        let mut joined = Joined::with_room(100);
        joined.push(Bytes::new());
        joined.push(piece.clone());
        assert_eq!(joined.take().as_ptr(), piece.as_ptr());
        assert_eq!(joined.take(), "");
    }

    #[test]
    fn any_cut_gives_the_same_bytes() {
        let text = b"snow on the mountains";
        for cut in 0..=text.len() {
            for second in cut..=text.len() {
                let mut joined = Joined::default();
                for piece in [&text[..cut], &text[cut..second], &text[second..]] {
                    joined.push(Bytes::from_static(piece));
                }
                assert_eq!(joined.len(), text.len());
                assert_eq!(joined.take(), &text[..]);
            }
        }
    }
}
