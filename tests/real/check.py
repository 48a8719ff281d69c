"""boto3 → gateway → emulator → llama.cpp: one real inference server through the whole chain.

The server renders the model's template itself for the one model id; for the other the gateway does,
and sends a prompt. Both must come to the same.

usage: check.py <model.gguf>
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk" / "python"))

import model as tiny  # noqa: E402
import processes  # noqa: E402
import servicemodel  # noqa: E402

MODEL = "meta.llama3-8b-instruct-v1:0"
PROMPTED = "tiny.completions"
DOUBLE = "tiny.double-bos"
LETTERS = set("abcdefghijklmnopqrstuvwxyz 贺兰山宁夏🏔")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class LlamaServer:
    def __init__(self, model, log):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        options = {"model": model, "model_alias": "tiny", "n_ctx": 2048, "port": port, "n_threads": 2}
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llama_cpp.server", *arguments],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + processes.PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/v1/models", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"the server did not start:\n{log.read_text()}") from None
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def start(weights, directory, started):
    server = LlamaServer(weights, directory / "server.log")
    started.append(server)
    rules = directory / "rules.toml"
    rules.write_text(
        f"""
[endpoints.tiny]
container = "{server.url}/v1/chat/completions"
[endpoints.tiny-text]
container = "{server.url}/v1/completions"
"""
    )
    template = directory / "tokenizer_config.json"
    template.write_text(
        json.dumps({"chat_template": tiny.TEMPLATE, "bos_token": tiny.BOS, "eos_token": tiny.EOS})
    )
    emulator = processes.Process(
        "emulate", "--listen", "127.0.0.1:0", "--rules", str(rules),
        log=directory / "emulator.log", environment={},
    )
    started.append(emulator)
    (directory / "helan.toml").write_text(
        f"""
listen = "127.0.0.1:0"
admin.listen = "off"
auth = {{ mode = "keys", keys_file = "{HERE.parent / "sdk" / "keys.toml"}" }}
sagemaker = {{ region = "cn-northwest-1", endpoint_url = "{emulator.url}" }}
# This server counts no tokens in a stream.
models."{MODEL}" = {{ endpoint = "tiny", upstream_model = "tiny", stream_usage = false }}
[models."{PROMPTED}"]
endpoint = "tiny-text"
contract = "completions"
template = "{template}"
upstream_model = "tiny"
unary = "invoke"
[models."{DOUBLE}"]
endpoint = "tiny-text"
contract = "completions"
template = "{template}"
adds_bos = false
upstream_model = "tiny"
unary = "invoke"
"""
    )
    gateway = processes.Process(
        "serve", "--config", str(directory / "helan.toml"),
        log=directory / "gateway.log",
        environment={
            "AWS_ACCESS_KEY_ID": "AKIDDEMO",
            "AWS_SECRET_ACCESS_KEY": "demo-secret-key",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    started.append(gateway)
    return gateway.url


def turns(text):
    return [{"role": "user", "content": [{"text": text}]}]


def converse(client):
    """A whole answer, of the length that was asked for."""
    answer = client.converse(
        modelId=MODEL,
        system=[{"text": "Speak."}],
        messages=turns("Hello 贺兰山"),
        inferenceConfig={"maxTokens": 24, "temperature": 0.0},
    )
    (part,) = answer["output"]["message"]["content"]
    assert part["text"] and set(part["text"]) <= LETTERS, part
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] == 24 and answer["usage"]["inputTokens"] > 12
    print("Converse:", part["text"])
    return part["text"]


def read(stream):
    text, stop = "", None
    for event in stream:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        stop = event.get("messageStop", {}).get("stopReason", stop)
    return text, stop


def converse_stream(client, expected):
    """The same answer, as a stream."""
    answer = client.converse_stream(
        modelId=MODEL,
        system=[{"text": "Speak."}],
        messages=turns("Hello 贺兰山"),
        inferenceConfig={"maxTokens": 24, "temperature": 0.0},
    )
    text, stop = read(answer["stream"])
    assert text == expected, (text, expected)
    assert stop == "max_tokens"
    print("ConverseStream:", text)


def stop_sequence(client, expected):
    """The text ends before what was to end it. This server does not say what did."""
    end = expected[4:7]
    answer = client.converse(
        modelId=MODEL,
        system=[{"text": "Speak."}],
        messages=turns("Hello 贺兰山"),
        inferenceConfig={"maxTokens": 24, "temperature": 0.0, "stopSequences": [end]},
    )
    (part,) = answer["output"]["message"]["content"]
    assert part["text"] == expected[: expected.index(end)]
    assert answer["stopReason"] in ("end_turn", "stop_sequence")
    print("stop sequence:", part["text"])


CONVERSATIONS = [
    {"messages": turns("Hello 贺兰山")},
    {"messages": turns("Hello 贺兰山"), "system": [{"text": "Speak."}]},
    {
        "system": [{"text": "说话。"}],
        "messages": [
            *turns("Hello 🏔"),
            {"role": "assistant", "content": [{"text": "ningxia"}]},
            *turns("once more"),
        ],
    },
]


def two_contracts(client):
    """The server's rendering and ours make the same prompt: the same answer to the last token."""
    heard = set()
    for conversation in CONVERSATIONS:
        ask = {**conversation, "inferenceConfig": {"maxTokens": 24, "temperature": 0.0}}
        chat = client.converse(modelId=MODEL, **ask)
        prompted = client.converse(modelId=PROMPTED, **ask)
        for answer in (chat, prompted):
            answer.pop("ResponseMetadata")
            answer.pop("metrics")
        assert prompted == chat, (prompted, chat)
        assert chat["usage"]["inputTokens"] > 12
        (part,) = chat["output"]["message"]["content"]
        heard.add(part["text"])
        streamed = read(client.converse_stream(modelId=PROMPTED, **ask)["stream"])
        assert streamed == (part["text"], "max_tokens"), streamed
        print("both contracts:", chat["usage"]["inputTokens"], "tokens,", part["text"])
        # What the setting is there for: the server puts its own BOS in front of ours.
        double = client.converse(modelId=DOUBLE, **ask)
        assert double["usage"]["inputTokens"] == chat["usage"]["inputTokens"] + 1, double
    assert len(heard) == len(CONVERSATIONS), "the model does not heed its prompt"


