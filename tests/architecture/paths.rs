//! Every path that a source file names, made absolute.
//!
//! A path is read from `use` trees, from expressions and types, from macros (`$crate::`), and from
//! strings inside attributes (`#[serde(with = "crate::…")]`). `crate`, `self`, `super` and names
//! that a `use` brought in are resolved, so that no spelling of an import hides it.

use std::collections::BTreeMap;

use crate::tokens::{Kind, Token, tokens};

/// An absolute path: `["crate", "wire", "frame"]` or `["std", "env", "var"]`; a glob ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// Whether a `use` names it.
    pub(crate) by_use: bool,
}

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Every path outside tests.
    pub(crate) named: Vec<Named>,
    /// Every module declared here, with a body or not, outside tests.
    pub(crate) modules: Vec<String>,
    /// Modules in files of their own that exist for tests alone.
    pub(crate) test_modules: Vec<String>,
    /// `#![cfg(test)]`: all of the file.
    pub(crate) test_only: bool,
    /// Lines where a module's file is chosen by `#[path]`, which would hide it from the table.
    pub(crate) moved: Vec<usize>,
    /// Lines where `async` or `await` stands.
    pub(crate) waits: Vec<usize>,
}

/// Reads the file that holds module `module` (`["wire", "frame"]`) of the crate known outside as
/// `name`.
pub(crate) fn scan(source: &str, module: &[&str], name: &str) -> Scan {
    let mut scanner = Scanner {
        tokens: tokens(source),
        at: 0,
        module: module.iter().map(|&m| m.to_owned()).collect(),
        inline: vec![],
        depth: 0,
        raw: vec![],
        aliases: BTreeMap::new(),
        scan: Scan::default(),
    };
    scanner.items();
    let Scanner { raw, aliases, mut scan, .. } = scanner;
    for mut named in raw {
        // One name may be brought in under another, but no further: `use` itself takes names
        // that a `use` brought in only where they are modules.
        if named.path[0] != "crate"
            && let Some(full) = aliases.get(&named.path[0])
        {
            named.path.splice(0..1, full.iter().cloned());
        }
        if named.path[0] == name {
            "crate".clone_into(&mut named.path[0]);
        }
        scan.named.push(named);
    }
    scan
}

struct Scanner {
    tokens: Vec<Token>,
    at: usize,
    module: Vec<String>,
    /// Depths at which the inline modules around us began.
    inline: Vec<usize>,
    depth: usize,
    raw: Vec<Named>,
    aliases: BTreeMap<String, Vec<String>>,
    scan: Scan,
}

impl Scanner {
    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn is(&self, ahead: usize, punct: char) -> bool {
        self.token(ahead).is_some_and(|t| t.is(punct))
    }

    fn is_sep(&self, ahead: usize) -> bool {
        self.token(ahead).is_some_and(|t| t.kind == Kind::Sep)
    }

    fn ident(&self, ahead: usize) -> Option<String> {
        self.token(ahead).and_then(Token::ident).map(str::to_owned)
    }

