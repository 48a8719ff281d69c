//! Every refusal, by its code, status and words.

use helan::auth::{Authenticator, Claim, Keyring};
use helan::{Code, Error};
use http::HeaderValue;
use http::request::Parts;
use time::Duration;

use super::recorded::{self, Recorded};
use super::{SERVICES, access_key, authenticator, signed_at, verify, with_header, with_target};

/// A request of boto3's, with nothing but what it must have.
fn plain() -> Recorded {
    recorded::one("boto3/boto3-01.txt")
}

/// What is said of `plain`, after `spoil` was at it.
fn refused(spoil: impl FnOnce(&mut Parts)) -> Error {
    let request = plain();
    let mut head = request.head.clone();
    spoil(&mut head);
    verify(&authenticator(&request), &head, &request.body, signed_at(&request)).unwrap_err()
}

fn authorization(replace: &str, by: &str) -> Error {
    let request = plain();
    let value = request.header("authorization");
    assert!(value.contains(replace), "{value}");
    let value = value.replace(replace, by);
    refused(|head| *head = with_header(head, "authorization", value.as_bytes()))
}

#[track_caller]
fn assert_error(error: &Error, status: u16, name: &str, message: &str) {
    assert_eq!(error.message(), message);
    assert_eq!((error.code().status().as_u16(), error.code().name()), (status, name));
    assert!(error.code().is_front_end());
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";
const UNRECOGNIZED: &str = "The security token included in the request is invalid.";

#[test]
fn no_authorization() {
    for spoil in [
        (|head: &mut Parts| drop(head.headers.remove("authorization"))) as fn(&mut Parts),
        |head| *head = with_header(head, "authorization", b""),
        |head| *head = with_header(head, "authorization", b"  "),
    ] {
        let error = refused(spoil);
        let message = "Missing Authentication Token";
        assert_error(&error, 403, "MissingAuthenticationTokenException", message);
    }
}

#[test]
fn the_wrong_secret() {
    let request = plain();
    let key = helan::auth::AccessKey {
        secret: "OTHER".into(),
        ..access_key(request.credential()[0], None)
    };
    let authenticator = Authenticator::new(Keyring::new([key], []).unwrap(), SERVICES);
    let error = verify(&authenticator, &request.head, &request.body, signed_at(&request));
    assert_error(&error.unwrap_err(), 403, "InvalidSignatureException", MISMATCH);
}

#[test]
fn an_unknown_access_key() {
    let error = authorization("AKIDEXAMPLE", "AKIDEXAMPLF");
    assert_error(&error, 403, "UnrecognizedClientException", UNRECOGNIZED);
}

#[test]
fn another_session_token() {
    // One where there is none.
    let error = refused(|head| *head = with_header(head, "x-amz-security-token", b"TOKEN"));
    assert_error(&error, 403, "UnrecognizedClientException", UNRECOGNIZED);

    // None where there is one, and another.
    let request = recorded::one("boto3/boto3-29.txt");
    let mut none = request.head.clone();
    none.headers.remove("x-amz-security-token");
    let other = with_header(&request.head, "x-amz-security-token", b"TOK/EN=");
    for head in [none, other] {
        let error = authenticator(&request).head(&head, signed_at(&request)).unwrap_err();
        assert_error(&error, 403, "UnrecognizedClientException", UNRECOGNIZED);
    }
}

#[test]
fn parts_that_lack() {
    let credential = "Authorization header requires 'Credential' parameter.";
    let signature = "Authorization header requires 'Signature' parameter.";
    let signed = "Authorization header requires 'SignedHeaders' parameter.";
    let date =
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
    let name = "IncompleteSignatureException";
    assert_error(&authorization("Credential", "Other"), 400, name, credential);
    assert_error(&authorization("Signature=", "Other="), 400, name, signature);
    assert_error(&authorization("SignedHeaders", "Other"), 400, name, signed);
    let error = refused(|head| drop(head.headers.remove("x-amz-date")));
    assert_error(&error, 400, name, date);
    let error = refused(|head| {
        head.headers.remove("x-amz-date");
        *head = with_header(head, "authorization", b"Basic dXNlcjpwYXNz=");
    });
    assert_error(&error, 400, name, &[credential, signature, signed, date].join(" "));
}

#[test]
fn an_authorization_that_cannot_be_read() {
    let name = "IncompleteSignatureException";
    let pair = "Invalid key=value pair (missing equal-sign) in Authorization header.";
    assert_error(&authorization("AKIDEXAMPLE", "Bearer key"), 400, name, pair);
    let error = refused(|head| *head = with_header(head, "authorization", b"ApiKey 0123"));
    assert_error(&error, 400, name, pair);
    let five = "Credential must have exactly 5 slash-delimited elements, e.g. \
        keyid/date/region/service/term.";
    assert_error(&authorization("/aws4_request", ""), 400, name, five);
    assert_error(&authorization("AKIDEXAMPLE", "AKID/EXAMPLE"), 400, name, five);
    let host = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
    assert_error(&authorization(";host", ""), 400, name, host);
    for (replace, by) in [
        ("content-type;host", "host;content-type"),
        ("content-type;host", "Content-Type;host"),
        ("content-type;host", "host;host"),
        ("content-type;host", ";host"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("AWS4-HMAC-SHA256", "Digest"),
        ("Signature=", "Signature=0,Signature="),
    ] {
        let error = authorization(replace, by);
        assert_eq!(error.code(), Code::IncompleteSignature, "{replace} {by}: {error}");
    }
    let error = refused(|head| *head = with_header(head, "x-amz-date", b"today"));
    assert_eq!(error.code(), Code::IncompleteSignature);
    let error =
        refused(|head| *head = with_header(head, "authorization", b"AWS4-HMAC-SHA256 \xff"));
    assert_eq!(error.code(), Code::IncompleteSignature);
}

#[test]
fn headers_that_may_be_there_once() {
    for name in ["authorization", "host", "x-amz-date"] {
        let error = refused(|head| {
            let again = head.headers[name].clone();
            head.headers.append(name, again);
        });
        assert_eq!(error.code(), Code::IncompleteSignature, "{name}");
        assert!(error.message().to_lowercase().contains(name), "{error}");
    }
    for name in ["x-amz-security-token", "x-amz-content-sha256"] {
        let error = refused(|head| {
            head.headers.append(name, HeaderValue::from_static("a"));
            head.headers.append(name, HeaderValue::from_static("a"));
        });
        assert!(error.code().status().is_client_error(), "{name}: {error}");
    }
    // A listed bearer key does not open what a second header contradicts.
    let error = refused(|head| {
        head.headers.append("authorization", HeaderValue::from_static("Bearer key"));
    });
    assert_eq!(error.code(), Code::IncompleteSignature);
}

#[test]
fn another_scope() {
    let name = "InvalidSignatureException";
    let service = "Credential should be scoped to correct service: 'bedrock'. ";
    assert_error(&authorization("/bedrock/", "/bedrock-runtime/"), 403, name, service);
    let terminator = "Credential should be scoped with a valid terminator: 'aws4_request'. ";
    assert_error(&authorization("aws4_request", "aws5_request"), 403, name, terminator);
    let date = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
        from HTTP: '20261121' != '20261120', from '20261120T";
    let error = authorization("/20261120/", "/20261121/");
    assert_eq!(error.code(), Code::InvalidSignature);
    assert!(error.message().starts_with(date), "{error}");
    let all = authorization("20261120/us-east-1/bedrock/aws4_request", "today/r/s3/x");
    assert_eq!(
        all.message(),
        [
            service,
            terminator,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP. ",
        ]
        .concat()
    );
    // Another region is another signature, and no more than that.
    assert_error(&authorization("us-east-1", "us-east-2"), 403, name, MISMATCH);

    // The mantle's name is good only where it is accepted.
    let mantle = recorded::one("anthropic/anthropic-05.txt");
    let ring = Keyring::new([access_key("AKIDEXAMPLE", None)], []).unwrap();
    let strict = Authenticator::new(ring, &["bedrock"]);
    let error = strict.head(&mantle.head, signed_at(&mantle)).unwrap_err();
    assert_error(&error, 403, name, service);
}

#[test]
fn the_window_is_five_minutes_either_way() {
    let request = recorded::one("ai-sdk/ai-01.txt");
    assert_eq!(request.header("x-amz-date"), "20261120T233343Z");
    let at = signed_at(&request);
    let authenticator = authenticator(&request);
    let verify = |now| verify(&authenticator, &request.head, &request.body, now);
    let half = Duration::milliseconds(500);
    for now in [at - Duration::minutes(5), at, at + Duration::minutes(5) + half] {
        verify(now).unwrap();
    }
    assert_error(
        &verify(at + Duration::seconds(301)).unwrap_err(),
        403,
        "InvalidSignatureException",
        "Signature expired: 20261120T233343Z is now earlier than 20261120T233344Z \
         (20261120T233844Z - 5 min.)",
    );
    assert_error(
        &verify(at - Duration::seconds(301)).unwrap_err(),
        403,
        "InvalidSignatureException",
        "Signature not yet current: 20261120T233343Z is still later than 20261120T233342Z \
         (20261120T232842Z + 5 min.)",
    );
}

#[test]
fn a_payload_that_is_not_signed() {
    for value in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "",
        "required",
        &"A".repeat(64),
        &"a".repeat(63),
    ] {
        let error =
            refused(|head| *head = with_header(head, "x-amz-content-sha256", value.as_bytes()));
        assert_eq!(error.code(), Code::InvalidSignature, "{value}");
        assert!(error.message().starts_with("The payload must be signed"), "{error}");
    }
}

#[test]
fn a_signature_in_the_query_string() {
    let request = plain();
    let path = request.head.uri.path();
    for query in [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Signature=b",
        "x=1&X-Amz-Signature=b",
        "x-amz-algorithm",
    ] {
        for authorized in [true, false] {
            let error = refused(|head| {
                head.uri = with_target(&head.uri, format!("{path}?{query}").as_bytes());
                if !authorized {
                    head.headers.remove("authorization");
                }
            });
            assert_eq!(error.code(), Code::IncompleteSignature);
            assert!(error.message().starts_with("Query string authentication"), "{error}");
        }
    }
}

#[test]
fn a_bearer_key_that_nobody_was_given() {
    for value in ["Bearer", "Bearer key", "bearer  key", "Bearer bedrock-api-key-%%%", "Bearer é"]
    {
        let error = refused(|head| *head = with_header(head, "authorization", value.as_bytes()));
        let message = "Authentication failed: Please make sure your API Key is valid.";
        assert_error(&error, 403, "AccessDeniedException", message);
    }
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    let marker = "hunter2";
    for value in [
        "hunter2",
        "Bearer hunter2",
        "Basic hunter2=",
        "AWS4-hunter2 Credential=hunter2, SignedHeaders=hunter2, Signature=hunter2",
        "AWS4-HMAC-SHA256 hunter2",
        "AWS4-HMAC-SHA256 Credential=hunter2, SignedHeaders=hunter2, Signature=hunter2",
        "AWS4-HMAC-SHA256 Credential=hunter2/hunter2/hunter2/hunter2/hunter2, SignedHeaders=host, \
         Signature=hunter2",
    ] {
        let error = refused(|head| *head = with_header(head, "authorization", value.as_bytes()));
        assert!(!format!("{error:?}").contains(marker), "{error:?}");
    }
}

#[test]
fn nobody_is_asked_in_mode_none() {
    let request = plain();
    let mut head = request.head.clone();
    head.headers.remove("authorization");
    for head in [&request.head, &head] {
        let claim = Authenticator::none().head(head, signed_at(&request)).unwrap();
        assert!(matches!(claim, Claim::Known(principal) if principal.is_anonymous()));
    }
}
