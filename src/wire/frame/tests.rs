use aws_smithy_eventstream::frame as smithy;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use proptest::prelude::*;

use super::*;

// Put together by hand (lengths counted, checksums by zlib) from the reference's description.
const MESSAGE_START: &str = "\
    00000081 00000052 6cc17693\
    0b 3a6576656e742d74797065 07 000c 6d6573736167655374617274\
    0d 3a636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e\
    0d 3a6d6573736167652d74797065 07 0005 6576656e74\
    7b2270223a2261626364222c22726f6c65223a22617373697374616e74227d f512a005";
const THROTTLING: &str = "\
    00000091 00000061 b3f18007\
    0f 3a657863657074696f6e2d74797065 07 0013 7468726f74746c696e67457863657074696f6e\
    0d 3a636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e\
    0d 3a6d6573736167652d74797065 07 0009 657863657074696f6e\
    7b226d657373616765223a22546f6f206d616e792072657175657374732e227d 17ab451d";
const INTERNAL: &str = "\
    00000058 00000048 154692c1\
    0b 3a6572726f722d636f6465 07 000d 496e7465726e616c4572726f72\
    0e 3a6572726f722d6d657373616765 07 0004 53746f70\
    0d 3a6d6573736167652d74797065 07 0005 6572726f72\
    e055a9d4";
const PAYLOAD_PART: &str = "\
    00000070 00000059 8e47d6f6\
    0b 3a6576656e742d74797065 07 000b 5061796c6f616450617274\
    0d 3a636f6e74656e742d74797065 07 0018 6170706c69636174696f6e2f6f637465742d73747265616d\
    0d 3a6d6573736167652d74797065 07 0005 6576656e74\
    646174613a20e4 e4c33737";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

const PART: [(&str, &str); 3] = [
    (":event-type", "PayloadPart"),
    (":content-type", "application/octet-stream"),
    (":message-type", "event"),
];

fn all(bytes: &[u8]) -> Result<Vec<Frame>, Error> {
    let mut decoder = Decoder::new(MAX_FRAME);
    decoder.push(bytes);
    let frames = decoder.by_ref().collect();
    decoder.finish()?;
    frames
}

