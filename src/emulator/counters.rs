//! What has been called: numbers, and the last requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;

/// How many requests are remembered.
const REMEMBERED: usize = 100;

/// Calls, by how they went. `started` counts those still under way too.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Count {
    started: u64,
    completed: u64,
    cancelled: u64,
    failed: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the answer's last byte.
    Completed,
    /// With an error, before the first byte or in the stream.
    Failed,
    /// The client has gone.
    Cancelled,
}

impl Count {
    fn end(&mut self, ending: Ending) {
        *match ending {
            Ending::Completed => &mut self.completed,
            Ending::Failed => &mut self.failed,
            Ending::Cancelled => &mut self.cancelled,
        } += 1;
    }
}

/// One request, as the container would see it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Received {
    pub(super) endpoint: String,
    pub(super) operation: &'static str,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    /// What the container's tokenizer puts in front of a prompt.
    #[serde(skip)]
    pub(super) bos: String,
}

/// The same, with what the model itself reads.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    received: &'a Received,
    /// Of a body with a prompt: all of it, the tokenizer's own token included.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(received: &'a Received) -> Self {
        let body: Option<Value> = serde_json::from_str(&received.body).ok();
        let prompt = body.as_ref().and_then(|body| body.get("inputs").or(body.get("prompt")));
        let prompt = prompt.and_then(Value::as_str);
        Self { received, prompt: prompt.map(|prompt| format!("{}{prompt}", received.bos)) }
    }
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    #[serde(flatten)]
    all: Count,
    endpoints: BTreeMap<String, Count>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    received: VecDeque<Received>,
    /// How often each rule has applied.
    applied: BTreeMap<usize, u64>,
    /// How often everything was reset: calls begun before no longer count.
    age: u64,
}

/// Cheap to clone; clones share their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<Mutex<State>>);

impl Counters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub(super) fn start(&self, received: Received) -> Call {
        let mut state = self.state();
        let endpoint = received.endpoint.clone();
        state.counts.all.started += 1;
        state.counts.endpoints.entry(endpoint.clone()).or_default().started += 1;
        if state.received.len() == REMEMBERED {
            state.received.pop_front();
        }
        state.received.push_back(received);
        Call { counters: self.clone(), age: state.age, endpoint, ended: false }
    }

    /// Takes one of the `times` that the rule may apply.
    pub(super) fn apply(&self, rule: usize, times: Option<u64>) -> bool {
        let Some(times) = times else { return true };
        let mut state = self.state();
        let applied = state.applied.entry(rule).or_default();
        *applied += 1;
        *applied <= times
    }

    /// Forgets everything.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        *state = State { age: state.age + 1, ..State::default() };
    }

    pub(super) fn calls_json(&self) -> String {
        serde_json::to_string(&self.state().counts).unwrap_or_default()
    }

    pub(super) fn requests_json(&self) -> String {
        let state = self.state();
        let shown: Vec<_> = state.received.iter().map(Shown::new).collect();
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

/// A call under way. Dropped before it has ended, it was cancelled.
#[derive(Debug)]
pub(super) struct Call {
    counters: Counters,
    age: u64,
    endpoint: String,
    ended: bool,
}

impl Call {
    /// The first ending is the one that counts.
    pub(super) fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut state = self.counters.state();
        if state.age == self.age {
            state.counts.all.end(ending);
            state.counts.endpoints.entry(self.endpoint.clone()).or_default().end(ending);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Ending::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received() -> Received {
        Received {
            endpoint: "a".to_owned(),
            operation: "InvokeEndpoint",
            headers: BTreeMap::new(),
            body: String::new(),
            bos: String::new(),
        }
    }

    #[test]
    fn a_call_ends_once_and_a_reset_forgets_those_under_way() {
        let counters = Counters::default();
        let mut call = counters.start(received());
        call.end(Ending::Failed);
        call.end(Ending::Completed);
        drop(call);
        drop(counters.start(received()));
        let counts = r#"{"started":2,"completed":0,"cancelled":1,"failed":1"#;
        assert_eq!(counters.calls_json(), format!(r#"{counts},"endpoints":{{"a":{counts}}}}}}}"#));
        let before = counters.start(received());
        counters.reset();
        drop(before);
        assert!(counters.calls_json().contains(r#""cancelled":0"#));
        assert_eq!(counters.requests_json(), "[]");
    }

    #[test]
    fn only_so_many_requests_are_remembered() {
        let counters = Counters::default();
        for _ in 0..=REMEMBERED {
            counters.start(received()).end(Ending::Completed);
        }
        assert_eq!(counters.state().received.len(), REMEMBERED);
    }

    #[test]
    fn a_rule_applies_as_often_as_it_may() {
        let counters = Counters::default();
        assert!(counters.apply(0, Some(1)) && !counters.apply(0, Some(1)));
        assert!(counters.apply(1, None) && counters.apply(2, Some(1)));
    }
}
