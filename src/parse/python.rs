//! One Python literal, passed on as JSON as it arrives.

use super::json::{Status, escape};

/// The deepest nesting that is read, as in `json`.
const DEEPEST: usize = 96;
/// The longest number or word that is read, in bytes.
const LONGEST_WORD: usize = 400;

/// Reads one literal: string, number, `True`, `False`, `None` (and JSON's spellings of them), list,
/// tuple or dict. Strings go out as they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Literal {
    state: State,
    open: Vec<Open>,
    /// The word or number, or the digits of an escape, so far.
    word: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    List,
    Tuple,
    Dict,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Value,
    /// A value or the end of what is open; `comma` if one is owed before the value.
    ValueOrEnd {
        comma: bool,
    },
    KeyOrEnd {
        comma: bool,
    },
    Colon,
    AfterValue,
    Text {
        quote: char,
        key: bool,
    },
    Escape {
        quote: char,
        key: bool,
    },
    /// `left` hexadecimal digits of an escape are to come.
    Hex {
        quote: char,
        key: bool,
        left: u8,
    },
    Word {
        key: bool,
    },
    Done,
}

impl Literal {
    /// Takes as much of `text` as belongs to the literal; says how much that was.
    pub(super) fn feed(&mut self, text: &str, out: &mut dyn FnMut(&str)) -> (usize, Status) {
        let mut read = 0;
        while let Some(next) = text[read..].chars().next() {
            match self.state {
                State::Done => return (read, Status::Done),
                State::Text { quote, .. } => {
                    let rest = &text[read..];
                    let plain = rest.find([quote, '\\']).unwrap_or(rest.len());
                    if plain > 0 {
                        escape(&rest[..plain], out);
                        read += plain;
                        continue;
                    }
                }
                State::Word { key } if !is_word(next) => {
                    if !self.word_ends(key, out) {
                        return (read, Status::Bad);
                    }
                    continue;
                }
                _ => {}
            }
            match self.step(next, out) {
                Some(state) => self.state = state,
                None => return (read, Status::Bad),
            }
            read += next.len_utf8();
        }
        (read, if self.state == State::Done { Status::Done } else { Status::More })
    }

    /// The end of the text: a word or a number may end there.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&str)) -> bool {
        self.state == State::Done
            || (self.open.is_empty()
                && matches!(self.state, State::Word { .. })
                && self.word_ends(false, out))
    }

    fn after(&self) -> State {
        if self.open.is_empty() { State::Done } else { State::AfterValue }
    }

    fn step(&mut self, next: char, out: &mut dyn FnMut(&str)) -> Option<State> {
        Some(match self.state {
            State::Value
            | State::ValueOrEnd { .. }
            | State::KeyOrEnd { .. }
            | State::Colon
            | State::AfterValue
                if next.is_whitespace() =>
            {
                self.state
            }
            State::ValueOrEnd { .. } if matches!(next, ']' | ')') => self.close(next, out)?,
            State::KeyOrEnd { .. } if next == '}' => self.close(next, out)?,
            State::Value => self.value(next, out)?,
            State::ValueOrEnd { comma } => {
                if comma {
                    out(",");
                }
                self.value(next, out)?
            }
            State::KeyOrEnd { comma } => {
                if comma {
                    out(",");
                }
                match next {
                    '\'' | '"' => {
                        out("\"");
                        State::Text { quote: next, key: true }
                    }
                    _ if is_word(next) => self.word_starts(next, true),
                    _ => return None,
                }
            }
            State::Colon if next == ':' => {
                out(":");
                State::Value
            }
            State::AfterValue => match (next, self.open.last()?) {
                (',', Open::Dict) => State::KeyOrEnd { comma: true },
                (',', _) => State::ValueOrEnd { comma: true },
                _ => self.close(next, out)?,
            },
            State::Text { quote, key } if next == quote => {
                out("\"");
                if key { State::Colon } else { self.after() }
            }
            State::Text { quote, key } => State::Escape { quote, key },
            State::Escape { quote, key } => self.escaped(next, quote, key, out),
            State::Hex { quote, key, left } => self.hex(next, quote, key, left, out)?,
            State::Word { key } if self.word.len() < LONGEST_WORD => {
                self.word.push(next);
                State::Word { key }
            }
            _ => return None,
        })
    }

    fn value(&mut self, next: char, out: &mut dyn FnMut(&str)) -> Option<State> {
        let open = match next {
            '\'' | '"' => {
                out("\"");
                return Some(State::Text { quote: next, key: false });
            }
            '[' => Open::List,
            '(' => Open::Tuple,
            '{' => Open::Dict,
            _ if is_word(next) => return Some(self.word_starts(next, false)),
            _ => return None,
        };
        if self.open.len() == DEEPEST {
            return None;
        }
        self.open.push(open);
        Some(if open == Open::Dict {
            out("{");
            State::KeyOrEnd { comma: false }
        } else {
            out("[");
            State::ValueOrEnd { comma: false }
        })
    }

    fn close(&mut self, next: char, out: &mut dyn FnMut(&str)) -> Option<State> {
        let (json, open) = match next {
            ']' => ("]", Open::List),
            ')' => ("]", Open::Tuple),
            '}' => ("}", Open::Dict),
            _ => return None,
        };
        if self.open.pop()? != open {
            return None;
        }
        out(json);
        Some(self.after())
    }

    fn escaped(&mut self, next: char, quote: char, key: bool, out: &mut dyn FnMut(&str)) -> State {
        let plain = match next {
            'x' | 'u' | 'U' => {
                self.word.clear();
                let left = match next {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                return State::Hex { quote, key, left };
            }
            '\n' => "",
            '\\' => "\\\\",
            '\'' => "'",
            '"' => "\\\"",
            'n' => "\\n",
            'r' => "\\r",
            't' => "\\t",
            'b' => "\\b",
            'f' => "\\f",
            'a' => "\\u0007",
            'v' => "\\u000b",
            '0' => "\\u0000",
            // Python keeps the backslash of an escape that it does not know.
            _ => {
                out("\\\\");
                escape(next.encode_utf8(&mut [0; 4]), out);
                ""
            }
        };
        if !plain.is_empty() {
            out(plain);
        }
        State::Text { quote, key }
    }

    fn hex(
        &mut self,
        next: char,
        quote: char,
        key: bool,
        left: u8,
        out: &mut dyn FnMut(&str),
    ) -> Option<State> {
        if !next.is_ascii_hexdigit() {
            return None;
        }
        self.word.push(next);
        if left > 1 {
            return Some(State::Hex { quote, key, left: left - 1 });
        }
        let code = u32::from_str_radix(&self.word, 16).ok()?;
        escape(char::from_u32(code)?.encode_utf8(&mut [0; 4]), out);
        Some(State::Text { quote, key })
    }

    fn word_starts(&mut self, next: char, key: bool) -> State {
        self.word.clear();
        self.word.push(next);
        State::Word { key }
    }

    fn word_ends(&mut self, key: bool, out: &mut dyn FnMut(&str)) -> bool {
        let Some(json) = word(&self.word) else { return false };
        if key {
            // A mapping's key is a string in JSON.
            out("\"");
            out(&json);
            out("\"");
            self.state = State::Colon;
        } else {
            out(&json);
            self.state = self.after();
        }
        true
    }
}

