"""InvokeModel and its stream as boto3 reads them: prompts, metrics, failures, raw endpoints."""

import json

import botocore.exceptions
import processes
import pytest
from conftest import MAVERICK, R1

RAW = "suite.raw"


def invoke(client, model, body, **more):
    answer = client.invoke_model(modelId=model, body=json.dumps(body), **more)
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read()), answer


def stream(client, model, body, **more):
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body), **more)
    assert answer["contentType"] == "application/json"
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


def test_deepseek_answers_text_with_the_reasoning_in_it(client):
    prompt = "<｜begin▁of▁sentence｜><｜User｜>#think<｜Assistant｜><think>\n"
    whole, answer = invoke(client, R1, {"prompt": prompt, "max_tokens": 512})
    (choice,) = whole["choices"]
    assert choice["stop_reason"] == "stop"
    assert "贺兰山 (Helan Mountain)" in choice["text"]
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert int(headers["x-amzn-bedrock-input-token-count"]) > 0
    chunks = stream(client, R1, {"prompt": prompt, "max_tokens": 512})
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == choice["text"]
    assert [chunk["choices"][0]["stop_reason"] for chunk in chunks if chunk["choices"][0]["stop_reason"]] == ["stop"]
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == int(headers["x-amzn-bedrock-output-token-count"])


def test_llama_counts_tokens_and_tells_a_cut(client):
    body = {"prompt": "#count", "max_gen_len": 3}
    whole, _ = invoke(client, MAVERICK, body)
    assert (whole["stop_reason"], whole["generation_token_count"]) == ("length", 3)
    chunks = stream(client, MAVERICK, body)
    assert "".join(chunk["generation"] for chunk in chunks) == whole["generation"]
    assert chunks[-1]["stop_reason"] == "length"


TURNS = [
    ("<｜begin▁of▁sentence｜>Be brief.<｜User｜>Hi<｜Assistant｜>Hello<｜end▁of▁sentence｜><｜User｜>#think<｜Assistant｜><think>\n",
     [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "#think")]),
    ("<|im_start|>user\n#think<|im_end|>\n<|im_start|>assistant\n", [("user", "#think")]),
    ("<s>[INST] #think [/INST]", [("user", "#think")]),
    ("Think of mountains: #think", [("user", "Think of mountains: #think")]),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "turns"), TURNS, ids=["deepseek", "chatml", "mistral", "none"])
def test_a_container_of_messages_gets_the_turns_of_a_prompt(client, sent, gateway, prompt, turns):
    body = {"prompt": prompt, "max_tokens": 512}
    whole, _ = invoke(client, "suite.messages", body)
    payload = sent()
    assert [(turn["role"], turn["content"]) for turn in payload["messages"]] == turns
    assert payload["max_tokens"] == 512 and "prompt" not in payload
    # The answer is as generated behind that prompt: reasoning is where the template has it.
    text = whole["choices"][0]["text"]
    thought = "The user asks for mountains. 贺兰山 is one. 🏔️"
    opened = "" if prompt.endswith("<think>\n") else "<think>\n"
    assert text == f"{opened}{thought}\n</think>\n\n贺兰山 (Helan Mountain) rises above Yinchuan."
    chunks = stream(client, "suite.messages", body)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == text
    name = "prompt_wrapped" if turns[0][1] == prompt else "prompt_parsed"
    processes.eventually("the log", lambda: f'"adapted":"{name}"' in gateway.log())


def test_no_prompt_gets_a_second_bos(client, sent, gateway):
    for bos in ("<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>"):
        invoke(client, "suite.invoked", {"prompt": f"{bos}Hi", "max_tokens": 5})
        assert sent()["prompt"] == "Hi", "the tokenizer puts its own there"
    processes.eventually("the log", lambda: '"adapted":"bos_removed"' in gateway.log())
    invoke(client, "suite.doubled", {"prompt": "<s>Hi", "max_tokens": 5})
    assert sent()["prompt"] == "<s>Hi"


@pytest.mark.parametrize("content_type", [None, "application/json", "application/octet-stream"])
def test_any_content_type_is_json(client, content_type):
    more = {"contentType": content_type} if content_type else {}
    whole, _ = invoke(client, MAVERICK, {"prompt": "Hi", "max_gen_len": 8}, **more)
    assert whole["generation"].startswith("You said")


def test_what_is_asked_of_the_service_is_echoed(client):
    more = {"performanceConfigLatency": "optimized", "serviceTier": "priority"}
    _, answer = invoke(client, MAVERICK, {"prompt": "Hi"}, **more)
    assert (answer["performanceConfigLatency"], answer["serviceTier"]) == ("optimized", "priority")
    streamed = client.invoke_model_with_response_stream(
        modelId=MAVERICK, body=json.dumps({"prompt": "Hi"}), **more
    )
    list(streamed["body"])
    assert (streamed["performanceConfigLatency"], streamed["serviceTier"]) == ("optimized", "priority")


def test_a_schema_is_broken(client):
    with pytest.raises(client.exceptions.ValidationException) as refused:
        invoke(client, R1, {"prompt": "x", "inferenceConfig": {}, "temperature": "hot"})
    assert refused.value.response["Error"]["Message"] == (
        "Malformed input request: #: extraneous key [inferenceConfig] is not permitted"
        "#/temperature: expected type: Number, found: String"
        ", please reformat your input and try again."
    )


def test_a_stream_that_breaks_off_says_so(client):
    read = []
    with pytest.raises(botocore.exceptions.EventStreamError) as broken:
        answer = client.invoke_model_with_response_stream(
            modelId=R1, body=json.dumps({"prompt": "#truncated", "max_tokens": 64})
        )
        for event in answer["body"]:
            read.append(json.loads(event["chunk"]["bytes"])["choices"][0])
    assert broken.value.response["Error"]["Code"] == "modelStreamErrorException"
    assert "".join(choice["text"] for choice in read), "what was generated before is not lost"
    assert all(choice["stop_reason"] is None for choice in read)


def test_a_raw_endpoint_gets_the_bytes_and_gives_its_own(client, emulator):
    body = b'{"messages": [{"role":"user","content":"Hi"}] }'
    answer = client.invoke_model(modelId=RAW, body=body, contentType="application/json")
    whole = json.loads(answer["body"].read())
    assert whole["object"] == "chat.completion", "the container's own words"
    assert processes.requests(emulator.url)[-1]["body"].encode() == body
    body = body.replace(b'"user"', b'"user" ').replace(b"{", b'{"stream": true, ', 1)
    answer = client.invoke_model_with_response_stream(modelId=RAW, body=body)
    parts = b"".join(event["chunk"]["bytes"] for event in answer["body"])
    # This container's stream is odd in every way that is allowed: nothing of it is repaired.
    assert parts.startswith(b": keep-alive\r\n") and parts.endswith(b"}data:[DONE]\r\n\r\n")
    assert processes.requests(emulator.url)[-1]["body"].encode() == body
    with pytest.raises(client.exceptions.ValidationException, match="text or chat model"):
        client.converse(modelId=RAW, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
