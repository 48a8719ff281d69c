//! A container behind an endpoint, spoken to over plain HTTP.

use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::types::ResponseStream;
use helan::emulator::Rules;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Running, blob, chat};

/// A container that listens, and the emulator in front of it.
async fn container() -> (TcpListener, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/invocations", listener.local_addr().unwrap());
    (listener, Running::start(Rules::container(&url).unwrap()).await)
}

/// The head and the body of the next request, as they came.
async fn request(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
    }
    (stream, String::from_utf8(read).unwrap())
}

async fn chunk(stream: &mut TcpStream, bytes: &[u8]) {
    let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    stream.write_all(&chunk).await.unwrap();
}

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nserver: uvicorn\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn parts_leave_while_the_container_still_writes() {
    let (listener, running) = container().await;
    let client = running.client();
    let call = client
        .invoke_endpoint_with_response_stream()
        .endpoint_name("any")
        .content_type("application/json")
        .accept("text/event-stream")
        .custom_attributes("a=b")
        .body(blob(chat("x").to_string()));
    let serve = async {
        let (mut stream, request) = request(&listener).await;
        stream.write_all(STREAM).await.unwrap();
        (stream, request)
    };
    let (answer, (mut stream, request)) = tokio::join!(call.send(), serve);
    let mut answer = answer.unwrap();
    assert!(
        request.starts_with("POST /invocations HTTP/1.1\r\n")
            && request.ends_with(&chat("x").to_string())
    );
    for header in [
        "content-type: application/json",
        "accept: text/event-stream",
        "x-amzn-sagemaker-custom-attributes: a=b",
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{request}");
    }
    assert!(!request.contains("authorization"), "{request}");
    assert_eq!(answer.content_type(), Some("text/event-stream"));
    for bytes in [&b"data: \xe8"[..], b"\xb4\xba\n\n", b"data: [DONE]\n\n"] {
        chunk(&mut stream, bytes).await;
        let Some(ResponseStream::PayloadPart(part)) = answer.body.recv().await.unwrap() else {
            panic!("no part")
        };
        assert_eq!(part.bytes.unwrap().into_inner(), bytes);
    }
    chunk(&mut stream, b"").await;
    assert!(answer.body.recv().await.unwrap().is_none());
    running.until([1, 1, 0, 0]).await;
}

#[tokio::test]
async fn a_container_that_breaks_off_is_a_stream_error() {
    let (listener, running) = container().await;
    let serve = async {
        let (mut stream, _) = request(&listener).await;
        stream.write_all(STREAM).await.unwrap();
        chunk(&mut stream, b"data: {").await;
    };
    let (answer, ()) = tokio::join!(super::parts(&running, chat("x").to_string()), serve);
    assert_eq!(answer.0, [b"data: {"]);
    assert!(answer.1.unwrap().contains("StreamBroken"));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_by_the_container() {
    let (listener, running) = container().await;
    let client = running.client();
    let call = client
        .invoke_endpoint_with_response_stream()
        .endpoint_name("any")
        .body(blob(chat("x").to_string()));
    let serve = async {
        let (mut stream, _) = request(&listener).await;
        stream.write_all(STREAM).await.unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(call.send(), serve);
    drop(answer.unwrap());
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    running.until([1, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_container_s_whole_answers_and_errors_pass() {
    let (listener, running) = container().await;
    let client = running.client();
    let call = || client.invoke_endpoint().endpoint_name("any").body(blob(chat("x").to_string()));
    let serve = async |answer: &str| {
        let (mut stream, _) = request(&listener).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let good = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let (answer, ()) = tokio::join!(call().send(), serve(good));
    assert_eq!(answer.unwrap().body.unwrap().into_inner(), b"{}");
    let bad =
        "HTTP/1.1 422 Unprocessable Entity\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno.";
    let (answer, ()) = tokio::join!(call().send(), serve(bad));
    let InvokeEndpointError::ModelError(error) = answer.unwrap_err().into_service_error() else {
        panic!("not a ModelError")
    };
    assert_eq!((error.original_status_code(), error.original_message()), (Some(422), Some("no.")));
    drop(listener);
    let InvokeEndpointError::ModelError(error) =
        call().send().await.unwrap_err().into_service_error()
    else {
        panic!("not a ModelError")
    };
    assert!(error.original_message().unwrap().contains("could not be reached"));
}
