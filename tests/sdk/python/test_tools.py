"""Tools: what is offered, what is called, what comes back."""

import json

import pytest
from conftest import MODELS, QWEN, R1, assistant, fold, text, user

WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "description": "The weather of a city",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            }
        },
    }
}
NOW = {
    "toolSpec": {
        "name": "now",
        "description": "The time",
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }
}


def uses(answer):
    return [part["toolUse"] for part in answer["output"]["message"]["content"] if "toolUse" in part]


def ask(client, question, model=QWEN, tools=(WEATHER, NOW), **more):
    config = {"tools": list(tools), **more}
    return client.converse(modelId=model, messages=[user(question)], toolConfig=config)


def stream(client, question, model=QWEN, tools=(WEATHER, NOW), **more):
    config = {"tools": list(tools), **more}
    answer = client.converse_stream(modelId=model, messages=[user(question)], toolConfig=config)
    return list(answer["stream"])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("choice", [{}, {"toolChoice": {"auto": {}}}])
def test_the_model_calls_a_tool(client, model, choice):
    answer = ask(client, "#weather", model, **choice)
    assert answer["stopReason"] == "tool_use"
    assert text(answer) == "Let me look."
    (use,) = uses(answer)
    assert use["name"] == "get_weather"
    assert use["input"] == {"city": "银川", "days": 2}


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_call(client, model):
    answer = fold(stream(client, "#weather", model))
    assert answer["stopReason"] == "tool_use"
    said, call = answer["output"]["message"]["content"]
    assert said == {"text": "Let me look."}
    assert json.loads(call["toolUse"]["input"]) == {"city": "银川", "days": 2}
    assert call["toolUse"]["name"] == "get_weather"


def test_offers_reach_the_container(client, sent):
    ask(client, "#weather")
    functions = [tool["function"] for tool in sent()["tools"]]
    assert [function["name"] for function in functions] == ["get_weather", "now"]
    assert functions[0]["description"] == "The weather of a city"
    assert functions[0]["parameters"] == WEATHER["toolSpec"]["inputSchema"]["json"]


def test_some_tool_must_be_called(client, sent):
    answer = ask(client, "Anything", toolChoice={"any": {}})
    assert sent()["tool_choice"] == "required"
    assert answer["stopReason"] == "tool_use" and uses(answer)


def test_this_tool_must_be_called(client, sent):
    answer = ask(client, "Anything", toolChoice={"tool": {"name": "now"}})
    assert sent()["tool_choice"] == {"type": "function", "function": {"name": "now"}}
    # vLLM ends such an answer with `stop`; a call was made all the same.
    assert answer["stopReason"] == "tool_use"
    assert [use["name"] for use in uses(answer)] == ["now"]


def test_calls_in_parallel(client):
    answer = ask(client, "#both-cities")
    assert [use["input"]["city"] for use in uses(answer)] == ["银川", "中卫"]
    assert len({use["toolUseId"] for use in uses(answer)}) == 2


def test_streamed_calls_in_parallel(client):
    events = stream(client, "#both-cities")
    starts = [e["contentBlockStart"] for e in events if "contentBlockStart" in e]
    assert [start["contentBlockIndex"] for start in starts] == [0, 1]
    calls = [part["toolUse"] for part in fold(events)["output"]["message"]["content"]]
    assert [json.loads(call["input"])["city"] for call in calls] == ["银川", "中卫"]
    assert len({call["toolUseId"] for call in calls}) == 2


def test_a_tool_without_arguments(client):
    (use,) = uses(ask(client, "#time"))
    assert use["input"] == {}


def test_a_streamed_tool_without_arguments(client):
    (call,) = fold(stream(client, "#time"))["output"]["message"]["content"]
    assert json.loads(call["toolUse"]["input"]) == {}


def test_thinking_before_a_call(client):
    content = fold(stream(client, "#think-and-call"))["output"]["message"]["content"]
    assert [next(iter(part)) for part in content] == ["reasoningContent", "toolUse"]
    unary = ask(client, "#think-and-call")["output"]["message"]["content"]
    assert [next(iter(part)) for part in unary] == ["reasoningContent", "toolUse"]


def result(use, *content, **more):
    return {"toolResult": {"toolUseId": use["toolUseId"], "content": list(content), **more}}


@pytest.mark.parametrize("model", [QWEN, R1])
def test_the_whole_round(client, sent, model):
    question = user("#weather")
    called = ask(client, "#weather", model)
    (use,) = uses(called)
    answer = client.converse(
        modelId=model,
        messages=[question, called["output"]["message"], user(result(use, {"json": {"c": 21}}))],
        toolConfig={"tools": [WEATHER]},
    )
    assert text(answer) == 'The tool said: {"c":21}'
    history = sent()["messages"]
    assert [turn["role"] for turn in history] == ["user", "assistant", "tool"]
    (call,) = history[1]["tool_calls"]
    assert call["id"] == use["toolUseId"] == history[2]["tool_call_id"]
    assert json.loads(call["function"]["arguments"]) == use["input"]


def test_several_results_in_one_turn(client, sent):
    called = ask(client, "#both-cities")
    first, second = uses(called)
    answer = client.converse(
        modelId=QWEN,
        messages=[
            user("#both-cities"),
            called["output"]["message"],
            user(
                result(first, {"text": "晴"}, {"text": "21°"}),
                result(second, {"text": "no such city"}, status="error"),
            ),
        ],
        toolConfig={"tools": [WEATHER]},
    )
    assert "晴" in text(answer) and "21°" in text(answer) and "no such city" in text(answer)
    turns = [turn for turn in sent()["messages"] if turn["role"] == "tool"]
    assert [turn["tool_call_id"] for turn in turns] == [first["toolUseId"], second["toolUseId"]]


def test_a_call_in_the_history_needs_the_tools(client):
    use = {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "x"}}}
    with pytest.raises(client.exceptions.ValidationException) as refused:
        client.converse(
            modelId=QWEN,
            messages=[
                user("#weather"),
                assistant(use),
                user(result(use["toolUse"], {"text": "21°"})),
            ],
        )
    assert refused.value.response["Error"]["Message"] == (
        "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    )


def test_more_results_than_calls(client):
    use = {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "x"}}}
    with pytest.raises(client.exceptions.ValidationException) as refused:
        client.converse(
            modelId=QWEN,
            messages=[
                user("#weather"),
                assistant(use),
                user(
                    result(use["toolUse"], {"text": "21°"}),
                    result({"toolUseId": "tooluse_2"}, {"text": "?"}),
                ),
            ],
            toolConfig={"tools": [WEATHER]},
        )
    assert refused.value.response["Error"]["Message"] == (
        "The number of toolResult blocks at messages.2.content exceeds the number of toolUse "
        "blocks of previous turn."
    )
