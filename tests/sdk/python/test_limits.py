"""Callers who are over their share, and a gateway that is full, as boto3 tells of them."""

import threading

import boto3
import conftest
import processes
import pytest
from botocore.config import Config

# What is held is held until its caller leaves.
RULES = """
builtin = false
[[rules]]
when.text = "hold"
answer.text = "one two three four five six"
fault.stall = { after = 3, ms = 3600000 }
[[rules]]
answer.text = "There you are."
"""
LIMITS = """
[limits]
max_calls = 2
max_calls_per_principal = 1
"""


@pytest.fixture
def gateway(tmp_path):
    emulator = processes.emulator(tmp_path / "emulator", RULES)
    gateway = processes.gateway(tmp_path, emulator.url, LIMITS)
    yield gateway
    gateway.stop()
    emulator.stop()


@pytest.fixture
def connect(gateway):
    made = []

    def make(key="AKIDDEMO", secret="demo-secret-key", token=None, attempts=1):
        client = boto3.client(
            "bedrock-runtime",
            region_name="cn-northwest-1",
            endpoint_url=gateway.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def hold(client):
    """A call that goes on until its stream is closed."""
    stream = client.converse_stream(modelId=conftest.QWEN, messages=[conftest.user("hold")])["stream"]
    assert "messageStart" in next(iter(stream))
    return stream


def ask(client):
    return client.converse(modelId=conftest.QWEN, messages=[conftest.user("hi")])


def other(connect, **more):
    return connect("AKIDSESSION", "session-secret-key", "session-token", **more)


def test_a_caller_over_its_share_is_throttled_and_nobody_else(connect):
    client = connect()
    stream = hold(client)
    for operation in (client.converse, client.converse_stream):
        with pytest.raises(client.exceptions.ThrottlingException) as raised:
            operation(modelId=conftest.QWEN, messages=[conftest.user("hi")])
        answer = raised.value.response
        assert answer["Error"]["Message"] == "Too many requests, please wait before trying again."
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    assert conftest.text(ask(other(connect))) == "There you are."
    stream.close()


def test_a_full_gateway_is_unavailable(connect):
    streams = [hold(connect()), hold(other(connect))]
    # The third caller has nothing in flight: there is no place for it.
    client = connect("AKIDTHIRD", "third-secret-key")
    with pytest.raises(client.exceptions.ServiceUnavailableException) as raised:
        ask(client)
    answer = raised.value.response
    assert answer["Error"]["Message"] == "The gateway is busy with other requests. Try your request again."
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    for stream in streams:
        stream.close()


def test_boto3_tries_again_until_its_own_call_has_ended(gateway, connect):
    stream = hold(connect())
    answers = []
    client = connect(attempts=10)
    caller = threading.Thread(target=lambda: answers.append(ask(client)))
    caller.start()
    processes.eventually(
        "the first attempt is refused", lambda: '"code":"ThrottlingException"' in gateway.log()
    )
    stream.close()
    caller.join(processes.PATIENCE)
    assert conftest.text(answers[0]) == "There you are."
    assert answers[0]["ResponseMetadata"]["RetryAttempts"] >= 1
