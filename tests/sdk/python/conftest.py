"""What the tests share: the running gateway and clients whose every answer is checked."""

import json

import boto3
import processes
import pytest
import servicemodel
from botocore.config import Config

R1 = "deepseek.r1-v1:0"
QWEN = "qwen.qwen3-32b-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
MAVERICK = "meta.llama4-maverick-17b-instruct-v1:0"
MODELS = [R1, QWEN, GPT_OSS, MAVERICK]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    process = processes.emulator(tmp_path_factory.mktemp("emulator"))
    yield process
    process.stop()


@pytest.fixture(scope="session")
def gateway(emulator, tmp_path_factory):
    process = processes.gateway(tmp_path_factory.mktemp("gateway"), emulator.url)
    yield process
    process.stop()


@pytest.fixture
def connect(gateway):
    """Makes clients. Each is an unmodified boto3 client; the checks only listen."""
    made = []

    def make(key="AKIDDEMO", secret="demo-secret-key", token=None, attempts=1, path=""):
        client = boto3.client(
            "bedrock-runtime",
            region_name="cn-northwest-1",
            endpoint_url=gateway.url + path,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
        )
        checks = servicemodel.Checks(client)
        made.append((client, checks))
        return client

    yield make
    for client, checks in made:
        checks.finish()
        client.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def sent(emulator):
    """The payload of the last request that reached the container."""
    return lambda: json.loads(processes.requests(emulator.url)[-1]["body"])


def user(*content):
    """A user's turn."""
    return {"role": "user", "content": [block(part) for part in content]}


def assistant(*content):
    return {"role": "assistant", "content": [block(part) for part in content]}


def block(part):
    return {"text": part} if isinstance(part, str) else part


def text(answer):
    """The text of an answer."""
    blocks = answer["output"]["message"]["content"]
    return "".join(part["text"] for part in blocks if "text" in part)


def fold(events):
    """One answer out of the events of a stream, with its blocks as generated."""
    blocks, answer = {}, {}
    for event in events:
        ((name, value),) = event.items()
        if name == "contentBlockStart":
            blocks[value["contentBlockIndex"]] = {"toolUse": dict(value["start"]["toolUse"], input="")}
        elif name == "contentBlockDelta":
            delta = value["delta"]
            if "text" in delta:
                part = blocks.setdefault(value["contentBlockIndex"], {"text": ""})
                part["text"] += delta["text"]
            elif "toolUse" in delta:
                part = blocks[value["contentBlockIndex"]]
                part["toolUse"]["input"] += delta["toolUse"]["input"]
            elif "reasoningContent" in delta:
                empty = {"reasoningContent": {"reasoningText": {"text": ""}}}
                part = blocks.setdefault(value["contentBlockIndex"], empty)
                part["reasoningContent"]["reasoningText"]["text"] += delta["reasoningContent"]["text"]
        elif name in ("messageStart", "messageStop", "metadata"):
            answer.update(value)
    content = [blocks[index] for index in sorted(blocks)]
    answer["output"] = {"message": {"role": answer.pop("role"), "content": content}}
    return answer
