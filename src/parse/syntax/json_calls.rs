//! Calls as JSON objects: `{"name": …, "arguments": {…}}`, or `parameters`.
//!
//! Hermes and Qwen in tags, Mistral in an array, Llama bare or behind its token. A call's members may
//! come in any order, arguments as a string that holds JSON, the whole inside `function`.

use super::{Context, Step};
use crate::parse::json::{Checker, Status};

#[derive(Debug)]
pub(in crate::parse) struct JsonCalls {
    state: State,
    array: bool,
    /// Without a marker: the JSON from its first byte, in step with the call.
    bare: Option<Checker>,
    call: Call,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Before,
    Call,
    After,
}

impl JsonCalls {
    /// Behind a marker.
    pub(super) fn tagged() -> Self {
        Self { state: State::Before, array: false, bare: None, call: Call::default() }
    }

    /// Behind `{` in the text.
    pub(super) fn bare_object() -> Self {
        Self { state: State::Call, bare: Some(begun("{")), ..Self::tagged() }
    }

    /// Behind `[` in the text.
    pub(super) fn bare_array() -> Self {
        Self { array: true, bare: Some(begun("[")), ..Self::tagged() }
    }

    pub(super) fn is_bare(&self) -> bool {
        self.bare.is_some()
    }

    pub(super) fn is_between(&self) -> bool {
        self.state == State::After
    }

    pub(super) fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Step) {
        let mut read = 0;
        loop {
            let from = read;
            let step = self.step(&text[from..], &mut read, context);
            if let Some(bare) = &mut self.bare {
                // The checker has the same grammar, so it takes what the call took.
                bare.feed(&text[from..read], &mut |_| {});
            }
            match step {
                // An answer in JSON, maybe: inside it nothing is a call.
                Some(Step::Bad) if !self.call.started => {
                    return (read, self.bare.take().map_or(Step::Bad, Step::NoCall));
                }
                Some(step) => return (read, step),
                None if read == text.len() => return (read, Step::More),
                None => {}
            }
        }
    }

    fn step(&mut self, text: &str, read: &mut usize, context: &mut Context<'_>) -> Option<Step> {
        if self.state == State::Call {
            let (taken, status) = self.call.feed(text, context);
            *read += taken;
            match status {
                Status::More => return None,
                Status::Bad => return Some(Step::Bad),
                Status::Done => {}
            }
            if !self.call.close(context) {
                return Some(Step::Bad);
            }
            self.state = State::After;
            return Some(Step::Call);
        }
        if self.state == State::After && self.bare.is_some() && !self.array {
            return Some(Step::Closed);
        }
        let next = text.chars().next()?;
        match (&self.state, next) {
            (_, next) if next.is_whitespace() => {}
            (State::Before, '[') if !self.array && self.bare.is_none() => self.array = true,
            (State::Before, '{') => {
                self.state = State::Call;
                self.call = Call::default();
            }
            (State::After, ',' | ';') if self.array == (next == ',') => self.state = State::Before,
            (State::After, '{') if !self.array => {
                self.state = State::Call;
                self.call = Call::default();
            }
            (State::After, ']') if self.array => {
                *read += 1;
                self.array = false;
                self.bare = None;
                return Some(Step::Closed);
            }
            (State::After, _) if !self.array => return Some(Step::Closed),
            _ => return Some(Step::Bad),
        }
        *read += next.len_utf8();
        None
    }
}

fn begun(text: &str) -> Checker {
    let mut checker = Checker::default();
    checker.feed(text, &mut |_| {});
    checker
}

/// One call, behind its `{`.
#[derive(Debug, Default)]
struct Call {
    state: Member,
    /// Whether the call is inside `function`.
    inner: bool,
    value: Checker,
    /// The key, or the value that is being collected.
    text: String,
    key: String,
    name: Option<String>,
    id: Option<String>,
    /// Arguments that came before the name, or as a string.
    early: Option<String>,
    has_arguments: bool,
    started: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Member {
    #[default]
    FirstKey,
    Key,
    KeyText,
    Colon,
    Value,
    /// A value that is kept.
    Kept,
    Arguments,
    Skipped,
    After,
}

impl Call {
    fn feed(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Status) {
        let mut read = 0;
        while read < text.len() {
            let rest = &text[read..];
            if let Member::KeyText | Member::Kept | Member::Arguments | Member::Skipped = self.state
            {
                let (taken, status) = self.inside(rest, context);
                read += taken;
                let good = match status {
                    Status::More => return (read, Status::More),
                    Status::Bad => false,
                    Status::Done => self.value_ends(context),
                };
                if !good {
                    return (read, Status::Bad);
                }
                continue;
            }
            let Some(next) = rest.chars().next() else { break };
            if matches!(next, ' ' | '\t' | '\n' | '\r') {
                read += 1;
                continue;
            }
            match (self.state, next) {
                (Member::FirstKey, '}') => return (read + 1, self.closed()),
                (Member::FirstKey | Member::Key, '"') => self.begin(Member::KeyText),
                (Member::Colon, ':') => {
                    self.state = Member::Value;
                    read += 1;
                }
                (Member::Value, _) => match self.value(next, context.bare) {
                    Some(taken) if self.starts(context) => read += taken,
                    _ => return (read, Status::Bad),
                },
                (Member::After, ',') => {
                    self.state = Member::Key;
                    read += 1;
                }
                (Member::After, '}') if self.inner => {
                    self.inner = false;
                    read += 1;
                }
                (Member::After, '}') => return (read + 1, Status::Done),
                _ => return (read, Status::Bad),
            }
        }
        (read, Status::More)
    }

