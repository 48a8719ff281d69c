//! Callers without a known key cost next to nothing.

use super::*;

#[tokio::test]
async fn five_hundred_strangers_with_large_bodies() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    assert_eq!(post(at, PATH, ASK).await.status, 200); // everything is warm
    let before = pair.gateway.resident();

    let stranger = signed(at, "POST", PATH, b"", ("AKIDSTRANGER", SECRET), now());
    let stranger = stranger
        .replace("Content-Length: 0", "Content-Length: 25000000")
        .replace("Connection: close", "Connection: keep-alive");
    let mut connections = vec![];
    for _ in 0..500 {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(stranger.as_bytes()).await.unwrap();
        connections.push(stream);
    }
    let piece = vec![b' '; 64 * 1024];
    let mut most = 0;
    for stream in &mut connections {
        // Some have been closed on us already, which is the point.
        let _ = stream.try_write(&piece);
        most = most.max(pair.gateway.resident());
    }
    assert_eq!(post(at, PATH, ASK).await.status, 200, "a known caller is served meanwhile");
    most = most.max(pair.gateway.resident());
    let rise = most.saturating_sub(before);
    assert!(rise < 50_000_000, "{rise} bytes more");

    for stream in &mut connections {
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer).await;
        if !answer.is_empty() {
            assert!(answer.starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer));
        }
    }
}
