"""Heads that two readers may read in two ways, through nginx: whatever it makes of them, the gateway
answers one request for each that nginx saw, and never takes a body for a request."""

import datetime
import json
import signal
import subprocess

import boto3
import processes
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

PATH = "/model/qwen.qwen3-32b-v1%3A0/converse"


def ask(text="#count") -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": [{"text": text}]}]}).encode()


def head(front, body: bytes, path=PATH) -> list[str]:
    request = AWSRequest("POST", front.url + path, data=body)
    SigV4Auth(Credentials("AKIDDEMO", "demo-secret-key"), "bedrock", "cn-northwest-1").add_auth(request)
    signed = [f"{name}: {value}" for name, value in request.headers.items()]
    host = front.url.removeprefix("https://")
    return [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *signed]


def statuses(front, lines: list[str], body: bytes) -> list[int]:
    """The statuses of all answers on one connection, where a ping follows the request."""
    ping = b"GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with front.connect() as connection:
        answers = b""
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body + ping)
            while part := connection.recv(65536):
                answers += part
        except (ConnectionError, OSError):
            pass  # closed in the middle of what we wrote
    return [int(answer[:3]) for answer in answers.split(b"HTTP/1.1 ")[1:]]


BODY = ask()
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    ("what", "change", "body", "expected"),
    [
        ("as it should be", lambda lines: lines, BODY, [200, 200]),
        ("chunks", lambda lines: [*lines[:2], *lines[3:], "Transfer-Encoding: chunked"], CHUNKED, [200, 200]),
        ("length and chunks", lambda lines: [*lines, "Transfer-Encoding: chunked"], CHUNKED, [400]),
        ("two lengths", lambda lines: [*lines, "Content-Length: 3"], BODY, [400]),
        ("two hosts", lambda lines: [*lines, "Host: other"], BODY, [400]),
        # Before 1.21.1 nginx leaves out a line that is no header; what was signed is all there.
        ("a folded line", lambda lines: [*lines, "X-Folded: a\r\n b"], BODY, None),
        ("a space before the colon", lambda lines: [*lines, "X-Space : a"], BODY, None),
        ("an upgrade", lambda lines: [*lines, "Upgrade: h2c", "Connection: Upgrade"], BODY, [200, 200]),
        ("a large head", lambda lines: [*lines, "X-Large: " + "y" * 28_000], BODY, [200, 200]),
        ("too large a head", lambda lines: [*lines, "X-Large: " + "y" * 40_000], BODY, [400]),
        ("many headers", lambda lines: [*lines, *(f"x-{n}: y" for n in range(200))], BODY, [431, 200]),
    ],
)
def test_heads(emulator, front, what, change, body, expected):
    before = processes.calls(emulator.url)["started"]
    answers = statuses(front, change(head(front, BODY)), body)
    assert answers in ([expected] if expected else ([400], [200, 200])), what
    asked = processes.calls(emulator.url)["started"] - before
    assert asked == (1 if answers[0] == 200 else 0), what


def client(front):
    return boto3.client(
        "bedrock-runtime",
        region_name="cn-northwest-1",
        endpoint_url=front.url,
        aws_access_key_id="AKIDDEMO",
        aws_secret_access_key="demo-secret-key",
        verify=str(front.certificate),
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


def stream(front, text):
    messages = [{"role": "user", "content": [{"text": text}]}]
    return client(front).converse_stream(modelId="qwen.qwen3-32b-v1:0", messages=messages)["stream"]


def test_each_event_leaves_when_it_comes_and_a_caller_who_leaves_is_noticed(emulator, front):
    before = processes.calls(emulator.url)
    events = stream(front, "#stall")
    names = [next(iter(next(iter(events))))]
    while names[-1] != "contentBlockDelta":
        names += next(iter(events)).keys()
    assert processes.calls(emulator.url)["completed"] == before["completed"], "it goes on"
    events.close()
    gone = before["cancelled"] + 1
    processes.eventually("the call is cancelled", lambda: processes.calls(emulator.url)["cancelled"] == gone)


def test_http2(front):
    url = f"{front.url}/model/suite.streamed/converse"
    curl = ["curl", "--silent", "--show-error", "--http2", "--cacert", front.certificate, "--data-binary", ask(), url]
    curl += ["--aws-sigv4", "aws:amz:cn-northwest-1:bedrock", "--user", "AKIDDEMO:demo-secret-key"]
    curl += ["--header", "content-type: application/json", "--write-out", "\\n%{http_version} %{response_code}"]
    answer, told = subprocess.run(curl, check=True, capture_output=True, text=True).stdout.rsplit("\n", 1)
    assert told == "2 200", answer


SLOW = """
[endpoints.qwen]
[[rules]]
answer.text = "one two three four five"
fault.stall = { after = 3, ms = 700 }
"""


def test_a_stream_outlives_the_signal_that_ends_the_gateway(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(SLOW)
    slow = processes.Process(
        *("emulate", "--listen", "127.0.0.1:0", "--rules", str(rules)), log=tmp_path / "slow.log", environment={}
    )
    front = processes.gateway(tmp_path, slow.url)
    try:
        events = iter(stream(front, "hi"))
        names = list(next(events))
        front.behind._process.send_signal(signal.SIGTERM)
        assert processes.calls(slow.url)["completed"] == 0, "it was asked to end in the middle"
        names += [name for event in events for name in event]
        assert names[-1] == "metadata"
        assert front.behind._process.wait(processes.PATIENCE) == 0
    finally:
        front.stop()
        slow.stop()
