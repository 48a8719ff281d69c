//! Times, and how they spread.

use std::time::Duration;

use serde_json::{Value, json};

/// Times of one kind.
#[derive(Default)]
pub struct Spread(Vec<u64>);

impl Spread {
    pub fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Median, tails and number, in microseconds; nothing where nothing was seen.
    pub fn summary(&mut self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        self.0.sort_unstable();
        let last = self.0.len() - 1;
        let at = |share: f64| round(self.0[(last as f64 * share).round() as usize] as f64 / 1e3);
        json!({"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0), "n": self.0.len()})
    }
}

/// Three decimals: no clock of these is better.
pub fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_added() {
        let mut spread = Spread::default();
        assert_eq!(spread.summary(), Value::Null);
        (1..=101).rev().for_each(|us| spread.add(Duration::from_micros(us)));
        let summary = spread.summary();
        assert_eq!(summary["p50"], 51.0);
        assert_eq!(summary["p99"], 100.0);
        assert_eq!(summary["max"], 101.0);
        assert_eq!(summary["n"], 101);
    }
}
