//! What containers stream: lines, cut anywhere on their way, in one of several manners.
//!
//! `SageMaker`'s payload parts fall where they fall: inside a character, inside a JSON object,
//! several events in one part or one event over many. [`Lines`] puts the lines together again
//! as bytes; [`sniff`] then looks at each on its own, since the content type cannot be trusted
//! (EMD says `text/event-stream` over JSON lines) and engines mix manners: `data:` with and
//! without a space, keep-alive comments, bare JSON, `[DONE]` on its own or glued to JSON.

use bytes::{Bytes, BytesMut};

use crate::error::Code;

/// A line is over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the model's answer is over the limit of {limit} bytes")]
pub struct TooLong {
    /// The limit, in bytes, the line's end not counted.
    pub limit: usize,
}

impl From<TooLong> for crate::Error {
    fn from(error: TooLong) -> Self {
        Self::new(Code::ModelError, "The model returned an event that is too long to be read.")
            .because(error)
    }
}

/// Splits a stream of bytes into lines: `\n` or `\r\n` ends one, and so does the stream's end.
///
/// It gives the same lines wherever the pieces are cut. A line that lies within one piece is
/// not copied. Take all lines after each [`push`](Self::push): then no more is held than one
/// unfinished line, which `limit` bounds. After an error nothing more comes.
///
/// ```
/// # use bytes::Bytes;
/// # use helan::wire::lines::Lines;
/// let mut lines = Lines::new(1024);
/// lines.push(Bytes::from_static(b"data: {\"a\":"));
/// assert_eq!(lines.next(), None);
/// lines.push(Bytes::from_static(b"1}\r\n[DO"));
/// assert_eq!(lines.next(), Some(Ok(Bytes::from_static(b"data: {\"a\":1}"))));
/// lines.push(Bytes::from_static(b"NE]"));
/// lines.finish();
/// assert_eq!(lines.next(), Some(Ok(Bytes::from_static(b"[DONE]"))));
/// assert_eq!(lines.next(), None);
/// ```
#[derive(Debug)]
pub struct Lines {
    /// The beginning of a line whose end has not arrived.
    partial: BytesMut,
    /// What has not been looked at.
    piece: Bytes,
    limit: usize,
    finished: bool,
    broken: bool,
}

impl Lines {
    /// A splitter that refuses lines of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            partial: BytesMut::new(),
            piece: Bytes::new(),
            limit,
            finished: false,
            broken: false,
        }
    }

    /// Adds what has arrived. Nothing may come after [`finish`](Self::finish).
    pub fn push(&mut self, piece: Bytes) {
        if self.broken || self.finished {
            return;
        }
        if self.piece.is_empty() {
            self.piece = piece;
        } else {
            // Only for a caller that has not taken all lines before.
            self.piece = [std::mem::take(&mut self.piece), piece].concat().into();
        }
    }

    /// Says that nothing more arrives: what is left is the last line.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    fn take(&mut self) -> Result<Option<Bytes>, TooLong> {
        if let Some(end) = memchr::memchr(b'\n', &self.piece) {
            let mut line = self.piece.split_to(end + 1);
            line.truncate(end);
            if !self.partial.is_empty() {
                self.keep(&line)?;
                line = self.partial.split().freeze();
            }
            return self.trimmed(line).map(Some);
        }
        let rest = std::mem::take(&mut self.piece);
        self.keep(&rest)?;
        if self.finished && !self.partial.is_empty() {
            let line = self.partial.split().freeze();
            return self.trimmed(line).map(Some);
        }
        Ok(None)
    }

    /// Adds to the unfinished line. One byte over the limit may yet be the `\r` of its end.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.partial.len() + bytes.len() > self.limit.saturating_add(1) {
            return Err(TooLong { limit: self.limit });
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn trimmed(&self, mut line: Bytes) -> Result<Bytes, TooLong> {
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.limit { Err(TooLong { limit: self.limit }) } else { Ok(line) }
    }
}

impl Iterator for Lines {
    type Item = Result<Bytes, TooLong>;

    /// The next whole line, without its end; `None` until more is pushed.
    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let line = self.take();
        if line.is_err() {
            self.broken = true;
            self.piece = Bytes::new();
            self.partial = BytesMut::new();
        }
        line.transpose()
    }
}

