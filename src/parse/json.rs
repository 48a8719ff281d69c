//! One JSON value, checked as it arrives.

/// The deepest nesting that is read; the readers of the arguments stop at 128.
const DEEPEST: usize = 96;
/// The longest number that is read, in bytes.
const LONGEST_NUMBER: usize = 400;

/// How far a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// All was taken; more is to come.
    More,
    /// The value is over.
    Done,
    /// What follows cannot belong to the value.
    Bad,
}

/// Checks one JSON value (RFC 8259) and passes it on as it comes, so that whatever has been passed
/// on begins a valid value. A control character inside a string is passed on escaped: models write
/// line ends there.
#[derive(Clone, Debug, Default)]
pub(super) struct Checker {
    state: State,
    /// `true` for an object, `false` for an array.
    open: Vec<bool>,
    number: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Value,
    /// After `[`.
    ValueOrEnd,
    Key,
    /// After `{`.
    KeyOrEnd,
    Colon,
    AfterValue,
    Text {
        key: bool,
    },
    Escape {
        key: bool,
    },
    Hex {
        key: bool,
        digits: u8,
        value: u32,
        low: bool,
    },
    /// After a high surrogate: `\`, then `u`.
    Low {
        key: bool,
        slash: bool,
    },
    Number,
    Word(&'static [u8]),
    Done,
}

impl Checker {
    /// Whether nothing has been taken but blanks.
    pub(super) fn is_new(&self) -> bool {
        self.state == State::Value && self.open.is_empty()
    }

    /// Takes as much of `text` as belongs to the value; says how much that was.
    pub(super) fn feed(&mut self, text: &str, out: &mut dyn FnMut(&str)) -> (usize, Status) {
        let bytes = text.as_bytes();
        let (mut sent, mut read) = (0, 0);
        let status = loop {
            if self.state == State::Done {
                break Status::Done;
            }
            if matches!(self.state, State::Text { .. }) {
                read += plain(&bytes[read..]);
            }
            let Some(&byte) = bytes.get(read) else { break Status::More };
            if matches!(self.state, State::Text { .. }) && byte < 0x20 {
                send(&text[sent..read], out);
                out(escaped(byte).as_str());
                read += 1;
                sent = read;
                continue;
            }
            if self.state == State::Number && !is_numeric(byte) {
                if !self.number_ends() {
                    break Status::Bad;
                }
                continue;
            }
            match self.step(byte) {
                Some(next) => self.state = next,
                None => break Status::Bad,
            }
            read += 1;
        };
        send(&text[sent..read], out);
        (read, status)
    }

    /// The end of the text: a number may end there.
    pub(super) fn finish(&mut self) -> bool {
        self.state == State::Done
            || (self.open.is_empty() && self.state == State::Number && self.number_ends())
    }

    fn number_ends(&mut self) -> bool {
        let good = serde_json::from_str::<serde_json::Number>(&self.number).is_ok();
        self.number.clear();
        self.state = self.after();
        good
    }

    fn after(&self) -> State {
        if self.open.is_empty() { State::Done } else { State::AfterValue }
    }

