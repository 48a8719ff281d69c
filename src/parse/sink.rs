//! What the states write to: pieces in order, blanks at borders dropped, broken calls given back.

use super::coerce::Tool;
use super::{Calls, Options, Outcome, Piece, Unoffered};

/// The most blanks that wait for what follows them, in bytes.
const MOST_BLANK: usize = 4096;
/// The longest name of a tool, in bytes.
const LONGEST_NAME: usize = 256;

/// Where pieces go.
pub(super) type Out<'a> = &'a mut dyn FnMut(Piece<'_>);

#[derive(Debug)]
pub(super) struct Sink {
    calls: Calls,
    tools: Option<Vec<Tool>>,
    unoffered: Unoffered,
    pub(super) outcome: Outcome,
    /// Whether nothing came in this stretch of text: at the answer's beginning, or behind reasoning.
    fresh: bool,
    border: Border,
    /// What may stand between calls, blanks apart.
    separator: Option<char>,
    gap: String,
    /// Tokens that end an answer, and blanks between them, as long as nothing follows.
    ending: String,
    /// Whether this stretch of reasoning has words, and the blanks behind them.
    reasoned: bool,
    tail: String,
    /// The text that a marker opened, up to now, without the calls that are complete.
    raw: String,
    call: Option<Open>,
    index: u32,
    /// Whether the last marker was followed by a whole call: then its closing marker is one.
    whole: bool,
}

/// Whether blanks wait, since a marker or the end may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Border {
    None,
    /// They are text if text follows.
    Keep,
    /// They are dropped.
    Trim,
}

/// The call that is open; with its parts, if they are not given as they come.
#[derive(Debug)]
struct Open {
    name: String,
    id: Option<String>,
    arguments: String,
    started: bool,
}

impl Sink {
    pub(super) fn new(options: &Options, separator: Option<char>) -> Self {
        Self {
            calls: options.calls,
            tools: options.tools.clone(),
            unoffered: options.unoffered,
            outcome: Outcome::default(),
            fresh: true,
            border: Border::Keep,
            separator,
            gap: String::new(),
            ending: String::new(),
            reasoned: false,
            tail: String::new(),
            raw: String::new(),
            call: None,
            index: 0,
            whole: false,
        }
    }

    fn eager(&self) -> bool {
        self.calls == Calls::AsTheyArrive
    }

    pub(super) fn fresh(&self) -> bool {
        self.fresh
    }

    pub(super) fn reasoned(&self) -> bool {
        self.reasoned
    }

    /// Whether closing markers of calls are such.
    pub(super) fn closes(&self) -> bool {
        self.whole
    }

    pub(super) fn knows_tools(&self) -> bool {
        self.tools.is_some()
    }

