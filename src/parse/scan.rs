//! Finds markers in text that is cut anywhere.
//!
//! An Aho–Corasick automaton: its state is the longest end of the text so far that begins a marker,
//! which is just what has to be held back. The held text is the beginning of a marker, so nothing is
//! copied; every byte is looked at once.

use memchr::{memchr, memchr2, memchr3};

/// A set of markers. Built once for each set; the state of a search lives in a [`Scanner`].
#[derive(Debug)]
pub(super) struct Machine {
    nodes: Vec<Node>,
    patterns: Vec<String>,
    starts: Starts,
}

#[derive(Debug, Default)]
struct Node {
    edges: Vec<(u8, u32)>,
    fail: u32,
    depth: usize,
    /// A pattern that begins with the way to here.
    of: usize,
    /// The longest pattern that ends here.
    hit: Option<usize>,
}

/// How the first byte of a marker is found.
#[derive(Debug)]
struct Starts {
    few: Few,
    all: Box<[bool; 256]>,
}

/// First bytes that long text is searched for at once.
#[derive(Debug)]
enum Few {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    No,
}

/// Shorter text is looked through byte by byte: a piece is often one token of some letters.
const SHORT: usize = 16;

impl Starts {
    fn new(bytes: &[u8]) -> Self {
        let mut all = Box::new([false; 256]);
        for &byte in bytes {
            all[usize::from(byte)] = true;
        }
        let few = match *bytes {
            [a] => Few::One(a),
            [a, b] => Few::Two(a, b),
            [a, b, c] => Few::Three(a, b, c),
            _ => Few::No,
        };
        Self { few, all }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        match self.few {
            Few::One(a) if text.len() >= SHORT => memchr(a, text),
            Few::Two(a, b) if text.len() >= SHORT => memchr2(a, b, text),
            Few::Three(a, b, c) if text.len() >= SHORT => memchr3(a, b, c, text),
            _ => text.iter().position(|byte| self.all[usize::from(*byte)]),
        }
    }
}

impl Machine {
    /// A machine for `patterns`; empty ones are left out.
    pub(super) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let patterns: Vec<String> = patterns.into_iter().map(ToOwned::to_owned).collect();
        let mut machine =
            Self { nodes: vec![Node::default()], patterns: Vec::new(), starts: Starts::new(&[]) };
        for (index, pattern) in patterns.iter().enumerate() {
            machine.insert(index, pattern);
        }
        machine.patterns = patterns;
        machine.link();
        let starts: Vec<u8> = machine.nodes[0].edges.iter().map(|(byte, _)| *byte).collect();
        machine.starts = Starts::new(&starts);
        machine
    }

    fn insert(&mut self, index: usize, pattern: &str) {
        let mut at = 0;
        for (depth, byte) in pattern.bytes().enumerate() {
            at = if let Some(next) = self.edge(at, byte) {
                next
            } else {
                let next = self.nodes.len();
                self.nodes.push(Node { depth: depth + 1, of: index, ..Node::default() });
                #[expect(clippy::cast_possible_truncation, reason = "patterns are not 4 GiB")]
                self.nodes[at].edges.push((byte, next as u32));
                next
            };
        }
        if at != 0 {
            self.nodes[at].hit = Some(index);
        }
    }

    /// Where the search goes on when a marker turns out to be none. Nodes in order of depth.
    fn link(&mut self) {
        let mut queue = std::collections::VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            for (byte, next) in self.nodes[at].edges.clone() {
                let next = next as usize;
                let fail = if at == 0 { 0 } else { self.next(self.nodes[at].fail as usize, byte) };
                #[expect(clippy::cast_possible_truncation, reason = "patterns are not 4 GiB")]
                let link = fail as u32;
                self.nodes[next].fail = link;
                if self.nodes[next].hit.is_none() {
                    self.nodes[next].hit = self.nodes[fail].hit;
                }
                queue.push_back(next);
            }
        }
    }

    fn edge(&self, at: usize, byte: u8) -> Option<usize> {
        self.nodes[at].edges.iter().find(|(of, _)| *of == byte).map(|(_, next)| *next as usize)
    }

    fn next(&self, mut at: usize, byte: u8) -> usize {
        loop {
            match self.edge(at, byte) {
                Some(next) => return next,
                None if at == 0 => return 0,
                None => at = self.nodes[at].fail as usize,
            }
        }
    }

    fn path(&self, at: usize) -> &str {
        let node = &self.nodes[at];
        self.patterns.get(node.of).and_then(|pattern| pattern.get(..node.depth)).unwrap_or_default()
    }

    /// A pattern's text.
    pub(super) fn pattern(&self, index: usize) -> &str {
        &self.patterns[index]
    }
}