    fn step(&mut self, byte: u8) -> Option<State> {
        let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        Some(match self.state {
            State::Value
            | State::ValueOrEnd
            | State::Key
            | State::KeyOrEnd
            | State::Colon
            | State::AfterValue
                if blank =>
            {
                self.state
            }
            State::ValueOrEnd if byte == b']' => self.close(false)?,
            State::Value | State::ValueOrEnd => self.value(byte)?,
            State::KeyOrEnd if byte == b'}' => self.close(true)?,
            State::Key | State::KeyOrEnd if byte == b'"' => State::Text { key: true },
            State::Colon if byte == b':' => State::Value,
            State::AfterValue => match (byte, self.open.last()?) {
                (b',', true) => State::Key,
                (b',', false) => State::Value,
                (b'}', true) | (b']', false) => self.close(byte == b'}')?,
                _ => return None,
            },
            State::Text { key } => match byte {
                b'\\' => State::Escape { key },
                b'"' if key => State::Colon,
                b'"' => self.after(),
                _ => self.state,
            },
            State::Escape { key } => match byte {
                b'u' => State::Hex { key, digits: 0, value: 0, low: false },
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text { key },
                _ => return None,
            },
            State::Hex { key, digits, value, low } => hex(byte, key, digits, value, low)?,
            State::Low { key, slash: false } if byte == b'\\' => State::Low { key, slash: true },
            State::Low { key, slash: true } if byte == b'u' => {
                State::Hex { key, digits: 0, value: 0, low: true }
            }
            State::Number if self.number.len() < LONGEST_NUMBER => {
                self.number.push(char::from(byte));
                State::Number
            }
            State::Word(rest) => match rest.split_first()? {
                (first, []) if *first == byte => self.after(),
                (first, rest) if *first == byte => State::Word(rest),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn value(&mut self, byte: u8) -> Option<State> {
        Some(match byte {
            b'{' | b'[' if self.open.len() < DEEPEST => {
                self.open.push(byte == b'{');
                if byte == b'{' { State::KeyOrEnd } else { State::ValueOrEnd }
            }
            b'"' => State::Text { key: false },
            b'-' | b'0'..=b'9' => {
                self.number.push(char::from(byte));
                State::Number
            }
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            _ => return None,
        })
    }

    fn close(&mut self, object: bool) -> Option<State> {
        (self.open.pop()? == object).then(|| self.after())
    }
}

/// How many bytes of a string need no look.
fn plain(bytes: &[u8]) -> usize {
    let stop = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.iter().position(stop).unwrap_or(bytes.len())
}

fn is_numeric(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
}

/// A digit of `\uXXXX`; surrogates come in pairs.
fn hex(byte: u8, key: bool, digits: u8, value: u32, low: bool) -> Option<State> {
    let value = value << 4 | char::from(byte).to_digit(16)?;
    if digits < 3 {
        return Some(State::Hex { key, digits: digits + 1, value, low });
    }
    match (value, low) {
        (0xDC00..=0xDFFF, true) => Some(State::Text { key }),
        (_, true) | (0xDC00..=0xDFFF, false) => None,
        (0xD800..=0xDBFF, false) => Some(State::Low { key, slash: false }),
        _ => Some(State::Text { key }),
    }
}

fn send(text: &str, out: &mut dyn FnMut(&str)) {
    if !text.is_empty() {
        out(text);
    }
}

/// A control character as a JSON string writes it.
fn escaped(byte: u8) -> String {
    match byte {
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        _ => format!("\\u{byte:04x}"),
    }
}

/// Passes `text` on as the inside of a JSON string.
pub(super) fn escape(text: &str, out: &mut dyn FnMut(&str)) {
    let mut sent = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            send(&text[sent..at], out);
            match byte {
                b'"' => out("\\\""),
                b'\\' => out("\\\\"),
                _ => out(escaped(byte).as_str()),
            }
            sent = at + 1;
        }
    }
    send(&text[sent..], out);
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    escape(text, &mut |part| json.push_str(part));
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Checker, Status};

    /// What is passed on when `text` comes letter by letter, if it is one whole value.
    fn check(text: &str) -> Option<String> {
        let (mut checker, mut json) = (Checker::default(), String::new());
        for (at, letter) in text.char_indices() {
            let letter = &text[at..at + letter.len_utf8()];
            let (read, status) = checker.feed(letter, &mut |part| json.push_str(part));
            if status == Status::Bad || read < letter.len() {
                return None;
            }
        }
        checker.finish().then_some(json)
    }

    #[test]
    fn values() {
        for good in [
            "{}",
            "[]",
            "[1,-2.5e3,true,false,null]",
            r#"{"a": {"b": ["\"}", "\u00e9\ud83d\ude00"]}}"#,
            "\"贺\"",
            "12",
            " [ ] ",
        ] {
            // A blank after the value is not the value's.
            assert_eq!(check(good.trim_end()).as_deref(), Some(good.trim_end()), "{good}");
        }
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "01",
            "1.",
            "+1",
            "1e999",
            "NaN",
            "tru",
            "{]",
            r#""\x""#,
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            "\"a",
            "[}",
            "{} ",
        ] {
            assert_eq!(check(bad), None, "{bad}");
        }
        assert_eq!(check("\"a\nb\u{1}\"").as_deref(), Some("\"a\\nb\\u0001\""));
        assert_eq!(check(&"[".repeat(97)), None);
    }

    proptest! {
        #[test]
        fn what_passes_is_what_serde_json_reads(text in r#"[\[\]{},:"\\u0d8a1eE.\- tnrlfase]{0,24}"#) {
            let passed = check(&text);
            if let Some(json) = &passed {
                prop_assert!(serde_json::from_str::<serde_json::Value>(json).is_ok());
            } else if !text.ends_with(' ') {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
            }
        }
    }
}
