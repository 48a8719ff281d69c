//! What the types cannot say: limits of the service model, and the rules of a conversation.

mod conversation;
mod limits;
mod pattern;
mod tools;

use serde_json::Value;

use super::{Request, read};
use crate::{Error, Result};

impl Request {
    /// Checks a request that was read: first every limit of the service model (all broken ones are
    /// named in one message), then the rules that go over several members.
    ///
    /// Fails with a `ValidationException` in Bedrock's own words where they are known.
    ///
    /// ```
    /// use helan::converse::Request;
    ///
    /// let request = Request::parse(br#"{"messages":[{"role":"user","content":[{"text":" "}]}]}"#)?;
    /// assert_eq!(
    ///     request.validate().unwrap_err().message(),
    ///     "The text field in the ContentBlock object at messages.0.content.0 is blank. \
    ///      Add text to the text field, and try again."
    /// );
    /// # Ok::<(), helan::Error>(())
    /// ```
    pub fn validate(&self) -> Result<()> {
        let violations = limits::broken(self);
        if !violations.is_empty() {
            return Err(read::detected(&violations));
        }
        if let Some(fields) = &self.additional_model_request_fields {
            object_at("additionalModelRequestFields", fields)?;
        }
        tools::check(self)?;
        match &self.messages {
            Some(messages) => conversation::check(messages, self.tool_config.is_some()),
            // Optional in the model only because the ARN of a prompt brings its own.
            None => Err(read::detected(&[read::violation("messages", "Member must not be null")])),
        }
    }
}

/// Some documents have to be objects, which the model does not say.
fn object_at(path: &str, value: &Value) -> Result<()> {
    if value.is_object() {
        return Ok(());
    }
    Err(Error::validation(format!(
        "The format of the value at {path} is invalid. Provide a json object for the field and try \
         again."
    )))
}
