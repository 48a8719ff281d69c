//! Images in a body. Nothing in base64 has to be escaped, so they are written without being looked
//! at, which `serde_json` would do letter by letter.

use std::io::{self, Write};
use std::vec;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

/// An image as the container reads it.
#[derive(Clone, Copy)]
pub(super) struct DataUrl<'a> {
    pub(super) media_type: &'static str,
    /// Proven to be base64 when it was read.
    pub(super) base64: &'a str,
}

/// What stands for an image until [`Images`] writes the one that is next.
#[derive(Clone, Copy)]
pub(super) struct Mark;

/// Raw JSON of this kind comes from nowhere else: what callers say is raw only if it is long.
const MARK: &str = r#""\u0000""#;

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(MARK).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Writes compact JSON, and for each mark the next image.
struct Images<'i, 'a>(&'i mut vec::IntoIter<DataUrl<'a>>);

impl Formatter for Images<'_, '_> {
    fn write_raw_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        if fragment != MARK {
            return writer.write_all(fragment.as_bytes());
        }
        let image = self.0.next().ok_or_else(|| io::Error::other("a mark without an image"))?;
        write!(writer, "\"data:{};base64,", image.media_type)?;
        writer.write_all(image.base64.as_bytes())?;
        writer.write_all(b"\"")
    }
}

/// `body` as JSON, its `images` in the order of their marks. There is `room` for the rest of it from
/// the start, in bytes: an image is not copied because the body has to grow behind it.
pub(super) fn write(
    body: &impl Serialize,
    images: Vec<DataUrl<'_>>,
    room: usize,
) -> serde_json::Result<Vec<u8>> {
    let shown: usize = images.iter().map(|image| image.base64.len()).sum();
    let mut bytes = Vec::with_capacity(room + shown);
    let mut images = images.into_iter();
    let formatter = Images(&mut images);
    body.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    if images.len() > 0 {
        return Err(serde_json::Error::io(io::Error::other("an image without a mark")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Said<'a> {
        text: &'a str,
        first: Mark,
        more: Vec<Mark>,
    }

    #[test]
    fn each_image_is_written_in_its_place_and_a_mark_of_a_caller_is_text() {
        let image = |base64| DataUrl { media_type: "image/png", base64 };
        let all = [image("AAAA"), image("iVBOR/+="), image("")];
        let said = Said { text: "\0", first: Mark, more: vec![Mark; 2] };
        let written = String::from_utf8(write(&said, all.to_vec(), 0).unwrap()).unwrap();
        let expected = concat!(
            r#"{"text":"\u0000","first":"data:image/png;base64,AAAA","#,
            r#""more":["data:image/png;base64,iVBOR/+=","data:image/png;base64,"]}"#,
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn images_and_marks_must_be_as_many() {
        let image = DataUrl { media_type: "image/png", base64: "AAAA" };
        for (shown, given) in [(0, 1), (1, 0), (2, 1)] {
            assert!(write(&vec![Mark; shown], vec![image; given], 0).is_err(), "{shown} {given}");
        }
    }
}
