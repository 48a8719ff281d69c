//! A template's source, read once before it is compiled: what `minijinja` takes otherwise than
//! Jinja2 is respelled, and the literals are noted, for they hold the model's markers.

use super::operators;
use super::python::filters::{GENERATION, ITERATE};

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The same template, as `minijinja` has to be told it. Lines keep their numbers.
    pub(crate) text: String,
    /// Template data and string constants, unescaped, in order.
    pub(crate) literals: Vec<String>,
    /// What will render otherwise than in transformers.
    pub(crate) warnings: Vec<String>,
    /// Every name and string constant that an expression uses: a cheap look at what it reads.
    pub(crate) words: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Name,
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) text: &'a str,
}

/// A piece of the source that is replaced.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
}

impl Edit {
    pub(super) fn insert(at: usize, text: &str) -> Self {
        Self { start: at, end: at, text: text.to_owned() }
    }
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// Reads a template. Lines end in a line feed, whatever ended them in the file.
pub(crate) fn read(source: &str) -> Source {
    let source = &source.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { source, at: 0, out: Source::default(), data: 0, loops: vec![] };
    reader.all();
    reader.out
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    out: Source,
    /// Bytes of template data so far.
    data: usize,
    /// For each open loop: where the size of its body goes, and the data before it.
    loops: Vec<(usize, usize)>,
}

impl<'a> Reader<'a> {
    fn all(&mut self) {
        loop {
            let rest = &self.source[self.at..];
            let tag = rest
                .match_indices('{')
                .find(|(at, _)| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')));
            let Some((start, _)) = tag else {
                self.data(rest);
                self.copy_to(self.source.len());
                return;
            };
            self.data(&rest[..start]);
            self.copy_to(self.at + start);
            let kind = self.source.as_bytes()[self.at + 1];
            if kind == b'#' {
                let end = self.source[self.at..]
                    .find("#}")
                    .map_or(self.source.len(), |end| self.at + end + 2);
                self.copy_to(end);
            } else {
                self.tag(if kind == b'%' { "%}" } else { "}}" });
            }
        }
    }

    fn copy_to(&mut self, end: usize) {
        self.out.text.push_str(&self.source[self.at..end]);
        self.at = end;
    }

    fn data(&mut self, text: &str) {
        self.data += text.len();
        self.literal(text);
    }

    fn literal(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.out.literals.push(text.to_owned());
        }
    }

    fn tag(&mut self, close: &str) {
        let (tokens, end) = tokens(self.source, self.at + 2, close);
        for token in &tokens {
            match token.kind {
                Kind::Text => {
                    let text = unescape(token.text);
                    self.out.words.push(text.clone());
                    self.literal(&text);
                }
                Kind::Name => self.out.words.push(token.text.to_owned()),
                Kind::Other => {}
            }
        }
        let inside = self.at + 2;
        let start = usize::from(
            tokens
                .first()
                .is_some_and(|token| token.start == inside && (token.is("-") || token.is("+"))),
        );
        let body = &tokens[start.min(tokens.len())..];
        let first =
            body.first().map_or("", |token| if token.kind == Kind::Name { token.text } else { "" });
        if close == "%}" && first == "raw" {
            return self.raw(end);
        }
        let mut edits = Vec::new();
        let names_statement = close == "%}" && !first.is_empty();
        operators::respell(&body[usize::from(names_statement)..], &mut edits);
        match first {
            "generation" if names_statement => {
                let text = format!("call {GENERATION}()");
                edits.push(Edit { start: body[0].start, end: body[0].end(), text });
            }
            "endgeneration" if names_statement => {
                let text = "endcall".to_owned();
                edits.push(Edit { start: body[0].start, end: body[0].end(), text });
            }
            // Behind the operators: what runs is all that they make.
            "for" if names_statement => for_loop(body, &mut edits),
            "endfor" if names_statement => {
                if let Some((at, before)) = self.loops.pop() {
                    self.out.text.insert_str(at, &format!("({})", self.data - before));
                }
            }
            _ => {}
        }
        self.note_safe(body);
        edits.sort_by_key(|edit| edit.start);
        for edit in edits {
            self.copy_to(edit.start);
            self.out.text.push_str(&edit.text);
            self.at = edit.end;
            if edit.text.ends_with(ITERATE) {
                self.loops.push((self.out.text.len(), self.data));
            }
        }
        self.copy_to(end);
    }

