"""The programs of examples/, each as its reader runs it, against the gateway that it names."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest

EXAMPLES = processes.ROOT / "examples"
# What the scripted model says.
NINGXIA = (
    "Ningxia (宁夏) lies in the northwest of China, on the upper Yellow River. The Helan Mountains (贺兰山) "
    "shelter its capital, Yinchuan, from the desert."
)
THOUGHT = "The user asks about Ningxia. Northwest China, the Yellow River, the Helan Mountains: that will do."
CHINESE = (
    "你好！我是一个写好台词的模型，住在模拟的 SageMaker 终端节点里。贺兰山下，一切照真的来：签名、事件流、用量，一样不少。"
)
CHINESE_THOUGHT = "用户用中文提问，我也用中文回答，简短、友好。"
FOUND = "Here is what the tool found: "
# Settings of the developer's own, which the examples would take.
OWN = re.compile(r"(AWS|HELAN|ANTHROPIC|OPENAI)_|(MODEL|TITAN|COHERE)_ID$|(HTTPS?|ALL)_PROXY$", re.IGNORECASE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    log = tmp_path_factory.mktemp("demo") / "demo.log"
    process = processes.Process("demo", "--listen", "127.0.0.1:0", log=log, environment={})
    yield process
    process.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The gateway of examples/local, with its files as they are but for the ports."""
    directory = tmp_path_factory.mktemp("local")
    rules = str(EXAMPLES / "local" / "rules.toml")
    emulator = processes.Process(
        "emulate", "--listen", "127.0.0.1:0", "--rules", rules, log=directory / "emulator.log", environment={}
    )
    try:
        gateway = processes.Process(
            "serve",
            "--config",
            str(EXAMPLES / "local" / "helan.toml"),
            log=directory / "gateway.log",
            environment={
                "HELAN_LISTEN": "127.0.0.1:0",
                "HELAN_ADMIN_LISTEN": "off",
                "HELAN_ENDPOINT_URL": emulator.url,
                "HELAN_DRAIN_GRACE": "0",
                "AWS_ACCESS_KEY_ID": "AKIDDEMO",
                "AWS_SECRET_ACCESS_KEY": "demo-secret-key",
            },
        )
    except RuntimeError:
        emulator.stop()
        raise
    yield gateway
    gateway.stop()
    emulator.stop()


def run(path, gateway, **settings):
    """Runs an example to its end."""
    path = EXAMPLES / path
    kept = {name: value for name, value in os.environ.items() if not OWN.match(name)}
    environment = kept | {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": gateway.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUTF8": "1",
    }
    command = [sys.executable, path] if path.suffix == ".py" else [path]
    return subprocess.run(
        command,
        env=environment | settings,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * processes.PATIENCE,
    )


def lines(path, gateway, **settings):
    """What an example printed, without empty lines."""
    ran = run(path, gateway, **settings)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return [line for line in ran.stdout.splitlines() if line]


def number(pattern, line):
    """The only group of `pattern`, a number that is not zero."""
    found = re.fullmatch(pattern, line)
    assert found, line
    assert int(found[1]) > 0
    return int(found[1])


def test_every_example_is_run_and_in_the_table():
    here = Path(__file__).read_text() + (processes.HERE / "js" / "examples.test.js").read_text()
    table = (EXAMPLES / "README.md").read_text()
    programs = [path for kind in ("py", "mjs", "sh") for path in EXAMPLES.glob(f"*/*.{kind}")]
    programs = [path for path in programs if path.parent.name in ("python", "javascript", "shell")]
    assert len(programs) > 15
    for path in programs:
        assert f'"{path.name}"' in here or f'"{path.parent.name}/{path.name}"' in here, f"{path.name} is not run"
        assert f"({path.parent.name}/{path.name})" in table, f"examples/README.md lacks {path.name}"


def test_a_first_program(demo):
    call, found, usage, text = lines("python/chat.py", demo)
    assert call.startswith("the model calls get_weather {'city': ")
    assert json.loads(found.removeprefix(FOUND)) == {"sky": "clear", "celsius": 4}
    number(r".*'outputTokens': (\d+).*", usage)
    assert text == CHINESE


def test_converse(demo):
    *blocks, end = lines("python/converse.py", demo)
    assert blocks == [f"answer: {NINGXIA}", f"reasoning: {THOUGHT}"]
    number(r"ended with end_turn after (\d+) tokens", end)


def test_converse_stream(demo):
    thought, text, end, tokens = lines("python/converse_stream.py", demo)
    assert (thought, text, end) == (CHINESE_THOUGHT, CHINESE, "ended with end_turn")
    number(r"tokens: (\d+)", tokens)


