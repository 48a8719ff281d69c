//! What is refused, in Bedrock's words: status, type, body, and the headers of every answer.

use std::time::Duration;

use super::*;

fn refused(answer: &Answer, status: u16, kind: &str, message: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let named = answer.header("x-amzn-ErrorType").expect("an error type");
    assert_eq!(named.split(':').next(), Some(kind), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-amzn-RequestId").expect("a request id").len(), 36);
    assert!(answer.header("date").is_some());
    assert!(answer.message().contains(message), "{answer:?}");
}

#[tokio::test]
async fn callers_who_are_not_known() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let now = now();
    let body = ASK.as_bytes();

    let unsigned = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {at}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let answer = send(at, &[unsigned.as_bytes(), body]).await;
    refused(&answer, 403, "MissingAuthenticationTokenException", "Missing Authentication Token");

    let stranger = signed(at, "POST", PATH, body, ("AKIDSTRANGER", SECRET), now);
    let answer = send(at, &[stranger.as_bytes(), body]).await;
    refused(
        &answer,
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    );
    assert!(
        answer
            .header("x-amzn-ErrorType")
            .unwrap()
            .ends_with(":http://internal.amazon.com/coral/com.amazon.coral.service/")
    );

    let forger = signed(at, "POST", PATH, body, (KEY, "another secret"), now);
    let answer = send(at, &[forger.as_bytes(), body]).await;
    refused(
        &answer,
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match",
    );

    let late = head(at, "POST", PATH, body, now - Duration::from_mins(6));
    let answer = send(at, &[late.as_bytes(), body]).await;
    refused(&answer, 403, "InvalidSignatureException", "Signature expired: ");
    let early = head(at, "POST", PATH, body, now + Duration::from_mins(6));
    let answer = send(at, &[early.as_bytes(), body]).await;
    refused(&answer, 403, "InvalidSignatureException", "Signature not yet current: ");

    let tampered = head(at, "POST", PATH, body, now);
    let answer = send(at, &[tampered.as_bytes(), ASK.replace("hi", "ho").as_bytes()]).await;
    refused(
        &answer,
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match",
    );

    let malformed = unsigned
        .replace("\r\n\r\n", "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=nonsense\r\n\r\n");
    let answer = send(at, &[malformed.as_bytes(), body]).await;
    refused(&answer, 400, "IncompleteSignatureException", "Authorization header requires");

    let bearer = unsigned.replace("\r\n\r\n", "\r\nAuthorization: Bearer nobody\r\n\r\n");
    let answer = send(at, &[bearer.as_bytes(), body]).await;
    refused(
        &answer,
        403,
        "AccessDeniedException",
        "Authentication failed: Please make sure your API Key is valid.",
    );
    assert!(answer.json()["Message"].is_string(), "with a capital M");
}