    /// Begins the call, once its name is known and its arguments begin; `false` if it may not be one.
    fn starts(&mut self, context: &mut Context<'_>) -> bool {
        if self.state == Member::Arguments
            && let Some(name) = self.name.take()
        {
            self.started = context.start(&name, self.id.as_deref());
            return self.started;
        }
        true
    }

    fn closed(&self) -> Status {
        if self.inner { Status::Bad } else { Status::Done }
    }

    fn begin(&mut self, state: Member) {
        self.state = state;
        self.value = Checker::default();
        self.text.clear();
    }

    fn inside(&mut self, text: &str, context: &mut Context<'_>) -> (usize, Status) {
        let Self { value, text: kept, started, .. } = self;
        match self.state {
            Member::Skipped => value.feed(text, &mut |_| {}),
            Member::Arguments if *started => value.feed(text, &mut |part| context.arguments(part)),
            _ => value.feed(text, &mut |part| kept.push_str(part)),
        }
    }

    /// Chooses what becomes of the value that begins with `next`; how much of it is read at once.
    fn value(&mut self, next: char, bare: bool) -> Option<usize> {
        match (self.key.as_str(), next) {
            ("name" | "function", '"') if self.name.is_none() => self.begin(Member::Kept),
            ("function", '{') if !self.inner && self.name.is_none() => {
                self.inner = true;
                self.state = Member::FirstKey;
                return Some(1);
            }
            ("arguments" | "parameters", '{') if !self.has_arguments => {
                self.begin(Member::Arguments);
            }
            ("arguments" | "parameters", '"' | 'n') if !self.has_arguments => {
                self.begin(Member::Kept);
            }
            ("name" | "function" | "arguments" | "parameters", _) => return None,
            ("id", '"') => self.begin(Member::Kept),
            ("id" | "type" | "index", _) => self.begin(Member::Skipped),
            _ if bare && !self.started => return None,
            _ => self.begin(Member::Skipped),
        }
        Some(0)
    }

    /// Takes the value that is over; `false` if it makes this no call.
    fn value_ends(&mut self, context: &mut Context<'_>) -> bool {
        let state = std::mem::replace(&mut self.state, Member::After);
        match state {
            Member::KeyText => {
                self.state = Member::Colon;
                match serde_json::from_str(&self.text) {
                    Ok(key) => self.key = key,
                    Err(_) => return false,
                }
            }
            Member::Kept => return self.kept(context),
            Member::Arguments => {
                self.has_arguments = true;
                if !self.started {
                    self.early = Some(std::mem::take(&mut self.text));
                }
            }
            _ => {}
        }
        true
    }

    fn kept(&mut self, context: &mut Context<'_>) -> bool {
        if self.text == "null" {
            self.has_arguments = true;
            return true;
        }
        let Ok(value) = serde_json::from_str::<String>(&self.text) else { return false };
        match self.key.as_str() {
            "id" => self.id = Some(value),
            "arguments" | "parameters" => {
                self.has_arguments = true;
                let mut inner = Checker::default();
                let mut json = String::new();
                let trimmed = value.trim();
                let (read, status) = inner.feed(trimmed, &mut |part| json.push_str(part));
                let whole = status != Status::Bad && read == trimmed.len() && inner.finish();
                if !(trimmed.is_empty() || whole && trimmed.starts_with('{')) {
                    return false;
                }
                self.early = Some(json).filter(|json| !json.is_empty());
            }
            _ => {
                if context.bare && !context.sink.offers(&value) {
                    return false;
                }
                self.name = Some(value);
            }
        }
        true
    }

    /// The call is over; `false` if it is none.
    fn close(&mut self, context: &mut Context<'_>) -> bool {
        if !self.started {
            if context.bare && !self.has_arguments {
                return false;
            }
            let Some(name) = self.name.take() else { return false };
            if !context.start(&name, self.id.as_deref()) {
                return false;
            }
            if let Some(json) = self.early.take() {
                context.arguments(&json);
            }
        }
        context.end();
        true
    }
}
