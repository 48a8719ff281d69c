//! Rust source as tokens: comments gone, literals set apart, each token with its line.
//!
//! Enough of the grammar to find paths reliably: nested comments, raw strings and identifiers,
//! and the quote that is a lifetime in one place and a character in another.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Ident(String),
    /// The contents of a string literal.
    Text(String),
    /// `::`
    Sep,
    /// Any other character.
    Punct(char),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, punct: char) -> bool {
        self.kind == Kind::Punct(punct)
    }

    pub(crate) fn ident(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }
}

/// The tokens of `source`. Numbers and character literals are left out: no path holds one.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, found: vec![] };
    while lexer.step() {}
    lexer.found
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn bump(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn push(&mut self, kind: Kind, line: usize) {
        self.found.push(Token { kind, line });
    }

    fn step(&mut self) -> bool {
        if self.at >= self.chars.len() {
            return false;
        }
        let line = self.line;
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => {
                self.bump();
                let text = self.quoted();
                self.push(Kind::Text(text), line);
            }
            ('\'', _) => self.quote(),
            (':', ':') => {
                self.at += 2;
                self.push(Kind::Sep, line);
            }
            (c, _) if c.is_alphabetic() || c == '_' => self.word(),
            (c, _) if c.is_ascii_digit() => {
                self.take_word();
            }
            (c, _) => {
                self.bump();
                if !c.is_whitespace() {
                    self.push(Kind::Punct(c), line);
                }
            }
        }
        true
    }

    fn line_comment(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', '/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// The rest of a string after its opening quote; escapes stay as they are written.
    fn quoted(&mut self) -> String {
        let mut text = String::new();
        while self.at < self.chars.len() {
            match self.bump() {
                '"' => break,
                '\\' => {
                    self.bump();
                }
                c => text.push(c),
            }
        }
        text
    }

    /// A lifetime or a character.
    fn quote(&mut self) {
        self.bump();
        if self.peek(0) == '\\' {
            self.at += 2;
            while self.at < self.chars.len() && self.bump() != '\'' {}
        } else if self.peek(1) == '\'' {
            self.bump();
            self.at += 1;
        } else {
            self.take_word();
        }
    }

    fn take_word(&mut self) -> String {
        let mut word = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            word.push(self.bump());
        }
        word
    }

    /// An identifier, or the prefix of a literal.
    fn word(&mut self) {
        let line = self.line;
        let word = self.take_word();
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        match self.peek(0) {
            '"' if matches!(word.as_str(), "b" | "c") => {
                self.bump();
                let text = self.quoted();
                self.push(Kind::Text(text), line);
            }
            '\'' if word == "b" => self.quote(),
            '"' | '#' if raw => {
                let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
                if self.peek(hashes) == '"' {
                    self.at += hashes + 1;
                    let text = self.raw(hashes);
                    self.push(Kind::Text(text), line);
                } else if word == "r" && hashes == 1 {
                    self.at += 1;
                    let word = self.take_word();
                    self.push(Kind::Ident(word), line);
                } else {
                    self.push(Kind::Ident(word), line);
                }
            }
            _ => self.push(Kind::Ident(word), line),
        }
    }

    fn raw(&mut self, hashes: usize) -> String {
        let mut text = String::new();
        while self.at < self.chars.len() {
            let c = self.bump();
            if c == '"' && (0..hashes).all(|n| self.peek(n) == '#') {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        text
    }
}

#[test]
fn comments_and_literals_hide_nothing_and_show_nothing() {
    let source = r##"
        /* a /* nested */ crate::one */ // crate::two
        let s = "crate::three \" crate::four"; let r = r#"crate::five " "#; let b = b"x\"y";
        let c = '"'; let e = '\''; let q = b'"'; fn f<'a>(x: &'a str) {} r#mod 0x1f_u8 'l: loop {}
    "##;
    let idents: Vec<_> =
        tokens(source).iter().filter_map(|t| t.ident().map(str::to_owned)).collect();
    assert_eq!(
        idents,
        ["let", "s", "let", "r", "let", "b", "let", "c", "let", "e", "let", "q", "fn", "f", "x"]
            .into_iter()
            .chain(["str", "mod", "loop"])
            .collect::<Vec<_>>()
    );
    let texts: Vec<_> = tokens(source)
        .into_iter()
        .filter_map(|t| if let Kind::Text(text) = t.kind { Some(text) } else { None })
        .collect();
    assert_eq!(texts, ["crate::three  crate::four", "crate::five \" ", "xy"]);
}

#[test]
fn lines_are_counted_through_every_literal() {
    let source = "\n/* \n */ \"\n\" r#\"\n\"# last";
    assert_eq!(tokens(source).last().map(|t| t.line), Some(5));
}
