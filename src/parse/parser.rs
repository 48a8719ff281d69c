//! The parser: characters, stop sequences, then text, reasoning and calls by turns.

use super::format::{Format, Mark, Markers, Table};
use super::json::{Checker, Status};
use super::scan::{Machine, Scanner};
use super::sink::{Out, Sink};
use super::syntax::{Block, Context, Step};
use super::utf8::Utf8;
use super::{Finish, Options, Outcome, Piece, Start};

/// The longest call that is read, in bytes of the generated text.
const LONGEST_CALL: usize = 8 << 20;
/// A marker's beginning of at least so many bytes is not shown when the answer is cut within it.
const TELLING: usize = 5;

/// Reads one answer: bytes in, [`Piece`]s out.
///
/// What it holds is bounded: the beginning of a marker or a stop sequence, blanks, and the text of the
/// call that is being read (at most 8 MiB; a longer one is broken). Each byte is looked at a bounded
/// number of times.
#[derive(Debug)]
pub struct Parser {
    utf8: Utf8,
    stop: Option<Stop>,
    engine: Engine,
}

/// Looks for stop sequences, in front of everything else.
#[derive(Debug)]
struct Stop {
    machine: Machine,
    scanner: Scanner,
    met: Option<String>,
}

#[derive(Debug)]
struct Engine {
    format: Format,
    table: &'static Table,
    scanner: Scanner,
    /// The markers that `scanner` is looking for, in text.
    markers: &'static Markers,
    state: State,
    sink: Sink,
    /// Bytes that states have looked at.
    work: usize,
}

#[derive(Debug)]
enum State {
    Text,
    Reasoning,
    Block(Box<Block>),
    /// JSON that is no call, up to its end.
    Json(Checker),
}

impl Parser {
    /// A parser of one answer.
    pub fn new(format: Format, options: Options) -> Self {
        let table = format.table();
        let state = match options.start {
            Start::Text => State::Text,
            Start::Reasoning => State::Reasoning,
        };
        let separator = matches!(format, Format::Llama3Json | Format::Detect).then_some(';');
        let sink = Sink::new(&options, separator);
        let stop: Vec<_> = options.stop.into_iter().filter(|stop| !stop.is_empty()).collect();
        let stop = (!stop.is_empty()).then(|| Stop {
            machine: Machine::new(stop.iter().map(String::as_str)),
            scanner: Scanner::default(),
            met: None,
        });
        Self {
            utf8: Utf8::default(),
            stop,
            engine: Engine {
                format,
                table,
                scanner: Scanner::default(),
                markers: &table.start,
                state,
                sink,
                work: 0,
            },
        }
    }

    /// Takes the next bytes and gives the pieces that they complete. What comes behind a stop
    /// sequence is dropped.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        let Self { utf8, stop, engine } = self;
        utf8.push(bytes, |text| take(stop.as_mut(), engine, text, out));
    }

    /// Whether a stop sequence was met: then nothing more is to come.
    pub fn stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.met.is_some())
    }

    /// Takes the end. The parser is then used up.
    pub fn finish(&mut self, how: Finish, out: &mut impl FnMut(Piece<'_>)) -> Outcome {
        let Self { utf8, stop, engine } = self;
        utf8.finish(&mut |text| take(stop.as_mut(), engine, text, out));
        let mut cut = how == Finish::Cut;
        if let Some(stop) = stop {
            match stop.met.take() {
                Some(met) => {
                    engine.sink.outcome.stop_sequence = Some(met);
                    cut = true;
                }
                None => engine.read(stop.scanner.held(&stop.machine), out),
            }
        }
        engine.finish(cut, out);
        std::mem::take(&mut engine.sink.outcome)
    }

    /// How many bytes have been looked at, however often.
    #[doc(hidden)]
    pub fn work(&self) -> usize {
        self.engine.work
    }
}

fn take(stop: Option<&mut Stop>, engine: &mut Engine, text: &str, out: Out<'_>) {
    let Some(stop) = stop else { return engine.read(text, out) };
    if stop.met.is_some() {
        return;
    }
    let hit = stop.scanner.scan(&stop.machine, text, &mut |part| engine.read(part, &mut *out));
    if let Some(hit) = hit {
        stop.met = Some(stop.machine.pattern(hit.pattern).to_owned());
    }
}

impl Engine {
    fn read(&mut self, mut text: &str, out: Out<'_>) {
        while !text.is_empty() {
            let read = match &mut self.state {
                State::Text => self.text(text, out),
                State::Reasoning => self.reasoning(text, out),
                State::Block(_) => self.block(text, false, out),
                State::Json(checker) => {
                    let (read, status) = checker.feed(text, &mut |_| {});
                    if status != Status::More {
                        self.state = State::Text;
                    }
                    if read > 0 {
                        self.sink.text(&text[..read], out);
                    }
                    read
                }
            };
            self.work += read.max(1);
            text = &text[read..];
        }
    }

