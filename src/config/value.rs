//! Single values: how each is written, in the file and in an environment variable.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::Secret;

/// Why a value cannot be taken, and what to write instead.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// A value of another type than `expected`.
    pub(super) fn kind(expected: &str, found: &DeValue<'_>, help: impl Into<String>) -> Self {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        Self::new(format!("expected {expected}, found {found}"), help)
    }
}

/// A value that is written as one TOML scalar, or as the text of an environment variable.
pub(super) trait Leaf: Sized {
    /// From the file.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong>;
    /// From the environment.
    fn from_text(text: &str) -> Result<Self, Wrong>;
}

impl Leaf for String {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            other => Err(Wrong::kind("a string", other, "write it between quotes")),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() {
            return Err(Wrong::new("the value is blank", "give it a value, or leave it out"));
        }
        Ok(text.to_owned())
    }
}

impl Leaf for Secret {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        String::from_toml(value).map(Self::from)
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        String::from_text(text).map(Self::from)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Leaf for bool {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Boolean(value) => Ok(*value),
            other => {
                Err(Wrong::kind("a boolean", other, "write `true` or `false`, without quotes"))
            }
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Wrong::new(
                format!("expected a boolean, found {}", quoted(text)),
                "write `true` or `false`",
            )),
        }
    }
}

/// A number of things, or none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u32);

impl Number {
    const HELP: &'static str = "write 0 or more";
}

impl Leaf for Number {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix())
                .map(Self)
                .map_err(|_| Wrong::new(format!("{number} is out of range"), Self::HELP)),
            other => Err(Wrong::kind("a whole number", other, "write it without quotes")),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map(Self).map_err(|_| {
            Wrong::new(format!("expected a whole number, found {}", quoted(text)), Self::HELP)
        })
    }
}

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

/// A number of things; at least one.
impl Leaf for usize {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Integer(number) => match Self::from_str_radix(number.as_str(), number.radix())
            {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(Wrong::new(format!("{number} is out of range"), "write 1 or more")),
            },
            other => Err(Wrong::kind("a whole number", other, "write it without quotes")),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(Wrong::new(
                format!("expected a whole number above 0, found {}", quoted(text)),
                "write 1 or more, in digits",
            )),
        }
    }
}

/// A rate above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl Rate {
    fn new(rate: f64) -> Option<Self> {
        (rate.is_finite() && rate > 0.0).then_some(Self(rate))
    }
}

impl Leaf for Rate {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::Integer(_) | DeValue::Float(_) => {
                number(value).and_then(Self::new).ok_or_else(|| {
                    Wrong::new("the rate is not above 0", "write a number such as 15 or 22.5")
                })
            }
            other => Err(Wrong::kind("a number", other, "write a number such as 15 or 22.5")),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            Wrong::new(
                format!("expected a number above 0, found {}", quoted(text)),
                "write a number such as 15 or 22.5",
            )
        })
    }
}

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0 })
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => {
            let whole = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            // Exact far beyond any size or time that makes sense here.
            whole.to_string().parse().ok()
        }
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

/// Splits `25 MB` into its number and its unit.
fn measure(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// A number of bytes; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl Size {
    const HELP: &'static str = "write a number of bytes, or a string such as \"25 MB\" (units: B, kB, MB, GB, KiB, MiB, GiB)";
    /// More would not fit the memory of any machine this runs on.
    const LARGEST: f64 = 1_099_511_627_776.0;

    fn from_bytes(bytes: Option<f64>, found: &str) -> Result<Self, Wrong> {
        match bytes {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and 2^40"
            )]
            Some(bytes) if (1.0..=Self::LARGEST).contains(&bytes) => Ok(Self(bytes as usize)),
            Some(_) => Err(Wrong::new(
                format!("{found} is out of range"),
                "write a size between 1 B and 1024 GiB",
            )),
            None => Err(Wrong::new(format!("expected a size in bytes, found {found}"), Self::HELP)),
        }
    }
}

impl Leaf for Size {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            DeValue::Integer(digits) => Self::from_bytes(number(value), &digits.to_string()),
            other => Err(Wrong::kind("a size in bytes", other, Self::HELP)),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let bytes = measure(text).and_then(|(number, unit)| {
            let unit = match unit.to_ascii_lowercase().as_str() {
                "" | "b" => 1.0,
                "kb" => 1e3,
                "mb" => 1e6,
                "gb" => 1e9,
                "kib" => 1024.0,
                "mib" => 1024.0 * 1024.0,
                "gib" => 1024.0 * 1024.0 * 1024.0,
                _ => return None,
            };
            Some(number * unit)
        });
        Self::from_bytes(bytes, &quoted(text))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, or a string with a unit: `\"25 MB\"`.",
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgG]?[bB]|[kKmMgG][iI][bB])?\s*$" },
            ],
        })
    }
}

