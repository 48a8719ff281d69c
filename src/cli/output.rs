//! What a person at the terminal reads. Colours only where a terminal shows them.

use std::fmt::Display;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

/// For what stands beside the matter: reasoning, hints.
pub(super) const DIM: Style = Style::new().dimmed();
/// For headings.
pub(super) const HEADING: Style = AnsiColor::Green.on_default().bold();
/// For what went wrong.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// For what might.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// One line, or several, on standard output.
pub(super) fn print(text: impl Display) {
    let mut out = anstream::stdout();
    // A reader who has gone (`helan … | head`) needs no answer.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Without a line's end, at once.
pub(super) fn print_part(text: impl Display) {
    let mut out = anstream::stdout();
    let _ = write!(out, "{text}");
    let _ = out.flush();
}

/// On standard error.
pub(super) fn error(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{ERROR}error{ERROR:#}: {text}");
}

/// An error and its causes, on standard error.
pub(super) fn failure(error: &crate::Error) {
    self::error(causes(error));
}

/// What lies behind an error; its own words where that is unknown.
pub(super) fn causes(error: &crate::Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    if text.is_empty() { error.message().to_owned() } else { text }
}
