//! The first bytes of a connection, which tell HTTP/1.1 from HTTP/2.
//!
//! A port without TLS knows nothing else to tell them by, and HTTP/2 over TLS begins with the same
//! bytes. They are read as hyper would read them, a whole head at once, so that its buffer stays as
//! small as it is for a connection that nobody has looked at.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// How HTTP/2 begins (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As much as hyper asks for at first.
const ROOM: usize = 8 << 10;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

/// A connection of which the first bytes have been read, and are read again.
pub(super) struct Opened<I> {
    first: Vec<u8>,
    /// How many of them were read again.
    taken: usize,
    io: I,
}

impl<I: AsyncRead + Unpin> Opened<I> {
    /// Reads until it is clear what is spoken. What begins like HTTP/2 and ends is HTTP/1.1, which
    /// has an answer to it.
    pub(super) async fn read(mut io: I) -> io::Result<(Speaks, Self)> {
        let mut first = Vec::with_capacity(ROOM);
        let speaks = loop {
            let ended = io.read_buf(&mut first).await? == 0;
            let length = first.len().min(PREFACE.len());
            if ended || first[..length] != PREFACE[..length] {
                break Speaks::Http1;
            }
            if length == PREFACE.len() {
                break Speaks::Http2;
            }
        };
        Ok((speaks, Self { first, taken: 0, io }))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Opened<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.first.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        let left = &this.first[this.taken..];
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        this.taken += count;
        if this.taken == this.first.len() {
            this.first = Vec::new(); // its memory, too
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Opened<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What is told of bytes that come in `pieces` and then end, and what is read after that, at
    /// most `step` bytes at once.
    fn opened(pieces: &[&[u8]], step: usize) -> (Speaks, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(1);
            let write = async {
                for piece in pieces {
                    theirs.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(theirs);
            };
            let read = async {
                let (speaks, mut opened) = Opened::read(ours).await.unwrap();
                let mut all = vec![];
                loop {
                    let mut some = vec![0; step];
                    let count = opened.read(&mut some).await.unwrap();
                    all.extend_from_slice(&some[..count]);
                    if count == 0 {
                        break (speaks, all);
                    }
                }
            };
            tokio::join!(read, write).0
        })
    }

    proptest! {
        #[test]
        fn every_cut_tells_the_same_and_loses_nothing(
            begin in 0..=PREFACE.len(),
            rest in prop::collection::vec(any::<u8>(), 0..40),
            cut in any::<prop::sample::Index>(),
            step in 1..50_usize,
        ) {
            let bytes = [&PREFACE[..begin], &rest].concat();
            let expected =
                if bytes.starts_with(PREFACE) { Speaks::Http2 } else { Speaks::Http1 };
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(opened(&[head, tail], step), (expected, bytes.clone()));
        }
    }

    #[test]
    fn a_post_is_told_by_its_second_letter() {
        assert_eq!(opened(&[b"P", b"OST / HTTP/1.1\r\n\r\n"], 9).0, Speaks::Http1);
        assert_eq!(opened(&[b"P"], 9), (Speaks::Http1, b"P".to_vec()));
        assert_eq!(opened(&[], 9), (Speaks::Http1, vec![]));
    }
}