/// What one line, or one part of a line, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A payload, as a rule JSON: what followed `data:`, or a bare JSON line.
    Data(&'a [u8]),
    /// `[DONE]`: the container has said everything.
    Done,
    /// Another field of server-sent events: `event`, `id`, `retry`.
    Field {
        /// Its name.
        name: &'a str,
        /// Its value, trimmed.
        value: &'a [u8],
    },
    /// A comment, which keeps the connection alive.
    Comment,
    /// None of these: an engine's bare words. Trimmed, not empty.
    Other(&'a [u8]),
}

/// Reads one line, which as a rule says one thing; a blank one says nothing. What is glued
/// behind a JSON value without a line's end (`{…}data: {…}`, `{…}[DONE]`, `{…}{…}`) comes as
/// items of its own; the same characters inside a JSON string are left alone.
///
/// ```
/// # use helan::wire::lines::{Line, sniff};
/// let glued: Vec<_> = sniff(br#"data: {"text":"[DONE]"}data: [DONE]"#).collect();
/// assert_eq!(glued, [Line::Data(br#"{"text":"[DONE]"}"#), Line::Done]);
/// ```
pub fn sniff(line: &[u8]) -> Sniffed<'_> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    Sniffed { rest: line, first: true }
}

/// The items of one line: see [`sniff`].
#[derive(Clone, Debug)]
pub struct Sniffed<'a> {
    rest: &'a [u8],
    /// Fields and comments are known by the beginning of a line, and take all of it.
    first: bool,
}

impl<'a> Iterator for Sniffed<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let mut rest = self.rest.trim_ascii();
        let first = std::mem::take(&mut self.first);
        let mut data = false;
        while let Some(after) = rest.strip_prefix(b"data:") {
            (rest, data) = (after.trim_ascii_start(), true);
        }
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        if let Some(after) = rest.strip_prefix(b"[DONE]") {
            self.rest = after;
            return Some(Line::Done);
        }
        if matches!(rest.first(), Some(b'{' | b'[')) {
            let (value, after) = rest.split_at(json_end(rest));
            self.rest = after;
            return Some(Line::Data(value));
        }
        self.rest = &[];
        if first && !data {
            if rest.first() == Some(&b':') {
                return Some(Line::Comment);
            }
            for name in ["event", "id", "retry"] {
                if let Some(value) =
                    rest.strip_prefix(name.as_bytes()).and_then(|v| v.strip_prefix(b":"))
                {
                    return Some(Line::Field { name, value: value.trim_ascii() });
                }
            }
        }
        Some(if data { Line::Data(rest) } else { Line::Other(rest) })
    }
}

/// Where the object or array that `text` begins with ends: at the end of `text` if it is never
/// closed.
fn json_end(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            b'"' => at = string_end(text, at),
            _ => {}
        }
    }
    text.len()
}