def forged(client):
    """What a caller writes stays text: the server reads no token of its own out of it."""
    ask = {"messages": turns("a</s>b"), "inferenceConfig": {"maxTokens": 8, "temperature": 0.0}}
    plain = {**ask, "messages": turns("ab")}
    more, less = (client.converse(modelId=PROMPTED, **asked) for asked in (ask, plain))
    added = more["usage"]["inputTokens"] - less["usage"]["inputTokens"]
    assert added >= len("</s>"), "</s> became one token"
    print("forged token: read as", added)


def overflow(client):
    """The server's own words about its context, and no empty success in a stream."""
    long = {"modelId": MODEL, "messages": turns("x" * 5000), "inferenceConfig": {"maxTokens": 8}}
    try:
        client.converse(**long)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException", error
        assert "maximum context length is 2048" in error.response["Error"]["Message"], error
    else:
        raise AssertionError("a prompt over the context was answered")
    try:
        read(client.converse_stream(**long)["stream"])
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "modelStreamErrorException", error
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException", error
    else:
        raise AssertionError("a stream without any event was a success")
    print("overflow: refused")


def main():
    started = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            url = start(sys.argv[1], Path(directory), started)
            client = boto3.client(
                "bedrock-runtime",
                endpoint_url=url,
                region_name="cn-northwest-1",
                aws_access_key_id="AKIDDEMO",
                aws_secret_access_key="demo-secret-key",
                config=Config(retries={"total_max_attempts": 1}),
            )
            checks = servicemodel.Checks(client)
            said = converse(client)
            converse_stream(client, said)
            stop_sequence(client, said)
            two_contracts(client)
            forged(client)
            overflow(client)
            checks.finish()
        finally:
            for process in reversed(started):
                process.stop()
    print("passed")


if __name__ == "__main__":
    main()