    /// Jinja2 keeps the line end after `{% raw %}`, though it trims blocks.
    fn raw(&mut self, end: usize) {
        let bytes = self.source.as_bytes();
        if end >= 3 && matches!(bytes.get(end - 3), Some(b'-' | b'+')) {
            self.copy_to(end);
        } else {
            self.copy_to(end.saturating_sub(2));
            self.out.text.push_str("+%}");
            self.at = end;
        }
        let mut from = self.at;
        loop {
            let Some(open) = self.source[from..].find("{%").map(|at| from + at) else {
                return self.copy_to(self.source.len());
            };
            let (tokens, end) = tokens(self.source, open + 2, "%}");
            let name = tokens.iter().find(|token| token.kind == Kind::Name);
            if name.is_some_and(|name| name.text == "endraw") && tokens.len() <= 2 {
                let text = &self.source[self.at..open];
                self.data(text);
                return self.copy_to(end);
            }
            from = open + 2;
        }
    }

    /// What is marked safe stays so in Jinja2 through filters and methods; here it does not.
    fn note_safe(&mut self, body: &[Token<'a>]) {
        let changed = body.windows(3).any(|three| {
            three[0].is("|") && three[1].is("safe") && (three[2].is("|") || three[2].is("."))
        });
        if changed {
            self.out.warnings.push(
                "a value marked `|safe` goes through a filter or a method: if something is added to it then, transformers escapes HTML there, this renderer does not."
                    .to_owned(),
            );
        }
    }
}

/// The tokens of a tag whose inside begins at `from`, and where the tag ends.
fn tokens<'a>(source: &'a str, from: usize, close: &str) -> (Vec<Token<'a>>, usize) {
    let bytes = source.as_bytes();
    let (mut tokens, mut at, mut depth) = (Vec::new(), from, 0_usize);
    while at < bytes.len() {
        let rest = &source[at..];
        if depth == 0 {
            if rest.starts_with(close) {
                return (tokens, at + close.len());
            }
            if rest.starts_with(['-', '+']) && rest[1..].starts_with(close) {
                return (tokens, at + 1 + close.len());
            }
        }
        let byte = bytes[at];
        let (kind, length) = match byte {
            b'\'' | b'"' => (Kind::Text, string_length(rest, byte)),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9' | 0x80.. => {
                let word = |char: char| char.is_alphanumeric() || char == '_' || !char.is_ascii();
                let end = rest.find(|char| !word(char)).unwrap_or(rest.len());
                (if byte.is_ascii_digit() { Kind::Other } else { Kind::Name }, end)
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            _ => {
                let double =
                    ["==", "!=", "<=", ">=", "//", "**"].iter().any(|two| rest.starts_with(two));
                (Kind::Other, 1 + usize::from(double))
            }
        };
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { kind, start: at, text: &source[at..at + length] });
        at += length;
    }
    (tokens, source.len())
}

