//! Errors before the first byte, and the headers of answers.

use std::fmt::Write as _;

use aws_sdk_sagemakerruntime::error::ProvideErrorMetadata as _;
use aws_sdk_sagemakerruntime::operation::RequestId as _;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;

use super::{Running, blob, chat};

fn body() -> aws_sdk_sagemakerruntime::primitives::Blob {
    blob(chat("x").to_string())
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let running = Running::with("").await;
    let client = running.client_of("another-secret");
    let call = client.invoke_endpoint().endpoint_name("model").body(body());
    let error = call.send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    let call = client.invoke_endpoint_with_response_stream().endpoint_name("model").body(body());
    assert_eq!(call.send().await.unwrap_err().code(), Some("InvalidSignatureException"));
    assert_eq!(running.calls().await, [0; 4]);
}

#[tokio::test]
async fn unknown_endpoints_and_components_are_refused() {
    let rules = "[endpoints.plain]\n[endpoints.shared]\ninference_components = ['one']";
    let running = Running::with(rules).await;
    let ask = async |endpoint: &str, component: Option<&str>| {
        let call = running.client().invoke_endpoint_with_response_stream().endpoint_name(endpoint);
        let call = call.set_inference_component_name(component.map(str::to_owned)).body(body());
        let error = call.send().await.err()?;
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
        assert_eq!(error.code(), Some("ValidationError"));
        error.message().map(str::to_owned)
    };
    let unknown = "Endpoint nobody of account 123456789012 not found.";
    assert_eq!(ask("nobody", None).await.unwrap(), unknown);
    assert!(
        ask("shared", None)
            .await
            .unwrap()
            .starts_with("Inference Component Name header is required")
    );
    assert!(ask("plain", Some("one")).await.unwrap().contains("header is not allowed"));
    assert!(ask("shared", Some("two")).await.unwrap().contains("two of account"));
    assert_eq!(ask("shared", Some("one")).await, None);
    assert_eq!(ask("plain", None).await, None);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let running = Running::with("[endpoints.model]\nmax_body = 100").await;
    let call = running.client().invoke_endpoint().endpoint_name("model");
    let error = call.body(blob(vec![b' '; 101])).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 413);
    assert_eq!(
        error.raw_response().unwrap().body().bytes().unwrap(),
        br#"{"message":"HTTP content length exceeded 100 bytes."}"#
    );
    let running = Running::with("").await;
    let limit = vec![b' '; 6_291_456];
    let call = running.client().invoke_endpoint().endpoint_name("model");
    // At the limit the container sees it, and finds no JSON.
    let error = call.body(blob(limit.clone())).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 424);
    let call = running.client().invoke_endpoint().endpoint_name("model");
    let error = call.body(blob([limit, vec![b' ']].concat())).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 413);
}

#[tokio::test]
async fn the_service_refuses_as_often_as_a_rule_says() {
    let codes = [
        ("ThrottlingException", 429),
        ("ModelNotReadyException", 429),
        ("ServiceUnavailable", 503),
        ("InternalFailure", 500),
        ("InternalDependencyException", 530),
        ("ValidationError", 400),
        ("AccessDeniedException", 403),
        ("ExpiredTokenException", 403),
    ];
    let mut rules = String::new();
    for (code, _) in codes {
        write!(
            rules,
            "[[rules]]\ntimes = 1\nfault.service = {{ code = '{code}', message = 'So {code}.' }}\n"
        )
        .unwrap();
    }
    let running = Running::with(&rules).await;
    for (code, status) in codes {
        let call = running.client().invoke_endpoint().endpoint_name("model").body(body());
        let error = call.send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status);
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.message(), Some(format!("So {code}.").as_str()));
    }
    let call = running.client().invoke_endpoint().endpoint_name("model").body(body());
    assert!(call.send().await.is_ok());
    assert_eq!(running.calls().await, [9, 1, 0, 8]);
}

#[tokio::test]
async fn a_container_s_error_is_a_model_error() {
    let rules = "[[rules]]\nfault.http = { status = 500, body = 'CUDA out of memory 显存' }";
    let running = Running::with(rules).await;
    let call = running.client().invoke_endpoint().endpoint_name("model").body(body());
    let InvokeEndpointError::ModelError(error) =
        call.send().await.unwrap_err().into_service_error()
    else {
        panic!("not a ModelError")
    };
    assert_eq!(error.original_status_code(), Some(500));
    assert_eq!(error.original_message(), Some("CUDA out of memory 显存"));
    assert_eq!(
        error.log_stream_arn(),
        Some(
            "arn:aws-cn:logs:cn-northwest-1:123456789012:log-group:/aws/sagemaker/Endpoints/model"
        )
    );
    assert!(
        error
            .message()
            .unwrap()
            .starts_with("Received server error (500) from primary with message")
    );
}

#[tokio::test]
async fn a_container_that_takes_too_long_is_a_model_error() {
    let rules = "[endpoints.model]\ntimeout_ms = 20\n[[rules]]\nfault.delay_ms = 60000";
    let running = Running::with(rules).await;
    let call = running.client().invoke_endpoint().endpoint_name("model").body(body());
    let InvokeEndpointError::ModelError(error) =
        call.send().await.unwrap_err().into_service_error()
    else {
        panic!("not a ModelError")
    };
    assert_eq!(error.original_status_code(), Some(0));
    assert!(
        error.message().unwrap().contains("timed out while waiting for a response from container")
    );
}

#[tokio::test]
async fn headers_are_sagemaker_s() {
    let running = Running::with("[endpoints.model]\nvariant = 'blue'").await;
    let call = running.client().invoke_endpoint().endpoint_name("model").body(body());
    let answer = call.custom_attributes("trace=7").send().await.unwrap();
    assert_eq!(answer.content_type(), Some("application/json"));
    assert_eq!(answer.invoked_production_variant(), Some("blue"));
    assert_eq!(answer.custom_attributes(), Some("trace=7"));
    assert_eq!(answer.request_id().unwrap().len(), 36);
    let call = running.client().invoke_endpoint_with_response_stream().endpoint_name("model");
    let request = super::streamed(chat("x")).to_string();
    let answer = call.custom_attributes("trace=7").body(blob(request)).send().await.unwrap();
    assert_eq!(answer.content_type(), Some("text/event-stream; charset=utf-8"));
    assert_eq!(answer.invoked_production_variant(), Some("blue"));
    assert_eq!(answer.custom_attributes(), Some("trace=7"));
}

#[tokio::test]
async fn requests_are_remembered_until_they_are_deleted() {
    let running = Running::with("").await;
    let call = running.client().invoke_endpoint_with_response_stream().endpoint_name("model");
    let call = call.content_type("application/json").accept("text/event-stream");
    call.session_id("s-1").body(body()).send().await.unwrap();
    let requests = running.json("/_emulator/requests").await;
    let expected = serde_json::json!([{
        "endpoint": "model",
        "operation": "InvokeEndpointWithResponseStream",
        "headers": {
            "content-type": "application/json",
            "x-amzn-sagemaker-accept": "text/event-stream",
            "x-amzn-sagemaker-session-id": "s-1",
        },
        "body": chat("x").to_string(),
    }]);
    assert_eq!(requests, expected);
    running.own("DELETE", "/_emulator/requests").await;
    assert_eq!(running.json("/_emulator/requests").await, serde_json::json!([]));
    assert_eq!(running.calls().await, [0; 4]);
}