/// A length of time, between a millisecond and a day; zero where the setting says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl Span {
    const HELP: &'static str =
        "write a number of seconds, or a string such as \"90 s\" (units: ms, s, min, h)";
    const LONGEST: f64 = 86_400.0;

    fn from_seconds(seconds: Option<f64>, found: &str) -> Result<Self, Wrong> {
        match seconds {
            Some(seconds) if (0.0..=Self::LONGEST).contains(&seconds) => {
                Ok(Self(Duration::from_secs_f64(seconds)))
            }
            Some(_) => {
                Err(Wrong::new(format!("{found} is out of range"), "write a time of at most 24 h"))
            }
            None => {
                Err(Wrong::new(format!("expected a length of time, found {found}"), Self::HELP))
            }
        }
    }
}

impl Leaf for Span {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            DeValue::Integer(digits) => Self::from_seconds(number(value), &digits.to_string()),
            DeValue::Float(digits) => Self::from_seconds(number(value), &digits.to_string()),
            other => Err(Wrong::kind("a length of time", other, Self::HELP)),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let seconds = measure(text).and_then(|(number, unit)| {
            let unit = match unit {
                "ms" => 1e-3,
                "" | "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
            Some(number * unit)
        });
        Self::from_seconds(seconds, &quoted(text))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of seconds, or a string with a unit: `\"90 s\"`.",
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|min|h)?\s*$" },
            ],
        })
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen(pub(super) SocketAddr);

impl Leaf for Listen {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            other => Err(Wrong::kind(
                "an address and a port",
                other,
                "write a string such as \"127.0.0.1:8080\" or \"[::]:8080\"",
            )),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map(Self).map_err(|_| {
            let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
            let help = match port {
                Some(port) if text.starts_with("localhost:") => {
                    format!("write \"127.0.0.1:{port}\"")
                }
                Some(port) if text.trim_start_matches([':', '*']) == port.to_string() => {
                    format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every interface")
                }
                _ => "write an IP address and a port: \"127.0.0.1:8080\" or \"[::]:8080\"".into(),
            };
            Wrong::new(format!("expected an address and a port, found {}", quoted(text)), help)
        })
    }
}

impl JsonSchema for Listen {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["127.0.0.1:8080", "[::]:8080"] })
    }
}

/// Where the operator's port listens, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AdminListen(pub(super) Option<SocketAddr>);

impl Leaf for AdminListen {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Wrong> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            DeValue::Boolean(false) => Ok(Self(None)),
            other => Listen::from_toml(other).map(|listen| Self(Some(listen.0))),
        }
    }

    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text == "off" {
            return Ok(Self(None));
        }
        let listen = Listen::from_text(text)
            .map_err(|wrong| Wrong::new(wrong.message, format!("{}, or \"off\"", wrong.help)))?;
        Ok(Self(Some(listen.0)))
    }
}

impl JsonSchema for AdminListen {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AdminListen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["127.0.0.1:9090", "off"] })
    }
}

/// A found text between quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Declares an enum whose values are written as words, with the way to read them.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, schemars::JsonSchema)]
        pub enum $name {
            $( $(#[$variant_meta])* #[schemars(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every word that the configuration takes here.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word for it in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl $crate::config::value::Leaf for $name {
            fn from_toml(
                value: &toml::de::DeValue<'_>,
            ) -> Result<Self, $crate::config::value::Wrong> {
                match value {
                    toml::de::DeValue::String(text) => Self::from_text(text),
                    other => Err($crate::config::value::Wrong::kind(
                        "a string",
                        other,
                        $crate::config::value::one_of(Self::WORDS),
                    )),
                }
            }

            fn from_text(text: &str) -> Result<Self, $crate::config::value::Wrong> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err($crate::config::value::unknown_word(text, Self::WORDS)),
                }
            }
        }
    };
}
pub(super) use words;

pub(super) fn unknown_word(text: &str, words: &[&str]) -> Wrong {
    let help = match super::spelling::nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None => one_of(words),
    };
    Wrong::new(format!("{} is not known here", quoted(text)), help)
}

pub(super) fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match words.as_slice() {
        [only] => format!("write {only}"),
        [before @ .., last] => format!("write {} or {last}", before.join(", ")),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("1", 1),
            ("25 MB", 25_000_000),
            ("25mb", 25_000_000),
            ("1.5 kB", 1500),
            ("1 MiB", 1_048_576),
            (" 2 GiB ", 2_147_483_648),
        ] {
            assert_eq!(Size::from_text(text).unwrap(), Size(bytes), "{text}");
        }
        for text in ["", "MB", "25 megabytes", "-1", "0", "1e3", "1..2 MB", "9999999 GB", "NaN"] {
            assert!(Size::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, millis) in
            [("3", 3000), ("250 ms", 250), ("1.5s", 1500), ("2 min", 120_000), ("24h", 86_400_000)]
        {
            assert_eq!(Span::from_text(text).unwrap().0.as_millis(), millis, "{text}");
        }
        for text in ["", "s", "5 days", "-1 s", "25 h", "inf"] {
            assert!(Span::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_above_zero() {
        assert_eq!(Rate::from_text("22.5").unwrap(), Rate(22.5));
        for text in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(Rate::from_text(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_value_panic(text in ".*") {
            let _ = Size::from_text(&text);
            let _ = Span::from_text(&text);
            let _ = Rate::from_text(&text);
            let _ = AdminListen::from_text(&text);
            let _ = usize::from_text(&text);
            let _ = quoted(&text);
        }
    }
}