#[tokio::test]
async fn who_is_refused_by_the_head_is_never_told_to_continue() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    let expecting = |head: String| head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let stranger = signed(at, "POST", PATH, ASK.as_bytes(), ("AKIDSTRANGER", SECRET), now());
    let answer = send(at, &[expecting(stranger).as_bytes()]).await;
    refused(&answer, 403, "UnrecognizedClientException", "");
    let large =
        head(at, "POST", PATH, b"", now()).replace("Content-Length: 0", "Content-Length: 99000000");
    let answer = send(at, &[expecting(large).as_bytes()]).await;
    refused(&answer, 413, "ValidationException", "25000000 bytes");

    let known = expecting(head(at, "POST", PATH, ASK.as_bytes(), now()));
    let answer = send(at, &[known.as_bytes(), ASK.as_bytes()]).await;
    assert_eq!(answer.status, 100);
    assert!(String::from_utf8_lossy(&answer.body).starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_name() {
    let pair = pair("", "");
    let head = head(pair.gateway.address, "POST", PATH, ASK.as_bytes(), now())
        .replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n");
    let answer = send(pair.gateway.address, &[head.as_bytes(), ASK.as_bytes()]).await;
    let told = "Content-Encoding is not supported by this gateway yet.";
    refused(&answer, 400, "ValidationException", told);
}

#[tokio::test]
async fn paths_and_sizes() {
    let pair = pair("", "[limits]\nmax_body = 2000\n");
    let at = pair.gateway.address;

    let answer = post(at, "/model/m/conversation", ASK).await;
    refused(&answer, 404, "UnknownOperationException", "");
    let get = head(at, "GET", PATH, b"", now());
    let answer = send(at, &[get.as_bytes()]).await;
    refused(&answer, 405, "UnknownOperationException", "");

    let long = ASK.replace("hi", &"h".repeat(2000));
    let answer = post(at, PATH, &long).await;
    refused(&answer, 413, "ValidationException", "2000 bytes");
    let chunked = head(at, "POST", PATH, long.as_bytes(), now())
        .replace(&format!("Content-Length: {}", long.len()), "Transfer-Encoding: chunked");
    let body = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let answer = send(at, &[chunked.as_bytes(), body.as_bytes()]).await;
    refused(&answer, 413, "ValidationException", "2000 bytes");

    let answer = post(at, "/model/nobody.knows-it-v1%3A0/converse", ASK).await;
    refused(&answer, 400, "ValidationException", "The provided model identifier is invalid.");
    assert!(answer.header("x-amzn-ErrorType").unwrap().ends_with("/com.amazon.bedrock/"));
}

#[tokio::test]
async fn what_is_not_built_is_refused_by_its_name() {
    let pair = pair("", "");
    let at = pair.gateway.address;
    for (path, feature) in [
        ("/guardrail/abc/version/1/apply", "The operation ApplyGuardrail"),
        ("/guardrail-checks/invoke", "The operation InvokeGuardrailChecks"),
        ("/async-invoke", "The operation StartAsyncInvoke"),
        (
            "/model/m/invoke-with-bidirectional-stream",
            "The operation InvokeModelWithBidirectionalStream",
        ),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprompt%2FABCDEFGHIJ%3A1/converse",
            "",
        ),
    ] {
        let answer = post(at, path, ASK).await;
        refused(
            &answer,
            400,
            "ValidationException",
            format!("{feature} is not supported by this gateway yet.").trim_start(),
        );
    }
    for member in [
        r#""guardrailConfig":{"guardrailIdentifier":"abc","guardrailVersion":"1"}"#,
        r#""promptVariables":{"a":{"text":"b"}}"#,
    ] {
        let body = ASK.replacen('{', &format!("{{{member},"), 1);
        let answer = post(at, PATH, &body).await;
        let name = member.split('"').nth(1).unwrap();
        refused(
            &answer,
            400,
            "ValidationException",
            &format!("{name} is not supported by this gateway yet."),
        );
    }
    let fields = r#"{"additionalModelRequestFields":{"amazon-bedrock-guardrailConfig":{}},"#;
    let answer = post(at, PATH, &ASK.replacen('{', fields, 1)).await;
    let refusal = "amazon-bedrock-guardrailConfig is not supported by this gateway yet.";
    refused(&answer, 400, "ValidationException", refusal);
    let signed = head(at, "POST", PATH, ASK.as_bytes(), now());
    let header = "\r\nX-Amzn-Bedrock-GuardrailIdentifier: abc\r\n\r\n";
    let signed = signed.replace("\r\n\r\n", header);
    let answer = send(at, &[signed.as_bytes(), ASK.as_bytes()]).await;
    let refusal = "X-Amzn-Bedrock-GuardrailIdentifier is not supported by this gateway yet.";
    refused(&answer, 400, "ValidationException", refusal);

    let answer = post(at, "/openai/v1/responses", r#"{"model":"m"}"#).await;
    assert_eq!(answer.status, 400);
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("is not supported by this gateway yet."), "in OpenAI's own shape");
}
