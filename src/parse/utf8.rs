//! Bytes to text, wherever a character is cut.

/// Holds the beginning of a character whose end has not arrived: at most three bytes.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    held: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Gives the text that `bytes` complete. What is no UTF-8 becomes U+FFFD, as one decoding of
    /// the whole would make it.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut out: impl FnMut(&str)) {
        // Most pieces begin and end with a character.
        if self.len == 0
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            if !text.is_empty() {
                out(text);
            }
            return;
        }
        while self.len > 0 {
            let Some((&first, rest)) = bytes.split_first() else { return };
            self.held[self.len] = first;
            match std::str::from_utf8(&self.held[..=self.len]) {
                Ok(text) => {
                    out(text);
                    bytes = rest;
                    self.len = 0;
                }
                Err(error) if error.error_len().is_none() => {
                    self.len += 1;
                    bytes = rest;
                }
                // The byte belongs to no character that began before it.
                Err(_) => {
                    out("\u{FFFD}");
                    self.len = 0;
                }
            }
        }
        self.whole(bytes, &mut out);
    }

    fn whole(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(&str)) {
        loop {
            let error = match std::str::from_utf8(bytes) {
                Ok("") => return,
                Ok(text) => return out(text),
                Err(error) => error,
            };
            let (good, bad) = bytes.split_at(error.valid_up_to());
            if let Ok(text) = std::str::from_utf8(good)
                && !text.is_empty()
            {
                out(text);
            }
            let Some(skip) = error.error_len() else {
                self.held[..bad.len()].copy_from_slice(bad);
                self.len = bad.len();
                return;
            };
            out("\u{FFFD}");
            bytes = &bad[skip..];
        }
    }

    /// The end: a character without its end is no character.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&str)) {
        if std::mem::take(&mut self.len) > 0 {
            out("\u{FFFD}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Utf8;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut utf8, mut text) = (Utf8::default(), String::new());
        for piece in pieces {
            utf8.push(piece, |part| text.push_str(part));
        }
        utf8.finish(&mut |part| text.push_str(part));
        text
    }

    #[test]
    fn a_character_is_whole_wherever_it_is_cut() {
        let text = "贺兰山 👨‍👩‍👧 é";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(decode([head, tail]), text);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_as_std_does(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(bytes.chunks(1)), String::from_utf8_lossy(&bytes));
            prop_assert_eq!(decode([&bytes[..]]), String::from_utf8_lossy(&bytes));
        }
    }
}
