//! Targets outside SageMaker, through the real binary: a container's own server, an
//! OpenAI-compatible API with a key, and Bedrock in another region, which a second gateway is.

use std::time::Duration;

use helan::wire::frame;
use serde_json::{Value, json};

use super::*;

const RULES: &str = r#"
[endpoints.chat]
[[rules]]
when.text = "please be cut"
answer.text = "one two three four"
fault.cut = { after = 2 }
[[rules]]
when.text = "please be too long"
fault.http = { status = 400, body = '''{"error":{"message":"This model's maximum context length is 20 tokens. However, your prompt contains at least 21 input tokens.","type":"BadRequestError","param":"input_tokens","code":400}}''' }
[[rules]]
when.text = "please be full"
fault.http = { status = 503, body = "no" }
[[rules]]
when.text = "please be broken"
fault.http = { status = 500, body = '{"error":{"message":"CUDA error"}}' }
[[rules]]
answer.text = "from chat"
"#;

const MODELS: &str = r#"
[models.open]
url = "EMULATOR/containers/chat/invocations"
[models.api]
url = "EMULATOR/containers/chat/v1/"
api_key_file = "upstream.key"
upstream_model = "qwen3-max"
[models.keyless]
url = "EMULATOR/containers/chat/v1"
upstream_model = "qwen3-max"
[models.nobody]
url = "http://127.0.0.1:9/v1"
upstream_model = "x"
[models.unlike]
endpoint = "e"
contract = "tgi"
template = "chatml"
priority = 1
[[models.unlike.targets]]
contract = "openai"
url = "EMULATOR/containers/chat/v1"
api_key_file = "upstream.key"
upstream_model = "qwen3-max"
"#;

fn ask(text: &str) -> String {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": 50}}).to_string()
}

fn path(model: &str, verb: &str) -> String {
    format!("/model/{model}/{verb}")
}

fn said(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["output"]["message"]["content"][0]["text"].as_str().unwrap().to_owned()
}

/// Names and payloads of a stream's frames.
fn frames(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut decoder = frame::Decoder::new(frame::MAX_FRAME);
    decoder.push(&answer.unchunked());
    let all = decoder
        .by_ref()
        .map(|frame| {
            let frame = frame.unwrap();
            let name = frame.header(":event-type").or(frame.header(":exception-type")).unwrap();
            (name.to_owned(), serde_json::from_slice(&frame.payload).unwrap())
        })
        .collect();
    decoder.finish().unwrap();
    all
}

fn names(frames: &[(String, Value)]) -> Vec<&str> {
    frames.iter().map(|(name, _)| name.as_str()).collect()
}

fn text(frames: &[(String, Value)]) -> String {
    frames.iter().filter_map(|(_, payload)| payload["delta"]["text"].as_str()).collect()
}

fn pair_with_key() -> Pair {
    with_key(RULES)
}

/// With a file that holds the emulator's key, and the line end that editors add.
fn with_key(rules: &str) -> Pair {
    let files = tempfile::tempdir().unwrap();
    let key = files.path().join("upstream.key");
    std::fs::write(&key, "demo-secret-key\n").unwrap();
    let key = format!("{:?}", key.to_str().unwrap());
    let mut pair = pair(rules, &MODELS.replace("\"upstream.key\"", &key));
    pair.more = Some(files);
    pair
}

#[tokio::test]
async fn a_containers_own_server_and_an_api_with_a_key_answer_alike() {
    let pair = pair_with_key();
    let at = pair.gateway.address;
    for model in ["open", "api"] {
        assert_eq!(said(&post(at, &path(model, "converse"), &ask("hi")).await), "from chat");
        let stream = frames(&post(at, &path(model, "converse-stream"), &ask("hi")).await);
        assert_eq!(text(&stream), "from chat", "{model}");
        assert_eq!(names(&stream).last(), Some(&"metadata"), "{stream:?}");
    }
    // What the container was sent: its own path, the server's name for the model, no hint of ours.
    let get = "GET /_emulator/requests HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let requests = send(pair.emulator.address, &[get.as_bytes()]).await.json();
    let requests = requests.as_array().or(requests["requests"].as_array()).unwrap().clone();
    let models: Vec<_> = requests
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
            assert_eq!(request["operation"], "direct", "{request}");
            body["model"].clone()
        })
        .collect();
    assert_eq!(models, [json!(null), json!(null), json!("qwen3-max"), json!("qwen3-max")]);
}

