//! Any bytes, cut anywhere.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn pieces<'a>(mut bytes: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let at = (*cuts.next()?).min(bytes.len());
        let (piece, rest) = bytes.split_at(at);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.to_vec())
}

/// A stream in the manner of TGI and LMI, of these tokens.
fn stream(tokens: &[String]) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let text = serde_json::to_string(token).unwrap();
        let end = if at + 1 == tokens.len() {
            r#""generated_text":"x","details":{"finish_reason":"length","generated_tokens":3,"input_length":2}"#
        } else {
            r#""generated_text":null,"details":null"#
        };
        let _ = write!(
            out,
            "data:{{\"token\":{{\"id\":1,\"text\":{text},\"special\":false}},{end}}}\n\n"
        );
    }
    out
}

/// The same from LMI's `jsonlines_3p`.
fn enveloped(tokens: &[String]) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let text = serde_json::to_string(token).unwrap();
        let reason = if at + 1 == tokens.len() { r#""length""# } else { "null" };
        let prompt = if at == 0 { "2" } else { "null" };
        let _ = writeln!(
            out,
            "{{\"body\":{{\"generation\":{text},\"prompt_token_count\":{prompt},\"generation_token_count\":3,\"stop_reason\":{reason}}}}}"
        );
    }
    out
}

const TOKEN: &str = "(a|贺| |\n|END|EN|D|<think>|</think>|<tool_call>|</tool_call>|\\{\"name\": \"f\", \"arguments\": \\{\\}\\}|</s>)";

proptest! {
    #[test]
    fn any_cut_of_the_bytes_tells_the_same(
        tokens in proptest::collection::vec(TOKEN, 1..12),
        cuts in proptest::collection::vec(1_usize..30, 1..6),
        dialect in proptest::sample::select(vec![Dialect::Tgi, Dialect::Lmi]),
    ) {
        let ask = hi(r#","inferenceConfig":{"stopSequences":["END"]}"#);
        let mut all = vec![];
        for bytes in [stream(&tokens), enveloped(&tokens)] {
            let whole = decode(known(dialect), &ask, Mode::Stream, [bytes.as_bytes()]);
            let cut = decode(known(dialect), &ask, Mode::Stream, pieces(bytes.as_bytes(), &cuts));
            prop_assert!(whole.1.is_ok() && cut.1.is_ok());
            prop_assert_eq!(&whole.0, &cut.0);
            all.push(told(&whole.0));
        }
        if dialect == Dialect::Tgi {
            prop_assert_eq!(&all[0], &all[1]); // LMI's own stream counts one too many
        }
    }

    #[test]
    fn any_cut_of_the_text_tells_the_same(
        tokens in proptest::collection::vec(TOKEN, 1..12),
    ) {
        let ask = hi(r#","inferenceConfig":{"stopSequences":["END"]}"#);
        let chars: Vec<String> = tokens.concat().chars().map(String::from).collect();
        let decode = |tokens: &[String]| {
            decode(known(Dialect::Tgi), &ask, Mode::Stream, [stream(tokens).as_bytes()])
        };
        let (by_token, by_char) = (decode(&tokens), decode(&chars));
        prop_assert_eq!(told(&by_token.0), told(&by_char.0));
    }

    #[test]
    fn a_prompt_s_answer_loses_nothing(tokens in proptest::collection::vec(TOKEN, 1..12)) {
        let text = tokens.concat();
        prop_assume!(!text.trim().is_empty());
        let bytes = stream(&tokens);
        let (events, end) =
            decode(known(Dialect::Tgi), &prompt("x"), Mode::Stream, [bytes.as_bytes()]);
        prop_assert!(end.is_ok());
        prop_assert_eq!(told(&events), format!("text: {text}\nmax_tokens 2+3"));
    }

    #[test]
    fn no_bytes_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        text in "(\\{\"|data:|token|\"|:|,|details|generated_text|generation|body|choices|\\[|\\{|\\}|\\]|null|1|\n){0,40}",
        cuts in proptest::collection::vec(1_usize..9, 1..6),
        dialect in dialect(),
    ) {
        for mode in [Mode::Unary, Mode::Stream] {
            for bytes in [noise.as_slice(), text.as_bytes()] {
                let whole = decode(known(dialect), &hi(""), mode, [bytes]);
                let cut = decode(known(dialect), &hi(""), mode, pieces(bytes, &cuts));
                prop_assert_eq!(told(&whole.0), told(&cut.0));
                prop_assert_eq!(whole.1.is_ok(), cut.1.is_ok());
            }
        }
    }
}
