//! The model's own tokenizer: counts as Python's library counts, `tests/fixtures/tokenizer/make.py`.
#![cfg(all(test, feature = "tokenizer"))]

use std::fs;
use std::path::{Path, PathBuf};

use helan::tokenizer::{LoadError, Passage, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer").join(name)
}

/// The tokenizer of the fixtures, with other members than in the file.
fn altered(alter: impl FnOnce(&mut Value)) -> Tokenizer {
    let text = fs::read_to_string(fixture("tokenizer.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    alter(&mut json);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), json.to_string()).unwrap();
    Tokenizer::load(file.path()).unwrap()
}

fn plain() -> Tokenizer {
    Tokenizer::load(&fixture("tokenizer.json")).unwrap()
}

/// With a BOS in front of whatever it reads, as Llama 3's.
fn marked() -> Tokenizer {
    altered(|json| {
        let start = json["added_tokens"].as_array().unwrap().iter();
        let id = start.clone().find(|it| it["content"] == "<|endoftext|>").unwrap()["id"].clone();
        json["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<|endoftext|>": {
                "id": "<|endoftext|>", "ids": [id], "tokens": ["<|endoftext|>"]}},
        });
    })
}

fn bare(text: &str) -> Passage {
    Passage::new(text)
}

fn with_specials(text: &str, bos: Option<&str>) -> Passage {
    Passage { text: text.to_owned(), specials: true, bos: bos.map(str::to_owned) }
}

#[test]
fn counts_are_pythons() {
    let (plain, marked) = (plain(), marked());
    let lines = fs::read_to_string(fixture("counts.jsonl")).unwrap();
    let mut seen = 0;
    for line in lines.lines() {
        let (text, bare_count, marked_count): (String, u32, u32) =
            serde_json::from_str(line).unwrap();
        assert_eq!(plain.count(&bare(&text)).unwrap(), bare_count, "{text:?}");
        // Its post-processor adds nothing.
        assert_eq!(plain.count(&with_specials(&text, None)).unwrap(), bare_count, "{text:?}");
        assert_eq!(marked.count(&bare(&text)).unwrap(), bare_count, "{text:?}");
        assert_eq!(marked.count(&with_specials(&text, None)).unwrap(), marked_count, "{text:?}");
        seen += 1;
    }
    assert!(seen >= 200, "{seen}");
}

#[test]
fn one_bos_and_not_two() {
    let (plain, marked) = (plain(), marked());
    let whole = plain.count(&bare("<|endoftext|>贺兰山 is a mountain")).unwrap();
    let left_out = with_specials("贺兰山 is a mountain", Some("<|endoftext|>"));
    assert_eq!(marked.count(&left_out).unwrap(), whole, "added by the tokenizer");
    assert_eq!(plain.count(&left_out).unwrap(), whole, "added by a setting outside of the file");
    let other = with_specials("贺兰山 is a mountain", Some("<s>"));
    assert_eq!(plain.count(&other).unwrap(), whole, "a BOS that the file does not have");
}

#[test]
fn what_a_file_cuts_or_fills_is_counted_as_it_is() {
    let text = "the mountains of Helan stand between the desert and the river";
    let count = plain().count(&bare(text)).unwrap();
    assert!(count > 4);
    let cut = altered(|json| {
        json["truncation"] = json!({"direction": "Right", "max_length": 4,
            "strategy": "LongestFirst", "stride": 0});
    });
    assert_eq!(cut.count(&bare(text)).unwrap(), count);
    let filled = altered(|json| {
        json["padding"] = json!({"strategy": {"Fixed": 512}, "direction": "Right",
            "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "!"});
    });
    assert_eq!(filled.count(&bare(text)).unwrap(), count);
}

#[test]
fn the_vocabulary_has_the_added_tokens() {
    let text = fs::read_to_string(fixture("tokenizer.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let model = json["model"]["vocab"].as_object().unwrap().len();
    let added = json["added_tokens"].as_array().unwrap();
    let new = added.iter().filter(|it| {
        !json["model"]["vocab"].as_object().unwrap().contains_key(it["content"].as_str().unwrap())
    });
    assert_eq!(plain().vocabulary(), model + new.count());
}

#[test]
fn what_is_no_tokenizer_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokenizer.json");
    assert!(
        matches!(Tokenizer::load(&path), Err(LoadError::Read { path: named, .. }) if named == path)
    );
    for text in ["", "{}", "[]", r#"{"version":"1.0","model":{"type":"BPE"}}"#, "no json"] {
        fs::write(&path, text).unwrap();
        let error = Tokenizer::load(&path).unwrap_err();
        assert!(
            matches!(&error, LoadError::Unusable { path: named, .. } if *named == path),
            "{text}"
        );
        assert!(error.to_string().contains("tokenizer.json is no tokenizer"), "{error}");
    }
}

/// Long runs of one thing: what makes patterns with look-ahead slow or deep.
#[test]
fn a_run_of_anything_is_counted() {
    let tokenizer = plain();
    for piece in [" ", "\n", " \n", "a", "1", "。", "\u{301}", "<|im_", "<|im_start|>", "'"] {
        let count = tokenizer.count(&bare(&piece.repeat(20_000))).unwrap();
        assert!(count >= 1, "{piece:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_counted(text in "(<\\|im_start\\|>|</?think>|[贺兰山 \n]|\\PC|.){0,60}") {
        let tokenizer = plain();
        let count = tokenizer.count(&bare(&text)).unwrap();
        prop_assert_eq!(count == 0, text.is_empty());
        // No token of a byte-level tokenizer is shorter than a byte of the normalised text.
        prop_assert!(count as usize <= text.len() * 3);
        let bos = with_specials(&text, Some("<|endoftext|>"));
        let starts = text.starts_with("<|endoftext|>");
        prop_assert_eq!(tokenizer.count(&bos).unwrap(), count + u32::from(!starts));
    }
}