#[tokio::test]
async fn refusals_of_an_api_mean_what_they_mean_of_an_endpoint() {
    let pair = pair_with_key();
    let at = pair.gateway.address;
    let refused = async |model: &str, text: &str| {
        let answer = post(at, &path(model, "converse"), &ask(text)).await;
        let name = answer.header("x-amzn-ErrorType").unwrap().split(':').next().unwrap();
        (answer.status, name.to_owned(), answer.message())
    };
    let (status, name, message) = refused("api", "please be too long").await;
    assert_eq!((status, &*name), (400, "ValidationException"), "{message}");
    assert_eq!(refused("api", "please be full").await.0, 503);
    let (status, name, _) = refused("api", "please be broken").await;
    assert_eq!((status, &*name), (424, "ModelErrorException"));
    let (status, name, message) = refused("keyless", "hi").await;
    assert_eq!((status, &*name), (500, "InternalServerException"));
    assert!(message.contains("own key was refused"), "{message}");
    let (status, name, _) = refused("nobody", "hi").await;
    assert_eq!((status, &*name), (503, "ServiceUnavailableException"));
}

#[tokio::test]
async fn a_stream_of_an_api_that_is_cut_does_not_look_complete() {
    let pair = pair_with_key();
    let answer =
        post(pair.gateway.address, &path("open", "converse-stream"), &ask("please be cut")).await;
    let stream = frames(&answer);
    assert_eq!(names(&stream).last(), Some(&"modelStreamErrorException"), "{stream:?}");
    assert!(text(&stream).starts_with("one"), "what came is not lost: {stream:?}");
}

#[tokio::test]
async fn unlike_targets_stand_behind_one_model() {
    let pair = pair_with_key();
    let at = pair.gateway.address;
    assert_eq!(said(&post(at, &path("unlike", "converse"), &ask("hi")).await), "from chat");
    // The API declines: the same question is written anew, as a prompt for TGI.
    let full = pair_that_fails_over();
    assert_eq!(
        said(&post(full.gateway.address, &path("unlike", "converse"), &ask("hi")).await),
        "from e"
    );
}

fn pair_that_fails_over() -> Pair {
    let rules = r#"
dialect = "tgi"
[endpoints.chat]
[[rules]]
when.endpoint = "chat"
fault.http = { status = 429, body = "slow down" }
[[rules]]
answer.text = "from e"
"#;
    with_key(rules)
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_call_to_an_api() {
    let rules = "[endpoints.chat]\n[[rules]]\nanswer.text = \"one two three\"\nfault.stall = { after = 2, ms = 3600000 }\n";
    let pair = pair(rules, "[models.open]\nurl = \"EMULATOR/containers/chat/invocations\"\n");
    let at = pair.gateway.address;
    for verb in ["converse-stream", "converse"] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let head = head(at, "POST", &path("open", verb), ASK.as_bytes(), now());
        stream.write_all(&[head.as_bytes(), ASK.as_bytes()].concat()).await.unwrap();
        running::until(&pair, |calls| calls["started"].as_u64() > calls["cancelled"].as_u64())
            .await;
        drop(stream);
        running::until(&pair, |calls| calls["started"] == calls["cancelled"]).await;
    }
}

/// A second gateway, which is Bedrock in another region for the first, with its own keys.
struct Abroad {
    near: Process,
    far: Pair,
    _files: tempfile::TempDir,
}

fn abroad(rules: &str) -> Abroad {
    let far = pair(rules, "");
    let files = tempfile::tempdir().unwrap();
    let credentials = files.path().join("credentials");
    let profile = format!(
        "[global]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n[wrong]\naws_access_key_id = {KEY}\naws_secret_access_key = other\n"
    );
    std::fs::write(&credentials, profile).unwrap();
    std::fs::write(
        files.path().join("keys.toml"),
        "[[access_key]]\nid = \"AKIDNEAR\"\nsecret = \"near\"\nprincipal = \"near\"\n",
    )
    .unwrap();
    let model = |id: &str, profile: &str, url: &str| {
        format!(
            "[models.\"{id}\"]\ncontract = \"bedrock\"\nurl = \"{url}\"\nregion = \"us-west-2\"\nprofile = \"{profile}\"\nupstream_model = \"m\"\ncross_border = true\n"
        )
    };
    let there = format!("http://{}", far.gateway.address);
    let config = format!(
        "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[auth]\nkeys_file = \"keys.toml\"\n{}{}{}",
        model("global.claude", "global", &there),
        model("wrong", "wrong", &there),
        model("gone", "global", "http://127.0.0.1:9"),
    );
    let path = files.path().join("helan.toml");
    std::fs::write(&path, config).unwrap();
    let near = Process::try_start_with(
        &["serve", "--config", path.to_str().unwrap()],
        &[
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_REGION", "cn-north-1"),
        ],
    )
    .unwrap();
    Abroad { near, far, _files: files }
}

