//! What real clients send: bodies of Converse and ConverseStream as they were recorded from boto3,
//! the JavaScript, Rust and AI SDKs, `LangChain`, `LiteLLM` and the AWS CLI (each distinct body once), and
//! turns as agents write them.

use std::path::Path;

use helan::converse::Request;
use serde_json::Value;

fn bodies() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/converse/requests");
    let mut bodies: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    bodies.sort();
    bodies
}

/// `1` and `1.0` are the same number, of a member that is a float.
fn same(sent: &Value, read: &Value) -> bool {
    match (sent, read) {
        (Value::Number(sent), Value::Number(read)) => sent.as_f64() == read.as_f64(),
        (Value::Array(sent), Value::Array(read)) => {
            sent.len() == read.len() && sent.iter().zip(read).all(|(sent, read)| same(sent, read))
        }
        (Value::Object(sent), Value::Object(read)) => {
            sent.len() == read.len()
                && sent
                    .iter()
                    .all(|(name, sent)| read.get(name).is_some_and(|read| same(sent, read)))
        }
        _ => sent == read,
    }
}

#[test]
fn clients_are_understood_and_nothing_they_say_is_lost() {
    let bodies = bodies();
    assert!(bodies.len() > 8);
    for (name, body) in bodies {
        let request = Request::parse(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        request.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
        let sent: Value = serde_json::from_slice(&body).unwrap();
        let read: Value = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
        assert!(same(&sent, &read), "{name}\n{sent}\n{read}");
    }
}

#[test]
fn a_tools_schema_keeps_the_order_of_its_members() {
    let (_, body) = bodies().into_iter().find(|(name, _)| name.contains("agent-turns")).unwrap();
    let request = Request::parse(&body).unwrap();
    let written = serde_json::to_string(&request).unwrap();
    assert!(written.contains(
        r#"{"json":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}"#
    ));
}

/// A body cut anywhere, or with any byte changed, is refused or read, and never ends the program.
#[test]
fn a_damaged_body_is_never_a_crash() {
    for (_, body) in bodies() {
        let body = body.trim_ascii_end();
        for cut in 0..body.len() {
            let error = Request::parse(&body[..cut]).unwrap_err();
            assert!(error.message().starts_with("The request body is "), "{error}");
        }
        for at in 0..body.len() {
            let mut damaged = body.to_vec();
            for byte in [b'"', b'{', b']', b'0', 0xff] {
                damaged[at] = byte;
                if let Err(error) = Request::parse(&damaged).and_then(|request| request.validate())
                {
                    assert_eq!(error.code(), helan::Code::Validation);
                    assert!(error.message().len() < 2000);
                }
            }
        }
    }
}