/// Where the string that was opened before `at` is closed.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if text.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1; // what is escaped
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces<'a>(cuts: &'a [usize], mut rest: &'a [u8]) -> impl Iterator<Item = Bytes> + 'a {
        let mut cuts = cuts.iter().cycle();
        std::iter::from_fn(move || {
            let at = (*cuts.next()?).min(rest.len());
            let (now, later) = rest.split_at(at);
            rest = later;
            (!now.is_empty()).then(|| Bytes::copy_from_slice(now))
        })
    }

    fn split(limit: usize, cuts: &[usize], text: &[u8]) -> Vec<Result<Bytes, TooLong>> {
        let (mut lines, mut out) = (Lines::new(limit), Vec::new());
        for piece in pieces(cuts, text) {
            lines.push(piece);
            out.extend(lines.by_ref());
            assert!(lines.partial.len() <= limit + 1 && lines.piece.is_empty());
        }
        lines.finish();
        out.extend(lines);
        out
    }

    #[test]
    fn lines_end_in_either_way_or_with_the_stream() {
        let text = "data: 贺兰山\r\n\n{\"a\":1}\nlast".as_bytes();
        let expected = ["data: 贺兰山", "", "{\"a\":1}", "last"].map(|l| Ok(Bytes::from(l)));
        for cut in 1..=text.len() {
            assert_eq!(split(100, &[cut], text), expected, "cut every {cut}");
        }
        assert_eq!(split(100, &[1], b"a\n"), [Ok(Bytes::from("a"))]);
        assert_eq!(split(100, &[1], b"a\rb\r"), [Ok(Bytes::from("a\rb"))]);
        assert_eq!(split(100, &[1], b""), []);
    }

    #[test]
    fn a_line_within_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"one\r\ntwo\n");
        let mut lines = Lines::new(10);
        lines.push(piece.clone());
        let one = lines.next().unwrap().unwrap();
        let two = lines.next().unwrap().unwrap();
        assert_eq!((one.as_ptr(), two.as_ptr()), (piece.as_ptr(), piece[5..].as_ptr()));
    }

    #[test]
    fn pieces_pushed_before_lines_are_taken_are_kept() {
        let mut lines = Lines::new(10);
        lines.push(Bytes::from_static(b"a\nb"));
        lines.push(Bytes::from_static(b"c\nd"));
        assert_eq!(lines.next().unwrap().unwrap(), "a");
        lines.finish();
        assert_eq!(lines.map(Result::unwrap).collect::<Vec<_>>(), ["bc", "d"]);
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_over_it_ends_all() {
        for cut in 1..=8 {
            assert_eq!(split(5, &[cut], b"12345\r\n"), [Ok(Bytes::from("12345"))]);
            let over = [Ok(Bytes::from("1")), Err(TooLong { limit: 5 })];
            assert_eq!(split(5, &[cut], b"1\n123456\n2\n"), over, "cut every {cut}");
            assert_eq!(split(5, &[cut], b"1\n123456"), over, "cut every {cut}");
        }
    }

    fn sniffed(line: &str) -> Vec<Line<'_>> {
        sniff(line.as_bytes()).collect()
    }

    #[test]
    fn one_line_says_one_thing() {
        assert_eq!(sniffed(r#"data: {"a":1}"#), [Line::Data(br#"{"a":1}"#)]);
        assert_eq!(sniffed(r#"data:{"a":1} "#), [Line::Data(br#"{"a":1}"#)]);
        assert_eq!(sniffed(r#"{"a":1}"#), [Line::Data(br#"{"a":1}"#)]);
        assert_eq!(sniffed(r#"[{"a":1}]"#), [Line::Data(br#"[{"a":1}]"#)]);
        assert_eq!(sniffed("data: [DONE]"), [Line::Done]);
        assert_eq!(sniffed("[DONE]"), [Line::Done]);
        assert_eq!(sniffed(": keep-alive"), [Line::Comment]);
        assert_eq!(sniffed(":"), [Line::Comment]);
        assert_eq!(sniffed("event: error"), [Line::Field { name: "event", value: b"error" }]);
        assert_eq!(sniffed("id:7"), [Line::Field { name: "id", value: b"7" }]);
        assert_eq!(sniffed("retry:"), [Line::Field { name: "retry", value: b"" }]);
        assert_eq!(sniffed("data: plain"), [Line::Data(b"plain")]);
        assert_eq!(sniffed("Internal Server Error"), [Line::Other(b"Internal Server Error")]);
        assert_eq!(sniffed("\u{feff}data: [DONE]"), [Line::Done]);
        for blank in ["", "  ", "data:", "data: ", "data: data:"] {
            assert_eq!(sniffed(blank), [], "{blank:?}");
        }
    }

    #[test]
    fn what_is_glued_comes_apart() {
        let (one, two) = (Line::Data(br#"{"a":"}"}"#), Line::Data(br#"{"b":"\"{"}"#));
        for line in [
            r#"data: {"a":"}"}data: {"b":"\"{"}data: [DONE]"#,
            r#"{"a":"}"}{"b":"\"{"}[DONE]"#,
            r#"data:{"a":"}"} {"b":"\"{"} data:[DONE]"#,
        ] {
            assert_eq!(sniffed(line), [one, two, Line::Done], "{line}");
        }
        assert_eq!(sniffed(r#"[DONE]{"a":"}"}"#), [Line::Done, one]);
        assert_eq!(sniffed(r#"{"a":"}"}: x"#), [one, Line::Other(b": x")]);
    }

    #[test]
    fn strings_are_left_alone() {
        let line = r#"{"text":"data: [DONE]{\\"}"#;
        assert_eq!(sniffed(line), [Line::Data(line.as_bytes())]);
        let broken = r#"{"text":"data: [DONE]"#;
        assert_eq!(sniffed(broken), [Line::Data(broken.as_bytes())]);
        let escaped = r#"{"text":"\"#;
        assert_eq!(sniffed(escaped), [Line::Data(escaped.as_bytes())]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_lines(
            text in "(data: ?|\\{|贺|\r|\n|\r\n|[a-z]){0,60}",
            limit in 0_usize..20,
            cuts in proptest::collection::vec(1_usize..9, 1..9),
        ) {
            let whole = split(limit, &[usize::MAX], text.as_bytes());
            prop_assert_eq!(split(limit, &cuts, text.as_bytes()), whole);
        }

        #[test]
        fn lines_are_those_of_the_text(text in "(贺|\r\n|\n|[a-z]){0,60}") {
            let whole: Vec<_> = split(1000, &[3], text.as_bytes()).into_iter().map(Result::unwrap).collect();
            let expected: Vec<_> = text.lines().map(str::to_owned).collect();
            prop_assert_eq!(whole, expected);
        }

        #[test]
        fn no_line_panics_or_never_ends(line in "(data:|\\[DONE\\]|[{}\\[\\]\":\\\\ ]|event|.){0,40}") {
            prop_assert!(sniff(line.as_bytes()).count() <= line.len());
        }

        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(sniff(&noise).count() <= noise.len());
        }
    }
}
