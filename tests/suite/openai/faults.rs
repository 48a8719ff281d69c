//! What containers say when they fail.

use bytes::Bytes;
use helan::container::openai::OpenAi;
use helan::container::{Container as _, Mode};
use helan::{Code, Error};

use super::{decode, fixture, stream, unary};

fn refusal(status: u16, body: &str) -> Error {
    OpenAi::default().refusal(Some(status), body)
}

#[track_caller]
fn check(error: &Error, code: Code, message: &str) {
    assert_eq!((error.code(), error.message()), (code, message));
}

const OVERFLOW: &str = "This model's maximum context length is 2048 tokens. However, your prompt \
                        contains at least 2049 input tokens. Please shorten it.";

#[test]
fn recorded_refusals() {
    for (name, message) in [
        ("err-badjson", "JSON decode error: Expecting value: line 1 column 13 (char 12)"),
        (
            "err-badtemp",
            "temperature must be non-negative, got -3.0. (parameter=temperature, value=-3.0)",
        ),
        ("err-image", "tiny-qwen3 is not a multimodal model"),
        (
            "err-nohandler",
            "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)",
        ),
        (
            "err-stream-badparam",
            "max_tokens=100000 cannot be greater than max_model_len=2048. Please request fewer output tokens. (parameter=max_tokens, value=100000)",
        ),
        (
            "err-toolbad",
            "The tool specified in `tool_choice` does not match any of the specified `tools` (parameter=tool_choice)",
        ),
        (
            "err-toolong",
            "max_tokens=100000 cannot be greater than max_model_len=2048. Please request fewer output tokens. (parameter=max_tokens, value=100000)",
        ),
        ("maxtokens0", "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)"),
    ] {
        let error = refusal(400, &fixture(&format!("{name}.response.txt")));
        let told = format!("The model returned the following errors: {message}");
        check(&error, Code::Validation, &told);
        assert_eq!(error.from_upstream().status, Some(400));
        assert_eq!(error.from_upstream().message.as_deref(), Some(message));
    }
}

#[test]
fn a_context_that_is_too_long_is_told_in_vllms_own_words() {
    let error = refusal(400, &fixture("err-inputs-tokens-overflow.response.txt"));
    assert_eq!(error.code(), Code::Validation);
    assert!(error.message().starts_with("This model's maximum context length is 2048 tokens. "));
    // LMI hides it in a 500, as Python prints it, with either quote.
    for shown in [format!("\"{OVERFLOW}\""), format!("'{}'", OVERFLOW.replace('\'', "\\\\'"))] {
        let shown = shown.replace('"', "\\\"");
        let body = format!(
            r#"{{"error":"error=ErrorInfo(message={shown}, type='BadRequestError', param='input_tokens', code=400)","code":500}}"#
        );
        check(&refusal(500, &body), Code::Validation, OVERFLOW);
        check(&stream(&body).error(), Code::Validation, OVERFLOW);
    }
    // Older vLLM: flat.
    let flat = format!(
        r#"{{"object":"error","message":"{OVERFLOW}","type":"BadRequestError","param":null,"code":400}}"#
    );
    check(&refusal(400, &flat), Code::Validation, OVERFLOW);
    check(&unary(&flat).error(), Code::Validation, OVERFLOW);
}

#[test]
fn other_engines_words_for_it_are_made_recognizable() {
    for (status, body) in [
        (
            400,
            r#"{"object":"error","message":"The input (9000 tokens) is longer than the model's context length (8192 tokens).","type":"BadRequestError","param":null,"code":400}"#,
        ),
        (
            422,
            r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 10 `max_new_tokens`","error_type":"validation"}"#,
        ),
        (
            400,
            r#"{"error":{"message":"too many","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
        ),
    ] {
        let error = refusal(status, body);
        assert_eq!(error.code(), Code::Validation, "{body}");
        assert!(error.message().starts_with("Input is too long for requested model. "), "{body}");
    }
}

