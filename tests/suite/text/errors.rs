//! What containers say when they fail, with a status of their own and inside 200.

use helan::Code;

use super::*;

fn failed(dialect: Dialect, name: &str) -> (String, Error) {
    let mode = if name.contains("stream") { Mode::Stream } else { Mode::Unary };
    let bytes = fixture(&format!("text/{name}.txt"));
    let (events, end) = decode(known(dialect), &hi(""), mode, [bytes.as_slice()]);
    let error = end.expect_err(name);
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        let (cut, end) = decode(known(dialect), &hi(""), mode, [first, second]);
        assert_eq!(format!("{:?}", end.expect_err(name)), format!("{error:?}"), "cut at {at}");
        assert_eq!(told(&cut), told(&events), "{name} cut at {at}");
    }
    (told(&events), error)
}

#[test]
fn errors_inside_200() {
    for (dialect, name, shown, code, words) in [
        (
            Dialect::Tgi,
            "tgi-stream-error",
            "text: one two",
            Code::ModelStreamError,
            "CUDA out of memory",
        ),
        (
            Dialect::Lmi,
            "lmi-async-stream-error",
            "text: one two",
            Code::ModelStreamError,
            "EngineCore",
        ),
        (
            Dialect::Lmi,
            "lmi-async-stream-glued-error",
            "text: one two",
            Code::Validation,
            "Input parsing failed",
        ),
        (
            Dialect::Lmi,
            "lmi-rolling-stream-error",
            "text: one",
            Code::ModelStreamError,
            "broke off",
        ),
        (
            Dialect::Lmi,
            "lmi-rolling-unary-error",
            "",
            Code::Validation,
            "maximum context length is 2048",
        ),
        (
            Dialect::Lmi,
            "lmi-3p-stream-error",
            "text: one",
            Code::ModelStreamError,
            "CUDA out of memory",
        ),
        (
            Dialect::Lmi,
            "lmi-3p-unary-error",
            "",
            Code::Validation,
            "maximum context length is 2048",
        ),
    ] {
        let (text, error) = failed(dialect, name);
        assert_eq!(text, shown, "{name}");
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.message().contains(words), "{name}: {error}");
    }
}

#[test]
fn a_cut_stream_is_no_answer() {
    for (dialect, name) in [
        (Dialect::Tgi, "tgi-stream"),
        (Dialect::Lmi, "lmi-async-stream"),
        (Dialect::Lmi, "lmi-rolling-stream"),
        (Dialect::Lmi, "lmi-3p-stream"),
    ] {
        let bytes = fixture(&format!("text/{name}.txt"));
        let last =
            bytes.windows(8).rposition(|w| w == b"\"token\":" || w == b"{\"body\":").unwrap();
        for at in 0..last {
            let (_, end) = decode(known(dialect), &hi(""), Mode::Stream, [&bytes[..at]]);
            assert_eq!(end.expect_err(name).code(), Code::ModelStreamError, "{name} cut at {at}");
        }
    }
}

#[test]
fn an_empty_answer_is_none() {
    for dialect in Dialect::ALL {
        for (mode, code) in
            [(Mode::Unary, Code::ModelError), (Mode::Stream, Code::ModelStreamError)]
        {
            for bytes in ["", "\n\n", "{}", "[]", r#"{"choices":[]}"#] {
                let (_, end) = decode(known(dialect), &hi(""), mode, [bytes.as_bytes()]);
                assert_eq!(end.expect_err(bytes).code(), code, "{dialect:?} {mode:?} {bytes}");
            }
        }
    }
}

#[test]
fn refusals() {
    for (dialect, status, body, code, words) in [
        (
            Dialect::Tgi,
            422,
            r#"{"error":"Input validation error: `temperature` must be strictly positive","error_type":"validation"}"#,
            Code::Validation,
            "strictly positive",
        ),
        (
            Dialect::Tgi,
            422,
            r#"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000","error_type":"validation"}"#,
            Code::Validation,
            "Input is too long",
        ),
        (
            Dialect::Tgi,
            424,
            r#"{"error":"Request failed during generation","error_type":"generation"}"#,
            Code::ModelError,
            "during generation",
        ),
        (
            Dialect::Tgi,
            429,
            r#"{"error":"Model is overloaded","error_type":"overloaded"}"#,
            Code::Throttling,
            "Too many requests",
        ),
        (
            Dialect::Tgi,
            500,
            r#"{"error":"Incomplete generation","error_type":"incomplete_generation"}"#,
            Code::ModelError,
            "Incomplete",
        ),
        (
            Dialect::Lmi,
            424,
            r#"{"code":424,"error":"Input parsing failed: Missing prompt"}"#,
            Code::Validation,
            "Missing prompt",
        ),
        (
            Dialect::Lmi,
            500,
            r#"{"code":500,"error":"error=ErrorInfo(message='This model's maximum context length is 2048 tokens.', type='BadRequestError', param='input_tokens', code=400)"}"#,
            Code::Validation,
            "maximum context length",
        ),
        (
            Dialect::Lmi,
            503,
            r#"{"code":503,"type":"ServiceUnavailableException","message":"queue full"}"#,
            Code::ServiceUnavailable,
            "queue full",
        ),
        (
            Dialect::HuggingFace,
            400,
            r#"{"code":400,"type":"InternalServerException","message":"bad key"}"#,
            Code::Validation,
            "bad key",
        ),
    ] {
        let error = text(options(dialect)).refusal(Some(status), body);
        assert_eq!(error.code(), code, "{body}: {error}");
        assert!(error.message().contains(words), "{error}");
    }
}