    /// Whether nothing can be a call, not even a marker's beginning: no tool was offered, and a
    /// call to another is text.
    pub(super) fn takes_no_calls(&self) -> bool {
        self.unoffered == Unoffered::Text && self.tools.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether a call without markers may be one.
    pub(super) fn offers(&self, name: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|tool| tool.name == name))
    }

    /// The open call's tool.
    pub(super) fn tool(&self) -> Option<&Tool> {
        let open = self.call.as_ref()?;
        self.tools.as_ref()?.iter().find(|tool| tool.name == open.name)
    }

    pub(super) fn text(&mut self, text: &str, out: Out<'_>) {
        if !self.ending.is_empty() {
            if self.ends(text) {
                return;
            }
            let ending = std::mem::take(&mut self.ending);
            self.text(&ending, &mut *out);
        }
        if self.border == Border::None {
            return out(Piece::Text(text));
        }
        let separator = self.separator.filter(|_| self.whole);
        let words = text.trim_start_matches(|c: char| c.is_whitespace() || Some(c) == separator);
        if self.border == Border::Keep {
            self.gap.push_str(&text[..text.len() - words.len()]);
        }
        if words.is_empty() && self.gap.len() <= MOST_BLANK {
            return;
        }
        if !self.gap.is_empty() {
            out(Piece::Text(&self.gap));
            self.gap.clear();
        }
        if !words.is_empty() {
            self.words_come();
            out(Piece::Text(words));
        }
    }

    fn words_come(&mut self) {
        (self.fresh, self.border) = (false, Border::None);
    }

    /// A token that ends an answer.
    pub(super) fn ending(&mut self, marker: &str, reasoning: bool, out: Out<'_>) {
        if self.ending.len() > MOST_BLANK {
            self.goes_on(reasoning, out);
        }
        self.ending.push_str(marker);
    }

    /// Whether `text` may stand behind such a token without being more of the answer.
    fn ends(&mut self, text: &str) -> bool {
        let blank = text.trim().is_empty() && self.ending.len() < MOST_BLANK;
        if blank {
            self.ending.push_str(text);
        }
        blank
    }

    /// A marker follows: what seemed to end the answer did not.
    pub(super) fn goes_on(&mut self, reasoning: bool, out: Out<'_>) {
        let ending = std::mem::take(&mut self.ending);
        match (ending.as_str(), reasoning) {
            ("", _) => {}
            (ending, true) => self.reasoning(ending, out),
            (ending, false) => self.text(ending, out),
        }
    }

    /// A marker stood here: blanks in front of it, if nothing else was, and behind it are not text.
    pub(super) fn border(&mut self) {
        self.gap.clear();
        self.border = Border::Keep;
    }

    /// Reasoning begins.
    pub(super) fn think(&mut self) {
        self.gap.clear();
        self.tail.clear();
        self.reasoned = false;
    }

    /// Reasoning is over.
    pub(super) fn end_think(&mut self) {
        self.tail.clear();
        self.gap.clear();
        (self.fresh, self.border) = (true, Border::Trim);
    }

    pub(super) fn reasoning(&mut self, mut text: &str, out: Out<'_>) {
        if !self.ending.is_empty() {
            if self.ends(text) {
                return;
            }
            let ending = std::mem::take(&mut self.ending);
            self.reasoning(&ending, &mut *out);
        }
        if !self.reasoned {
            text = text.trim_start();
        }
        let words = text.trim_end();
        if !words.is_empty() {
            self.reasoned = true;
            // Short words join the blanks before them, so that one piece stays one.
            if !self.tail.is_empty() && words.len() < 256 {
                self.tail.push_str(words);
                out(Piece::Reasoning(&self.tail));
            } else {
                if !self.tail.is_empty() {
                    out(Piece::Reasoning(&self.tail));
                }
                out(Piece::Reasoning(words));
            }
            self.tail.clear();
        }
        if self.reasoned {
            self.tail.push_str(&text[words.len()..]);
            if self.tail.len() > MOST_BLANK {
                out(Piece::Reasoning(&self.tail));
                self.tail.clear();
            }
        }
    }

    /// A marker that may open a call was read.
    pub(super) fn open(&mut self, marker: &str) {
        self.raw.clear();
        self.raw.push_str(&self.gap);
        self.raw.push_str(marker);
        self.gap.clear();
        self.whole = false;
    }

    /// More of what the marker opened.
    pub(super) fn keep(&mut self, text: &str) {
        self.raw.push_str(text);
    }

    /// How much is kept.
    pub(super) fn kept(&self) -> usize {
        self.raw.len()
    }

    /// What was kept is no longer needed.
    pub(super) fn forget(&mut self) {
        self.raw.clear();
        self.border();
    }

    /// A call begins; `false` if it may not. `bare`: it has no marker of its own.
    pub(super) fn start(&mut self, name: &str, id: Option<&str>, bare: bool, out: Out<'_>) -> bool {
        let strict = bare || self.unoffered == Unoffered::Text;
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '{');
        let named = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(odd);
        if self.call.is_some() || !named || (strict && !self.offers(name)) {
            return false;
        }
        if self.eager() {
            out(Piece::CallStart { index: self.index, name, id });
        }
        self.call = Some(Open {
            name: name.to_owned(),
            id: id.map(ToOwned::to_owned),
            arguments: String::new(),
            started: false,
        });
        true
    }

    /// A part of the open call's arguments.
    pub(super) fn arguments(&mut self, fragment: &str, out: Out<'_>) {
        let eager = self.eager();
        let Some(open) = &mut self.call else { return };
        open.started = true;
        if eager {
            out(Piece::CallArguments { index: self.index, fragment });
        } else {
            open.arguments.push_str(fragment);
        }
    }

    /// The open call is complete.
    pub(super) fn end(&mut self, out: Out<'_>) {
        let Some(open) = self.call.take() else { return };
        let index = self.index;
        if !self.eager() {
            out(Piece::CallStart { index, name: &open.name, id: open.id.as_deref() });
        }
        if !open.started {
            out(Piece::CallArguments { index, fragment: "{}" });
        } else if !self.eager() {
            out(Piece::CallArguments { index, fragment: &open.arguments });
        }
        out(Piece::CallEnd { index });
        self.index += 1;
        self.outcome.calls += 1;
        self.whole = true;
        self.fresh = false;
        self.forget();
    }

    /// What a marker opened is no call: it is text. If it was cut, its marker does not show.
    /// `bare`: it had none.
    pub(super) fn broken(&mut self, cut: bool, bare: bool, out: Out<'_>) {
        let call = self.call.take();
        let mut raw = std::mem::take(&mut self.raw);
        self.outcome.malformed += u32::from(call.is_some() && !cut);
        self.outcome.cut_call |= cut && (call.is_some() || !bare);
        if call.is_some() && self.eager() {
            out(Piece::CallBroken { index: self.index, raw: &raw, cut });
            self.index += 1;
            self.words_come();
        } else if !cut || (bare && call.is_none()) {
            if !raw.is_empty() {
                out(Piece::Text(&raw));
            }
            self.words_come();
        }
        raw.clear();
        self.raw = raw;
        self.whole = false;
    }

    /// The end of text: blanks count where nothing else was.
    pub(super) fn finish(&mut self, out: Out<'_>) {
        if self.border == Border::Keep && !self.gap.is_empty() && self.outcome.calls == 0 {
            out(Piece::Text(&self.gap));
        }
        self.gap.clear();
    }
}
