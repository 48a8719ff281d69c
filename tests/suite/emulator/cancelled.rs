//! A client that goes away.

use super::{Running, blob, chat, streamed};

const RULES: &str = "
    [[rules]]
    when.stream = true
    answer.text = 'a b c'
    fault.stall = { after = 2, ms = 600000 }
    [[rules]]
    fault.delay_ms = 600000
    [endpoints.model]
    timeout_ms = 600000";

#[tokio::test]
async fn a_stream_that_is_left_in_silence_is_cancelled() {
    let running = Running::with(RULES).await;
    let call = running.client().invoke_endpoint_with_response_stream().endpoint_name("model");
    let mut answer = call.body(blob(streamed(chat("x")).to_string())).send().await.unwrap();
    assert!(answer.body.recv().await.unwrap().is_some());
    assert!(answer.body.recv().await.unwrap().is_some());
    running.until([1, 0, 0, 0]).await;
    drop(answer);
    running.until([1, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_call_that_is_left_before_its_answer_is_cancelled() {
    let running = Running::with(RULES).await;
    let client = running.client();
    let call = client.invoke_endpoint().endpoint_name("model").body(blob(chat("x").to_string()));
    tokio::select! {
        answer = call.send() => panic!("{answer:?}"),
        () = running.until([1, 0, 0, 0]) => {}
    }
    running.until([1, 0, 1, 0]).await;
}

#[tokio::test]
async fn a_stream_that_is_read_to_its_end_is_complete() {
    let running = Running::with("").await;
    super::stream(&running, streamed(chat("x")).to_string()).await;
    running.until([1, 1, 0, 0]).await;
    let calls = running.json("/_emulator/calls").await;
    assert_eq!(calls["endpoints"]["model"]["completed"], 1);
}
