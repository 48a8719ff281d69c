//! A configuration that changes while the gateway runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::task::JoinSet;

use super::keep_alive::{Connection, frames, get, metric};
use super::running::until;
use super::*;

pub(super) fn write(pair: &Pair, name: &str, change: impl FnOnce(String) -> String) {
    let path = pair.files.path().join(name);
    let text = change(std::fs::read_to_string(&path).unwrap_or_default());
    // As careful writers do: a new file takes the place of the old one.
    let new = pair.files.path().join("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

pub(super) fn applied(times: usize) -> String {
    format!(r#"helan_reloads_total{{result="applied"}} {times}"#)
}

fn refused(times: usize) -> String {
    format!(r#"helan_reloads_total{{result="refused"}} {times}"#)
}

#[tokio::test]
async fn a_new_file_serves_the_next_call_and_a_bad_one_nobody() {
    let pair = pair("", "[log]\nformat = \"json\"\n");
    let at = pair.gateway.address;
    let mut caller = Connection::open(at).await.unwrap();
    assert_eq!(caller.post("/model/new/converse", ASK).await.unwrap().status, 400);
    let hash = async || {
        let metrics = get(pair.gateway.admin.unwrap(), "/metrics").await.body;
        let metrics = String::from_utf8(metrics).unwrap();
        let line = metrics.lines().find(|line| line.starts_with("helan_config_hash ")).unwrap();
        line.to_owned()
    };
    let before = hash().await;
    write(&pair, "helan.toml", |text| text + "[models.new]\nendpoint = \"e\"\n");
    metric(&pair.gateway, &applied(1)).await;
    assert_eq!(caller.post("/model/new/converse", ASK).await.unwrap().status, 200);
    let now = hash().await;
    assert_ne!(now, before);

    write(&pair, "helan.toml", |text| text.replace("[models.new]", "[modles.new]") + "x = 1\n");
    metric(&pair.gateway, &refused(1)).await;
    assert_eq!(caller.post("/model/new/converse", ASK).await.unwrap().status, 200);
    assert_eq!(hash().await, now);
    let log = pair.gateway.log();
    for told in ["did you mean `models`?", "the one before goes on"] {
        assert_eq!(log.matches(told).count(), 1, "{told} is not once in {log}");
    }
    write(&pair, "helan.toml", |text| {
        text.replace("[modles.new]", "[models.other]").replace("x = 1\n", "")
    });
    metric(&pair.gateway, &applied(2)).await;
    assert_eq!(caller.post("/model/new/converse", ASK).await.unwrap().status, 400);
    assert_eq!(caller.post("/model/other/converse", ASK).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_template_that_changed_is_read_and_a_broken_one_refused() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let prompts = async || {
        let requests = get(pair.emulator.address, "/_emulator/requests").await;
        String::from_utf8(requests.body).unwrap()
    };
    write(&pair, "t.jinja", |_| "first: {{ messages[0]['content'] }}".to_owned());
    write(&pair, "helan.toml", |text| {
        text + "[models.t]\nendpoint = \"e\"\ncontract = \"completions\"\ntemplate = \"./t.jinja\"\n"
    });
    metric(&pair.gateway, &applied(1)).await;
    assert_eq!(post(at, "/model/t/converse", ASK).await.status, 200);
    assert!(prompts().await.contains("first: hi"), "{}", prompts().await);
    write(&pair, "t.jinja", |_| "{% if".to_owned());
    metric(&pair.gateway, &refused(1)).await;
    write(&pair, "t.jinja", |_| "second: {{ messages[0]['content'] }}".to_owned());
    metric(&pair.gateway, &applied(2)).await;
    assert_eq!(post(at, "/model/t/converse", ASK).await.status, 200);
    assert!(prompts().await.contains("second: hi"), "{}", prompts().await);
}

#[tokio::test]
async fn keys_come_and_go() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let signed = signed(at, "POST", PATH, ASK.as_bytes(), ("AKIDNEW", "another"), now());
    let ask = [signed.as_bytes(), ASK.as_bytes()];
    assert_eq!(send(at, &ask).await.status, 403);
    write(&pair, "keys.toml", |text| text.replace(KEY, "AKIDNEW").replace(SECRET, "another"));
    metric(&pair.gateway, &applied(1)).await;
    assert_eq!(send(at, &ask).await.status, 200);
    assert_eq!(post(at, PATH, ASK).await.status, 403, "the old key");
}

#[tokio::test]
async fn secrets_that_are_swapped_by_a_link_are_seen() {
    let pair = pair("", "");
    let directory = pair.files.path();
    let version = |name: &str, key: &str| {
        std::fs::create_dir(directory.join(name)).unwrap();
        let keys = std::fs::read_to_string(directory.join("keys.toml")).unwrap();
        std::fs::write(directory.join(name).join("keys.toml"), keys.replace(KEY, key)).unwrap();
    };
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, directory.join("tmp")).unwrap();
        std::fs::rename(directory.join("tmp"), directory.join("..data")).unwrap();
    };
    version("..1", KEY);
    version("..2", "AKIDNEW");
    link("..1");
    write(&pair, "helan.toml", |text| text.replace("\"keys.toml\"", "\"..data/keys.toml\""));
    metric(&pair.gateway, &applied(1)).await;
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 200);
    link("..2");
    metric(&pair.gateway, &applied(2)).await;
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 403);
}

