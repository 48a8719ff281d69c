//! What the operator sees: metrics, health, TLS, and mistakes at the start.

use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use super::*;

#[tokio::test]
async fn metrics_and_health() {
    let pair = pair("", "");
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 200);
    assert_eq!(post(pair.gateway.address, "/model/x/converse", ASK).await.status, 400);

    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let ping = send(pair.gateway.address, &[get("/ping").as_bytes()]).await;
    assert_eq!((ping.status, &ping.json()["status"]), (200, &"Healthy".into()));
    let admin = pair.gateway.admin.expect("the operator's port");
    assert_eq!(send(admin, &[get("/ready").as_bytes()]).await.status, 200);
    let metrics = send(admin, &[get("/metrics").as_bytes()]).await;
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        r#"helan_calls_total{operation="Converse",model="m",code="",ended="complete"} 1"#,
        r#"helan_calls_total{operation="Converse",model="",code="ValidationException",ended="failed"} 1"#,
        "# TYPE helan_first_event_seconds histogram",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        text.contains(r#"helan_tokens_total{model="m",principal="tests",kind="output"}"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_upstream_call() {
    let rules =
        "[[rules]]\nanswer.text = \"one two three\"\nfault.stall = { after = 2, ms = 3600000 }\n";
    let pair = pair(rules, "");
    let at = pair.gateway.address;
    for path in ["/model/m/converse-stream", PATH] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = head(at, "POST", path, ASK.as_bytes(), now());
        stream.write_all(&[head.as_bytes(), ASK.as_bytes()].concat()).await.unwrap();
        until(&pair, |calls| calls["started"].as_u64() > calls["cancelled"].as_u64()).await;
        drop(stream);
        until(&pair, |calls| calls["started"] == calls["cancelled"]).await;
    }
    let calls = calls(&pair).await;
    assert_eq!((&calls["started"], &calls["cancelled"]), (&2.into(), &2.into()));
}

async fn calls(pair: &Pair) -> serde_json::Value {
    let get = "GET /_emulator/calls HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    send(pair.emulator.address, &[get.as_bytes()]).await.json()
}

pub(super) async fn until(pair: &Pair, what: impl Fn(&serde_json::Value) -> bool) {
    for _ in 0..500 {
        if what(&calls(pair).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came: {}", calls(pair).await);
}

#[tokio::test]
async fn both_protocols_over_tls() {
    let files = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (files.path().join("c.pem"), files.path().join("k.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n");
    let pair = pair("", &tls);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&chain).unwrap()).unwrap();
    for protocol in ["h2", "http/1.1"] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let stream = TcpStream::connect(pair.gateway.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));

        let io = hyper_util::rt::TokioIo::new(stream);
        let request = http::Request::get("https://localhost/ping");
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        let response = if protocol == "h2" {
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut send, connection) =
                hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            let asking = send.send_request(request);
            tokio::select! { response = asking => response.unwrap(), _ = connection => panic!("closed") }
        } else {
            let (mut send, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let asking = send.send_request(request);
            tokio::select! { response = asking => response.unwrap(), _ = connection => panic!("closed") }
        };
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn an_upstream_that_is_the_gateway_itself_is_refused() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("helan.toml");
    let text = format!(
        "listen = \"0.0.0.0:{port}\"\n[admin]\nlisten = \"off\"\n[auth]\nmode = \"none\"\nallow_unauthenticated_network_access = \"I understand that anyone who reaches this port can use the models\"\n[sagemaker]\nregion = \"cn-north-1\"\nendpoint_url = \"http://localhost:{port}\"\n[models.m]\nendpoint = \"e\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["serve", "--config", config.to_str().unwrap()];
    let Err(output) = Process::try_start(&arguments) else { panic!("it started") };
    assert!(output.contains("endpoint"), "{output}");
}

#[test]
fn without_a_region_nothing_is_served() {
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("helan.toml");
    let text = "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"off\"\n[auth]\nmode = \"none\"\n[models.m]\nendpoint = \"e\"\n";
    std::fs::write(&config, text).unwrap();
    let arguments = ["serve", "--config", config.to_str().unwrap()];
    let Err(output) = Process::try_start(&arguments) else { panic!("it started") };
    assert!(output.contains("AWS_REGION"), "{output}");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let files = tempfile::tempdir().unwrap();
    let config = files.path().join("helan.toml");
    std::fs::write(&config, "listn = 1\n[models.m]\nendpoint = \"a b\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_helan"))
        .args(["check", "--config", config.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("helan.toml:1:1"), "{text}");
    assert!(text.contains("did you mean `listen`?"), "{text}");
    assert!(text.contains("helan.toml:3:"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours outside a terminal");
}

#[test]
fn the_demo_shows_a_first_answer() {
    let output = Command::new(env!("CARGO_BIN_EXE_helan"))
        .args(["demo", "--once", "--listen", "127.0.0.1:0"])
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("Converse deepseek.r1-v1:0"), "{text}");
    assert!(text.contains("ConverseStream qwen.qwen3-32b-v1:0"), "{text}");
    assert_eq!(text.matches("tokens in").count(), 2, "{text}");
}
