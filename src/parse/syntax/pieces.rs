//! What several syntaxes are made of.

use super::Context;
use crate::parse::json::{Checker, Status};
use crate::parse::scan::{Machine, Scanner};

/// The longest name, id or key, in bytes.
const LONGEST: usize = 1024;

/// Arguments as one JSON object, passed on as they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments(Checker);

impl Arguments {
    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Status) {
        let mut blank = 0;
        if self.0.is_new() {
            blank = text.len() - text.trim_start().len();
            match text[blank..].bytes().next() {
                None => return (blank, Status::More),
                Some(b'{') => {}
                Some(_) => return (blank, Status::Bad),
            }
        }
        let (read, status) = self.0.feed(&text[blank..], &mut |part| context.arguments(part));
        (blank + read, status)
    }

    /// Whether nothing has come.
    pub(super) fn is_new(&self) -> bool {
        self.0.is_new()
    }
}

/// Text up to a marker.
#[derive(Debug, Default)]
pub(super) struct Until {
    scanner: Scanner,
    text: String,
}

impl Until {
    /// Takes text up to one of the markers of `machine` and says which it was. `Err` once the text
    /// is longer than a name can be.
    pub(super) fn feed(
        &mut self,
        text: &str,
        machine: &Machine,
    ) -> Result<(usize, Option<(String, usize)>), usize> {
        let Self { scanner, text: found } = self;
        let hit = scanner.scan(machine, text, &mut |part| found.push_str(part));
        match hit {
            Some(hit) => Ok((hit.end, Some((std::mem::take(found), hit.pattern)))),
            None if self.text.len() > LONGEST => Err(text.len()),
            None => Ok((text.len(), None)),
        }
    }
}

/// One of several literals, behind blanks.
#[derive(Clone, Debug, Default)]
pub(super) struct Expect(String);

impl Expect {
    /// Whether no literal has begun: only then may something else stand here.
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes blanks, then the literal that the text spells. `None` while it is not complete, `Err` if
    /// it is none of them. No literal may begin another.
    pub(super) fn feed(
        &mut self,
        text: &str,
        literals: &[&str],
    ) -> Result<(usize, Option<usize>), usize> {
        for (at, next) in text.char_indices() {
            if self.0.is_empty() && next.is_whitespace() {
                continue;
            }
            self.0.push(next);
            if !literals.iter().any(|literal| literal.starts_with(&self.0)) {
                return Err(at);
            }
            if let Some(which) = literals.iter().position(|literal| *literal == self.0) {
                self.0.clear();
                return Ok((at + next.len_utf8(), Some(which)));
            }
        }
        Ok((text.len(), None))
    }
}
