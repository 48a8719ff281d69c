//! The log: one well-formed line for each call, and never what anybody said.

use std::time::Duration;

use super::*;

/// Stands where a prompt, or a container's repetition of it, does.
const MARK: &str = "the-moon-is-made-of-cheese";

fn rules() -> String {
    let body = format!(
        r#"{{"error":{{"message":"bad input: {MARK}","type":"BadRequestError","code":400}}}}"#
    );
    format!(
        "[[rules]]\nwhen.text = \"refused*\"\nfault.http = {{ status = 400, body = '{body}' }}\n\
         [[rules]]\nwhen.text = \"failed*\"\nfault.http = {{ status = 500, body = '{MARK}' }}\n\
         [[rules]]\nwhen.text = \"dies*\"\nanswer.text = \"{MARK} twice\"\n\
         fault.error_event = {{ after = 3, status = 500, kind = \"E\", message = \"{MARK}\" }}\n\
         [[rules]]\nanswer.text = \"{MARK}\"\n"
    )
}

/// The lines of the calls, once there are as many.
pub(super) async fn calls(process: &Process, count: usize) -> Vec<serde_json::Value> {
    for _ in 0..500 {
        let log = process.log();
        let lines = log.lines().filter(|line| line.starts_with('{'));
        let lines: Vec<serde_json::Value> =
            lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let calls: Vec<_> = lines.into_iter().filter(|line| line["message"] == "call").collect();
        if calls.len() >= count {
            return calls;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("fewer than {count} calls in\n{}", process.log());
}

/// Waits until the log holds `words`.
pub(super) async fn until(process: &Process, words: &str) {
    for _ in 0..500 {
        if process.log().contains(words) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no \"{words}\" in\n{}", process.log());
}

#[tokio::test]
async fn it_never_carries_what_was_said() {
    let pair = pair(
        &rules(),
        "[models.invoked]\nendpoint = \"e\"\nunary = \"invoke\"\n[log]\nlevel = \"trace\"\nformat = \"json\"\n",
    );
    let at = pair.gateway.address;
    let mut sent = 0;
    for text in ["fine", "refused", "failed", "dies"] {
        for path in [PATH, "/model/m/converse-stream", "/model/invoked/converse"] {
            let answer = post(at, path, &ASK.replace("hi", &format!("{text} {MARK}"))).await;
            assert_ne!(answer.status, 403, "{answer:?}");
            sent += 1;
        }
    }
    for wrong in [
        format!(r#"{{"messages":"{MARK}"}}"#),
        format!(r#"{{"messages":[{{"role":"{MARK}","content":[]}}]}}"#),
        format!(r#"{{"messages":[{{"role":"user","content":[{{"text":{{"{MARK}":1}}}}]}}]}}"#),
        format!("{{{MARK}"),
    ] {
        let answer = post(at, PATH, &wrong).await;
        assert_eq!(answer.status, 400);
        sent += 1;
    }
    let calls = calls(&pair.gateway, sent).await;
    assert!(calls.iter().take(12).all(|call| call["target"] == "e"), "{calls:#?}");
    assert!(calls.iter().skip(3).all(|call| call["reason"].is_string()), "{calls:#?}");
    let log = pair.gateway.log();
    for secret in [MARK, SECRET, "Signature=", "AWS4-HMAC"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret} is in {lines:#?}");
    }
}

#[tokio::test]
async fn what_broke_on_the_way_is_told_apart() {
    let rules = "[[rules]]\nwhen.text = \"platform\"\nanswer.text = \"a b c\"\nfault.internal_stream_failure = { after = 2 }\n\
                 [[rules]]\nwhen.text = \"cable\"\nanswer.text = \"a b c\"\nfault.cut = { after = 2 }\n";
    let pair = pair(rules, "[models.invoked]\nendpoint = \"e\"\nunary = \"invoke\"\n");
    let at = pair.gateway.address;
    let ask = |text| ASK.replace("hi", text);
    let stream = "/model/m/converse-stream";
    for (path, text, status, code) in [
        (stream, "platform", 200, "internalServerException"),
        (stream, "cable", 200, "modelStreamErrorException"),
        (PATH, "platform", 500, "InternalServerException"),
        (PATH, "cable", 424, "ModelErrorException"),
        // Closed before a head: the endpoint could not be reached.
        ("/model/invoked/converse", "cable", 503, "ServiceUnavailableException"),
    ] {
        let answer = post(at, path, &ask(text)).await;
        assert_eq!(answer.status, status, "{path} {text}: {answer:?}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(answer.head.contains(code) || body.contains(code), "{path} {text}: {answer:?}");
    }
}

#[tokio::test]
async fn it_says_what_sagemaker_said() {
    let rules = "[[rules]]\nfault.service = { code = \"AccessDeniedException\" }\n";
    let pair = pair(rules, "[log]\nformat = \"json\"\n");
    let answer = post(pair.gateway.address, PATH, ASK).await;
    assert_eq!(answer.status, 500);
    assert!(!answer.message().contains("AccessDenied"), "{answer:?}");
    let calls = calls(&pair.gateway, 1).await;
    let reason = calls[0]["reason"].as_str().unwrap();
    for part in ["AccessDeniedException, status 403, request id ", "sagemaker:InvokeEndpoint"] {
        assert!(reason.contains(part), "{reason}");
    }
}