#[tokio::test]
async fn what_only_the_start_reads_is_told_and_kept() {
    let pair = pair("", "[log]\nformat = \"json\"\n");
    write(&pair, "helan.toml", |text| {
        text.replacen("127.0.0.1:0", "127.0.0.2:0", 1)
            + "[limits]\nmax_connections = 7\nmax_body = \"200 B\"\n"
    });
    pair.gateway.signal("-HUP");
    metric(&pair.gateway, "helan_reloads_total{result=\"applied\"}").await;
    let log = pair.gateway.log();
    for key in ["listen", "limits.max_connections"] {
        assert!(log.contains(&format!("\"key\":\"{key}\"")), "{log}");
    }
    let at = pair.gateway.address;
    assert_eq!(post(at, PATH, ASK).await.status, 200);
    let large = ASK.replace("hi", &"long ".repeat(40));
    assert_eq!(post(at, PATH, &large).await.status, 413, "this limit is the new one");
}

#[tokio::test]
async fn nobody_is_let_in_by_a_port_that_was_not_meant() {
    let pair = pair("", "[log]\nformat = \"json\"\n");
    let words = "I understand that anyone who reaches this port can use the models";
    // Started on every interface, with keys.
    write(&pair, "open.toml", |_| {
        let text = std::fs::read_to_string(pair.files.path().join("helan.toml")).unwrap();
        assert!(!text.contains(words));
        text.replacen("127.0.0.1:0", "0.0.0.0:0", 1)
    });
    let file = pair.files.path().join("open.toml");
    let open = Process::start(&["serve", "--config", file.to_str().unwrap()]);
    write(&pair, "open.toml", |text| {
        text.replacen("0.0.0.0:0", "127.0.0.1:0", 1)
            .replace("keys_file = \"keys.toml\"", "mode = \"none\"")
    });
    metric(&open, &refused(1)).await;
    let unsigned = format!(
        "POST {PATH} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{ASK}",
        ASK.len()
    );
    let at = SocketAddr::from(([127, 0, 0, 1], open.address.port()));
    assert_eq!(send(at, &[unsigned.as_bytes()]).await.status, 403);
}

#[tokio::test]
async fn a_call_in_flight_keeps_what_it_began_with() {
    let rules =
        "[[rules]]\nanswer.text = \"one two three\"\nfault.stall = { after = 2, ms = 3000 }\n";
    let pair = pair(rules, "");
    let mut caller = Connection::open(pair.gateway.address).await.unwrap();
    caller.send("/model/m/converse-stream", ASK).await.unwrap();
    until(&pair, |calls| calls["started"] == 1).await;
    write(&pair, "helan.toml", |text| text.replace("[models.m]", "[models.n]"));
    pair.gateway.signal("-HUP");
    metric(&pair.gateway, "helan_reloads_total{result=\"applied\"}").await;
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 400, "the model is gone");
    let answer = caller.answer().await.unwrap();
    assert_eq!(frames(&answer).pop().unwrap().0, "metadata");
}

async fn ask_on(at: SocketAddr, path: &'static str, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
    let mut caller = Connection::open(at).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let answer = caller.post(path, ASK).await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        if path != PATH {
            assert_eq!(frames(&answer).pop().unwrap().0, "metadata");
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn no_call_is_lost_when_the_configuration_changes_under_load() {
    let rules = "tokens_per_second = 200\n[[rules]]\nanswer.text = \"one two three four\"\n";
    let pair = pair(rules, "");
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for path in [PATH, "/model/m/converse-stream"].repeat(12) {
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        callers.spawn(ask_on(pair.gateway.address, path, stop, done));
    }
    for round in 1..=20 {
        let before = done.load(Ordering::Relaxed);
        write(&pair, "helan.toml", |text| {
            // Another SageMaker client, other limits, another model.
            let text = text.split("[limits]").next().unwrap();
            format!(
                "{text}[limits]\nmax_calls = {}\n[models.x{round}]\nendpoint = \"e\"\n",
                100 + round
            )
        });
        pair.gateway.signal("-HUP");
        while done.load(Ordering::Relaxed) < before + 24 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    metric(&pair.gateway, "helan_calls_in_flight 0").await;
    let path = "/model/x20/converse";
    for _ in 0..500 {
        if post(pair.gateway.address, path, ASK).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the last configuration does not serve:\n{}", pair.gateway.log());
}

/// The certificate that a new connection is shown.
async fn shown(at: SocketAddr, roots: &rustls::RootCertStore) -> CertificateDer<'static> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(at).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await;
    stream.unwrap().get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_new_certificate_is_shown_once_its_key_is_there_too() {
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (old, new) = (made(), made());
    let outside = tempfile::tempdir().unwrap();
    let (chain, key) = (outside.path().join("c.pem"), outside.path().join("k.pem"));
    std::fs::write(&chain, old.cert.pem()).unwrap();
    std::fs::write(&key, old.signing_key.serialize_pem()).unwrap();
    let pair = pair("", &format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n"));
    let mut roots = rustls::RootCertStore::empty();
    for made in [&old, &new] {
        roots.add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()).unwrap();
    }
    let at = pair.gateway.address;
    assert_eq!(shown(at, &roots).await, *old.cert.der());
    std::fs::write(&chain, new.cert.pem()).unwrap();
    metric(&pair.gateway, &refused(1)).await;
    assert_eq!(shown(at, &roots).await, *old.cert.der(), "it does not fit the old key");
    std::fs::write(&key, new.signing_key.serialize_pem()).unwrap();
    metric(&pair.gateway, &applied(1)).await;
    assert_eq!(shown(at, &roots).await, *new.cert.der());
}