/// A marker that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Where it ends in the text last given.
    pub(super) end: usize,
    /// Which one it is.
    pub(super) pattern: usize,
}

/// A search over pieces of text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    at: usize,
}

impl Scanner {
    /// Looks for the marker that ends first. What cannot belong to one goes out, in at most two
    /// pieces: the end of what was held and a slice of `text`. After a hit the search is new.
    pub(super) fn scan(
        &mut self,
        machine: &Machine,
        text: &str,
        out: &mut dyn FnMut(&str),
    ) -> Option<Hit> {
        let bytes = text.as_bytes();
        let mut read = 0;
        if self.at == 0 {
            // Most text is plain, and has nothing held before it.
            let Some(skip) = machine.starts.find(bytes) else {
                if !text.is_empty() {
                    out(text);
                }
                return None;
            };
            read = skip;
        }
        let held = machine.path(self.at);
        while read < bytes.len() {
            if self.at == 0 {
                match machine.starts.find(&bytes[read..]) {
                    Some(skip) => read += skip,
                    None => break,
                }
            }
            self.at = machine.next(self.at, bytes[read]);
            read += 1;
            if let Some(pattern) = machine.nodes[self.at].hit {
                self.at = 0;
                let safe = held.len() + read - machine.patterns[pattern].len();
                release(held, text, safe, out);
                return Some(Hit { end: read, pattern });
            }
        }
        let safe = held.len() + text.len() - machine.nodes[self.at].depth;
        release(held, text, safe, out);
        None
    }

    /// Whether nothing is held back.
    pub(super) fn is_idle(self) -> bool {
        self.at == 0
    }

    /// What is held back.
    pub(super) fn held(self, machine: &Machine) -> &str {
        machine.path(self.at)
    }
}

/// The first `safe` bytes of `held` and `text`.
fn release(held: &str, text: &str, safe: usize, out: &mut dyn FnMut(&str)) {
    let (before, after) =
        if safe <= held.len() { (safe, 0) } else { (held.len(), safe - held.len()) };
    for part in [held.get(..before), text.get(..after)].into_iter().flatten() {
        if !part.is_empty() {
            out(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Machine, Scanner};

    /// The text before the first marker and which it is, given in pieces.
    fn find<'a>(
        machine: &Machine,
        pieces: impl IntoIterator<Item = &'a str>,
    ) -> (String, Option<usize>) {
        let (mut scanner, mut text) = (Scanner::default(), String::new());
        for piece in pieces {
            let hit = scanner.scan(machine, piece, &mut |part| text.push_str(part));
            if let Some(hit) = hit {
                return (text, Some(hit.pattern));
            }
        }
        text.push_str(scanner.held(machine));
        (text, None)
    }

    #[test]
    fn a_marker_is_found_wherever_it_is_cut() {
        let machine = Machine::new(["<｜tool▁sep｜>", "</think>"]);
        let text = "a <｜tool <｜tool▁sep｜>";
        for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let (head, tail) = text.split_at(cut);
            assert_eq!(find(&machine, [head, tail]), ("a <｜tool ".to_owned(), Some(0)));
        }
    }

    #[test]
    fn only_the_beginning_of_a_marker_is_held() {
        let machine = Machine::new(["abcabd"]);
        let (mut scanner, mut text) = (Scanner::default(), String::new());
        assert_eq!(scanner.scan(&machine, "xabcabc", &mut |part| text.push_str(part)), None);
        assert_eq!((text.as_str(), scanner.held(&machine)), ("xabc", "abc"));
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            patterns in prop::collection::vec("[ab]{1,4}", 1..5),
            text in "[abc]{0,40}",
        ) {
            let machine = Machine::new(patterns.iter().map(String::as_str));
            let end = (1..=text.len()).find(|end| patterns.iter().any(|p| text[..*end].ends_with(p)));
            let expected = end.map_or(text.clone(), |end| {
                let longest = patterns.iter().filter(|p| text[..end].ends_with(*p));
                text[..end - longest.map(String::len).max().unwrap()].to_owned()
            });
            let letters = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]);
            let (found, hit) = find(&machine, letters);
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(hit.is_some(), end.is_some());
            prop_assert_eq!(find(&machine, [text.as_str()]), (found, hit));
        }
    }
}