def test_tools(demo):
    call, found = lines("python/tools.py", demo)
    assert call == "the model calls get_altitude {'city': 'Yinchuan'}"
    assert json.loads(found.removeprefix(FOUND)) == {"city": "Yinchuan", "metres": 1110}


def test_invoke_model(demo):
    thought, text, end = lines("python/invoke_model.py", demo)
    assert (thought, text) == (f"reasoning: {THOUGHT}", f"answer: {NINGXIA}")
    number(r"ended with stop after (\d+) tokens", end)


def test_invoke_model_stream(demo):
    text, end, tokens = lines("python/invoke_model_stream.py", demo)
    assert (text, end) == (NINGXIA, "ended with stop")
    number(r"tokens: (\d+) in, \d+ out", tokens)


def test_count_tokens(local):
    conversation, body = lines("python/count_tokens.py", local)
    # The same question; the conversation has a system prompt in front of it.
    assert number(r"conversation: (\d+) tokens", conversation) > number(r"body: (\d+) tokens", body)


def test_embeddings(local):
    titan, *ranked = lines("python/embeddings.py", local)
    assert titan == "Titan: 512 dimensions"
    found = [re.fullmatch(r"Cohere: (-?\d\.\d\d) (.+)", line) for line in ranked]
    scores = [float(line[1]) for line in found]
    assert len({line[2] for line in found}) == 3
    # The emulator's vectors are hashes: they know no meaning, but those of two texts never agree.
    assert scores == sorted(scores, reverse=True) and scores[0] < 0.9


def test_langchain(demo):
    call, found, text, pieces = lines("python/langchain_chat.py", demo)
    assert call == "the model calls get_altitude {'city': 'Yinchuan'}"
    assert (found, text) == (f"{FOUND}1110 m", CHINESE)
    assert number(r"in (\d+) pieces", pieces) > 3, "it was streamed"


def test_strands(demo):
    call, result, text, tokens = lines("python/strands_agent.py", demo)
    assert call == "the model calls get_altitude {'city': 'Yinchuan'}"
    assert (result, text) == ("the tool says 1110 m", f"answer: {FOUND}1110 m")
    number(r"tokens: (\d+)", tokens)


def test_anthropic(demo):
    call, found, usage, text = lines("python/anthropic_sdk.py", demo, ANTHROPIC_BEDROCK_BASE_URL=demo.url)
    assert call.startswith("the model calls get_weather {'city': ")
    assert (found, text) == (f"{FOUND}clear, 4 °C", CHINESE)
    number(r".*'output_tokens': (\d+).*", usage)


@pytest.mark.parametrize("key", [{}, {"AWS_BEARER_TOKEN_BEDROCK": "demo-bearer-key"}], ids=["short-term", "bearer"])
def test_openai(demo, local, key):
    # The demo has no bearer keys of its own; the other gateway has those of examples/keys.toml.
    gateway, model = (local, {"MODEL_ID": "qwen.qwen3-32b-v1:0"}) if key else (demo, {})
    call, found, text, tokens = lines("python/openai_sdk.py", gateway, **key, **model)
    assert call == "the model calls get_altitude {'city': 'Yinchuan'}"
    assert (found, text) == (f"{FOUND}1110 m", CHINESE)
    number(r"tokens: (\d+)", tokens)


def test_the_aws_command_line(demo):
    text, *rest = lines("shell/aws-cli.sh", demo)
    assert text.strip() == NINGXIA
    # What invoke-model prints itself, then the file that it has written.
    (choice,) = json.loads(rest[-1])["choices"]
    assert (choice["text"].partition("</think>")[2].strip(), choice["stop_reason"]) == (CHINESE, "stop")
    assert json.loads("".join(rest[:-1])) == {"contentType": "application/json"}


needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")


@needs_curl
def test_curl(demo):
    answer, *chunks, done = lines("shell/curl.sh", demo)
    assert json.loads(answer)["output"]["message"]["content"][0] == {"text": NINGXIA}
    deltas = [json.loads(chunk.removeprefix("data: "))["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content") or "" for choice in deltas) == CHINESE
    assert (deltas[-1]["finish_reason"], done) == ("stop", "data: [DONE]")


@pytest.mark.parametrize("path", ["python/converse.py", pytest.param("shell/curl.sh", marks=needs_curl)])
def test_a_wrong_secret_is_told(demo, path):
    ran = run(path, demo, AWS_SECRET_ACCESS_KEY="not the secret")
    assert ran.returncode != 0
    assert "signature we calculated does not match" in ran.stdout + ran.stderr
