//! What an endpoint answers. Its name says it, so that stub and client agree without a word:
//! `unary`, `tokens-200` (as fast as they are read), `tokens-200-rate-20` (tokens a second).

use std::str::FromStr;

use anyhow::{Context as _, Error, bail, ensure};

/// What is said, over and over: without a character that JSON would escape.
const WORDS: [&str; 10] =
    [" the", " snow", " on", " Helan", " feeds", " the", " fields", " of", " Ning", "xia"];

/// Letters of a unary answer.
const UNARY: usize = 960;

/// An endpoint's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spec {
    /// One answer of about 1 KB.
    Unary,
    /// So many tokens, and how many of them a second; none: back to back.
    Tokens { count: usize, rate: Option<u32> },
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        if name == "unary" {
            return Ok(Self::Unary);
        }
        let Some(rest) = name.strip_prefix("tokens-") else {
            bail!("no endpoint is called {name:?}: unary, tokens-N or tokens-N-rate-R");
        };
        let (count, rate) = match rest.split_once("-rate-") {
            Some((count, rate)) => (count, Some(rate.parse().context("tokens a second")?)),
            None => (rest, None),
        };
        ensure!(rate != Some(0), "a rate of 0 tokens a second never ends");
        Ok(Self::Tokens { count: count.parse().context("the number of tokens")?, rate })
    }
}

impl Spec {
    /// The tokens of a streamed answer.
    pub fn tokens(self) -> impl Iterator<Item = &'static str> {
        let count = match self {
            Self::Unary => 0,
            Self::Tokens { count, .. } => count,
        };
        WORDS.into_iter().cycle().take(count)
    }

    /// The whole answer.
    pub fn text(self) -> String {
        match self {
            Self::Unary => {
                let mut text = WORDS.concat().repeat(UNARY.div_ceil(WORDS.concat().len()));
                text.truncate(UNARY);
                text
            }
            Self::Tokens { .. } => self.tokens().collect(),
        }
    }
}
