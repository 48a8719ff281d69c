//! A template's source, read once before it is compiled: what `minijinja` takes otherwise than
//! Jinja2 is respelled, and the literals are noted, for they hold the model's markers.

use super::python::filters::{ADD, GENERATION, ITERATE};

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
enum Kind {
    Text,
    Name,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind,
    start: usize,
    text: &'a str,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// Reads a template. Lines end in a line feed, whatever ended them in the file.
pub(crate) fn read(source: &str) -> Source {
    let source = &source.replace("\r\n", "\n").replace('\r', "\n");
    let mut reader =
        Reader { source, at: 0, out: Source::default(), safe_names: Vec::new(), added: Vec::new() };
    reader.all();
    let Reader { mut out, safe_names, added, .. } = reader;
    for name in safe_names {
        if added.contains(&name) {
            out.warnings.push(format!(
                "`{name}` is set to a value marked `|safe` and then added to: transformers escapes HTML there, this renderer does not."
            ));
        }
    }
    out
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    out: Source,
    safe_names: Vec<String>,
    added: Vec<String>,
}

impl<'a> Reader<'a> {
    fn all(&mut self) {
        loop {
            let rest = &self.source[self.at..];
            let tag = rest
                .match_indices('{')
                .find(|(at, _)| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')));
            let Some((start, _)) = tag else {
                self.literal(rest);
                self.copy_to(self.source.len());
                return;
            };
            self.literal(&rest[..start]);
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
        let start = usize::from(tokens.first().is_some_and(|token| token.is("-") || token.is("+")));
        let body = &tokens[start.min(tokens.len())..];
        let first =
            body.first().map_or("", |token| if token.kind == Kind::Name { token.text } else { "" });
        if close == "%}" && first == "raw" {
            return self.raw(end);
        }
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        match first {
            "generation" if close == "%}" => {
                edits.push((body[0].start, body[0].end(), format!("call {GENERATION}()")));
            }
            "endgeneration" if close == "%}" => {
                edits.push((body[0].start, body[0].end(), "endcall".to_owned()));
            }
            "for" if close == "%}" => for_loop(body, &mut edits),
            _ => {}
        }
        self.note_safe(body, first);
        self.note_format(body);
        if body.iter().any(|token| token.is("safe")) {
            safe_additions(body, &mut edits);
        }
        edits.sort_by_key(|(start, _, _)| *start);
        for (start, after, text) in edits {
            self.copy_to(start);
            self.out.text.push_str(&text);
            self.at = after;
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
                self.literal(text);
                return self.copy_to(end);
            }
            from = open + 2;
        }
    }

    /// Python formats a string with `%`; the engine does not.
    fn note_format(&mut self, body: &[Token<'a>]) {
        if body.windows(2).any(|pair| pair[0].kind == Kind::Text && pair[1].is("%")) {
            self.out.warnings.push(
                "a string is formatted with `%`, which will fail: use the filter `format`."
                    .to_owned(),
            );
        }
    }

    /// Remembers `{% set name = …|safe %}` and what is added to something.
    fn note_safe(&mut self, body: &[Token<'a>], first: &str) {
        let ends_safe =
            body.len() > 2 && body[body.len() - 1].is("safe") && body[body.len() - 2].is("|");
        if first == "set" && ends_safe && body.get(2).is_some_and(|token| token.is("=")) {
            self.safe_names.push(body[1].text.to_owned());
        }
        for pair in body.windows(2) {
            for (plus, name) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                if plus.is("+") && name.kind == Kind::Name {
                    self.added.push(name.text.to_owned());
                }
            }
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
fn for_loop(body: &[Token<'_>], edits: &mut Vec<(usize, usize, String)>) {
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
        edits.push((first.start, first.start, "(".to_owned()));
        edits.push((last.end(), last.end(), format!(")|{ITERATE}")));
    }
}

/// Every chain of `+` in which an operand is marked `|safe`, at each level of brackets.
fn safe_additions(body: &[Token<'_>], edits: &mut Vec<(usize, usize, String)>) {
    const ENDS: [&str; 24] = [
        ",", ":", "=", "==", "!=", "<", ">", "<=", ">=", "~", "-", "if", "elif", "else", "and",
        "or", "not", "in", "is", "set", "for", "call", "filter", "with",
    ];
    // For each open bracket the operands so far: first and last token of each.
    let mut levels: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
    let mut fresh = vec![true];
    let finish = |chain: &[(usize, usize)], edits: &mut Vec<(usize, usize, String)>| {
        let safe = |&(first, last): &(usize, usize)| {
            last > first && body[last].is("safe") && body[last - 1].is("|")
        };
        if chain.len() < 2 || !chain.iter().any(safe) {
            return;
        }
        for (at, &(first, last)) in chain.iter().enumerate() {
            let (start, end) = (body[first].start, body[last].end());
            if at == 0 {
                edits.push((start, start, "(".to_owned()));
            } else {
                let plus = body[first - 1];
                edits.push((plus.start, plus.end(), format!("|{ADD}(")));
            }
            edits.push((end, end, ")".to_owned()));
        }
    };
    for (at, token) in body.iter().enumerate() {
        let depth = levels.len() - 1;
        match token.text {
            "(" | "[" | "{" if token.kind == Kind::Other => {
                extend(&mut levels[depth], &mut fresh[depth], at);
                levels.push(Vec::new());
                fresh.push(true);
            }
            ")" | "]" | "}" if token.kind == Kind::Other && depth > 0 => {
                finish(&levels.pop().unwrap_or_default(), edits);
                fresh.pop();
                extend(&mut levels[depth - 1], &mut fresh[depth - 1], at);
            }
            "+" if token.kind == Kind::Other => fresh[depth] = true,
            text if token.kind != Kind::Text && ENDS.contains(&text) => {
                finish(&std::mem::take(&mut levels[depth]), edits);
                fresh[depth] = true;
            }
            _ => extend(&mut levels[depth], &mut fresh[depth], at),
        }
    }
    for chain in levels {
        finish(&chain, edits);
    }
}

/// Adds a token to the operand at hand, or begins one.
fn extend(chain: &mut Vec<(usize, usize)>, fresh: &mut bool, at: usize) {
    match chain.last_mut() {
        Some(last) if !*fresh => last.1 = at,
        _ => {
            chain.push((at, at));
            *fresh = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_generation_and_raw_are_respelled() {
        let read = read(
            "{%- for a, b in x.items() if a in b %}{% generation -%}{% raw %}\n{{ 'x' }}{% endraw %}{%+ endgeneration %}{% endfor %}",
        );
        assert_eq!(
            read.text,
            format!(
                "{{%- for a, b in (x.items())|{ITERATE} if a in b %}}{{% call {GENERATION}() -%}}{{% raw +%}}\n{{{{ 'x' }}}}{{% endraw %}}{{%+ endcall %}}{{% endfor %}}"
            )
        );
    }

    #[test]
    fn additions_to_safe_strings_are_respelled() {
        let read = read("{{ f(1) + 'a'|safe + x['b' + c] ~ 'd' + e }}");
        assert_eq!(
            read.text,
            format!("{{{{ (f(1)) |{ADD}( 'a'|safe) |{ADD}( x['b' + c]) ~ 'd' + e }}}}")
        );
        assert!(read.warnings.is_empty());
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
        assert_eq!(read("{% set a = '<'|safe %}{{ a + b }}").warnings.len(), 1);
        assert_eq!(read("{% set a = '<'|safe %}{{ a ~ b }}").warnings.len(), 0);
        assert_eq!(read("{{ '%s' % a }}").warnings.len(), 1);
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