fn string_length(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// What a string constant says.
fn unescape(constant: &str) -> String {
    let inner = constant.get(1..constant.len().saturating_sub(1)).unwrap_or_default();
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(hex @ ('x' | 'u' | 'U')) => {
                let digits = match hex {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let code: String = chars.by_ref().take(digits).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// `for x in expr` runs over what Python would.
fn for_loop(body: &[Token<'_>], edits: &mut Vec<Edit>) {
    let mut depth = 0_usize;
    let mut from = None;
    let mut to = body.len();
    for (at, token) in body.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "in" if depth == 0 && from.is_none() && token.kind == Kind::Name => from = Some(at + 1),
            "if" | "recursive"
                if depth == 0 && from.is_some_and(|from| at > from) && token.kind == Kind::Name =>
            {
                to = at;
                break;
            }
            _ => {}
        }
    }
    if let Some((first, last)) =
        from.filter(|from| *from < to).map(|from| (body[from], body[to - 1]))
    {
        edits.push(Edit::insert(first.start, "("));
        edits.push(Edit::insert(last.end(), &format!(")|{ITERATE}")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::python::operators::{ADD, CONCAT, MODULO, REPEAT, SLICE};
    use super::*;

    #[test]
    fn loops_generation_and_raw_are_respelled() {
        let read = read(
            "{%- for a, b in x.items() if a in b %}{% generation -%}{% raw %}\n{{ 'x' }}{% endraw %}{%+ endgeneration %}{% endfor %}",
        );
        assert_eq!(
            read.text,
            format!(
                "{{%- for a, b in (x.items())|{ITERATE}(10) if a in b %}}{{% call {GENERATION}() -%}}{{% raw +%}}\n{{{{ 'x' }}}}{{% endraw %}}{{%+ endcall %}}{{% endfor %}}"
            )
        );
    }

    #[test]
    fn operators_of_strings_are_respelled() {
        for (expression, respelled) in [
            ("a + b+c", format!("(a )|{ADD}(( b),(c))")),
            ("a ~ 'x' + b", format!("((a )|{CONCAT}(( 'x')) )|{ADD}(( b))")),
            ("f(1) + x['b' + c]", format!("(f(1) )|{ADD}(( x[('b' )|{ADD}(( c))]))")),
            ("-a*b % c", format!("((-a)|{REPEAT}(b) )|{MODULO}( c)")),
            ("a if b + c else d", format!("a if (b )|{ADD}(( c)) else d")),
            ("a + b if x.not in y", format!("(a )|{ADD}(( b)) if x.not in y")),
        ] {
            let source = format!("{{{{ {expression} }}}}");
            assert_eq!(read(&source).text, format!("{{{{ {respelled} }}}}"));
        }
        assert_eq!(
            read("{% for c in a+b %}").text,
            format!("{{% for c in ((a)|{ADD}((b)))|{ITERATE} %}}")
        );
        assert_eq!(
            read("{% for m in messages[1:] %}{{ m.x[a + b:c].y + d }}").text,
            format!(
                "{{% for m in (((messages[1:])|{SLICE}))|{ITERATE} %}}{{{{ (((m.x[(a )|{ADD}(( b)):c])|{SLICE}).y )|{ADD}(( d)) }}}}"
            )
        );
        for native in [
            "{{ a[0] }}{{ f({'b': c}) }}",
            "{{ loop.index0 % 2 + 1 - a }}",
            "{% set ns.n = ns.n + 1 %}",
            "{{ a / b * c }}",
            "{% set l = l + [a] %}",
            "{{ a + b is not none }}",
            "{{ f(*a, **b) }}",
        ] {
            assert_eq!(read(native).text, native);
        }
    }

    #[test]
    fn literals_are_noted_as_they_will_be_written() {
        let read = read(
            "a<|x|>{{ '<|y|>\\n' ~ {'k': \"}}\"}['k'] }}{# <|z|> #}{% raw %}{{<|w|>}}{% endraw %}",
        );
        assert_eq!(read.literals, ["a<|x|>", "<|y|>\n", "k", "}}", "k", "{{<|w|>}}"]);
    }

    #[test]
    fn what_cannot_be_respelled_is_warned_of() {
        assert_eq!(read("{% set a = b|safe|trim %}").warnings.len(), 1);
        assert_eq!(read("{% set a = '<'|safe %}{{ a + b }}").warnings.len(), 0);
    }

    #[test]
    fn broken_templates_are_read_to_their_end() {
        for broken in [
            "{{",
            "{% raw",
            "{% for",
            "{{ 'a",
            "{#",
            "{% raw %}{% end",
            "{{ )) + ]|safe",
            "{% - %}",
            "{%",
        ] {
            read(broken);
        }
    }
}