#[test]
fn refusals_by_their_status() {
    let all = |words: &str| format!("The model returned the following errors: {words}");
    for (status, body, code, message) in [
        (
            422,
            r#"{"error":"Input validation error: x","error_type":"validation"}"#,
            Code::Validation,
            all("Input validation error: x"),
        ),
        (
            424,
            r#"{"error":"Request failed during generation","error_type":"generation"}"#,
            Code::ModelError,
            all("Request failed during generation"),
        ),
        (
            424,
            r#"{"error":"Input parsing failed: x","code":424}"#,
            Code::Validation,
            all("Input parsing failed: x"),
        ),
        (
            400,
            r#"{"code":400,"type":"BadRequestException","message":"x"}"#,
            Code::Validation,
            all("x"),
        ),
        (
            429,
            r#"{"error":"Model is overloaded","error_type":"overloaded"}"#,
            Code::Throttling,
            "Too many requests, please wait before trying again.".into(),
        ),
        (
            503,
            r#"{"code":503,"type":"ServiceUnavailableException","message":"full"}"#,
            Code::ServiceUnavailable,
            all("full"),
        ),
        (507, r#"{"code":507,"message":"out of memory"}"#, Code::ModelError, all("out of memory")),
        (500, "Internal Server Error", Code::ModelError, all("Internal Server Error")),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"required"}]}"#,
            Code::Validation,
            all(r#"[{"loc":["body"],"msg":"required"}]"#),
        ),
        (404, r#"{"detail":"Not Found"}"#, Code::Validation, all("Not Found")),
        (
            502,
            "<html><h1>Bad Gateway</h1></html>",
            Code::ModelError,
            "The model failed to answer. Try your request again.".into(),
        ),
        (500, "", Code::ModelError, "The model failed to answer. Try your request again.".into()),
        (500, "{}", Code::ModelError, "The model failed to answer. Try your request again.".into()),
        (400, r#""just text""#, Code::Validation, all("just text")),
    ] {
        let error = refusal(status, body);
        check(&error, code, &message);
        assert_eq!(error.from_upstream().status, Some(status), "{body}");
    }
    let dead = refusal(500, &fixture("err-after-crash.response.txt"));
    let words = "EngineCore encountered an issue. See stack trace (above) for the root cause.";
    check(&dead, Code::ModelError, &all(words));
    assert_eq!(dead.from_upstream().message.as_deref(), Some(words));
}