    fn text(&mut self, text: &str, out: Out<'_>) -> usize {
        if self.scanner.is_idle() {
            self.markers = if self.sink.fresh() { &self.table.start } else { &self.table.text };
        }
        let (markers, sink) = (self.markers, &mut self.sink);
        let hit = self.scanner.scan(&markers.machine, text, &mut |part| sink.text(part, &mut *out));
        let Some(hit) = hit else { return text.len() };
        self.marked(markers.marks[hit.pattern], markers.machine.pattern(hit.pattern), out);
        hit.end
    }

    fn marked(&mut self, mark: Mark, marker: &str, out: Out<'_>) {
        let sink = &mut self.sink;
        match mark {
            Mark::EndAnswer => return sink.ending(marker, false, out),
            // Behind calls and messages their ends are to be expected.
            Mark::EndCalls | Mark::EndMessage => {}
            _ => sink.goes_on(false, &mut *out),
        }
        let live = match mark {
            _ if mark.opens_calls() && sink.takes_no_calls() => false,
            Mark::BareStart => sink.fresh() && sink.knows_tools(),
            _ if mark.begins() => sink.fresh(),
            Mark::EndThink => false,
            Mark::EndCalls => sink.closes(),
            _ => true,
        };
        match mark {
            _ if !live => sink.text(marker, out),
            Mark::Think | Mark::ThinkToken => {
                sink.think();
                self.state = State::Reasoning;
            }
            Mark::EndCalls | Mark::EndMessage => sink.border(),
            _ => {
                sink.open(marker);
                let (block, rest) = Block::open(mark, marker, self.format);
                self.state = State::Block(Box::new(block));
                if !rest.is_empty() {
                    self.block(rest, true, out);
                }
            }
        }
    }

    fn reasoning(&mut self, text: &str, out: Out<'_>) -> usize {
        let (markers, sink) = (&self.table.reasoning, &mut self.sink);
        let hit =
            self.scanner.scan(&markers.machine, text, &mut |part| sink.reasoning(part, &mut *out));
        let Some(hit) = hit else { return text.len() };
        let marker = markers.machine.pattern(hit.pattern);
        match markers.marks[hit.pattern] {
            Mark::EndAnswer => sink.ending(marker, true, out),
            // The model repeats what the prompt ended with.
            Mark::Think if !sink.reasoned() => sink.think(),
            Mark::Think => sink.reasoning(marker, out),
            mark => {
                sink.goes_on(true, &mut *out);
                sink.end_think();
                self.state = State::Text;
                if mark != Mark::EndThink {
                    self.marked(mark, marker, out);
                }
            }
        }
        hit.end
    }

    /// Gives the block `text`, which is kept already if it was the end of the block's marker.
    fn block(&mut self, text: &str, kept: bool, out: Out<'_>) -> usize {
        let State::Block(block) = &mut self.state else { return 0 };
        let bare = block.is_bare();
        let mut context = Context { sink: &mut self.sink, out: &mut *out, bare };
        let (read, step) = block.feed(text, &mut context);
        match step {
            // A call's end has been written; the text that it was is no longer needed.
            Step::Call => return read,
            Step::Closed => self.sink.forget(),
            _ if kept => {}
            _ => self.sink.keep(&text[..read]),
        }
        self.state = match step {
            Step::More if self.sink.kept() <= LONGEST_CALL => return read,
            Step::More | Step::Bad => {
                self.sink.broken(false, bare, out);
                State::Text
            }
            Step::NoCall(checker) => {
                self.sink.broken(false, bare, out);
                State::Json(checker)
            }
            Step::Reasoning => {
                self.sink.forget();
                self.sink.think();
                State::Reasoning
            }
            Step::Text => {
                self.sink.forget();
                State::Text
            }
            Step::Call | Step::Closed => State::Text,
        };
        read
    }

    fn finish(&mut self, cut: bool, out: Out<'_>) {
        let markers = match self.state {
            State::Reasoning => &self.table.reasoning,
            _ => self.markers,
        };
        let held = self.scanner.held(&markers.machine);
        let is_text = self.sink.takes_no_calls() && markers.are_of_calls(held);
        let held = if cut && held.len() >= TELLING && !is_text { "" } else { held };
        match &mut self.state {
            State::Text if !held.is_empty() => self.sink.text(held, out),
            State::Reasoning if !held.is_empty() => self.sink.reasoning(held, out),
            State::Block(block) => {
                let bare = block.is_bare();
                if block.may_end() {
                    self.sink.forget();
                } else {
                    self.sink.broken(cut, bare, out);
                }
            }
            _ => {}
        }
        self.sink.outcome.in_reasoning = matches!(self.state, State::Reasoning);
        self.sink.finish(out);
    }
}