fn is_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '+' | '-')
}

/// A bare word as JSON.
fn word(word: &str) -> Option<String> {
    match word {
        "True" | "true" => return Some("true".to_owned()),
        "False" | "false" => return Some("false".to_owned()),
        "None" | "null" => return Some("null".to_owned()),
        _ => {}
    }
    let is_json = |text: &str| serde_json::from_str::<serde_json::Number>(text).is_ok();
    let (sign, digits) = match word.split_at_checked(1) {
        Some(("-", digits)) => ("-", digits),
        Some(("+", digits)) => ("", digits),
        _ => ("", word),
    };
    // Python may leave out the digits on one side of the point, and group them.
    let mut number = digits.replace('_', "");
    if number.starts_with('.') {
        number.insert(0, '0');
    }
    if number.ends_with('.') {
        number.push('0');
    }
    number.insert_str(0, sign);
    is_json(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{Literal, Status};

    fn read(text: &str) -> Option<String> {
        let (mut literal, mut json) = (Literal::default(), String::new());
        for (at, letter) in text.char_indices() {
            let letter = &text[at..at + letter.len_utf8()];
            let (read, status) = literal.feed(letter, &mut |part| json.push_str(part));
            if status == Status::Bad || read < letter.len() {
                return None;
            }
        }
        literal.finish(&mut |part| json.push_str(part)).then_some(json)
    }

    #[test]
    fn literals() {
        for (python, json) in [
            ("'it\\'s \"x\"'", r#""it's \"x\"""#),
            ("\"it's\"", "\"it's\""),
            (r"'\n\t\\\d\x41\u8d3a'", r#""\n\t\\\\dA贺""#),
            ("'a\nb'", r#""a\nb""#),
            ("[1, -2.5, True, None,]", "[1,-2.5,true,null]"),
            ("(1, 'a')", "[1,\"a\"]"),
            ("{'a': {}, 'b': [], 3: (),}", r#"{"a":{},"b":[],"3":[]}"#),
            ("1_000", "1000"),
            (".5", "0.5"),
            ("1.", "1.0"),
            ("+7", "7"),
        ] {
            assert_eq!(read(python).as_deref(), Some(json), "{python}");
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
        for bad in
            ["b'z'", "f(x)", "'a", "[1", "{1}", "1e999", "foo", "'\\ud800'", "[)", "01", "--1"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&"[".repeat(97)), None);
    }
}
