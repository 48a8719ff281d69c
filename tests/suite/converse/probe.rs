//! A deserializer that walks a JSON value beside the model, and notes where a type of ours has
//! other members than the shape it stands for.

use std::cell::RefCell;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
    value::StrDeserializer,
};
use serde_json::Value;

use super::model::Model;

/// One value, the shape that it is an instance of, and the differences that were found.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) model: &'a Model,
    pub(super) shape: &'a str,
    pub(super) value: &'a Value,
    pub(super) found: &'a RefCell<Vec<String>>,
    /// Members of ours that this shape need not have: a type may stand for two shapes.
    pub(super) excused: &'a [&'a str],
}

type Refusal = serde_json::Error;

impl<'a> Probe<'a> {
    fn below(self, value: &'a Value, member: &str) -> Self {
        let shape = match self.model.kind(self.shape) {
            "list" | "map" => self.model.element(self.shape),
            "structure" => {
                let members = self.model.members(self.shape);
                members.iter().find(|(name, _)| *name == member).map_or("Document", |(_, of)| *of)
            }
            _ => self.shape, // a document is documents all the way down
        };
        Self { shape, value, ..self }
    }

    fn note(&self, difference: String) {
        let mut found = self.found.borrow_mut();
        if !found.contains(&difference) {
            found.push(difference);
        }
    }
}

impl<'de> Deserializer<'de> for Probe<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Value::Array(items) => visitor.visit_seq(Elements { probe: self, rest: items.iter() }),
            Value::Object(members) => {
                visitor.visit_map(Members { probe: self, rest: members.iter(), next: None })
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        ours: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let theirs: Vec<_> =
            self.model.members(self.shape).into_iter().map(|(member, _)| member).collect();
        for member in ours {
            if !theirs.contains(member) && !self.excused.contains(member) {
                self.note(format!("{name}.{member} is not in {}", self.shape));
            }
        }
        for member in theirs {
            let is_exception = member.ends_with("Exception");
            if !ours.contains(&member) && !is_exception {
                self.note(format!("{name} lacks {}.{member}", self.shape));
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Elements<'a> {
    probe: Probe<'a>,
    rest: std::slice::Iter<'a, Value>,
}

impl<'a> SeqAccess<'a> for Elements<'a> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let element = self.rest.next();
        element.map(|element| seed.deserialize(self.probe.below(element, ""))).transpose()
    }
}

struct Members<'a> {
    probe: Probe<'a>,
    rest: serde_json::map::Iter<'a>,
    next: Option<(&'a String, &'a Value)>,
}

impl<'a> MapAccess<'a> for Members<'a> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        self.next = self.rest.next();
        let key = self.next.map(|(key, _)| StrDeserializer::new(key));
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let (key, value) =
            self.next.take().ok_or_else(|| Refusal::custom("a value without key"))?;
        seed.deserialize(self.probe.below(value, key))
    }
}
