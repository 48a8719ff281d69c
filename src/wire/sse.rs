//! Server-sent events, as the APIs of OpenAI and Anthropic stream.

use bytes::{BufMut as _, BytesMut};

/// The media type.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// Appends one event. `data` has no line break: JSON never needs one.
///
/// ```
/// # use bytes::BytesMut;
/// # use helan::wire::sse;
/// let mut out = BytesMut::new();
/// sse::event(&mut out, Some("ping"), br#"{"type":"ping"}"#);
/// sse::event(&mut out, None, b"[DONE]");
/// assert_eq!(out, "event: ping\ndata: {\"type\":\"ping\"}\n\ndata: [DONE]\n\n");
/// ```
pub fn event(out: &mut BytesMut, name: Option<&str>, data: &[u8]) {
    debug_assert!(!data.contains(&b'\n'), "a line break would end the event");
    if let Some(name) = name {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_slice(b"data: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
}
