//! The real binary, as its callers and its operator meet it.
#![cfg(test)]

#[cfg(feature = "tokenizer")]
mod count;
mod embedding;
mod invoke;
mod keep_alive;
mod lifecycle;
mod limits;
mod log;
mod ping;
mod raw_sockets;
mod refusals;
mod reload;
mod running;
mod rust_sdk;
mod strangers;
mod targets;
mod text;
mod upstreams;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const KEY: &str = "AKIDTEST";
pub(crate) const SECRET: &str = "a secret";
const PATH: &str = "/model/m/converse";
/// Ends the keys of `[sagemaker]` in what is appended to a configuration.
const MODEL: &str = "# the model\n";
const ASK: &str = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;

/// A started `helan`, ended when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    /// Waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::try_start(arguments).unwrap_or_else(|output| panic!("helan did not start:\n{output}"))
    }

    /// What it wrote on standard error, if it ended instead of listening.
    fn try_start(arguments: &[&str]) -> Result<Self, String> {
        Self::try_start_with(arguments, &[])
    }

    fn try_start_with(arguments: &[&str], more: &[(&str, &str)]) -> Result<Self, String> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_helan"))
            .args(arguments)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "AKIDDEMO")
            .env("AWS_SECRET_ACCESS_KEY", "demo-secret-key")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(client())
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut admin = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let address =
                |rest: &str| rest.split("://").nth(1).unwrap().split('/').next().unwrap().parse();
            if line.starts_with("metrics are on") {
                admin = Some(address(&line).unwrap());
            } else if line.contains("is listening on") {
                let address = address(&line).unwrap();
                let log = drain(child.stderr.take().unwrap());
                return Ok(Self { child, address, admin, log });
            }
        }
        let mut output = String::new();
        child.stderr.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(!child.wait().unwrap().success());
        Err(output)
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        String::from_utf8(self.log.lock().unwrap().clone()).unwrap()
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who makes the calls to SageMaker, where the whole run is to know: `HELAN_TEST_CLIENT=sdk`.
fn client() -> Option<(&'static str, OsString)> {
    let client = std::env::var_os("HELAN_TEST_CLIENT")?;
    Some(("HELAN_SAGEMAKER_CLIENT", client))
}

/// Reads on, so that the process never waits for room to log.
fn drain(stderr: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let log = Arc::new(Mutex::new(vec![]));
    let written = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stderr);
        let mut line = vec![];
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            written.lock().unwrap().append(&mut line);
        }
    });
    log
}

/// An emulator with `rules`, and a gateway before it that serves its endpoint `e` as model `m`.
struct Pair {
    gateway: Process,
    emulator: Process,
    files: tempfile::TempDir,
    /// Files of a test's own, kept while the two run.
    more: Option<tempfile::TempDir>,
}

/// In what is appended to its configuration, `EMULATOR` stands for the emulator's URL.
fn pair(rules: &str, more: &str) -> Pair {
    pair_of(
        &format!("[[access_key]]\nid = \"{KEY}\"\nsecret = \"{SECRET}\"\nprincipal = \"tests\"\n"),
        rules,
        more,
    )
}

/// The same, for the callers of this key file.
fn pair_of(keys: &str, rules: &str, more: &str) -> Pair {
    // What stands before this mark is about SageMaker.
    let (sagemaker, more) = more.split_once(MODEL).unwrap_or(("", more));
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> String {
        let path: PathBuf = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rules = write("rules.toml", &format!("[endpoints.e]\n{rules}"));
    let emulator = Process::start(&["emulate", "--listen", "127.0.0.1:0", "--rules", &rules]);
    write("keys.toml", keys);
    let config = write(
        "helan.toml",
        &format!(
            "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[auth]\nkeys_file = \"keys.toml\"\n[sagemaker]\nregion = \"cn-northwest-1\"\nendpoint_url = \"http://{}\"\n{sagemaker}[models.m]\nendpoint = \"e\"\n{more}",
            emulator.address
        )
        .replace("EMULATOR", &format!("http://{}", emulator.address)),
    );
    let gateway = Process::start(&["serve", "--config", &config]);
    Pair { gateway, emulator, files, more: None }
}

/// The head of a signed request, ready for the wire; the body follows it.
fn head(address: SocketAddr, method: &str, path: &str, body: &[u8], at: SystemTime) -> String {
    signed(address, method, path, body, (KEY, SECRET), at)
}

fn signed(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
    (key, secret): (&str, &str),
    at: SystemTime,
) -> String {
    let uri = format!("http://{address}{path}");
    let identity = Credentials::from_keys(key, secret, None).into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("cn-northwest-1")
        .name("bedrock")
        .time(at)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let signable =
        SignableRequest::new(method, &uri, std::iter::empty(), SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in instructions.headers() {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head + "\r\n"
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The bytes of a chunked body.
    fn unchunked(&self) -> Vec<u8> {
        assert_eq!(self.header("Transfer-Encoding"), Some("chunked"), "{}", self.head);
        let (mut all, mut rest) = (vec![], &self.body[..]);
        loop {
            let end = rest.windows(2).position(|at| at == b"\r\n").expect("a chunk's size");
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return all;
            }
            all.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
    }

    fn message(&self) -> String {
        let json = self.json();
        json["message"].as_str().or(json["Message"].as_str()).unwrap().to_owned()
    }
}

/// Sends these bytes on a connection of their own and reads until it is closed.
pub(crate) async fn send(address: SocketAddr, request: &[&[u8]]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for part in request {
        stream.write_all(part).await.unwrap();
    }
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: answer[end + 4..].to_vec(),
        head,
    }
}

async fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    let head = head(address, "POST", path, body.as_bytes(), now());
    send(address, &[head.as_bytes(), body.as_bytes()]).await
}

/// The time that a real client signs with.
fn now() -> SystemTime {
    helan::clock::Clock::system().now().into()
}
