//! From TOML to raw sections, with every problem on the way rather than the first one only.
//!
//! serde stops at the first error, so sections are read by hand; [`section!`] declares a section
//! once and derives its reader, its list of keys and its JSON schema.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;
use super::problem::{Origin, Severity, Source};
use super::spelling::nearest;
use super::value::{Leaf, Wrong};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// Named things, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Named<F>(pub(super) Vec<(Set<String>, F)>);

impl<F> Default for Named<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// What a key of a section holds.
pub(super) trait Field: Sized {
    /// Reads it; `None` after a problem.
    fn read(value: &Spanned<DeValue<'_>>, path: &str, reader: &mut Reader) -> Option<Self>;
}

/// The state of one pass over one file.
pub(super) struct Reader {
    pub(super) source: Arc<Source>,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        Self { source: Arc::new(source), problems: Vec::new() }
    }

    /// Parses the text and reads it as `S`. Nothing is read from a text that is not TOML: what
    /// is left of it would only cause problems that are none.
    pub(super) fn document<S: Section>(&mut self) -> Option<S> {
        let source = Arc::clone(&self.source);
        let (document, errors) = DeTable::parse_recoverable(&source.text);
        if errors.is_empty() {
            return Some(S::read_table(document.get_ref(), "", self));
        }
        for error in errors {
            let origin = Origin {
                source: Some(Arc::clone(&source)),
                span: error.span(),
                path: String::new(),
            };
            let message = format!("this is not TOML: {}", error.message());
            self.problems.push(origin.problem(Severity::Error, message, None));
        }
        None
    }

    pub(super) fn origin<T>(&self, at: &Spanned<T>, path: &str) -> Origin {
        Origin {
            source: Some(Arc::clone(&self.source)),
            span: Some(at.span()),
            path: path.to_owned(),
        }
    }

    fn refuse<T>(&mut self, at: &Spanned<T>, path: &str, wrong: Wrong) {
        let problem = self.origin(at, path).error(wrong.message, wrong.help);
        self.problems.push(problem);
    }
}

/// A table with known keys. Implemented by [`section!`] alone.
pub(super) trait Section: Sized + Default {
    /// Appends the keys, those of flattened sections included.
    fn keys(keys: &mut Vec<&'static str>);

    /// Reads the keys that are there.
    fn fill(&mut self, table: &DeTable<'_>, path: &str, reader: &mut Reader);

    /// Reads the keys that are there and refuses those that are not known.
    fn read_table(table: &DeTable<'_>, path: &str, reader: &mut Reader) -> Self {
        let mut known = Vec::new();
        Self::keys(&mut known);
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let place = match path {
                    "" => "the file".to_owned(),
                    path => format!("`{path}`"),
                };
                let help = match nearest(name, known.iter().copied()) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                let wrong = Wrong::new(format!("`{name}` is not a key of {place}"), help);
                reader.refuse(key, &join(path, name), wrong);
            }
        }
        let mut section = Self::default();
        section.fill(table, path, reader);
        section
    }
}

/// The path of a key, quoted where TOML would have it so.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if bare { Cow::Borrowed(key) } else { Cow::Owned(format!("{key:?}")) };
    if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }
}

impl<T: Leaf> Field for Set<T> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, reader: &mut Reader) -> Option<Self> {
        match T::from_toml(value.get_ref()) {
            Ok(found) => Some(Self { value: found, origin: reader.origin(value, path) }),
            Err(wrong) => {
                reader.refuse(value, path, wrong);
                None
            }
        }
    }
}

impl<F: Field> Field for Vec<F> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, reader: &mut Reader) -> Option<Self> {
        let DeValue::Array(items) = value.get_ref() else {
            let wrong = Wrong::kind("an array", value.get_ref(), "write it between `[` and `]`");
            reader.refuse(value, path, wrong);
            return None;
        };
        let items = items.iter().enumerate();
        Some(
            items
                .filter_map(|(index, item)| F::read(item, &format!("{path}[{index}]"), reader))
                .collect(),
        )
    }
}

impl<F: Field> Field for Named<F> {
    fn read(value: &Spanned<DeValue<'_>>, path: &str, reader: &mut Reader) -> Option<Self> {
        let table = table(value, path, reader)?;
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut named = Vec::new();
        for (key, value) in entries {
            let path = join(path, key.get_ref());
            let name = Set {
                value: key.get_ref().clone().into_owned(),
                origin: reader.origin(key, &path),
            };
            if let Some(value) = F::read(value, &path, reader) {
                named.push((name, value));
            }
        }
        Some(Self(named))
    }
}

pub(super) fn table<'a, 'i>(
    value: &'a Spanned<DeValue<'i>>,
    path: &str,
    reader: &mut Reader,
) -> Option<&'a DeTable<'i>> {
    if let DeValue::Table(table) = value.get_ref() {
        return Some(table);
    }
    let help = format!("write `[{path}]` and the keys below it");
    reader.refuse(value, path, Wrong::kind("a table", value.get_ref(), help));
    None
}

impl<T: JsonSchema> JsonSchema for Set<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<F: JsonSchema> JsonSchema for Named<F> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", F::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<F>(),
        })
    }
}

/// Declares a table of the configuration: each key is optional, and the last member may be a
/// section whose keys stand among its own.
macro_rules! section {
    (
        $(#[$meta:meta])*
        struct $name:ident {
            $( $(#[$key_meta:meta])* $key:ident: $type:ty, )*
            $( ; $(#[$flat_meta:meta])* $flat:ident: $flat_type:ty, )?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(super) struct $name {
            $( $(#[$key_meta])* pub(super) $key: Option<$type>, )*
            $( $(#[$flat_meta])* #[schemars(flatten)] pub(super) $flat: $flat_type, )?
            /// Where the section stands.
            #[schemars(skip)]
            pub(super) at: Option<$crate::config::problem::Origin>,
        }

        impl $crate::config::reader::Section for $name {
            fn keys(keys: &mut Vec<&'static str>) {
                keys.extend_from_slice(&[$( stringify!($key) ),*]);
                $( <$flat_type as $crate::config::reader::Section>::keys(keys); )?
            }

            fn fill(
                &mut self,
                table: &toml::de::DeTable<'_>,
                path: &str,
                reader: &mut $crate::config::reader::Reader,
            ) {
                $(
                    if let Some(value) = table.get(stringify!($key)) {
                        let path = $crate::config::reader::join(path, stringify!($key));
                        self.$key = $crate::config::reader::Field::read(value, &path, reader);
                    }
                )*
                $( self.$flat.fill(table, path, reader); )?
            }
        }

        impl $crate::config::reader::Field for $name {
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                path: &str,
                reader: &mut $crate::config::reader::Reader,
            ) -> Option<Self> {
                let table = $crate::config::reader::table(value, path, reader)?;
                let mut section =
                    <Self as $crate::config::reader::Section>::read_table(table, path, reader);
                section.at = Some(reader.origin(value, path));
                Some(section)
            }
        }
    };
}
pub(super) use section;
