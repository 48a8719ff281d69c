//! The tags of a model: what costs are told apart by.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::problem::Problem;
use super::reader::{Named, Set};
use super::value::{Leaf, Wrong, quoted};

/// As many as AWS takes, and as long.
const MOST: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The value of a tag, which may be empty.
#[derive(Clone, Debug)]
pub(super) struct Tag(String);

impl Leaf for Tag {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            other => Err(Wrong::kind("a string", other, "write it between quotes")),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let length = text.chars().count();
        if length > LONGEST_VALUE {
            return Err(Wrong::new(
                format!("a tag's value has up to {LONGEST_VALUE} characters, this one {length}"),
                "make it shorter",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl JsonSchema for Tag {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tag".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": LONGEST_VALUE })
    }
}

/// The tags in the order of the file.
pub(super) fn tags(
    named: Option<Named<Set<Tag>>>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let named = named.unwrap_or_default().0;
    if let Some((first, _)) = named.get(MOST) {
        problems.push(first.origin.error(
            format!("a model has up to {MOST} tags, this one {}", named.len()),
            "remove those that nobody reads",
        ));
    }
    for (key, _) in &named {
        let length = key.value.chars().count();
        if !(1..=LONGEST_KEY).contains(&length) {
            problems.push(key.origin.error(
                format!("a tag's key has 1 to {LONGEST_KEY} characters, this one {length}"),
                "write a word such as `cost-center`",
            ));
        } else if key.value.to_ascii_lowercase().starts_with("aws:") {
            problems.push(key.origin.error(
                format!("the tag {} begins as AWS's own do", quoted(&key.value)),
                "take `aws:` away",
            ));
        }
    }
    named.into_iter().map(|(key, value)| (key.value, value.value.0)).collect()
}
