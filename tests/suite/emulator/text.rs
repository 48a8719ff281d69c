//! Containers of text: what the scripted model answers to `inputs`, byte for byte where the shapes
//! are documented.

use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use serde_json::{Value, json};

use super::{Running, blob, invoke, parts, stream};

const ENDPOINT: &str =
    "[endpoints.model]\nbos = '<s>'\nspecial_tokens = ['[CALL]']\ncontext = 100\n";
const RULES: &str = "
[[rules]]
when.text = 'breaks'
answer.text = 'one two'
fault.error_event = { after = 1, message = 'CUDA out of memory' }
[[rules]]
when.text = 'special'
answer.text = '[CALL] now'
[[rules]]
answer.text = '贺兰 END more'
";

async fn speaking(dialect: &str) -> Running {
    Running::with(&format!("{ENDPOINT}dialect = '{dialect}'\n{RULES}")).await
}

fn asked(prompt: &str, parameters: &Value, stream: bool) -> String {
    let mut body = json!({"inputs": prompt, "parameters": parameters});
    if stream {
        body["stream"] = true.into();
    }
    body.to_string()
}

async fn whole(running: &Running, prompt: &str, parameters: &Value) -> String {
    String::from_utf8(invoke(running, asked(prompt, parameters, false)).await).unwrap()
}

async fn streamed(running: &Running, prompt: &str, parameters: &Value) -> String {
    stream(running, asked(prompt, parameters, true)).await
}

/// The container's status and words.
async fn refused(running: &Running, body: String) -> (i32, String) {
    let call = running.client().invoke_endpoint().endpoint_name("model").body(blob(body));
    let error = call.send().await.unwrap_err().into_service_error();
    let InvokeEndpointError::ModelError(error) = error else { panic!("{error:?}") };
    (error.original_status_code().unwrap(), error.original_message().unwrap().to_owned())
}

