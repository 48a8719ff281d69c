"""Every refusal: its type, its status, its words."""

import json
import re

import botocore.awsrequest
import botocore.auth
import botocore.credentials
import pytest
import servicemodel
import urllib3
from botocore.exceptions import ClientError
from conftest import QWEN, assistant, user
from test_tools import WEATHER

PDF = {"document": {"format": "pdf", "name": "a", "source": {"bytes": b"%PDF-1.7"}}}
VIDEO = {"video": {"format": "mp4", "source": {"bytes": b"0000"}}}
AUDIO = {"audio": {"format": "wav", "source": {"bytes": b"0000"}}}
ON_S3 = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}}
IMAGE = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
NOT_YET = r"is not supported by this gateway yet\."


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


def converse(client, *content, model=QWEN, **more):
    return refusal(client.converse, modelId=model, messages=[user(*content)], **more)


# --- From the model


@pytest.mark.parametrize(
    ("question", "code", "status"),
    [
        ("#throttled-always", "ThrottlingException", 429),
        ("#not-ready", "ModelNotReadyException", 429),
        ("#unavailable", "ServiceUnavailableException", 503),
        ("#model-error", "ModelErrorException", 424),
        ("#empty", "ModelErrorException", 424),
        ("#error-event", "ModelErrorException", 424),
    ],
)
@pytest.mark.parametrize("model", ["suite.streamed", "suite.invoked"])
def test_the_model_fails(client, model, question, code, status):
    # An event of a stream has no counterpart in a whole answer.
    if model == "suite.invoked" and question in ("#error-event", "#empty"):
        pytest.skip("a fault of streams")
    assert converse(client, question, model=model)[:2] == (code, status)


def test_the_container_s_status_is_told(client):
    with pytest.raises(client.exceptions.ModelErrorException) as failed:
        client.converse(modelId=QWEN, messages=[user("#model-error")])
    assert failed.value.response["originalStatusCode"] == 500


@pytest.mark.parametrize("model", ["suite.streamed", "suite.invoked"])
def test_a_context_that_is_too_long_keeps_its_words(client, model):
    code, status, message = converse(client, "#overflow", model=model)
    assert (code, status) == ("ValidationException", 400)
    assert "This model's maximum context length is 2048 tokens." in message


def test_an_endpoint_that_is_not_there(client):
    code, status, _ = converse(client, "Hello", model="suite.missing")
    assert (code, status) == ("ResourceNotFoundException", 404)


def test_a_client_s_own_retries_meet_a_passing_throttle(connect):
    answer = connect(attempts=3).converse(modelId=QWEN, messages=[user("#throttled-once")])
    assert answer["stopReason"] == "end_turn"


# --- From the request


@pytest.mark.parametrize("model", ["nobody.knows-me-v1:0", "deepseek.r1", "x", "us.nobody-v1:0"])
def test_an_unknown_model(client, model):
    assert converse(client, "Hello", model=model) == (
        "ValidationException",
        400,
        "The provided model identifier is invalid.",
    )


def test_blank_text(client):
    code, status, message = converse(client, "fine", "  \n")
    assert (code, status) == ("ValidationException", 400)
    assert "The text field in the ContentBlock object at messages.0.content.1 is blank." in message


def test_roles_alternate(client):
    turns = [user("a"), assistant("b"), assistant("c"), user("d")]
    assert refusal(client.converse, modelId=QWEN, messages=turns) == (
        "ValidationException",
        400,
        "A conversation must alternate between user and assistant roles. Make sure the "
        "conversation alternates between user and assistant roles and try again.",
    )


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"inferenceConfig": {"temperature": 1.5}}, "temperature"),
        ({"inferenceConfig": {"topP": 1.5}}, "topP"),
        ({"additionalModelResponseFieldPaths": ["x" * 257]}, "additionalModelResponseFieldPaths"),
        ({"serviceTier": {"type": "gold"}}, "serviceTier"),
        ({"additionalModelRequestFields": {"messages": []}}, "messages"),
        ({"additionalModelRequestFields": {"stream": True}}, "stream"),
        ({"additionalModelRequestFields": {"n": 2}}, "n"),
        ({"additionalModelRequestFields": {"chat_template": "x"}}, "chat_template"),
        ({"toolConfig": {"tools": [WEATHER], "toolChoice": {"tool": {"name": "x y"}}}}, "name"),
    ],
)
def test_what_breaks_a_limit_is_named(client, more, member):
    code, status, message = converse(client, "Hello", **more)
    assert (code, status) == ("ValidationException", 400)
    assert re.search(rf"\b{member}\b", message), message


def test_a_bad_document_name(client):
    document = {"document": {"format": "txt", "name": "a/b", "source": {"bytes": b"x"}}}
    code, _, message = converse(client, "Read.", document)
    assert code == "ValidationException"
    assert message.startswith("The document file name can only contain alphanumeric characters,")


@pytest.mark.parametrize("part", [PDF, VIDEO, AUDIO, ON_S3])
def test_what_the_container_cannot_take(client, part):
    code, status, message = converse(client, "Look.", part)
    assert (code, status) == ("ValidationException", 400) and message


def test_images_for_a_model_that_sees_none(client):
    code, status, message = converse(client, "Look.", IMAGE, model="suite.blind")
    assert (code, status) == ("ValidationException", 400)
    assert "image" in message


# --- What is not built yet is refused by name


