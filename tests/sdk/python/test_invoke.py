"""InvokeModel and its stream in the families whose bodies are OpenAI's chats and completions."""

import base64
import json

import processes
import pytest
from conftest import GPT_OSS, QWEN, R1

MISTRAL = "mistral.mistral-large-2407-v1:0"
JAMBA = "ai21.jamba-1-5-large-v1:0"
IMPORTED = "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl"

THOUGHT = "The user asks for mountains. 贺兰山 is one. 🏔️"
SAID = "贺兰山 (Helan Mountain) rises above Yinchuan."
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def invoke(client, model, body):
    answer = client.invoke_model(modelId=model, body=json.dumps(body))
    return json.loads(answer["body"].read())


def stream(client, model, body):
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    assert [chunk for chunk in chunks if "amazon-bedrock-invocationMetrics" in chunk] == chunks[-1:]
    return chunks


def chat(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


def joined(chunks, *path):
    """The text that the chunks say at one place."""
    texts = []
    for chunk in chunks:
        for step in path:
            chunk = chunk[step] if isinstance(step, int) else chunk.get(step, "")
        texts.append(chunk or "")
    return "".join(texts)


def test_gpt_oss_inlines_its_reasoning(client):
    body = chat("#think", max_completion_tokens=512, reasoning_effort="low", model=GPT_OSS)
    whole = invoke(client, GPT_OSS, body)
    assert whole["object"] == "chat.completion"
    assert whole["id"].startswith("chatcmpl-")
    assert whole["model"] == GPT_OSS
    (choice,) = whole["choices"]
    assert choice["finish_reason"] == "stop"
    said = f"<reasoning>{THOUGHT}</reasoning>{SAID}"
    assert choice["message"] == {"role": "assistant", "content": said}
    usage = whole["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    chunks = stream(client, GPT_OSS, body | {"stream": True})
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert joined(chunks, "choices", 0, "delta", "content") == said
    assert len({chunk["id"] for chunk in chunks}) == 1
    # langchain-aws reads the metrics of the chunk that says how it ended, and reads no further.
    (last,) = [chunk for chunk in chunks if chunk["choices"][0]["finish_reason"]]
    assert last == chunks[-1]
    assert last["usage"] == usage
    metrics = last["amazon-bedrock-invocationMetrics"]
    assert metrics["outputTokenCount"] == usage["completion_tokens"]


@pytest.mark.parametrize("model", [QWEN, R1, JAMBA])
def test_other_chats_tell_reasoning_apart(client, model):
    (choice,) = invoke(client, model, chat("#think", max_tokens=512))["choices"]
    message = {"role": "assistant", "content": SAID, "reasoning_content": THOUGHT}
    assert choice["message"] == message
    chunks = stream(client, model, chat("#think", max_tokens=512))
    assert joined(chunks, "choices", 0, "delta", "content") == SAID
    assert joined(chunks, "choices", 0, "delta", "reasoning_content") == THOUGHT


def test_what_only_the_container_knows_reaches_it(client, sent):
    known = {
        "seed": 7,
        "top_k": 20,
        "logit_bias": {"9": -1},
        "user": "u",
        "response_format": {"type": "json_object"},
        "chat_template_kwargs": {"enable_thinking": False},
    }
    invoke(client, QWEN, chat("Hi", stop="END", n=1, **known))
    payload = sent()
    assert {name: payload.get(name) for name in known} == known
    assert payload["stop"] == ["END"]
    assert "n" not in payload


def test_tools_there_and_back(client, sent):
    body = chat("#both-cities", tools=[WEATHER], tool_choice="auto", parallel_tool_calls=True)
    (choice,) = invoke(client, GPT_OSS, body)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    calls = choice["message"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [
        {"city": "银川"},
        {"city": "中卫"},
    ]
    streamed = {}
    for chunk in stream(client, GPT_OSS, body):
        for piece in chunk["choices"][0]["delta"].get("tool_calls", []):
            call = streamed.setdefault(piece["index"], {"name": "", "arguments": ""})
            for name, text in piece["function"].items():
                call[name] += text
    assert [(call["name"], json.loads(call["arguments"])) for call in streamed.values()] == [
        ("get_weather", {"city": "银川"}),
        ("get_weather", {"city": "中卫"}),
    ]
    # The answer goes back as it came, and the results behind it.
    body["messages"] += [choice["message"]] + [
        {"role": "tool", "tool_call_id": call["id"], "content": f"sun {at}"}
        for at, call in enumerate(calls)
    ]
    body["messages"].append({"role": "user", "content": "Well?"})
    (choice,) = invoke(client, GPT_OSS, body)["choices"]
    assert choice["message"]["content"] == "You said: Well?"
    messages = sent()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user"]
    assert [message["content"] for message in messages[2:]] == ["sun 0", "sun 1", "Well?"]


def test_a_chosen_tool_and_a_schema(client, sent):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    body = chat("Hi", tools=[WEATHER], tool_choice=choice)
    (answered,) = invoke(client, QWEN, body)["choices"]
    assert answered["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert sent()["tool_choice"] == choice
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    json_schema = {"name": "city", "schema": schema, "strict": True}
    body = chat("Hi", response_format={"type": "json_schema", "json_schema": json_schema})
    (answered,) = invoke(client, QWEN, body)["choices"]
    assert json.loads(answered["message"]["content"])["city"] == "银川"
    assert sent()["response_format"] == body["response_format"]


def test_an_image_is_passed_on(client, sent):
    url = f"data:image/png;base64,{PNG}"
    image = {"type": "image_url", "image_url": {"url": url}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]}
    (choice,) = invoke(client, QWEN, body)["choices"]
    assert choice["message"]["content"] == "I see 1 image(s)."
    assert sent()["messages"][0]["content"][1] == image
    image["image_url"]["url"] = "https://example.com/a.png"
    with pytest.raises(client.exceptions.ValidationException, match="only a data URL"):
        invoke(client, QWEN, body)


def test_an_imported_model_is_asked_in_three_formats(client, sent):
    # As litellm asks `bedrock/qwen3/<arn>` and `bedrock/deepseek_r1/<arn>`.
    body = {"prompt": "#count", "max_gen_len": 3, "top_k": 20}
    whole = invoke(client, IMPORTED, body)
    assert whole == {
        "generation": whole["generation"],
        "prompt_token_count": whole["prompt_token_count"],
        "generation_token_count": 3,
        "stop_reason": "length",
        "logprobs": None,
    }
    assert sent()["prompt"] == "#count" and sent()["top_k"] == 20
    assert joined(stream(client, IMPORTED, body), "generation") == whole["generation"]

    body = {"prompt": "#count", "max_tokens": 512, "structured_outputs": {"regex": "[a-z ]+"}}
    completion = invoke(client, IMPORTED, body)
    assert completion["object"] == "text_completion"
    (choice,) = completion["choices"]
    assert choice["finish_reason"] == "stop"
    assert sent()["structured_outputs"] == body["structured_outputs"]
    chunks = stream(client, IMPORTED, body)
    assert joined(chunks, "choices", 0, "text") == choice["text"]
    assert chunks[-1]["usage"] == completion["usage"]

    # As litellm asks `bedrock/openai/<arn>`: the body names the model of the path.
    answer = invoke(client, IMPORTED, chat("Hi", model=IMPORTED))
    assert answer["choices"][0]["message"]["content"] == "You said: Hi"
    assert "model" not in answer


def test_mistral_in_prompts_and_in_chats(client, sent):
    body = {"prompt": "<s>[INST] #count [/INST]", "max_tokens": 3, "top_k": 50}
    (output,) = invoke(client, MISTRAL, body)["outputs"]
    assert output["stop_reason"] == "length"
    assert sent()["top_k"] == 50
    chunks = stream(client, MISTRAL, body)
    assert joined(chunks, "outputs", 0, "text") == output["text"]
    assert chunks[-1]["outputs"][0]["stop_reason"] == "length"

    body = chat("#weather", tools=[WEATHER], tool_choice="auto")
    (choice,) = invoke(client, MISTRAL, body)["choices"]
    assert choice["stop_reason"] == choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me look."
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    chunks = stream(client, MISTRAL, body)
    assert joined(chunks, "choices", 0, "message", "content") == "Let me look."
    assert chunks[-1]["choices"][0]["stop_reason"] == "tool_calls"
    invoke(client, MISTRAL, chat("Hi", tools=[WEATHER], tool_choice="any"))
    assert sent()["tool_choice"] == "required"


def test_jamba_has_its_defaults(client, sent):
    answer = invoke(client, JAMBA, chat("Hi", presence_penalty=0.5))
    assert answer["choices"][0]["message"]["content"] == "You said: Hi"
    payload = sent()
    assert (payload["max_tokens"], payload["temperature"], payload["top_p"]) == (4096, 1, 1)
    assert payload["presence_penalty"] == 0.5


def test_a_body_for_another_model_or_operation_is_refused(client):
    refused = client.exceptions.ValidationException
    with pytest.raises(refused, match="#/model: the model is not the one"):
        invoke(client, GPT_OSS, chat("Hi", model="openai.gpt-oss-20b-1:0"))
    with pytest.raises(refused, match="#/stream: true is for"):
        invoke(client, GPT_OSS, chat("Hi", stream=True))
    with pytest.raises(refused, match="#/stream: false is for"):
        stream(client, GPT_OSS, chat("Hi", stream=False))
    with pytest.raises(refused, match="logprobs is not supported"):
        invoke(client, GPT_OSS, chat("Hi", logprobs=True))
    with pytest.raises(refused, match=r"#: required key \[messages\] not found"):
        invoke(client, GPT_OSS, {"prompt": "x"})


def test_every_call_is_logged_with_its_family(client, gateway):
    invoke(client, QWEN, chat("Hi"))
    processes.eventually("the family in the log", lambda: '"family":"qwen"' in gateway.log())