#[tokio::test]
async fn tgi() {
    let running = speaking("tgi").await;
    let stop = json!({"stop": ["END"], "details": true, "seed": 7});
    // The sequence stays where it is.
    let answer: Value = serde_json::from_str(&whole(&running, "hi", &stop).await).unwrap();
    let token = |at: u64, text: &str, special: bool| json!({"id": 1000 + at, "text": text, "logprob": -0.05, "special": special});
    let tokens = [token(0, "贺", false), token(1, "兰", false), token(2, " END", false)];
    let details = json!({
        "finish_reason": "stop_sequence", "generated_tokens": 3, "seed": 7,
        "prefill": [], "tokens": tokens,
    });
    assert_eq!(answer, json!([{"generated_text": "贺兰 END", "details": details}]));
    assert_eq!(whole(&running, "hi", &json!({})).await, r#"[{"generated_text":"贺兰 END more"}]"#);
    let said = streamed(&running, "hi", &json!({"max_new_tokens": 1, "details": true})).await;
    assert_eq!(
        said,
        "data:{\"index\":1,\"token\":{\"id\":1000,\"text\":\"贺\",\"logprob\":-0.05,\"special\":false},\"generated_text\":\"贺\",\"details\":{\"finish_reason\":\"length\",\"generated_tokens\":1,\"seed\":null,\"input_length\":2}}\n\n"
    );
    // Special tokens have events, but no place in the text; nothing follows the last.
    let said = streamed(&running, "special", &json!({})).await;
    assert_eq!(
        said,
        "data:{\"index\":1,\"token\":{\"id\":1000,\"text\":\"[CALL]\",\"logprob\":-0.05,\"special\":true},\"generated_text\":null,\"details\":null}\n\n\
         data:{\"index\":2,\"token\":{\"id\":1001,\"text\":\" now\",\"logprob\":-0.05,\"special\":false},\"generated_text\":null,\"details\":null}\n\n\
         data:{\"index\":3,\"token\":{\"id\":1002,\"text\":\"</s>\",\"logprob\":-0.05,\"special\":true},\"generated_text\":\" now\",\"details\":null}\n\n"
    );
    let said = streamed(&running, "breaks", &json!({})).await;
    let (_, last) = said.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(last, r#"data:{"error":"CUDA out of memory","error_type":"generation"}"#);
}

#[tokio::test]
async fn tgi_refuses_what_other_containers_take() {
    let running = speaking("tgi").await;
    let message = |words: &str| {
        json!({"error": format!("Input validation error: {words}"), "error_type": "validation"})
            .to_string()
    };
    for (parameters, words) in [
        (json!({"temperature": 0.0}), "`temperature` must be strictly positive"),
        (json!({"top_p": 1.0}), "`top_p` must be > 0.0 and < 1.0"),
        (json!({"top_k": 0}), "`top_k` must be strictly positive"),
        (
            json!({"stop": ["a", "b", "c", "d", "e"]}),
            "`stop` supports up to 4 stop sequences. Given: 5",
        ),
        (
            json!({"max_new_tokens": 99}),
            "`inputs` tokens + `max_new_tokens` must be <= 100. Given: 2 `inputs` tokens and 99 \
             `max_new_tokens`",
        ),
    ] {
        let unary = asked("hi", &parameters, false);
        assert_eq!(refused(&running, unary).await, (422, message(words)));
        // A stream has begun by then: the same inside 200.
        let said = streamed(&running, "hi", &parameters).await;
        assert_eq!(said, format!("data:{}\n\n", message(words)));
    }
    let (status, words) = refused(&running, r#"{"input":"hi"}"#.to_owned()).await;
    assert_eq!(status, 422);
    assert!(words.contains("did not match any variant"), "{words}");
}

#[tokio::test]
async fn lmi_in_async_mode() {
    let running = speaking("lmi").await;
    let stop = json!({"stop": ["END"], "details": true});
    assert_eq!(
        whole(&running, "hi", &stop).await,
        r#"{"generated_text": "贺兰 ", "details": {"finish_reason": "END", "generated_tokens": 3, "seed": null, "prefill": [], "tokens": [{"id": 1000, "text": "贺", "logprob": -0.05}, {"id": 1001, "text": "兰", "logprob": -0.05}, {"id": 1002, "text": " ", "logprob": -0.05}]}}"#
    );
    // Null for the end as for the limit.
    for limit in [1, 20] {
        let parameters = json!({"max_new_tokens": limit, "details": true});
        let said = whole(&running, "hi", &parameters).await;
        assert!(said.contains(r#""finish_reason": null"#), "{said}");
    }
    // TGI's old name is passed over.
    let said = whole(&running, "hi", &json!({"stop_sequences": ["END"]})).await;
    assert_eq!(said, r#"{"generated_text": "贺兰 END more"}"#);
    let said = streamed(&running, "hi", &json!({"max_new_tokens": 2, "details": true})).await;
    assert_eq!(
        said,
        "{\"index\": 0, \"token\": {\"id\": 1000, \"text\": \"贺\", \"logprob\": -0.05}, \"generated_text\": null, \"details\": null}\n\
         {\"index\": 0, \"token\": {\"id\": 1001, \"text\": \"兰\", \"logprob\": -0.05}, \"generated_text\": \"贺兰\", \"details\": {\"finish_reason\": \"length\", \"seed\": null, \"generated_tokens\": 3, \"input_length\": 2}}\n\n"
    );
    let said = streamed(&running, "breaks", &json!({})).await;
    let error = r#"{"error": {"message": "CUDA out of memory", "type": "InternalServerError", "param": null, "code": 500}}"#;
    assert!(said.ends_with(&format!("\n{error}\n\n")), "{said}");
    // Special tokens and the end of the turn are there for those who ask for them.
    let all = json!({"skip_special_tokens": false, "include_stop_str_in_output": true});
    for (parameters, text) in [(json!({}), " now"), (all, "[CALL] now</s>")] {
        let said = whole(&running, "special", &parameters).await;
        assert_eq!(said, format!(r#"{{"generated_text": "{text}"}}"#));
    }
}

#[tokio::test]
async fn lmi_stops_after_thirty_tokens_and_disguises_refusals() {
    let rules = format!(
        "[endpoints.model]\ndialect = 'lmi'\ncontext = 100\n[[rules]]\nanswer.text = '{}'",
        "x ".repeat(40)
    );
    let running = Running::with(&rules).await;
    let said = streamed(&running, "hi", &json!({"details": true})).await;
    assert_eq!(said.lines().filter(|line| !line.is_empty()).count(), 30);
    assert!(said.contains(r#""finish_reason": "length""#), "{said}");
    let (status, words) =
        refused(&running, asked("hi", &json!({"max_new_tokens": 101}), false)).await;
    assert_eq!(status, 500);
    let start = r#"{"code": 500, "error": "error=ErrorInfo(message='max_tokens=101 cannot be greater than max_model_len=100."#;
    assert!(words.starts_with(start), "{words}");
    assert!(words.ends_with("type='BadRequestError', param='max_tokens', code=400)\"}"), "{words}");
    let (status, words) = refused(&running, "{}".to_owned()).await;
    assert_eq!(status, 424);
    assert!(words.starts_with(r#"{"code": 424, "error": "Input parsing failed: "#), "{words}");
}

#[tokio::test]
async fn lmi_by_rolling_batch() {
    let running = speaking("rolling").await;
    let stop = json!({"stop_sequences": ["END"], "details": true, "decoder_input_details": true});
    assert_eq!(
        whole(&running, "hi", &stop).await,
        r#"{"generated_text": "贺兰 ", "details": {"finish_reason": "stop_sequence", "generated_tokens": 3, "inputs": "hi", "tokens": [{"id": 1000, "text": "贺", "log_prob": -0.05}, {"id": 1001, "text": "兰", "log_prob": -0.05}, {"id": 1002, "text": " ", "log_prob": -0.05}], "prefill": [{"id": 0, "text": "<s>", "log_prob": -0.05}, {"id": 1, "text": "hi", "log_prob": -0.05}]}}"#
    );
    let limited = json!({"max_new_tokens": 2, "details": true});
    let lines = "{\"token\": {\"id\": 1000, \"text\": \"贺\", \"log_prob\": -0.05}}\n\
         {\"token\": {\"id\": 1001, \"text\": \"兰\", \"log_prob\": -0.05}, \"generated_text\": \"贺兰\", \"details\": {\"finish_reason\": \"length\", \"generated_tokens\": 2, \"inputs\": \"hi\"}}\n";
    assert_eq!(streamed(&running, "hi", &limited).await, lines);
    let events: Vec<_> = lines.lines().map(|line| format!("data: {line}\n\n")).collect();
    let events = events.concat();
    let sse = speaking("rolling-sse").await;
    assert_eq!(streamed(&sse, "hi", &limited).await, events);
    // With `tgi_compat` details need not be asked for, and a whole answer is an array.
    let compat = speaking("rolling-tgi").await;
    let limited = json!({"max_new_tokens": 2});
    let expected = events.replace("log_prob", "logprob");
    assert_eq!(streamed(&compat, "hi", &limited).await, expected);
    let said = whole(&compat, "hi", &limited).await;
    assert!(said.starts_with(r#"[{"generated_text": "贺兰", "details""#), "{said}");
}

#[tokio::test]
async fn lmi_by_rolling_batch_fails_inside_200() {
    let running = speaking("rolling").await;
    let details = r#""details": {"finish_reason": "error"#;
    let said = whole(&running, "hi", &json!({"max_new_tokens": 101})).await;
    assert!(said.starts_with(r#"{"generated_text": null, "error": "max_tokens=101"#), "{said}");
    assert!(said.contains(r#""code": 400"#) && said.contains(details), "{said}");
    let said = streamed(&running, "breaks", &json!({})).await;
    let last = r#"{"token": {"id": -1, "text": "", "log_prob": -1, "special_token": true}, "generated_text": "", "details": {"finish_reason": "error", "generated_tokens": null, "inputs": null}}"#;
    assert!(said.ends_with(&format!("}}\n{last}\n")), "{said}");
    assert!(!said.contains("CUDA"), "it does not say why");
}

#[tokio::test]
async fn lmi_in_an_envelope() {
    let running = speaking("rolling-3p").await;
    let limited = json!({"max_new_tokens": 2});
    assert_eq!(
        whole(&running, "hi", &limited).await,
        r#"{"body": {"generation": "贺兰", "prompt_token_count": 2, "generation_token_count": 2, "stop_reason": "length"}, "metering": {"inputTokenCount": 2, "outputTokenCount": 2}, "content_type": "application/json"}"#
    );
    assert_eq!(
        streamed(&running, "hi", &limited).await,
        "{\"body\": {\"generation\": \"贺\", \"prompt_token_count\": 2, \"generation_token_count\": 1, \"stop_reason\": null}, \"metering\": {\"inputTokenCount\": 2, \"outputTokenCount\": 1}, \"content_type\": \"application/jsonlines\"}\n\
         {\"body\": {\"generation\": \"兰\", \"prompt_token_count\": null, \"generation_token_count\": 2, \"stop_reason\": \"length\"}, \"metering\": {\"outputTokenCount\": 2}, \"content_type\": \"application/jsonlines\"}\n"
    );
}

#[tokio::test]
async fn the_hugging_face_toolkit() {
    let running = speaking("hf").await;
    let said = whole(&running, "hi ", &json!({})).await;
    assert_eq!(said, r#"[{"generated_text": "hi 贺兰 END more"}]"#);
    let short = json!({"return_full_text": false, "max_new_tokens": 1});
    let (whole, error) = parts(&running, asked("hi", &short, true)).await;
    assert_eq!((whole.concat(), error), (r#"[{"generated_text": "贺"}]"#.into(), None));
    for (parameters, words) in [
        (json!({"stop": ["a"], "details": true}), "not used by the model: ['stop', 'details']"),
        (json!({"temperature": 0}), "strictly positive float"),
    ] {
        let (status, said) = refused(&running, asked("hi", &parameters, false)).await;
        assert_eq!(status, 400);
        let start = r#"{"code": 400, "type": "InternalServerException", "message": ""#;
        assert!(said.starts_with(start) && said.contains(words), "{said}");
    }
    let (status, _) = refused(&running, r#"{"prompt":"hi"}"#.to_owned()).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_the_model_reads_is_told_with_its_double_bos() {
    let running = speaking("tgi").await;
    for prompt in ["hi", "<s>hi"] {
        whole(&running, prompt, &json!({})).await;
    }
    invoke(&running, r#"{"messages":[{"role":"user","content":"hi"}]}"#).await;
    let requests = running.json("/_emulator/requests").await;
    let prompts: Vec<_> =
        requests.as_array().unwrap().iter().map(|r| r["prompt"].as_str()).collect();
    assert_eq!(prompts, [Some("<s>hi"), Some("<s><s>hi"), None]);
}

#[tokio::test]
async fn a_prompt_s_answer_has_calls_in_its_text_and_thinks_as_the_prompt_wants() {
    let rules = "
        [endpoints.model]
        dialect = 'tgi'
        [[rules]]
        when.text = 'weather'
        answer.text = 'Sure.'
        answer.tool_calls = [{ name = 'get', arguments = { city = '西安' } }]
        [[rules]]
        answer.reasoning = 'hm'
        answer.text = 'yes'";
    let running = Running::with(rules).await;
    for (prompt, text) in [
        (
            "weather",
            "Sure.\n<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\":\"西安\"}}\n</tool_call>",
        ),
        ("hi", "<think>\nhm\n</think>\n\nyes"),
        ("hi<think>\n", "hm\n</think>\n\nyes"),
        ("hi<think>\n\n</think>\n\n", "yes"),
    ] {
        let said = whole(&running, prompt, &json!({})).await;
        assert_eq!(said, json!([{"generated_text": text}]).to_string(), "{prompt}");
    }
}

#[tokio::test]
async fn without_a_file_inputs_are_answered_too() {
    let running = Running::with("[[rules]]\nanswer.text = 'Hi.'").await;
    assert_eq!(whole(&running, "hi", &json!({})).await, r#"[{"generated_text":"Hi."}]"#);
}