@pytest.mark.parametrize(
    ("more", "name"),
    [
        (
            {"guardrailConfig": {"guardrailIdentifier": "abc123", "guardrailVersion": "1"}},
            "guardrail",
        ),
        ({"promptVariables": {"who": {"text": "me"}}}, "promptVariables"),
    ],
)
def test_a_feature_that_is_not_built(client, more, name):
    code, status, message = converse(client, "Hello", **more)
    assert (code, status) == ("ValidationException", 400)
    assert re.search(f"{name}.*{NOT_YET}", message, re.IGNORECASE), message


def test_a_prompt_is_not_built(client):
    arn = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1"
    code, status, message = refusal(client.converse, modelId=arn)
    assert (code, status) == ("ValidationException", 400)
    assert re.search(NOT_YET, message), message


ARN = "arn:aws:bedrock:us-east-1:123456789012:async-invoke/abcdefghijkl"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (
            "ApplyGuardrail",
            {
                "guardrailIdentifier": "abc123",
                "guardrailVersion": "1",
                "source": "INPUT",
                "content": [{"text": {"text": "Hello"}}],
            },
        ),
        (
            "StartAsyncInvoke",
            {
                "modelId": QWEN,
                "modelInput": {},
                "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/out"}},
            },
        ),
        ("GetAsyncInvoke", {"invocationArn": ARN}),
        ("ListAsyncInvokes", {}),
    ],
)
def test_an_operation_that_is_not_built(client, operation, arguments):
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    code, status, message = refusal(getattr(client, method), **arguments)
    assert (code, status) == ("ValidationException", 400)
    assert re.search(f"{operation}.*{NOT_YET}", message), message


# --- By hand: what no SDK would send


def send(gateway, path, body=b"{}", method="POST", key="demo-secret-key", **headers):
    """A signed request with any body. Gives (status, error type, message)."""
    request = botocore.awsrequest.AWSRequest(
        method, gateway.url + path, {"Content-Type": "application/json", **headers}, body
    )
    if key:
        credentials = botocore.credentials.Credentials("AKIDDEMO", key)
        botocore.auth.SigV4Auth(credentials, "bedrock", "cn-northwest-1").add_auth(request)
    answer = urllib3.request(
        method, gateway.url + path, body=body, headers=dict(request.headers), retries=False
    )
    if answer.status == 200:
        return 200, None, answer.data.decode()
    servicemodel.check_error(answer.status, answer.headers, answer.data)
    value = json.loads(answer.data)
    kind = answer.headers["x-amzn-ErrorType"].partition(":")[0]
    return answer.status, kind, value.get("message", value.get("Message"))


CONVERSE = "/model/qwen.qwen3-32b-v1%3A0/converse"
HELLO = b'{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"messages":1}',
        b'{"messages":[{"role":"user"}]}',
        b'{"messages":[{"content":[{"text":"Hi"}]}]}',
        b'{"messages":[{"role":"robot","content":[{"text":"Hi"}]}]}',
        b'{"messages":[{"role":"user","content":[{"text":1}]}]}',
        b'{"messages":[{"role":"user","content":[{}]}]}',
        b'{"messages":[{"role":"user","content":[{"image":{"format":"png"}}]}]}',
        b'{"messages":[{"role":"user","content":[{"text":"a"}]}],"inferenceConfig":{"maxTokens":"3"}}',
        b'{"messages":[{"role":"user","content":[{"text":"a"}]}],"inferenceConfig":{"maxTokens":0}}',
        b'{"messages":[]}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_none(gateway, body):
    assert send(gateway, CONVERSE, body)[:2] == (400, "ValidationException")


def test_unknown_members_are_ignored(gateway):
    body = HELLO[:-1] + b',"notInTheModel":{"a":[1]}}'
    assert send(gateway, CONVERSE, body)[0] == 200


def test_a_content_type_says_nothing(gateway):
    assert send(gateway, CONVERSE, HELLO, **{"Content-Type": "application/octet-stream"})[0] == 200


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/guardrail-checks/invoke", "InvokeGuardrailChecks"),
        (
            "/model/qwen.qwen3-32b-v1%3A0/invoke-with-bidirectional-stream",
            "InvokeModelWithBidirectionalStream",
        ),
    ],
)
def test_an_operation_that_boto3_does_not_call(gateway, path, operation):
    status, kind, message = send(gateway, path)
    assert (status, kind) == (400, "ValidationException")
    assert re.search(f"{operation}.*{NOT_YET}", message), message


def test_an_unknown_operation(gateway):
    for path in ["/", "/model/x/dream", "/nothing/here"]:
        assert send(gateway, path)[:2] == (404, "UnknownOperationException")


def test_a_wrong_method(gateway):
    assert send(gateway, CONVERSE, method="PUT")[:2] == (405, "UnknownOperationException")


def test_a_body_that_is_too_large(gateway):
    body = b'{"messages":"' + b"x" * 25_000_001 + b'"}'
    assert send(gateway, CONVERSE, body)[:2] == (413, "ValidationException")


def test_no_signature(gateway):
    status, kind, message = send(gateway, CONVERSE, HELLO, key=None)
    assert (status, kind) == (403, "MissingAuthenticationTokenException")
    assert message == "Missing Authentication Token"


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIDDEMO/20260101/r/bedrock/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256",
    ],
)
def test_half_a_signature(gateway, authorization):
    headers = {"Authorization": authorization, "X-Amz-Date": "20260101T000000Z"}
    status, kind, message = send(gateway, CONVERSE, HELLO, key=None, **headers)
    assert kind == "IncompleteSignatureException" and status in (400, 403)
    assert "Authorization header requires" in message


def test_health_needs_no_key(gateway):
    assert urllib3.request("GET", gateway.url + "/ping").status == 200
