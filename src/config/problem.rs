//! What is wrong with the configuration, said so that it can be put right at once.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroize;

/// One thing that is wrong, or worth a look.
///
/// `Display` writes it in the manner of rustc, without colours:
///
/// ```text
/// error: `listne` is not a key of the configuration
///   --> helan.toml:1:1
///    |
///  1 | listne = "127.0.0.1:8080"
///    | ^^^^^^
///    = help: did you mean `listen`?
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the gateway starts nevertheless.
    pub severity: Severity,
    /// The file; `None` for the environment.
    pub file: Option<PathBuf>,
    /// Where in the file.
    pub position: Option<Position>,
    /// Which setting: `models."x".endpoint`, or the environment variable's name.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The gateway does not start.
    Error,
    /// It does.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters are meant; at least 1, and never past the end of the line.
    pub length: usize,
    /// The line itself; `None` where it may hold a secret.
    pub text: Option<String>,
}

impl Problem {
    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.position.as_ref().map(|position| position.line)
    }

    /// The column, from 1, in characters.
    pub fn column(&self) -> Option<usize> {
        self.position.as_ref().map(|position| position.column)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        let gutter = self.line().map_or(1, |line| line.to_string().len().max(2));
        match (&self.file, &self.position) {
            (Some(file), Some(at)) => {
                write!(f, "\n  --> {}:{}:{}", file.display(), at.line, at.column)?;
                if let Some(text) = &at.text {
                    // A tab stays a tab, so that the caret stands under its character.
                    let indent: String = text
                        .chars()
                        .take(at.column - 1)
                        .map(|c| if c == '\t' { '\t' } else { ' ' })
                        .collect();
                    write!(f, "\n{:gutter$} |", "")?;
                    write!(f, "\n{:>gutter$} | {text}", at.line)?;
                    write!(f, "\n{:gutter$} | {indent}{}", "", "^".repeat(at.length))?;
                }
            }
            (Some(file), None) => write!(f, "\n  --> {}", file.display())?,
            (None, _) if !self.path.is_empty() => {
                write!(f, "\n  --> environment variable {}", self.path)?;
            }
            (None, _) => {}
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:gutter$} = help: {help}", "")?;
        }
        Ok(())
    }
}

/// Several problems as one text, in the order of the file.
///
/// ```
/// use helan::config::{Report, parse};
///
/// let problems = parse("helan.toml".as_ref(), "listne = '[::1]:80'", []).unwrap_err();
/// assert!(Report(&problems).to_string().contains("did you mean `listen`?"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(pub &'a [Problem]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A file that settings come from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: PathBuf,
    pub(super) text: String,
    /// Whether its lines may be shown: not those of a key file.
    pub(super) quotable: bool,
}

impl Drop for Source {
    fn drop(&mut self) {
        if !self.quotable {
            self.text.zeroize(); // it has the secrets of a key file
        }
    }
}

impl Source {
    fn position(&self, span: &Range<usize>) -> Position {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let column = before[line_start..].chars().count() + 1;
        let rest = (line.chars().count() + 1).saturating_sub(column);
        let meant = self.text[start..end].lines().next().unwrap_or_default().chars().count();
        Position {
            line: before.matches('\n').count() + 1,
            column,
            length: meant.min(rest).max(1),
            text: (self.quotable && !may_hold_secret(line)).then(|| line.to_owned()),
        }
    }
}

/// Secrets belong into the key file; one that was put here by mistake is not shown either.
fn may_hold_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["secret", "password", "session_token"].iter().any(|word| line.contains(word))
}

/// Where a value was written.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// `None`: the environment.
    pub(super) source: Option<Arc<Source>>,
    pub(super) span: Option<Range<usize>>,
    pub(super) path: String,
}

impl Origin {
    pub(super) fn variable(name: &str) -> Self {
        Self { source: None, span: None, path: name.to_owned() }
    }

    pub(super) fn error(&self, message: impl Into<String>, help: impl Into<String>) -> Problem {
        self.problem(Severity::Error, message.into(), Some(help.into()))
    }

    pub(super) fn warning(&self, message: impl Into<String>, help: impl Into<String>) -> Problem {
        self.problem(Severity::Warning, message.into(), Some(help.into()))
    }

    pub(super) fn problem(
        &self,
        severity: Severity,
        message: String,
        help: Option<String>,
    ) -> Problem {
        let source = self.source.as_deref();
        Problem {
            severity,
            file: source.map(|source| source.file.clone()),
            position: source.zip(self.span.as_ref()).map(|(source, span)| source.position(span)),
            path: self.path.clone(),
            message,
            help,
        }
    }

    /// The directory that relative paths written here start from.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.source.as_ref().and_then(|source| source.file.parent())
    }
}