impl Abroad {
    async fn post(&self, path: &str, body: &str) -> Answer {
        let at = self.near.address;
        let head = signed(at, "POST", path, body.as_bytes(), ("AKIDNEAR", "near"), now());
        send(at, &[head.as_bytes(), body.as_bytes()]).await
    }
}

#[tokio::test]
async fn bedrock_in_another_region_answers_byte_for_byte() {
    let abroad = abroad("[[rules]]\nanswer.text = \"from far away\"\n");
    let body = ask("hi");
    let near = abroad.post(&path("global.claude", "converse"), &body).await;
    assert_eq!(said(&near), "from far away");
    let stream = frames(&abroad.post(&path("global.claude", "converse-stream"), &body).await);
    assert_eq!(text(&stream), "from far away");
    assert_eq!(names(&stream).last(), Some(&"metadata"));
    let native = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let native = abroad.post(&path("global.claude", "invoke"), &native).await;
    assert_eq!(native.json()["content"][0]["text"], "from far away", "{native:?}");
    assert!(native.header("x-amzn-bedrock-output-token-count").is_some(), "{native:?}");
    let calls = log::calls(&abroad.near, 3).await;
    for call in &calls {
        assert!(call["output_tokens"].as_u64() > Some(0), "{call}");
        assert_eq!(call["model"], "global.claude", "{call}");
    }
}

#[tokio::test]
async fn refusals_of_bedrock_reach_the_caller_in_its_words() {
    let abroad = abroad(
        "[[rules]]\nwhen.text = \"slow\"\nfault.service.code = \"ThrottlingException\"\n[[rules]]\nwhen.text = \"please be cut\"\nanswer.text = \"one two three four\"\nfault.cut = { after = 2 }\n",
    );
    let name = |answer: &Answer| {
        answer.header("x-amzn-ErrorType").unwrap().split(':').next().unwrap().to_owned()
    };
    let here = |verb: &str| path("global.claude", verb);
    let refused = abroad.post(&here("converse"), "{\"messages\": []}").await;
    let there = post(abroad.far.gateway.address, PATH, "{\"messages\": []}").await;
    assert_eq!((refused.status, name(&refused)), (400, "ValidationException".to_owned()));
    assert_eq!(refused.message(), there.message());
    let slow = abroad.post(&here("converse"), &ask("slow")).await;
    assert_eq!((slow.status, name(&slow)), (429, "ThrottlingException".to_owned()));
    let wrong = abroad.post(&path("wrong", "converse"), &ask("hi")).await;
    assert_eq!((wrong.status, name(&wrong)), (500, "InternalServerException".to_owned()));
    let gone = abroad.post(&path("gone", "converse"), &ask("hi")).await;
    assert_eq!((gone.status, name(&gone)), (503, "ServiceUnavailableException".to_owned()));
    let stream = frames(&abroad.post(&here("converse-stream"), &ask("please be cut")).await);
    assert_eq!(names(&stream).last(), Some(&"modelStreamErrorException"), "{stream:?}");
    assert_eq!(text(&stream).split(' ').next(), Some("one"));
}

#[tokio::test]
async fn an_answer_that_breaks_on_the_way_from_bedrock_ends_with_an_exception() {
    let abroad = abroad(
        "[[rules]]\nanswer.text = \"one two three\"\nfault.stall = { after = 2, ms = 3600000 }\n",
    );
    let (body, path) = (ask("hi"), path("global.claude", "converse-stream"));
    let answer = abroad.post(&path, &body);
    let end = async {
        running::until(&abroad.far, |calls| calls["started"] == 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        abroad.far.gateway.signal("-KILL");
    };
    let (answer, ()) = tokio::join!(answer, end);
    let stream = frames(&answer);
    assert_eq!(names(&stream).last(), Some(&"modelStreamErrorException"), "{stream:?}");
    assert!(text(&stream).starts_with("one"), "{stream:?}");
}
