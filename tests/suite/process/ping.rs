//! `helan ping`: exit codes and words of the health check.

use std::process::Output;

use super::*;

fn ping(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helan"))
        .arg("ping")
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// Exit code, standard output, standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn asks_the_gateway_that_the_environment_or_a_file_describes() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let url = format!("http://{at}/ping answers\n");
    let healthy = (Some(0), url, String::new());

    assert_eq!(told(&ping(&[], &[("HELAN_LISTEN", &at.to_string())])), healthy);
    let everywhere = format!("0.0.0.0:{}", at.port());
    assert_eq!(told(&ping(&[], &[("HELAN_LISTEN", &everywhere)])), healthy);

    // What the gateway would not start with is none of the check's business, except where to ask.
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("helan.toml");
    std::fs::write(&file, format!("listen = \"{everywhere}\"\nlimits.max_calls = 0\n")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(told(&ping(&["--config", file], &[])), healthy);
    assert_eq!(told(&ping(&[], &[("HELAN_CONFIG", file)])), healthy);

    let (code, _, words) = told(&ping(&[], &[("HELAN_LISTEN", "everywhere")]));
    assert_eq!(code, Some(1));
    assert!(words.contains("HELAN_LISTEN"), "{words}");
}

#[test]
fn asks_a_url_and_tells_what_is_wrong_there() {
    let pair = pair("", "");
    let ready = format!("http://{}/ready", pair.gateway.admin.unwrap());
    assert_eq!(told(&ping(&["--url", &ready], &[])).0, Some(0));
    let emulator = format!("http://{}/ping", pair.emulator.address);
    assert_eq!(told(&ping(&["--url", &emulator], &[])).0, Some(0));

    let unsigned = format!("http://{}/model/m/converse", pair.gateway.address);
    let secret = format!("https://{}/ping", pair.gateway.address);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/ping", silent.local_addr().unwrap());
    for (url, expected) in [
        (unsigned.as_str(), "it answers 4"),
        (&secret, "corrupt message"), // TLS with a port that has none
        (&silent, "no answer within 1 s"),
        ("http://127.0.0.1:1/ping", "refused"),
        ("ftp://127.0.0.1/ping", "http://host:port/path"),
        ("/ping", "http://host:port/path"),
    ] {
        let (code, out, words) = told(&ping(&["--timeout", "1", "--url", url], &[]));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{url}: {words}");
        assert!(words.contains(expected), "{url}: {words}");
    }
}

#[test]
fn a_gateway_with_a_certificate_is_asked_over_tls() {
    let files = tempfile::tempdir().unwrap();
    // No name that a check on loopback could verify.
    let made = rcgen::generate_simple_self_signed(["bedrock.example".to_owned()]).unwrap();
    let (chain, key) = (files.path().join("c.pem"), files.path().join("k.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let pair = pair("", &format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n"));
    let env = [
        ("HELAN_LISTEN", pair.gateway.address.to_string()),
        ("HELAN_TLS_CERTIFICATE", chain.to_str().unwrap().to_owned()),
        ("HELAN_TLS_KEY", key.to_str().unwrap().to_owned()),
    ];
    let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let expected = format!("https://{}/ping answers\n", pair.gateway.address);
    assert_eq!(told(&ping(&[], &env)), (Some(0), expected, String::new()));
    // Over plain HTTP nobody answers there.
    assert_eq!(told(&ping(&[], &env[..1])).0, Some(1));
}