#[test]
fn without_a_status_the_body_is_believed() {
    let refusal = |body| OpenAi::default().refusal(None, body);
    assert_eq!(refusal(r#"{"error":{"message":"x","code":400}}"#).code(), Code::Validation);
    assert_eq!(refusal(r#"{"error":{"message":"x","code":"429"}}"#).code(), Code::Throttling);
    assert_eq!(refusal(r#"{"error":"x","error_type":"validation"}"#).code(), Code::Validation);
    let error = refusal("x");
    assert_eq!((error.code(), error.from_upstream().status), (Code::ModelError, None));
}

#[test]
fn a_body_that_was_cut_still_tells_its_words() {
    let long = format!("{OVERFLOW} 贺兰山 \\\"quoted\\\" {}", "x".repeat(3000));
    let body = format!(r#"{{"error":{{"message":"{long}","type":"BadRequestError","code":400}}}}"#);
    let cut: String = body.chars().take(2048).collect();
    let error = refusal(400, &cut);
    assert_eq!(error.code(), Code::Validation);
    assert!(
        error.message().starts_with(OVERFLOW) && error.message().contains("贺兰山 \"quoted\" xx")
    );
    for at in 0..cut.len().min(300) {
        if let Some(cut) = cut.get(..at) {
            let error = refusal(400, cut);
            assert_eq!(error.code(), Code::Validation, "cut at {at}");
        }
    }
    let escape = refusal(400, r#"{"error":{"message":"abc \ud83d"#);
    assert_eq!(escape.message(), "The model returned the following errors: abc ");
}

#[test]
fn errors_inside_an_answer_of_status_200() {
    let said = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    for (text, code, status, words) in [
        (
            r#"data: {"error": {"message": "dead", "type": "InternalServerError", "param": null, "code": 500}}"#,
            Code::ModelStreamError,
            Some(500),
            "dead",
        ),
        (r#"{"error": "text"}"#, Code::ModelStreamError, None, "text"),
        (r#"{"error":"late","code":424}"#, Code::ModelStreamError, Some(424), "late"),
        (r#"data:{"error":"x","error_type":"generation"}"#, Code::ModelStreamError, None, "x"),
        (
            r#"data: {"error":{"message":"bad","http_status_code":422}}"#,
            Code::Validation,
            Some(422),
            "bad",
        ),
        (
            r#"{"object":"error","message":"flat","type":"InternalServerError","code":500}"#,
            Code::ModelStreamError,
            Some(500),
            "flat",
        ),
        (
            r#"{"generated_text":null,"error":"lmi","code":400,"details":{"finish_reason":"error"}}"#,
            Code::Validation,
            Some(400),
            "lmi",
        ),
        (r#"{"error":"x","error_type":"overloaded"}"#, Code::Throttling, None, "x"),
        (r#"{"error":{"message":"busy","code":503}}"#, Code::ServiceUnavailable, Some(503), "busy"),
    ] {
        // On a line of its own, and glued to what came before.
        for between in ["\n\n", ""] {
            let decoded = stream(format!("data: {said}{between}{text}\n\ndata: [DONE]\n\n"));
            assert_eq!(decoded.events.len(), 1, "what was said is kept: {text}");
            let error = decoded.error();
            assert_eq!(error.code(), code, "{text}");
            assert_eq!(error.from_upstream().status, status, "{text}");
            assert_eq!(error.from_upstream().message.as_deref(), Some(words), "{text}");
        }
    }
    let finished = r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#;
    for error in [r#"{"object":"error","message":"x","code":500}"#, r#"{"error":{"message":"x"}}"#]
    {
        let error = stream(format!("{finished}\n{error}\n")).error();
        assert_eq!(error.code(), Code::ModelStreamError, "an error behind the finish");
    }
    for nothing in ["null", r#""""#, "{}", "false"] {
        let body =
            format!(r#"{{"error":{nothing},"choices":[{{"text":"a","finish_reason":"stop"}}]}}"#);
        assert!(unary(body).end.is_ok(), "{nothing} is no error");
    }
    let body = r#"{"generated_text":"","error":"failed","details":{"finish_reason":"error"}}"#;
    assert_eq!(unary(body).error().code(), Code::ModelError);
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let done = "data: [DONE]\n\n";
    let said = r#"data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#;
    for text in [
        "",
        "\n\n",
        done,
        ": ping\n\n",
        said,
        &format!("{said}\n\n{done}"),
        "data: {\"choices\":[]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":0}}\n\n",
        "Internal Server Error",
        "data: {\"choices\":[{\"delta\"",
        "{\"choices\":7}",
    ] {
        let error = stream(text).error();
        assert_eq!(error.code(), Code::ModelStreamError, "{text}");
    }
    for body in [
        "",
        " ",
        "{}",
        "[]",
        "null",
        "true",
        "Internal Server Error",
        r#"{"choices":[]}"#,
        r#"{"choices":[{}]}"#,
        r#"{"choices":[{"message":{"content":""}}]}"#,
        r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}"#,
        r#"{"generated_text":"a"}"#,
        r#"["a"]"#,
    ] {
        assert_eq!(unary(body).error().code(), Code::ModelError, "{body}");
    }
    check(
        &unary(r#"{"generated_text":"a"}"#).error(),
        Code::ModelError,
        "The model's answer is not one of OpenAI's chat or completion schema.",
    );
    let words = stream("Internal Server Error").error();
    assert_eq!(words.from_upstream().message.as_deref(), Some("Internal Server Error"));
}

#[test]
fn after_a_failure_nothing_more_is_told() {
    let mut decoder =
        OpenAi::default().decoder(&super::plain(), Mode::Stream, fastrand::Rng::with_seed(1));
    let mut events = vec![];
    decoder.push(Bytes::from_static(b"{\"error\":\"x\"}\n"), &mut events).unwrap_err();
    decoder
        .push(
            Bytes::from_static(b"{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}]}\n"),
            &mut events,
        )
        .unwrap();
    assert!(events.is_empty());
    decoder.finish(&mut events).unwrap_err();
    assert!(decode(Mode::Stream, [&b"[DONE]"[..], b"x"]).end.is_err());
}
