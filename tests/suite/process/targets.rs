//! Two endpoints behind one model, through the real binary.

use std::time::Duration;

use serde_json::json;

use super::*;

const RULES: &str = r#"
[endpoints.backup]
[[rules]]
when = { endpoint = "e*", text = "please be throttled" }
fault.service.code = "ThrottlingException"
[[rules]]
when = { endpoint = "e*", text = "please be broken" }
fault.http = { status = 500, body = '{"error":{"message":"CUDA error"}}' }
[[rules]]
when = { endpoint = "e*", text = "please be waking" }
times = 1
fault.service.code = "ModelNotReadyException"
[[rules]]
when.text = "please be slow"
answer.text = "at last"
fault.delay_ms = 1500
[[rules]]
when.endpoint = "backup"
answer.text = "from the spare"
[[rules]]
answer.text = "from the first"
"#;

const SPARE: &str = "[[models.m.targets]]\nendpoint = \"backup\"\npriority = 1\n";

fn ask(text: &str) -> String {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]}).to_string()
}

fn said(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["output"]["message"]["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn another_target_answers_what_the_first_declined() {
    let pair = pair(RULES, SPARE);
    let at = pair.gateway.address;
    assert_eq!(said(&post(at, PATH, &ask("hello")).await), "from the first");
    assert_eq!(said(&post(at, PATH, &ask("please be throttled")).await), "from the spare");
    let calls = log::calls(&pair.gateway, 2).await;
    assert_eq!((&calls[1]["retries"], &calls[1]["target"]), (&json!(1), &json!("backup")));
    // The first is left alone for the moment that it asked for, then it is asked again.
    assert_eq!(said(&post(at, PATH, &ask("hello")).await), "from the spare");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(said(&post(at, PATH, &ask("hello")).await), "from the first");
}

#[tokio::test]
async fn what_a_model_has_worked_on_is_not_repeated() {
    let pair = pair(RULES, SPARE);
    let answer = post(pair.gateway.address, PATH, &ask("please be broken")).await;
    assert_eq!(answer.status, 424, "{answer:?}");
    // Five times in a row are no accident: from then on the other is asked.
    for _ in 0..4 {
        assert_eq!(post(pair.gateway.address, PATH, &ask("please be broken")).await.status, 424);
    }
    assert_eq!(said(&post(pair.gateway.address, PATH, &ask("hello")).await), "from the spare");
}

#[tokio::test]
async fn a_model_that_wakes_up_is_waited_for_where_the_operator_says_so() {
    let impatient = pair(RULES, "");
    let answer = post(impatient.gateway.address, PATH, &ask("please be waking")).await;
    let name = answer.header("x-amzn-ErrorType").unwrap().to_owned();
    assert!(answer.status == 429 && name.starts_with("ModelNotReadyException"), "{answer:?}");
    let patient = pair(RULES, "wait_ready = \"30 s\"\n");
    let answer = post(patient.gateway.address, PATH, &ask("please be waking")).await;
    assert_eq!(said(&answer), "from the first");
}

#[tokio::test]
async fn a_full_model_refuses_or_lets_wait() {
    for (queue, status) in [("", 503), ("queue = 1\n", 200)] {
        let pair = pair(RULES, &format!("max_concurrency = 1\n{queue}"));
        let at = pair.gateway.address;
        let second = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            post(at, PATH, &ask("hello")).await
        };
        let text = ask("please be slow");
        let (first, second) = tokio::join!(post(at, PATH, &text), second);
        assert_eq!(said(&first), "at last");
        assert_eq!(second.status, status, "{second:?}");
        if status == 503 {
            assert_eq!(second.header("Retry-After"), Some("1"));
        }
    }
}

/// The first is out of service, as SageMaker itself says: nobody has to find out.
#[tokio::test]
async fn an_endpoint_that_is_not_in_service_rests_before_a_call_finds_out() {
    for (condition, first) in [
        ("status = \"OutOfService\"", false),
        ("instances = 0", false),
        ("status = \"Updating\"", true),
    ] {
        let rules = format!("{condition}\n{RULES}");
        let poll = format!("poll = \"1 s\"\ncontrol_url = \"EMULATOR\"\n{MODEL}{SPARE}");
        let pair = pair(&rules, &poll);
        if !first {
            log::until(&pair.gateway, "the endpoint is not in service").await;
        }
        let answer = said(&post(pair.gateway.address, PATH, &ask("hello")).await);
        assert_eq!(answer, if first { "from the first" } else { "from the spare" }, "{condition}");
        let calls = log::calls(&pair.gateway, 1).await;
        assert!(calls[0]["retries"].is_null(), "nobody had to find out: {calls:?}");
    }
}

/// The official SDK and the gateway's own client cannot be told apart.
#[tokio::test]
async fn both_clients_of_sagemaker_tell_the_same() {
    let mut told = vec![];
    for client in ["direct", "sdk"] {
        let pair = pair(RULES, &format!("client = \"{client}\"\n{MODEL}{SPARE}"));
        let at = pair.gateway.address;
        let mut answers = vec![];
        for text in ["hello", "please be broken", "please be throttled", "hello"] {
            let answer = post(at, PATH, &ask(text)).await;
            let mut body = answer.json();
            body.as_object_mut().unwrap().remove("metrics");
            answers.push((
                answer.status,
                answer.header("x-amzn-ErrorType").map(str::to_owned),
                body,
            ));
        }
        let unknown = post(at, "/model/arn%3Aaws-cn%3Asagemaker%3Acn-northwest-1%3A123456789012%3Aendpoint%2Fnone/converse", ASK).await;
        answers.push((unknown.status, None, unknown.json()));
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
}
