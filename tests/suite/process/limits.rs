//! How many calls run and wait at once, and whose they are.

use serde_json::json;

use super::keep_alive::{Connection, frames, get, metric};
use super::reload::{applied, write};
use super::running::until;
use super::*;

const STREAM: &str = "/model/m/converse-stream";
/// What is held is held until its caller leaves.
const RULES: &str = r#"
[endpoints.spare]
[[rules]]
when.text = "hold"
answer.text = "one two three"
fault.stall = { after = 2, ms = 3600000 }
[[rules]]
when.text = "break"
fault.http = { status = 500, body = '{"error":{"message":"CUDA error"}}' }
[[rules]]
when.text = "throttle"
fault.service.code = "ThrottlingException"
[[rules]]
when.text = "stumble"
answer.text = "one two three"
fault.cut = { after = 2 }
[[rules]]
answer.text = "done"
"#;
/// Two keys of one caller, and one of another.
const KEYS: [(&str, &str); 3] = [(KEY, "tests"), ("AKIDAGAIN", "tests"), ("AKIDOTHER", "other")];

fn crowd(config: &str) -> Pair {
    let keys = KEYS.map(|(key, who)| {
        format!("[[access_key]]\nid = \"{key}\"\nsecret = \"{SECRET}\"\nprincipal = \"{who}\"\n")
    });
    pair_of(&keys.concat(), RULES, config)
}

fn ask(text: &str) -> String {
    ASK.replace("hi", text)
}

/// A call that the model has begun to answer, and never ends.
async fn held(pair: &Pair, key: &str) -> Connection {
    let before = calls(pair).await;
    let mut caller = Connection::open(pair.gateway.address).await.unwrap();
    caller.send_as(key, STREAM, &ask("hold")).await.unwrap();
    until(pair, |calls| calls["started"].as_u64() > before).await;
    caller
}

/// Calls that have reached the model so far.
async fn calls(pair: &Pair) -> Option<u64> {
    get(pair.emulator.address, "/_emulator/calls").await.json()["started"].as_u64()
}

async fn post_as(pair: &Pair, key: &str, path: &str, body: &str) -> Answer {
    let mut caller = Connection::open(pair.gateway.address).await.unwrap();
    caller.send_as(key, path, body).await.unwrap();
    caller.answer().await.unwrap()
}

fn refused(answer: &Answer, status: u16, kind: &str, message: &str) {
    let name = answer.header("x-amzn-errortype").unwrap().split(':').next().unwrap().to_owned();
    assert_eq!((answer.status, &*name, answer.message().as_str()), (status, kind, message));
    assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
}

fn throttled(answer: &Answer) {
    let words = "Too many requests, please wait before trying again.";
    refused(answer, 429, "ThrottlingException", words);
}

fn unavailable(answer: &Answer) {
    let words = "The gateway is busy with other requests. Try your request again.";
    refused(answer, 503, "ServiceUnavailableException", words);
}

