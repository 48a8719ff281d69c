//! JSON as a template sees it: dictionaries and lists that print as Python prints them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::Value as Json;

use super::repr;

/// Above this many members a dictionary keeps an index: most have fewer, and a scan is faster.
const INDEXED_FROM: usize = 12;

/// A dictionary with string keys, in the order they were written.
pub(crate) struct Dict {
    members: Vec<(Value, Value)>,
    index: Option<HashMap<Arc<str>, usize>>,
}

impl Dict {
    /// The keys are distinct strings.
    pub(crate) fn new(members: Vec<(Value, Value)>) -> Self {
        let index = (members.len() > INDEXED_FROM).then(|| {
            members
                .iter()
                .enumerate()
                .filter_map(|(at, (key, _))| Some((key.to_str()?, at)))
                .collect()
        });
        Self { members, index }
    }

    fn find(&self, key: &str) -> Option<&Value> {
        match &self.index {
            Some(index) => index.get(key).map(|&at| &self.members[at].1),
            None => self
                .members
                .iter()
                .find(|(name, _)| name.as_str() == Some(key))
                .map(|(_, value)| value),
        }
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dict")
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.find(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let pairs = Arc::clone(self);
        Enumerator::KeyValueIter(Box::new(
            (0..self.members.len()).map(move |at| pairs.members[at].clone()),
        ))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.members.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        repr::render(&Value::from_dyn_object(Arc::clone(self)), f)
    }
}

/// A list.
pub(crate) struct List(Vec<Value>);

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("List")
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        repr::render(&Value::from_dyn_object(Arc::clone(self)), f)
    }
}

/// A list of values.
pub(crate) fn list(items: Vec<Value>) -> Value {
    Value::from_object(List(items))
}

/// JSON as the template sees it.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(bool) => Value::from(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Value::from(integer),
            (_, Some(integer), _) => Value::from(integer),
            (_, _, Some(float)) => Value::from(float),
            _ => Value::from(()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => list(items.iter().map(from_json).collect()),
        Json::Object(members) => {
            dict(members.iter().map(|(key, value)| (key.as_str(), from_json(value))))
        }
    }
}

/// A dictionary of distinct keys.
pub(crate) fn dict<'a>(members: impl Iterator<Item = (&'a str, Value)>) -> Value {
    Value::from_object(Dict::new(members.map(|(key, value)| (Value::from(key), value)).collect()))
}
