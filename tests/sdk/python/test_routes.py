"""`/openai/v1` and `/anthropic/v1`: OpenAI's SDK, Anthropic's plain client, pydantic-ai."""

import json
import re

import anthropic
import openai
import pytest
from pydantic_ai import Agent
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.providers.openai import OpenAIProvider

QWEN = "qwen.qwen3-32b-v1:0"
TEXT = "text.completions"
COUNTED = "one two three four five six seven eight nine ten"
KEY = "helan-suite-bearer-key"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def gpt(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=KEY, max_retries=0)


@pytest.fixture
def claude(gateway):
    return anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key=KEY, max_retries=0)


def ask(client, text, **more):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(**{"model": QWEN, "messages": messages} | more)


def test_a_chat_at_once(gpt):
    answer = ask(gpt, "#think")
    (choice,) = answer.choices
    assert choice.message.content.startswith("贺兰山")
    assert choice.message.model_extra["reasoning"].startswith("The user asks")
    assert (choice.finish_reason, answer.model, answer.object) == ("stop", QWEN, "chat.completion")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert re.fullmatch(r"[0-9a-f-]{36}", answer._request_id)


@pytest.mark.parametrize("counted", [False, True])
def test_a_chat_as_a_stream(gpt, counted):
    more = {"stream_options": {"include_usage": True}} if counted else {}
    chunks = list(ask(gpt, "#count", stream=True, **more))
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == COUNTED
    usage = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usage) == int(counted)
    finished = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert finished == ["stop"]


def test_the_stream_helper_calls_tools(gpt):
    messages = [{"role": "user", "content": "#weather"}]
    with gpt.chat.completions.stream(model=QWEN, messages=messages, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        choice = stream.get_final_completion().choices[0]
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert json.loads(call.function.arguments)["city"] == "银川"


def test_structured_output(gpt, sent):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    answer = ask(gpt, "Which city?", response_format=form)
    assert json.loads(answer.choices[0].message.content)["city"] == "银川"
    assert sent()["response_format"]["json_schema"]["schema"] == schema


def test_what_the_gateway_does_not_know_reaches_the_container(gpt, sent):
    ask(gpt, "Hi", seed=7, extra_body={"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}})
    payload = sent()
    assert (payload["seed"], payload["top_k"]) == (7, 5)
    assert payload["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_completion(gpt, sent):
    answer = gpt.completions.create(model=TEXT, prompt="#count", max_tokens=64)
    assert answer.choices[0].text == COUNTED
    assert sent()["prompt"] == "#count"
    chunks = gpt.completions.create(model=TEXT, prompt="#count", max_tokens=64, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == COUNTED


@pytest.mark.parametrize("stream", [False, True])
def test_errors_in_openais_words(gpt, stream):
    with pytest.raises(openai.BadRequestError, match="model identifier is invalid") as refused:
        ask(gpt, "Hi", model="nobody.knows-it", stream=stream)
    assert refused.value.type == "invalid_request_error"
    with pytest.raises(openai.RateLimitError):
        ask(gpt, "#throttled-always", stream=stream)
    with pytest.raises(openai.BadRequestError, match="model parameter"):
        gpt.post("/chat/completions", body={"messages": []}, cast_to=object)
    with pytest.raises(openai.BadRequestError, match="not supported by this gateway yet"):
        gpt.responses.create(model=QWEN, input="Hi")
    with pytest.raises(openai.NotFoundError):
        gpt.models.list()


def test_a_stream_that_breaks_off_raises(gpt):
    read = []
    with pytest.raises(openai.APIError):
        for chunk in ask(gpt, "#truncated", stream=True):
            read.append(chunk.choices[0].delta.content or "")
    assert "".join(read), "what was generated before is not lost"


def test_another_key_is_refused(gateway):
    client = openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key="another", max_retries=0)
    with pytest.raises(openai.PermissionDeniedError):
        ask(client, "Hi")


def message(client, text, **more):
    messages = [{"role": "user", "content": text}]
    return client.messages.create(**{"model": QWEN, "max_tokens": 256, "messages": messages} | more)


def test_a_message_at_once(claude):
    answer = message(claude, "#think")
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert (answer.stop_reason, answer.role, answer.model) == ("end_turn", "assistant", QWEN)
    assert answer.usage.output_tokens > 0
    assert re.fullmatch(r"[0-9a-f-]{36}", answer._request_id)


def test_a_message_as_a_stream(claude):
    messages = [{"role": "user", "content": "#weather"}]
    tool = {"name": "get_weather", "input_schema": TOOL["function"]["parameters"]}
    names = []
    with claude.messages.stream(
        model=QWEN, max_tokens=256, messages=messages, tools=[tool]
    ) as stream:
        names = [event.type for event in stream]
        final = stream.get_final_message()
    assert names[0] == "message_start" and names[-1] == "message_stop"
    assert final.stop_reason == "tool_use"
    assert final.content[-1].input["city"] == "银川"


def test_errors_in_anthropics_words(claude, gateway):
    with pytest.raises(anthropic.BadRequestError, match="model identifier is invalid") as refused:
        message(claude, "Hi", model="nobody.knows-it")
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    assert refused.value.request_id == refused.value.body["request_id"]
    with pytest.raises(anthropic.RateLimitError):
        message(claude, "#throttled-always")
    read = []
    with pytest.raises(anthropic.APIStatusError):
        for event in message(claude, "#truncated", stream=True):
            if event.type == "content_block_delta":
                read.append(event.delta.text)
    assert "".join(read)
    other = anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key="another", max_retries=0)
    with pytest.raises(anthropic.PermissionDeniedError):
        message(other, "Hi")


def test_a_bearer_token_opens_the_door_too(gateway):
    client = anthropic.Anthropic(
        base_url=f"{gateway.url}/anthropic", auth_token=KEY, api_key=None, max_retries=0
    )
    assert message(client, "#count").content[0].text == COUNTED


def test_pydantic_ai_asks_both_ways(gateway, connect):
    provider = OpenAIProvider(base_url=f"{gateway.url}/openai/v1", api_key=KEY)
    agents = [
        Agent(OpenAIChatModel(QWEN, provider=provider)),
        Agent(BedrockConverseModel(QWEN, provider=BedrockProvider(bedrock_client=connect()))),
    ]
    for agent in agents:
        called = []

        @agent.tool_plain
        def get_weather(city: str, days: int) -> str:
            called.append((city, days))
            return "18 °C"

        assert agent.run_sync("#weather").output
        assert called == [("银川", 2)]
