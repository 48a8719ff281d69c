"""The AWS command line, as users type it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

R1 = "us.deepseek.r1-v1:0"
BOS = "<｜begin▁of▁sentence｜>"
SPELLINGS = [BOS, "<｜begin_of_sentence｜>"]


@pytest.fixture
def aws(gateway, tmp_path):
    """Runs `aws bedrock-runtime …` in a folder of its own."""

    def run(*arguments, path=tmp_path):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        environment = kept | {
            "AWS_ACCESS_KEY_ID": "AKIDDEMO",
            "AWS_SECRET_ACCESS_KEY": "demo-secret-key",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": gateway.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PYTHONUTF8": "1",
        }
        command = [str(Path(sys.executable).parent / "aws"), "bedrock-runtime", *arguments]
        return subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.parametrize("bos", SPELLINGS, ids=["tokenizer", "blog"])
def test_invoke_model_writes_the_answer_to_a_file(aws, tmp_path, sent, bos):
    body = (
        f'{{"prompt": "{bos}<｜User｜>贺兰山在哪里？<｜Assistant｜><think>\\n", '
        '"max_tokens": 512, "temperature": 0.5, "top_p": 0.9}'
    )
    ran = aws(
        "invoke-model", "--model-id", R1, "--body", body, "--region", "us-west-2", "out.txt"
    )
    assert ran.returncode == 0, ran.stderr
    (choice,) = json.loads((tmp_path / "out.txt").read_text())["choices"]
    assert choice["stop_reason"] == "stop"
    assert "贺兰山在哪里？" in choice["text"]
    # What reached the container is the prompt as its author wrote it, but for the BOS marker, which
    # its tokenizer adds itself.
    payload = sent()
    assert payload["prompt"] == "<｜User｜>贺兰山在哪里？<｜Assistant｜><think>\n"
    assert (payload["max_tokens"], payload["temperature"], payload["top_p"]) == (512, 0.5, 0.9)


@pytest.mark.parametrize("bos", SPELLINGS, ids=["tokenizer", "blog"])
def test_the_bytes_of_a_newer_command_line(client, sent, bos):
    # Version 2 sends the text as UTF-8 and names no content type.
    prompt = f"{bos}<｜User｜>Where?<｜Assistant｜><think>\n"
    body = json.dumps({"prompt": prompt, "max_tokens": 512}, ensure_ascii=False).encode()
    answer = json.loads(client.invoke_model(modelId=R1, body=body)["body"].read())
    assert answer["choices"][0]["stop_reason"] == "stop"
    assert sent()["prompt"] == prompt.removeprefix(bos)


def test_converse(aws):
    messages = json.dumps([{"role": "user", "content": [{"text": "Where?"}]}])
    config = json.dumps({"maxTokens": 512, "temperature": 0.5, "topP": 0.9})
    ran = aws(
        "converse", "--model-id", R1, "--messages", messages, "--inference-config", config,
        "--region", "us-west-2",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["output"]["message"]["content"][0]["text"] == "You said: Where?"


def test_the_sample_that_prints_the_first_text(client, capsys):
    response = client.converse(
        modelId=R1,
        messages=[{"role": "user", "content": [{"text": "#think"}]}],
        inferenceConfig={"maxTokens": 512, "temperature": 0.5, "topP": 0.9},
    )
    print(response["output"]["message"]["content"][0]["text"])
    assert capsys.readouterr().out == "贺兰山 (Helan Mountain) rises above Yinchuan.\n"


def test_what_is_wrong_is_told(aws):
    ran = aws(
        "invoke-model", "--model-id", R1, "--body", '{"text": "x"}', "--region", "us-west-2", "o"
    )
    assert ran.returncode != 0
    assert "ValidationException" in ran.stderr
    assert "required key [prompt] not found" in ran.stderr
