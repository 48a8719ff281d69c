//! Operators that are respelled as filters: `+`, `~`, `*`, `%` and slices, where they may be of
//! strings.
//!
//! The engine's own build each string without asking how long it is, know no `%` of strings, and
//! add what is marked safe as if it were not. What can only be of numbers is left to the engine.

use super::python::operators::{ADD, CONCAT, MODULO, REPEAT, SLICE};
use super::rewrite::{Edit, Kind, Token};

/// What ends an arithmetic expression.
const ENDS: [&str; 15] =
    [",", ":", "=", "==", "!=", "<", ">", "<=", ">=", "if", "else", "and", "or", "not", "in"];

/// An operand: its first and last token, and the operator in front of it.
#[derive(Clone, Copy)]
struct Operand {
    operator: Option<usize>,
    first: usize,
    last: usize,
}

/// One expression between [`ENDS`] or brackets.
#[derive(Default)]
struct Expression {
    operands: Vec<Operand>,
    /// The operator that waits for its operand.
    operator: Option<usize>,
    /// Whether it has a `:` of its own, as a slice has.
    parted: bool,
    /// Whether it has a test, which binds tighter than its words look.
    tested: bool,
}

impl Expression {
    fn extend(&mut self, at: usize) {
        match self.operands.last_mut() {
            Some(last) if self.operator.is_none() => last.last = at,
            _ => {
                self.operands.push(Operand { operator: self.operator.take(), first: at, last: at });
            }
        }
    }

