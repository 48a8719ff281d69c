//! Stop sequences.

use helan::parse::{Finish, Format, Options, Parser, Piece};
use proptest::prelude::*;

use super::read;

fn stopping(stop: &[&str]) -> Options {
    Options { stop: stop.iter().map(|stop| (*stop).to_owned()).collect(), ..Options::default() }
}

#[test]
fn the_sequence_is_removed_and_named_wherever_it_is_cut() {
    let text = "One\nHuman: two\nHuman:".as_bytes();
    for cut in 0..text.len() {
        let pieces = [&text[..cut], &text[cut..]];
        let found = read(Format::Think, stopping(&["nope", "\nHuman:"]), pieces, Finish::End);
        assert_eq!(found.text, "One");
        assert_eq!(found.outcome.stop_sequence.as_deref(), Some("\nHuman:"));
    }
}

#[test]
fn what_only_began_a_sequence_is_text() {
    let found = read(Format::Think, stopping(&["END", ""]), [&b"the EN"[..]], Finish::End);
    assert_eq!((found.text.as_str(), found.outcome.stop_sequence), ("the EN", None));
}

#[test]
fn the_sequence_that_ends_first_wins() {
    let found =
        read(Format::Think, stopping(&["bcd", "abcde", "c"]), [&b"xabcde"[..]], Finish::End);
    assert_eq!(found.text, "xab");
    assert_eq!(found.outcome.stop_sequence.as_deref(), Some("c"));
}

#[test]
fn a_sequence_inside_a_call_cuts_it() {
    let text = br#"Hi<tool_call>{"name": "f", "arguments": {"a": "STOP"}}</tool_call>"#;
    let found = read(Format::Hermes, stopping(&["STOP"]), [&text[..]], Finish::End);
    assert_eq!((found.text.as_str(), found.calls.len()), ("Hi", 0));
    assert!(found.outcome.cut_call && found.broken[0].1);
    let text = "<think>a STOP b</think>c".as_bytes();
    let found = read(Format::Think, stopping(&["STOP"]), [text], Finish::End);
    assert_eq!((found.reasoning.as_str(), found.text.as_str()), ("a", ""));
}

#[test]
fn nothing_comes_after_it() {
    let mut parser = Parser::new(Format::Think, stopping(&["."]));
    let mut text = String::new();
    let mut out = |piece: Piece<'_>| {
        if let Piece::Text(part) = piece {
            text.push_str(part);
        }
    };
    parser.push(b"a", &mut out);
    assert!(!parser.stopped());
    parser.push(b"b.c", &mut out);
    assert!(parser.stopped());
    parser.push(b"d", &mut out);
    parser.finish(Finish::End, &mut out);
    assert_eq!(text, "ab");
}

proptest! {
    #[test]
    fn any_sequence_at_any_place(
        text in "[a-c ]{0,40}",
        stop in prop::collection::vec("[a-c ]{1,4}", 1..4),
        size in 1_usize..5,
    ) {
        let end = (1..=text.len()).find(|end| stop.iter().any(|stop| text[..*end].ends_with(stop)));
        let longest = end.map(|end| {
            stop.iter().filter(|stop| text[..end].ends_with(*stop)).max_by_key(|stop| stop.len()).unwrap()
        });
        let expected = match (end, longest) {
            (Some(end), Some(longest)) => &text[..end - longest.len()],
            _ => &text,
        };
        let options = Options { stop: stop.clone(), ..Options::default() };
        let found = read(Format::Think, options, text.as_bytes().chunks(size), Finish::End);
        prop_assert_eq!(found.text, expected);
        prop_assert_eq!(found.outcome.stop_sequence.as_ref(), longest);
    }
}