#[test]
fn frames_are_byte_exact() {
    let mut out = BytesMut::new();
    event(&mut out, "messageStart", br#"{"p":"abcd","role":"assistant"}"#).unwrap();
    assert_eq!(out, bytes(MESSAGE_START));
    out.clear();
    exception(&mut out, "throttlingException", br#"{"message":"Too many requests."}"#).unwrap();
    assert_eq!(out, bytes(THROTTLING));
    out.clear();
    error(&mut out, "InternalError", "Stop").unwrap();
    assert_eq!(out, bytes(INTERNAL));
    out.clear();
    encode(&mut out, &PART, b"data: \xe4").unwrap();
    assert_eq!(out, bytes(PAYLOAD_PART));
}

#[test]
fn a_payload_is_serialized_in_its_place_behind_others() {
    let mut out = BytesMut::new();
    error(&mut out, "InternalError", "Stop").unwrap();
    let mut open = begin_event(&mut out, "messageStart");
    serde_json::to_writer(&mut open, &serde_json::json!({"p": "abcd", "role": "assistant"}))
        .unwrap();
    open.finish().unwrap();
    assert_eq!(out, [bytes(INTERNAL), bytes(MESSAGE_START)].concat());
}

#[test]
fn a_frame_not_finished_leaves_nothing() {
    let mut out = BytesMut::from(&b"before"[..]);
    begin_event(&mut out, "messageStart").extend(b"{");
    assert_eq!(out, "before");
    let too_long = vec![b' '; MAX_FRAME];
    assert!(matches!(event(&mut out, "chunk", &too_long), Err(Error::TooLong { .. })));
    assert_eq!(out, "before");
}

#[test]
fn long_header_values_are_cut_between_characters() {
    let mut out = BytesMut::new();
    error(&mut out, "InternalError", &"贺".repeat(20_000)).unwrap();
    let frame = all(&out).unwrap().remove(0);
    assert_eq!(frame.header(":error-message").unwrap(), "贺".repeat(10_922));
}

#[test]
fn every_wrong_byte_is_noticed() {
    let right = bytes(MESSAGE_START);
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 0x20;
        assert!(all(&wrong).is_err(), "byte {at}");
    }
}

/// A frame with these lengths, and both checksums right.
fn lying(total: u32, headers: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(rest);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

#[test]
fn contradictions_are_refused() {
    let limit = MAX_FRAME;
    assert_eq!(all(&lying(15, 0, b"")), Err(Error::Lengths));
    assert_eq!(all(&lying(16, 1, b"")), Err(Error::Lengths));
    assert_eq!(
        all(&lying(u32::MAX, 0, b"")),
        Err(Error::TooLong { length: u32::MAX as usize, limit })
    );
    assert_eq!(all(&lying(18, 2, b"\x05a")), Err(Error::Header)); // name over the end
    assert_eq!(all(&lying(18, 2, b"\x01a")), Err(Error::Header)); // no type
    assert_eq!(all(&lying(19, 3, b"\x01a\x0a")), Err(Error::Header)); // unknown type
    assert_eq!(all(&lying(21, 5, b"\x01a\x07\0\x01")), Err(Error::Header)); // no value
    assert_eq!(all(&lying(22, 6, b"\x01a\x07\0\x01\xff")), Err(Error::Header)); // no UTF-8
    assert_eq!(all(&bytes(INTERNAL)[..40]), Err(Error::Truncated));
    assert_eq!(all(&lying(16, 0, b"")).unwrap()[0].payload, "");
}

#[test]
fn the_decoder_stops_at_its_limit_and_stays_stopped() {
    let mut decoder = Decoder::new(100);
    decoder.push(&bytes(INTERNAL));
    decoder.push(&bytes(MESSAGE_START)[..PRELUDE]);
    assert!(decoder.next().unwrap().is_ok());
    assert_eq!(decoder.next(), Some(Err(Error::TooLong { length: 129, limit: 100 })));
    decoder.push(&bytes(INTERNAL));
    assert_eq!((decoder.next(), decoder.buffer.capacity()), (None, 0));
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let message = Message::new(&b"payload"[..])
        .add_header(Header::new("bool", HeaderValue::Bool(true)))
        .add_header(Header::new("byte", HeaderValue::Byte(1)))
        .add_header(Header::new("short", HeaderValue::Int16(1)))
        .add_header(Header::new("int", HeaderValue::Int32(1)))
        .add_header(Header::new("long", HeaderValue::Int64(1)))
        .add_header(Header::new("bytes", HeaderValue::ByteArray(Bytes::from_static(b"ab"))))
        .add_header(Header::new("time", HeaderValue::Timestamp(std::time::UNIX_EPOCH.into())))
        .add_header(Header::new("uuid", HeaderValue::Uuid(7)))
        .add_header(Header::new("text", HeaderValue::String("贺兰".into())));
    let mut out = Vec::new();
    smithy::write_message_to(&message, &mut out).unwrap();
    let frame = all(&out).unwrap().remove(0);
    assert!(frame.headers().eq([("text", "贺兰")]));
    assert_eq!(frame.payload, "payload");
}

#[test]
fn padding_is_a_prefix_of_the_alphabet() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut lengths = std::collections::BTreeSet::new();
    for _ in 0..2000 {
        let padding = padding(&mut random);
        assert!(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".starts_with(padding)
        );
        lengths.insert(padding.len());
    }
    assert_eq!((lengths.first(), lengths.last(), lengths.len()), (Some(&2), Some(&61), 60));
}

type Parts = (Vec<(String, String)>, Vec<u8>);

fn messages() -> impl Strategy<Value = Vec<Parts>> {
    let header = ("[:a-z-]{1,20}", ".{0,20}");
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    proptest::collection::vec((proptest::collection::vec(header, 0..5), payload), 1..5)
}

fn encoded(messages: &[Parts]) -> BytesMut {
    let mut out = BytesMut::new();
    for (headers, payload) in messages {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        encode(&mut out, &headers, payload).unwrap();
    }
    out
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_frames(
        messages in messages(),
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let out = encoded(&messages);
        let mut decoder = Decoder::new(MAX_FRAME);
        let (mut rest, mut cuts) = (&out[..], cuts.iter().cycle());
        let mut read = Vec::new();
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            decoder.push(now);
            rest = later;
            for frame in decoder.by_ref() {
                let frame = frame.unwrap();
                let owned = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
                let headers: Vec<_> = frame.headers().map(owned).collect();
                read.push((headers, frame.payload.to_vec()));
            }
        }
        prop_assert_eq!(decoder.finish(), Ok(()));
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn smithy_reads_what_is_written_and_writes_the_same(messages in messages()) {
        let mut out = encoded(&messages).freeze();
        let written = out.clone();
        let mut again = Vec::new();
        for (headers, payload) in &messages {
            let message = smithy::read_message_from(&mut out).unwrap();
            prop_assert_eq!(&message.payload()[..], &payload[..]);
            let read: Vec<_> = message.headers().iter().map(|header| (
                header.name().as_str().to_owned(),
                header.value().as_string().unwrap().as_str().to_owned(),
            )).collect();
            prop_assert_eq!(&read, headers);
            smithy::write_message_to(&message, &mut again).unwrap();
        }
        prop_assert_eq!(&again[..], &written[..]);
    }

    #[test]
    fn no_bytes_panic(noise in proptest::collection::vec(any::<u8>(), 0..100), total in 0_u32..200, headers in 0_u32..200) {
        let _ = all(&noise);
        let _ = all(&lying(total, headers, &noise));
    }
}
