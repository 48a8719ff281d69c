//! The chunks of a stream.

use serde::Serialize;

use crate::{Error, Result};

/// JSON objects, one behind the other in one buffer that is used again for each event.
#[derive(Debug, Default)]
pub struct Chunks {
    json: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Chunks {
    /// Appends one chunk, which must be an object.
    pub fn push(&mut self, chunk: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.json, chunk)
            .map_err(|error| Error::internal().because(error))?;
        debug_assert_eq!(self.json.last(), Some(&b'}'), "a chunk is an object");
        self.ends.push(self.json.len());
        Ok(())
    }

    /// Adds a member to the last chunk, behind its own. Without a chunk, makes one.
    pub fn extend_last(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let failed = |error| Error::internal().because(error);
        if self.ends.pop().is_none() {
            self.json.extend_from_slice(b"{}");
        }
        self.json.pop();
        if self.json.last() != Some(&b'{') {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, name).map_err(failed)?;
        self.json.push(b':');
        serde_json::to_writer(&mut self.json, value).map_err(failed)?;
        self.json.push(b'}');
        self.ends.push(self.json.len());
        Ok(())
    }

    /// The chunks, each as its JSON text.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.json.get(start..*end).unwrap_or_default())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets them and keeps the buffer.
    pub fn clear(&mut self) {
        self.json.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(chunks: &Chunks) -> Vec<&str> {
        chunks.iter().map(|chunk| std::str::from_utf8(chunk).unwrap()).collect()
    }

    #[test]
    fn a_member_is_added_to_the_last_chunk_alone() {
        let mut chunks = Chunks::default();
        chunks.push(&json!({"a": 1})).unwrap();
        chunks.push(&json!({"b": {"c": "}"}})).unwrap();
        chunks.extend_last("m", &json!({"n": 2})).unwrap();
        assert_eq!(texts(&chunks), [r#"{"a":1}"#, r#"{"b":{"c":"}"},"m":{"n":2}}"#]);

        chunks.clear();
        chunks.push(&json!({})).unwrap();
        chunks.extend_last("m", &1).unwrap();
        assert_eq!(texts(&chunks), [r#"{"m":1}"#]);

        chunks.clear();
        chunks.extend_last("m", &1).unwrap();
        assert_eq!((texts(&chunks), chunks.len()), (vec![r#"{"m":1}"#], 1));
    }
}
