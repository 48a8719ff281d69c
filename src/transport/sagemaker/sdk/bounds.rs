//! How much of an answer the SDK may hold.
//!
//! It keeps a frame until the last byte of it has come, and a whole answer likewise, and has no
//! limit for either. SageMaker sends nothing that large; what stands at a configured URL might.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::Limited;

use super::super::super::client::MAX_WHOLE;
use crate::wire::frame::{CONTENT_TYPE, MAX_FRAME};

/// Puts a limit on the body of every answer.
#[derive(Debug)]
pub(super) struct Bounds;

impl Intercept for Bounds {
    fn name(&self) -> &'static str {
        "Bounds"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let streams = response.headers().get("content-type") == Some(CONTENT_TYPE);
        let body = response.take_body();
        *response.body_mut() = if streams {
            SdkBody::from_body_1_x(Frames { body, frame: Length::default() })
        } else {
            SdkBody::from_body_1_x(Limited::new(body, MAX_WHOLE))
        };
        Ok(())
    }
}

pin_project_lite::pin_project! {
    /// The body of an event stream, which fails before a frame that is too long.
    struct Frames {
        #[pin]
        body: SdkBody,
        frame: Length,
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let next = ready!(this.body.poll_frame(cx));
        if let Some(Ok(frame)) = &next
            && let Some(data) = frame.data_ref()
        {
            this.frame.pass(data)?;
        }
        Poll::Ready(next)
    }
}

/// Where the current frame ends. A frame begins with its length, in four bytes that count too.
#[derive(Debug, Default)]
struct Length {
    begun: [u8; 4],
    /// How many of them have come.
    known: usize,
    /// How much of the frame is still to come, once its length is known.
    left: usize,
}

/// A frame says that it is longer than event streams allow.
#[derive(Debug, thiserror::Error)]
#[error("a frame of {0} bytes, where {MAX_FRAME} are the limit")]
struct TooLong(usize);

impl Length {
    fn pass(&mut self, mut data: &[u8]) -> Result<(), TooLong> {
        while let Some((first, rest)) = data.split_first() {
            if self.left > 0 {
                let within = self.left.min(data.len());
                self.left -= within;
                data = data.get(within..).unwrap_or_default();
                continue;
            }
            if let Some(byte) = self.begun.get_mut(self.known) {
                *byte = *first;
            }
            self.known += 1;
            data = rest;
            if self.known == self.begun.len() {
                let length = u32::from_be_bytes(self.begun) as usize;
                if length > MAX_FRAME {
                    return Err(TooLong(length));
                }
                self.known = 0;
                self.left = length.saturating_sub(self.begun.len());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame;

    /// Three good frames, and the head of one that says it has `length` bytes.
    fn frames(length: u32) -> Vec<u8> {
        let mut out = BytesMut::new();
        for payload in [&b""[..], b"{}", &[7; 300]] {
            frame::encode(&mut out, &[(":event-type", "PayloadPart")], payload).unwrap();
        }
        out.extend_from_slice(&length.to_be_bytes());
        out.to_vec()
    }

    proptest! {
        #[test]
        fn a_frame_that_is_too_long_is_found_wherever_the_bytes_are_cut(
            cuts in proptest::collection::vec(1_usize..40, 1..20),
        ) {
            let limit = u32::try_from(MAX_FRAME).unwrap();
            for (length, good) in [(16, true), (limit, true), (limit + 1, false), (u32::MAX, false)] {
                let (mut seen, frames) = (Length::default(), frames(length));
                let (mut rest, mut cuts) = (&frames[..], cuts.iter().cycle());
                let mut passed = Ok(());
                while !rest.is_empty() && passed.is_ok() {
                    let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                    passed = seen.pass(piece);
                    rest = after;
                }
                prop_assert_eq!(passed.is_ok(), good);
                prop_assert!(rest.is_empty());
            }
        }

        #[test]
        fn no_bytes_panic(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut seen = Length::default();
            for piece in &pieces {
                if seen.pass(piece).is_err() {
                    break;
                }
            }
        }
    }
}
