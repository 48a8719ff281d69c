//! How the three kinds of shapes are read and written: structures, unions and enums.
//!
//! The derived readers of serde allow more than rest-json does (a structure as a list of its
//! members, an enum as an object) and less (a union with `null` beside its member, as several
//! SDKs write it). These macros read exactly what a service of AWS reads: unknown members are
//! skipped, a member that is `null` is absent, a union has one member.
//!
//! What is wrong is said in the words of AWS's constraints, "Member must …"; [`super::read`] puts
//! the path before it.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// An enum of strings that allows no other: its names, its reader, its writer.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $wire:literal),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of the service model.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire),+ }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct OneOf;
                impl serde::de::Visitor<'_> for OneOf {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        match text {
                            $($wire => Ok($name::$variant),)+
                            _ => Err(E::custom(concat!(
                                "Member must satisfy enum value set: ",
                                $crate::converse::shape::list!($($wire),+)
                            ))),
                        }
                    }
                }
                deserializer.deserialize_str(OneOf)
            }
        }
    };
}

/// A union: exactly one of its members.
macro_rules! union {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident($shape:ty) = $wire:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        pub enum $name { $($(#[$doc])* $variant($shape)),+ }

        impl $name {
            /// The member's name on the wire.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $wire),+ }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(Some(1))?;
                match self { $(Self::$variant(value) => map.serialize_entry($wire, value)?),+ }
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const NAMES: &[&str] = &[$($wire),+];
                struct Members;
                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name, A::Error> {
                        const ONE: &str = concat!(
                            "Member must have exactly one member set: ",
                            $crate::converse::shape::list!($($wire),+)
                        );
                        let names = $crate::converse::shape::MemberName(NAMES);
                        let mut union = None;
                        while let Some(name) = map.next_key_seed(names)? {
                            let member = match name {
                                $(Some($wire) => {
                                    map.next_value::<Option<$shape>>()?.map($name::$variant)
                                })+
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                    None
                                }
                            };
                            if member.is_some() && union.is_some() {
                                return Err(serde::de::Error::custom(ONE));
                            }
                            union = member.or(union);
                        }
                        union.ok_or_else(|| serde::de::Error::custom(ONE))
                    }
                }
                deserializer.deserialize_struct(stringify!($name), NAMES, Members)
            }
        }
    };
}

/// `[a, b, c]`, at compile time.
macro_rules! list {
    ($first:literal $(, $more:literal)*) => { concat!("[", $first $(, ", ", $more)*, "]") };
}

/// Structures, whose members serde derives under `#[serde(remote = "Self")]`: objects only.
macro_rules! structures {
    ($($name:ident),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize($crate::converse::shape::Structure(deserializer))
            }
        }
    )+};
}

pub(super) use {list, string_enum, structures, union};

/// Reads a key as one of a union's members, without keeping it.
#[derive(Clone, Copy)]
pub(super) struct MemberName(pub(super) &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for MemberName {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().copied().find(|known| *known == name))
    }
}

/// A deserializer that takes a structure as an object, never as a list of its members.
pub(super) struct Structure<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Structure<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, ObjectOnly(visitor))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A visitor that lets nothing but an object through.
struct ObjectOnly<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for ObjectOnly<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }
}
