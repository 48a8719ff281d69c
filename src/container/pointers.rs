//! `additionalModelResponseFieldPaths`: JSON pointers into the container's own answer.
//!
//! A whole answer is looked at once. Of a stream, every chunk is looked at, and the last hit
//! wins, except that `null` does not win over a value: chunks carry members as `null` until they
//! are known. What is found keeps its place: `/a/b` gives `{"a": {"b": …}}`; elements of an
//! array keep their index, with `null` before them.

use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub(super) struct Pointers {
    paths: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    path: String,
    /// The value in its place.
    placed: Option<Value>,
}

impl Pointers {
    pub(super) fn new(paths: &[String]) -> Self {
        Self { paths: paths.iter().map(|p| Found { path: p.clone(), placed: None }).collect() }
    }

    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Looks at one JSON text of the answer, or at each element of an array.
    pub(super) fn look_at(&mut self, json: &[u8]) {
        if self.is_empty() {
            return;
        }
        match serde_json::from_slice(json) {
            Ok(Value::Array(values)) => values.iter().for_each(|value| self.look(value)),
            Ok(value) => self.look(&value),
            Err(_) => {} // whoever reads it next says so
        }
    }

    /// Looks at one value of the answer.
    fn look(&mut self, answer: &Value) {
        for found in &mut self.paths {
            let Some(value) = answer.pointer(&found.path) else {
                continue;
            };
            if found.placed.is_none() || !value.is_null() {
                found.placed = placed(answer, &found.path);
            }
        }
    }

    /// All that was found, as one object.
    pub(super) fn into_fields(self) -> Option<Value> {
        let mut all = None;
        for placed in self.paths.into_iter().filter_map(|found| found.placed) {
            match &mut all {
                None => all = Some(placed),
                Some(all) => merge(all, placed),
            }
        }
        all.filter(Value::is_object)
    }
}

/// Only what `path` points to, with what stands around it.
fn placed(answer: &Value, path: &str) -> Option<Value> {
    let mut parents = vec![];
    let mut at = answer;
    for token in path.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match at {
            Value::Object(members) => members.get(&token)?,
            Value::Array(elements) => elements.get(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
        parents.push((at.is_array(), token));
        at = next;
    }
    let mut placed = at.clone();
    for (in_array, token) in parents.into_iter().rev() {
        placed = if in_array {
            let mut elements = vec![Value::Null; token.parse().ok()?];
            elements.push(placed);
            Value::Array(elements)
        } else {
            Value::Object(Map::from_iter([(token, placed)]))
        };
    }
    Some(placed)
}

fn merge(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                match into.get_mut(&name) {
                    Some(there) => merge(there, value),
                    None => {
                        into.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(other)) => {
            for (at, value) in other.into_iter().enumerate() {
                match into.get_mut(at) {
                    Some(there) => merge(there, value),
                    None => into.push(value),
                }
            }
        }
        (_, Value::Null) => {}
        (into, other) => *into = other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(paths: &[&str], answers: &[Value]) -> Option<Value> {
        let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
        let mut pointers = Pointers::new(&paths);
        for answer in answers {
            pointers.look(answer);
        }
        pointers.into_fields()
    }

    #[test]
    fn what_is_found_keeps_its_place() {
        let answer =
            json!({"id": "x", "a": {"b": 1, "c": 2}, "l": [{"m": 0}, {"m": 1, "n": 2}], "t/~": 3});
        assert_eq!(found(&["/id"], std::slice::from_ref(&answer)), Some(json!({"id": "x"})));
        assert_eq!(
            found(&["/a/b", "/l/1/m", "/nothing", "/l/0", "/t~1~0"], std::slice::from_ref(&answer)),
            Some(json!({"a": {"b": 1}, "l": [{"m": 0}, {"m": 1}], "t/~": 3}))
        );
        assert_eq!(found(&["/nothing", "id", "/l/7", "/l/-", "/id/x"], &[answer]), None);
    }

    #[test]
    fn the_last_value_wins_and_null_never_over_a_value() {
        let chunks = [
            json!({"choices": [{"stop_reason": null}]}),
            json!({"choices": [{"stop_reason": "a"}]}),
            json!({"choices": [{"stop_reason": "b"}]}),
            json!({"choices": [{"stop_reason": null}]}),
            json!({"choices": []}),
        ];
        let expected = json!({"choices": [{"stop_reason": "b"}]});
        assert_eq!(found(&["/choices/0/stop_reason"], &chunks), Some(expected));
        let only = json!({"choices": [{"stop_reason": null}]});
        assert_eq!(found(&["/choices/0/stop_reason"], &chunks[..1]), Some(only));
    }
}
