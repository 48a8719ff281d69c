"""Cohere's own bodies, as the samples of Bedrock send them."""

from native import invoke, refusal, stream

COMMAND = "cohere.command-text-v14"
COMMAND_R = "cohere.command-r-v1:0"
COUNT = "one two three four five six seven eight nine ten"

TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameter_definitions": {"city": {"description": "Which", "type": "str", "required": True}},
    }
]


def test_command(client, sent):
    body = {"prompt": "#count", "max_tokens": 400, "temperature": 0.6, "p": 1, "k": 5, "num_generations": 1}
    answer, _ = invoke(client, COMMAND, body)
    (generation,) = answer["generations"]
    assert generation["text"].strip() == COUNT
    assert generation["finish_reason"] == "COMPLETE"
    assert answer["prompt"] == "#count"
    payload = sent()
    assert (payload["prompt"], payload["max_tokens"], payload["top_k"]) == ("#count", 400, 5)


def test_command_streams(client):
    chunks = stream(client, COMMAND, {"prompt": "#count", "max_tokens": 3, "stream": True})
    assert "".join(chunk["text"] for chunk in chunks[:-1]).split() == ["one", "two", "three"]
    assert [chunk["is_finished"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["finish_reason"] == "MAX_TOKENS"


def test_command_r(client, sent):
    history = [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}]
    body = {
        "message": "#count",
        "chat_history": history,
        "preamble": "Be brief.",
        "documents": [{"title": "Helan", "snippet": "It rises above Yinchuan."}],
        "max_tokens": 512,
        "temperature": 0.5,
    }
    answer, _ = invoke(client, COMMAND_R, body)
    assert answer["text"] == COUNT
    assert answer["finish_reason"] == "COMPLETE"
    assert answer["chat_history"] == [
        *history,
        {"role": "USER", "message": "#count"},
        {"role": "CHATBOT", "message": COUNT},
    ]
    messages = sent()["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "It rises above Yinchuan." in messages[-1]["content"]


def test_command_r_streams(client):
    chunks = stream(client, COMMAND_R, {"message": "#count"})
    assert chunks[0]["event_type"] == "stream-start"
    texts = [chunk["text"] for chunk in chunks if chunk["event_type"] == "text-generation"]
    assert "".join(texts) == COUNT
    assert chunks[-1]["event_type"] == "stream-end"
    assert chunks[-1]["response"]["text"] == COUNT


def test_command_r_calls_tools(client):
    body = {"message": "#weather", "tools": TOOLS}
    answer, _ = invoke(client, COMMAND_R, body)
    (call,) = answer["tool_calls"]
    assert call == {"name": "get_weather", "parameters": {"city": "银川", "days": 2}}

    chunks = stream(client, COMMAND_R, body)
    (told,) = [chunk for chunk in chunks if chunk["event_type"] == "tool-calls-generation"]
    assert told["tool_calls"] == [call]

    result = {"call": call, "outputs": [{"sky": "clear"}]}
    single_step = dict(body, tool_results=[result])
    multi_step = dict(single_step, message="", chat_history=answer["chat_history"])
    for request in (single_step, multi_step):
        answer, _ = invoke(client, COMMAND_R, request)
        assert "clear" in answer["text"]


def test_refusals(client):
    asked = {"message": "x", "search_queries_only": True}
    assert refusal(client, COMMAND_R, asked) == "search_queries_only is not supported by this gateway yet."
    asked = {"prompt": "x", "num_generations": 2}
    assert "num_generations" in refusal(client, COMMAND, asked)
