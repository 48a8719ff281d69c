"""Who calls, and what is named."""

import re

import processes
import pytest
import urllib3
from botocore.exceptions import ClientError
from conftest import QWEN, R1, text, user
from test_errors import CONVERSE, HELLO

HELLO_TURN = [user("Hello")]


def refused(client):
    with pytest.raises(ClientError) as error:
        client.converse(modelId=QWEN, messages=HELLO_TURN)
    response = error.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


def test_a_wrong_secret(connect):
    code, status, message = refused(connect(secret="not-the-secret"))
    assert (code, status) == ("InvalidSignatureException", 403)
    assert message.startswith(
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details."
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"key": "AKIDNOBODY"},
        {"key": "AKIDSESSION", "secret": "session-secret-key"},
        {"key": "AKIDSESSION", "secret": "session-secret-key", "token": "another-token"},
    ],
)
def test_a_key_that_nobody_has(connect, keys):
    assert refused(connect(**keys)) == (
        "UnrecognizedClientException",
        403,
        "The security token included in the request is invalid.",
    )


def test_keys_of_a_session(connect):
    client = connect(key="AKIDSESSION", secret="session-secret-key", token="session-token")
    assert text(client.converse(modelId=QWEN, messages=HELLO_TURN)) == "You said: Hello"


def bearer(gateway, key):
    return urllib3.request(
        "POST",
        gateway.url + CONVERSE,
        body=HELLO,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        retries=False,
    )


def test_a_bearer_key(gateway):
    assert bearer(gateway, "helan-suite-bearer-key").status == 200


def test_a_bearer_key_that_nobody_has(gateway):
    answer = bearer(gateway, "another-key")
    assert answer.status == 403
    assert answer.headers["x-amzn-ErrorType"].startswith("AccessDeniedException")
    assert answer.json() == {
        "Message": "Authentication failed: Please make sure your API Key is valid."
    }


@pytest.mark.parametrize(
    "model",
    [
        R1,
        "us." + R1,
        "eu." + R1,
        "apac." + R1,
        "jp." + R1,
        "au." + R1,
        "ca." + R1,
        "us-gov." + R1,
        "global." + R1,
        "arn:aws:bedrock:us-east-1::foundation-model/" + R1,
        "arn:aws-cn:bedrock:cn-northwest-1::foundation-model/" + R1,
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us." + R1,
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456",
        "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl",
    ],
)
def test_every_name_of_a_model(client, emulator, model):
    assert text(client.converse(modelId=model, messages=HELLO_TURN)) == "You said: Hello"
    assert processes.requests(emulator.url)[-1]["endpoint"] == "r1"


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_an_endpoint_by_its_arn(client, partition):
    arn = f"arn:{partition}:sagemaker:cn-northwest-1:123456789012:endpoint/open-model"
    assert text(client.converse(modelId=arn, messages=HELLO_TURN)) == "You said: Hello"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/private",
        "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/open-../r1",
        "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/aaaaaaaaaaaa",
    ],
)
def test_an_arn_that_is_not_served(client, arn):
    with pytest.raises(client.exceptions.ValidationException) as error:
        client.converse(modelId=arn, messages=HELLO_TURN)
    assert error.value.response["Error"]["Message"] == "The provided model identifier is invalid."


def test_a_base_path(connect):
    client = connect(path="/some/where")
    assert text(client.converse(modelId=R1, messages=HELLO_TURN)) == "You said: Hello"


def test_logs_tell_no_secret(client, gateway):
    """Names, sizes and codes; never a body, a signature, a key."""
    spoken = "words-that-no-log-may-hold"
    client.converse(modelId=QWEN, messages=[user(spoken)], system=[{"text": spoken}])
    log = gateway.log()
    assert QWEN in log, "the log is there"
    assert spoken not in log
    assert "demo-secret-key" not in log and "helan-suite-bearer-key" not in log
    assert not re.search(r"Signature=[0-9a-f]{8}", log)