/// The same refusal in the words of the other APIs.
async fn told_to_others(pair: &Pair, status: u16, openai: &str, anthropic: &str) {
    let openai_body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let answer = post_as(pair, KEY, "/openai/v1/chat/completions", openai_body).await;
    assert_eq!((answer.status, answer.header("retry-after")), (status, Some("1")), "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], openai);
    let anthropic_body =
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = post_as(pair, KEY, "/anthropic/v1/messages", anthropic_body).await;
    assert_eq!((answer.status, answer.header("retry-after")), (status, Some("1")), "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], anthropic);
}

async fn at_rest(pair: &Pair) {
    for gauge in [
        r#"helan_principal_calls_in_flight{principal="tests"} 0"#,
        r#"helan_principal_calls_in_flight{principal="other"} 0"#,
        r#"helan_model_calls_in_flight{model="m"} 0"#,
        r#"helan_model_calls_waiting{model="m"} 0"#,
        r#"helan_target_calls_in_flight{target="e"} 0"#,
        "helan_calls_waiting 0",
        "helan_calls_in_flight 0",
        "helan_request_bodies_in_flight_bytes 0",
    ] {
        metric(&pair.gateway, gauge).await;
    }
}

#[tokio::test]
async fn a_caller_has_its_share_until_the_last_byte_and_nobody_elses() {
    let pair = crowd(
        "[log]\nformat = \"json\"\n[limits]\nmax_calls_per_principal = 2\n[principals.other]\nmax_calls = 1\n",
    );
    let first = held(&pair, KEY).await;
    let second = held(&pair, "AKIDAGAIN").await;
    metric(&pair.gateway, r#"helan_principal_calls_in_flight{principal="tests"} 2"#).await;
    metric(&pair.gateway, r#"helan_target_calls_in_flight{target="e"} 2"#).await;
    for key in [KEY, "AKIDAGAIN"] {
        throttled(&post_as(&pair, key, PATH, ASK).await);
        throttled(&post_as(&pair, key, STREAM, ASK).await);
    }
    told_to_others(&pair, 429, "rate_limit_error", "rate_limit_error").await;
    metric(&pair.gateway, r#"helan_refused_total{reason="principal_share"} 6"#).await;
    let line = &log::calls(&pair.gateway, 4).await[0];
    assert_eq!(
        (&line["code"], &line["principal"]),
        (&json!("ThrottlingException"), &json!("tests"))
    );
    assert!(line["reason"].as_str().unwrap().contains("share of 2 calls"), "{line}");

    // The other caller has a share of its own.
    assert_eq!(post_as(&pair, "AKIDOTHER", PATH, ASK).await.status, 200);
    let third = held(&pair, "AKIDOTHER").await;
    throttled(&post_as(&pair, "AKIDOTHER", PATH, ASK).await);
    drop(third);

    drop(second);
    metric(&pair.gateway, r#"helan_principal_calls_in_flight{principal="tests"} 1"#).await;
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 200);
    drop(first);
    at_rest(&pair).await;
}

#[tokio::test]
async fn those_who_wait_are_answered_in_turn_and_leave_when_they_like() {
    let pair = crowd("[limits]\nmax_calls = 1\nqueue = 2\nqueue_wait = \"10 min\"\n");
    let running = held(&pair, KEY).await;
    let mut waiting = vec![];
    for (count, text) in [(1, "one"), (2, "two")] {
        let mut caller = Connection::open(pair.gateway.address).await.unwrap();
        caller.send(PATH, &ask(text)).await.unwrap();
        metric(&pair.gateway, &format!("helan_calls_waiting {count}\n")).await;
        waiting.push(caller);
    }
    unavailable(&post(pair.gateway.address, PATH, ASK).await);
    unavailable(&post(pair.gateway.address, STREAM, ASK).await);
    told_to_others(&pair, 503, "server_error", "overloaded_error").await;
    metric(&pair.gateway, r#"helan_refused_total{reason="gateway_full"} 4"#).await;

    // Who leaves makes room in the queue, and not for another's call.
    drop(waiting.remove(0));
    metric(&pair.gateway, "helan_calls_waiting 1\n").await;
    let mut caller = Connection::open(pair.gateway.address).await.unwrap();
    caller.send(PATH, &ask("three")).await.unwrap();
    waiting.push(caller);
    metric(&pair.gateway, "helan_calls_waiting 2\n").await;
    assert_eq!(calls(&pair).await, Some(1), "nobody has overtaken");

    drop(running);
    for caller in &mut waiting {
        assert_eq!(caller.answer().await.unwrap().status, 200);
    }
    let requests = get(pair.emulator.address, "/_emulator/requests").await.json();
    let texts: Vec<_> = requests.as_array().unwrap().iter().map(said).collect();
    assert_eq!(texts, ["hold", "two", "three"]);
    drop(waiting);
    at_rest(&pair).await;
}

/// The question in a payload that reached the model.
fn said(request: &serde_json::Value) -> String {
    let body: serde_json::Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    let content = &body["messages"][0]["content"];
    content.as_str().or(content[0]["text"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn nobody_waits_longer_than_the_queue_lets() {
    let pair = crowd("[limits]\nmax_calls = 1\nqueue = 1\nqueue_wait = \"200 ms\"\n");
    let running = held(&pair, KEY).await;
    unavailable(&post(pair.gateway.address, PATH, ASK).await);
    metric(&pair.gateway, "helan_calls_waiting 0\n").await;
    assert_eq!(calls(&pair).await, Some(1));
    drop(running);
    at_rest(&pair).await;
}

#[tokio::test]
async fn a_call_that_waits_is_a_part_of_its_callers_share() {
    let pair = crowd(
        "[limits]\nmax_calls = 1\nqueue = 9\nqueue_wait = \"10 min\"\nmax_calls_per_principal = 2\n",
    );
    let running = held(&pair, KEY).await;
    let mut own = Connection::open(pair.gateway.address).await.unwrap();
    own.send(PATH, ASK).await.unwrap();
    metric(&pair.gateway, "helan_calls_waiting 1\n").await;
    throttled(&post_as(&pair, "AKIDAGAIN", PATH, ASK).await);
    // There is room for others.
    let mut other = Connection::open(pair.gateway.address).await.unwrap();
    other.send_as("AKIDOTHER", PATH, ASK).await.unwrap();
    metric(&pair.gateway, "helan_calls_waiting 2\n").await;
    drop(running);
    for caller in [&mut own, &mut other] {
        assert_eq!(caller.answer().await.unwrap().status, 200);
    }
    drop((own, other));
    at_rest(&pair).await;
}

#[tokio::test]
async fn a_model_that_is_full_is_counted_apart() {
    let pair = crowd("max_concurrency = 1\nqueue = 1\nqueue_wait = \"10 min\"\n");
    let running = held(&pair, KEY).await;
    let mut caller = Connection::open(pair.gateway.address).await.unwrap();
    caller.send(PATH, ASK).await.unwrap();
    metric(&pair.gateway, r#"helan_model_calls_waiting{model="m"} 1"#).await;
    let words = "The model is busy with other requests. Try your request again.";
    let answer = post(pair.gateway.address, PATH, ASK).await;
    refused(&answer, 503, "ServiceUnavailableException", words);
    metric(&pair.gateway, r#"helan_refused_total{reason="model_full"} 1"#).await;
    drop(running);
    assert_eq!(caller.answer().await.unwrap().status, 200);
    drop(caller);
    at_rest(&pair).await;
}

#[tokio::test]
async fn what_targets_did_wrong_is_counted_by_target_and_kind() {
    let more =
        "[[models.m.targets]]\nendpoint = \"spare\"\npriority = 1\nregion = \"cn-north-1\"\n";
    let pair = crowd(more);
    for (text, status) in [("break", 424), ("stumble", 424)] {
        assert_eq!(post(pair.gateway.address, PATH, &ask(text)).await.status, status, "{text}");
    }
    let streamed = post(pair.gateway.address, STREAM, &ask("stumble")).await;
    assert_eq!(frames(&streamed).pop().unwrap().0, "modelStreamErrorException");
    // Declined by both, one after the other.
    let declined = post(pair.gateway.address, PATH, &ask("throttle")).await;
    assert_eq!(declined.status, 429, "{declined:?}");
    for line in [
        r#"helan_upstream_failures_total{model="m",target="e",kind="container"} 1"#,
        r#"helan_upstream_failures_total{model="m",target="e",kind="in_answer"} 2"#,
        r#"helan_upstream_failures_total{model="m",target="e",kind="throttled"} 1"#,
        r#"helan_upstream_failures_total{model="m",target="spare@cn-north-1",kind="throttled"} 1"#,
        r#"helan_retries_total{model="m"} 1"#,
        r#"helan_targets{target="spare@cn-north-1",standing="well"} 1"#,
        r#"helan_targets{target="spare@cn-north-1",standing="resting"} 0"#,
    ] {
        metric(&pair.gateway, line).await;
    }
    at_rest(&pair).await;
}

/// Puts other limits in the place of those at the end of the file.
async fn reload(pair: &Pair, times: usize, limits: &str) {
    write(pair, "helan.toml", |text| {
        format!("{}[limits]\n{limits}", text.split("[limits]").next().unwrap())
    });
    metric(&pair.gateway, &applied(times)).await;
}

#[tokio::test]
async fn shares_change_with_the_configuration_and_calls_in_flight_still_count() {
    let pair = crowd("[limits]\nmax_calls_per_principal = 2\n");
    let first = held(&pair, KEY).await;
    let second = held(&pair, KEY).await;
    throttled(&post(pair.gateway.address, PATH, ASK).await);
    reload(&pair, 1, "max_calls_per_principal = 3\n").await;
    metric(&pair.gateway, r#"helan_principal_calls_in_flight{principal="tests"} 2"#).await;
    let third = held(&pair, KEY).await;
    throttled(&post(pair.gateway.address, PATH, ASK).await);
    reload(&pair, 2, "max_calls_per_principal = 9\n[principals.tests]\nmax_calls = 2\n").await;
    drop(third);
    metric(&pair.gateway, r#"helan_principal_calls_in_flight{principal="tests"} 2"#).await;
    throttled(&post(pair.gateway.address, PATH, ASK).await);
    drop(second);
    metric(&pair.gateway, r#"helan_principal_calls_in_flight{principal="tests"} 1"#).await;
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 200);
    drop(first);
    at_rest(&pair).await;
}

#[tokio::test]
async fn places_change_with_the_configuration_and_who_waits_keeps_waiting() {
    let pair = crowd("[limits]\nmax_calls = 2\nqueue = 1\nqueue_wait = \"10 min\"\n");
    let first = held(&pair, KEY).await;
    let second = held(&pair, KEY).await;
    let mut waiting = Connection::open(pair.gateway.address).await.unwrap();
    waiting.send(PATH, &ask("wait")).await.unwrap();
    metric(&pair.gateway, "helan_calls_waiting 1\n").await;
    // One place, and no queue: the call that waits goes on to, both that run go on to.
    reload(&pair, 1, "max_calls = 1\nqueue_wait = \"1 ms\"\n").await;
    unavailable(&post(pair.gateway.address, PATH, ASK).await);
    drop(first);
    metric(&pair.gateway, r#"helan_target_calls_in_flight{target="e"} 1"#).await;
    unavailable(&post(pair.gateway.address, PATH, ASK).await);
    metric(&pair.gateway, "helan_calls_waiting 1\n").await;
    // Another place is the one's who waited first.
    reload(&pair, 2, "max_calls = 2\n").await;
    assert_eq!(waiting.answer().await.unwrap().status, 200);
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 200);
    drop((second, waiting));
    at_rest(&pair).await;
}

#[tokio::test]
async fn a_target_that_did_not_change_keeps_its_health_and_its_calls() {
    let pair =
        crowd("max_calls = 2\n[models.n]\nendpoint = \"e\"\nmax_concurrency = 1\n[limits]\n");
    let at = pair.gateway.address;
    let failures = async |count: usize| {
        for _ in 0..count {
            assert_eq!(post(at, PATH, &ask("break")).await.status, 424);
        }
    };
    let running = held(&pair, KEY).await;
    failures(4).await;
    reload(&pair, 1, "max_calls = 77\n").await;
    metric(&pair.gateway, r#"helan_target_calls_in_flight{target="e"} 1"#).await;
    metric(&pair.gateway, r#"helan_model_calls_in_flight{model="m"} 1"#).await;
    // The endpoint has its one call, whichever model it came by.
    assert_eq!(post(at, "/model/n/converse", ASK).await.status, 503);
    metric(&pair.gateway, r#"helan_targets{target="e",standing="well"} 1"#).await;
    failures(1).await;
    metric(&pair.gateway, r#"helan_targets{target="e",standing="resting"} 1"#).await;

    // A target that changed is another one, of which nothing is known. The model still has its
    // call.
    write(&pair, "helan.toml", |text| {
        text.replace("endpoint = \"e\"\nmax_calls", "endpoint = \"e\"\nimages = false\nmax_calls")
            .replace("[models.n]", "[models.o]")
            .replace("max_calls = 2\n", "max_calls = 1\n")
    });
    metric(&pair.gateway, &applied(2)).await;
    metric(&pair.gateway, r#"helan_model_calls_in_flight{model="m"} 1"#).await;
    let full = post(at, PATH, ASK).await;
    assert_eq!(full.message(), "The model is busy with other requests. Try your request again.");
    drop(running);
    metric(&pair.gateway, r#"helan_model_calls_in_flight{model="m"} 0"#).await;
    // One for each of the models, which shared one before.
    metric(&pair.gateway, r#"helan_targets{target="e",standing="well"} 2"#).await;
    at_rest(&pair).await;
}

#[tokio::test]
async fn each_profile_has_its_own_tags_in_the_log() {
    let arn = |id: &str| {
        format!("arn:aws-cn:bedrock:cn-northwest-1:123456789012:application-inference-profile/{id}")
    };
    let model = |id: &str, team: &str| {
        format!(
            "[models.{:?}]\nendpoint = \"e\"\ntags = {{ team = \"{team}\", note = \"\" }}\n",
            arn(id)
        )
    };
    let config = format!(
        "[log]\nformat = \"json\"\n{}{}",
        model("abcdefghijkl", "search"),
        model("mnopqrstuvwx", "搜索 \\\"2\\\"")
    );
    let pair = crowd(&config);
    for id in ["abcdefghijkl", "mnopqrstuvwx"] {
        let path = format!("/model/{}/converse", arn(id).replace(':', "%3A").replace('/', "%2F"));
        let answer = post(pair.gateway.address, &path, ASK).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(post(pair.gateway.address, PATH, ASK).await.status, 200);
    let calls = log::calls(&pair.gateway, 3).await;
    assert_eq!(calls[0]["tags"], json!({"team": "search", "note": ""}));
    assert_eq!(calls[1]["tags"], json!({"team": "搜索 \"2\"", "note": ""}));
    assert_eq!(calls[1]["model"], arn("mnopqrstuvwx"));
    assert_eq!(calls[2].get("tags"), None);
    let metrics = get(pair.gateway.admin.unwrap(), "/metrics").await.body;
    assert!(!String::from_utf8(metrics).unwrap().contains("search"));
}
