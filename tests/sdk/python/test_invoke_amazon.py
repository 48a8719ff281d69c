"""Nova's and Titan's own bodies, as Amazon's samples send them."""

from native import invoke, refusal, stream

NOVA = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-text-express-v1"

WEATHER = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "The weather of a city.",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        }
    ]
}


def nova(text, **more):
    return {
        "schemaVersion": "messages-v1",
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": 500, "topP": 0.9, "topK": 20, "temperature": 0.7},
        **more,
    }


def test_nova(client, sent):
    answer, headers = invoke(client, NOVA, nova("#think"))
    assert answer["output"]["message"] == {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "The user asks for mountains. 贺兰山 is one. 🏔️"}}},
            {"text": "贺兰山 (Helan Mountain) rises above Yinchuan."},
        ],
    }
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["inputTokens"] == int(headers["x-amzn-bedrock-input-token-count"])
    assert answer["usage"]["cacheReadInputTokenCount"] == 0
    payload = sent()
    assert [message["role"] for message in payload["messages"]] == ["system", "user"]
    assert (payload["max_tokens"], payload["top_k"], payload["top_p"]) == (500, 20, 0.9)


def test_nova_streams(client):
    chunks = stream(client, NOVA, nova("#count"))
    assert chunks[0] == {"messageStart": {"role": "assistant"}}
    deltas = [chunk["contentBlockDelta"] for chunk in chunks if "contentBlockDelta" in chunk]
    text = "".join(delta["delta"]["text"] for delta in deltas)
    assert text == "one two three four five six seven eight nine ten"
    assert chunks[-2] == {"messageStop": {"stopReason": "end_turn"}}
    assert list(chunks[-1]) == ["metadata"]
    assert chunks[-1]["metadata"]["usage"]["outputTokens"] > 0


def test_nova_calls_tools(client):
    body = nova("#weather", toolConfig=WEATHER)
    answer, _ = invoke(client, NOVA, body)
    assert answer["stopReason"] == "tool_use"
    message = answer["output"]["message"]
    call = message["content"][-1]["toolUse"]
    assert (call["name"], call["input"]) == ("get_weather", {"city": "银川", "days": 2})

    chunks = stream(client, NOVA, body)
    (start,) = [chunk["contentBlockStart"] for chunk in chunks if "contentBlockStart" in chunk]
    assert start["start"]["toolUse"]["name"] == "get_weather"

    result = {"toolUseId": call["toolUseId"], "content": [{"json": {"sky": "clear"}}]}
    body["messages"] += [message, {"role": "user", "content": [{"toolResult": result}]}]
    answer, _ = invoke(client, NOVA, body)
    assert "clear" in answer["output"]["message"]["content"][0]["text"]


def test_titan(client, sent):
    config = {"maxTokenCount": 64, "temperature": 0.5, "topP": 0.9, "stopSequences": []}
    body = {"inputText": "User: #count\nBot:", "textGenerationConfig": config}
    answer, headers = invoke(client, TITAN, body)
    (result,) = answer["results"]
    assert result["outputText"].strip() == "one two three four five six seven eight nine ten"
    assert result["completionReason"] == "FINISHED"
    assert result["tokenCount"] == int(headers["x-amzn-bedrock-output-token-count"])
    assert answer["inputTextTokenCount"] == int(headers["x-amzn-bedrock-input-token-count"])
    payload = sent()
    assert payload["prompt"] == "User: #count\nBot:"
    assert payload["max_tokens"] == 64


def test_titan_streams(client):
    chunks = stream(client, TITAN, {"inputText": "#count", "textGenerationConfig": {"maxTokenCount": 3}})
    assert len(chunks) > 2
    assert "".join(chunk["outputText"] for chunk in chunks).split() == ["one", "two", "three"]
    assert chunks[-1]["completionReason"] == "LENGTH"
    assert chunks[-1]["totalOutputTextTokenCount"] == 3


def test_refusals(client):
    assert refusal(client, TITAN, {"prompt": "Hi"}) == (
        "Malformed input request: #: required key [inputText] not found#: extraneous key [prompt] "
        "is not permitted, please reformat your input and try again."
    )
    assert "required key [messages] not found" in refusal(client, NOVA, {"inputText": "Hi"})