    /// The operand at hand ends with a slice: `a.b[1:]` becomes `((a.b[1:])|f)`.
    fn slice(&self, body: &[Token<'_>], edits: &mut Vec<Edit>) {
        let Some(operand) = self.operands.last().filter(|_| !self.tested) else { return };
        let tokens = &body[operand.first..=operand.last];
        let is_plain = tokens.iter().all(|token| !token.is("|"));
        if tokens[0].kind == Kind::Name && is_plain {
            edits.push(Edit::insert(body[operand.first].start, "(("));
            edits.push(Edit::insert(body[operand.last].end(), &format!(")|{SLICE})")));
        }
    }

    fn has_left_side(&self) -> bool {
        !self.operands.is_empty() && self.operator.is_none()
    }
}

/// Respells the operators of a tag; `body` begins behind the word that names a statement.
pub(super) fn respell(body: &[Token<'_>], edits: &mut Vec<Edit>) {
    let mut open = vec![Expression::default()];
    for (at, token) in body.iter().enumerate() {
        let is_nested = open.len() > 1;
        let Some(expression) = open.last_mut() else { return };
        let is_attribute = at > 0 && body[at - 1].is(".");
        match token.text {
            _ if token.kind == Kind::Text || is_attribute => expression.extend(at),
            "(" | "[" | "{" => {
                expression.extend(at);
                open.push(Expression::default());
            }
            ")" | "]" | "}" if is_nested => {
                let inner = open.pop().unwrap_or_default();
                finish(body, &inner, edits);
                if let Some(outer) = open.last_mut() {
                    outer.extend(at);
                    if inner.parted && token.is("]") {
                        outer.slice(body, edits);
                    }
                }
            }
            "+" | "-" | "~" | "*" | "/" | "//" | "%" if expression.has_left_side() => {
                expression.operator = Some(at);
            }
            "is" => expression.tested = true,
            end if ENDS.contains(&end) => {
                let parted = expression.parted || end == ":";
                finish(
                    body,
                    &std::mem::replace(expression, Expression { parted, ..Expression::default() }),
                    edits,
                );
            }
            _ => expression.extend(at),
        }
    }
    for expression in &open {
        finish(body, expression, edits);
    }
}

/// Inner edits come before outer ones: where both are in one place, that is their order.
fn finish(body: &[Token<'_>], expression: &Expression, edits: &mut Vec<Edit>) {
    if expression.operands.len() < 2 || expression.tested || expression.operator.is_some() {
        return;
    }
    let terms = split(body, &expression.operands, &["+", "-"]);
    for term in &terms {
        let parts = split(body, term, &["~"]);
        for part in &parts {
            product(body, part, edits);
        }
        chain(body, &parts, CONCAT, edits);
    }
    let adds = terms.iter().skip(1).all(|term| {
        let operator = term.first().and_then(|operand| operand.operator);
        operator.is_some_and(|at| body[at].is("+"))
    });
    let no_strings = |term: &&[Operand]| {
        let (Some(first), Some(last)) = (term.first(), term.last()) else { return true };
        (term.len() == 1 && is_number(body, *first)) || is_list(body, first.first, last.last)
    };
    if adds && !terms.iter().any(no_strings) {
        chain(body, &terms, ADD, edits);
    }
}

/// The operands, cut in front of those that one of `operators` stands before.
fn split<'a>(
    body: &[Token<'_>],
    operands: &'a [Operand],
    operators: &[&str],
) -> Vec<&'a [Operand]> {
    let cuts = |operand: &Operand| {
        operand.operator.is_some_and(|at| operators.iter().any(|operator| body[at].is(operator)))
    };
    let (mut parts, mut from) = (vec![], 0);
    for (at, operand) in operands.iter().enumerate().skip(1) {
        if cuts(operand) {
            parts.push(&operands[from..at]);
            from = at;
        }
    }
    parts.push(&operands[from..]);
    parts
}

/// `a + b + c` as `(a)|f((b),(c))`.
fn chain(body: &[Token<'_>], parts: &[&[Operand]], filter: &str, edits: &mut Vec<Edit>) {
    let ends = |part: &[Operand]| Some((*part.first()?, *part.last()?));
    let Some((first, _)) = parts.first().copied().and_then(ends).filter(|_| parts.len() > 1) else {
        return;
    };
    edits.push(Edit::insert(body[first.first].start, "("));
    for (at, part) in parts.iter().enumerate().skip(1) {
        let Some((operand, last)) = ends(part) else { return };
        let Some(operator) = operand.operator.map(|at| body[at]) else { return };
        let text = if at == 1 { format!(")|{filter}((") } else { "),(".to_owned() };
        edits.push(Edit { start: operator.start, end: operator.end(), text });
        if at + 1 == parts.len() {
            edits.push(Edit::insert(body[last.last].end(), "))"));
        }
    }
}

/// `a * b % c` as `((a)|f(b))|g(c)`.
fn product(body: &[Token<'_>], operands: &[Operand], edits: &mut Vec<Edit>) {
    let operators =
        || operands.windows(2).filter_map(|pair| Some((pair[0], pair[1].operator?, pair[1])));
    let is = |at: usize, operator: &str| body[at].is(operator);
    // What templates count: `loop.index0 % 2`.
    let counts = |left: Operand, right| body[left.first].is("loop") && is_number(body, right);
    let of_strings = |(left, at, right): (Operand, usize, Operand)| {
        is(at, "*") || (is(at, "%") && !counts(left, right))
    };
    let divides = operators().any(|(_, at, _)| is(at, "/") || is(at, "//"));
    if divides || !operators().any(of_strings) {
        return;
    }
    let Some(first) = operands.first() else { return };
    edits.push(Edit::insert(body[first.first].start, &"(".repeat(operands.len() - 1)));
    for (_, at, right) in operators() {
        let filter = if is(at, "*") { REPEAT } else { MODULO };
        let text = format!(")|{filter}(");
        edits.push(Edit { start: body[at].start, end: body[at].end(), text });
        edits.push(Edit::insert(body[right.last].end(), ")"));
    }
}

fn is_number(body: &[Token<'_>], operand: Operand) -> bool {
    body[operand.first].text.starts_with(|char: char| char.is_ascii_digit())
        && body[operand.first].kind == Kind::Other
}

/// Whether the tokens are one list in brackets: what is added to it is a list, too.
fn is_list(body: &[Token<'_>], first: usize, last: usize) -> bool {
    let mut depth = 0_usize;
    body[first].is("[")
        && body[first..=last].iter().enumerate().all(|(at, token)| {
            match token.text {
                "(" | "[" | "{" if token.kind == Kind::Other => depth += 1,
                ")" | "]" | "}" if token.kind == Kind::Other => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0 || at == last - first
        })
}