    fn items(&mut self) {
        while let Some(token) = self.token(0).cloned() {
            match &token.kind {
                Kind::Punct('#') if self.is(1, '[') || (self.is(1, '!') && self.is(2, '[')) => {
                    self.attribute();
                }
                Kind::Punct('{') => {
                    self.depth += 1;
                    self.at += 1;
                }
                Kind::Punct('}') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                        self.module.pop();
                    }
                    self.at += 1;
                }
                Kind::Ident(word) if word == "mod" && self.ident(1).is_some() => self.declared(),
                Kind::Ident(word) if word == "use" && !self.is(1, '<') => {
                    self.at += 1;
                    self.tree(&[], token.line);
                }
                Kind::Ident(word) => {
                    if word == "async" || word == "await" {
                        self.scan.waits.push(token.line);
                    }
                    self.path(token.line);
                }
                Kind::Sep if self.ident(1).is_some() => {
                    self.at += 1;
                    self.path(token.line);
                }
                _ => self.at += 1,
            }
        }
    }

    /// `mod name { … }` or `mod name;`
    fn declared(&mut self) {
        let name = self.ident(1).unwrap_or_default();
        if self.is(2, '{') {
            self.inline.push(self.depth);
            self.module.push(name.clone());
            self.depth += 1;
        }
        self.scan.modules.push(name);
        self.at += 3;
    }

    /// A path outside `use`. A single name is none.
    fn path(&mut self, line: usize) {
        let mut path = vec![];
        while let Some(segment) = self.ident(0) {
            path.push(segment);
            self.at += 1;
            if self.is_sep(0) && self.ident(1).is_some() {
                self.at += 1;
            } else {
                break;
            }
        }
        if path.len() > 1 {
            let path = self.absolute(&path);
            self.raw.push(Named { path, line, by_use: false });
        }
    }

    /// One tree of a `use`, below `prefix`; stops behind it.
    fn tree(&mut self, prefix: &[String], line: usize) {
        let mut path = prefix.to_vec();
        if self.is_sep(0) {
            self.at += 1;
        }
        loop {
            if self.is(0, '{') {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is(0, '}') {
                    let line = self.token(0).map_or(line, |t| t.line);
                    self.tree(&path, line);
                    if self.is(0, ',') {
                        self.at += 1;
                    } else if !self.is(0, '}') {
                        return; // not a tree that the compiler would take
                    }
                }
                self.at += 1;
                return;
            }
            if self.is(0, '*') {
                self.at += 1;
                path.push("*".to_owned());
                break;
            }
            let Some(segment) = self.ident(0) else { return };
            self.at += 1;
            if segment != "self" || path.is_empty() {
                path.push(segment);
            }
            if self.is_sep(0) {
                self.at += 1;
            } else {
                break;
            }
        }
        let path = self.absolute(&path);
        let mut alias = path.last().cloned();
        if self.ident(0).as_deref() == Some("as") {
            alias = self.ident(1);
            self.at += 2;
        }
        if let Some(alias) = alias.filter(|a| a != "*" && a != "_" && a != "crate") {
            self.aliases.insert(alias, path.clone());
        }
        self.raw.push(Named { path, line, by_use: true });
    }

    /// Resolves `crate`, `self` and `super` from where we are.
    fn absolute(&self, path: &[String]) -> Vec<String> {
        let mut base: Option<Vec<String>> = None;
        let mut rest = path;
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" if base.is_none() => base = Some(vec![]),
                "self" if base.is_none() => base = Some(self.module.clone()),
                "super" => {
                    let mut up = base.unwrap_or_else(|| self.module.clone());
                    up.pop();
                    base = Some(up);
                }
                _ => break,
            }
            rest = tail;
        }
        match base {
            None => path.to_vec(),
            Some(base) => {
                [vec!["crate".to_owned()], base, rest.to_vec()].into_iter().flatten().collect()
            }
        }
    }

    fn attribute(&mut self) {
        let inner = self.is(1, '!');
        let line = self.token(0).map_or(0, |t| t.line);
        let start = self.at + if inner { 3 } else { 2 };
        let end = self.closing(start - 1);
        let body = self.tokens[start..end].to_vec();
        if is_test_only(&body) {
            self.at = end + 1;
            if inner {
                self.scan.test_only |= self.inline.is_empty();
            } else {
                self.skip_item();
            }
            return;
        }
        if body.first().and_then(Token::ident) == Some("path") {
            self.scan.moved.push(line);
        }
        for token in &body {
            if let Kind::Text(text) = &token.kind
                && let Some(path) = as_path(text)
            {
                let path = self.absolute(&path);
                self.raw.push(Named { path, line: token.line, by_use: false });
            }
        }
        // Paths of derives and macros are read as those of the code are.
        self.at = start;
    }

    /// The index of the bracket that closes the one at `open`.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.kind {
                Kind::Punct('(' | '[' | '{') => depth += 1,
                Kind::Punct(')' | ']' | '}') => {
                    depth -= 1;
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len() - 1
    }

    /// Steps over what a test-only attribute stands on.
    fn skip_item(&mut self) {
        while self.is(0, '#') {
            self.at = self.closing(self.at + 1) + 1;
        }
        if self.ident(0).as_deref() == Some("pub") {
            self.at += 1;
            if self.is(0, '(') {
                self.at = self.closing(self.at) + 1;
            }
        }
        let word = self.ident(0).unwrap_or_default();
        if word == "mod" && self.is(2, ';') {
            self.scan.test_modules.extend(self.ident(1));
        }
        let is_item = [
            "async",
            "const",
            "enum",
            "extern",
            "fn",
            "impl",
            "let",
            "macro_rules",
            "mod",
            "static",
            "struct",
            "trait",
            "type",
            "unsafe",
            "use",
        ]
        .contains(&word.as_str());
        while let Some(token) = self.token(0) {
            match token.kind {
                Kind::Punct(';') => {
                    self.at += 1;
                    return;
                }
                Kind::Punct(',') if !is_item => return,
                Kind::Punct('{') => {
                    self.at = self.closing(self.at) + 1;
                    if !matches!(word.as_str(), "use" | "const" | "static" | "let") {
                        return;
                    }
                }
                Kind::Punct('(' | '[') => self.at = self.closing(self.at) + 1,
                Kind::Punct('}') => return,
                _ => self.at += 1,
            }
        }
    }
}

/// `cfg(test)` or `cfg(all(…, test, …))`; not `any`, not `not`.
fn is_test_only(attribute: &[Token]) -> bool {
    let words: Vec<_> = attribute.iter().filter_map(Token::ident).collect();
    match words.as_slice() {
        ["cfg", "test"] => true,
        ["cfg", "all", rest @ ..] => {
            rest.contains(&"test") && !rest.contains(&"any") && !rest.contains(&"not")
        }
        _ => false,
    }
}

/// The path that a string in an attribute holds, if it starts inside the crate.
fn as_path(text: &str) -> Option<Vec<String>> {
    let path: Vec<_> = text.split("::").map(|s| s.trim().to_owned()).collect();
    let plain = |s: &String| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || c == '_');
    (path.len() > 1
        && matches!(path[0].as_str(), "crate" | "super" | "self")
        && path.iter().all(plain))
    .then_some(path)
}
