"""Anthropic's own SDK, pointed at the gateway: Messages through InvokeModel and its stream."""

import asyncio
import base64
import json

import anthropic
import pytest
from anthropic import AnthropicBedrock, AsyncAnthropicBedrock
from conftest import MAVERICK, QWEN, R1
from pydantic import BaseModel

MODELS = [R1, QWEN, MAVERICK]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
POEM = "贺兰山下果园成，塞北江南旧有名。👩‍🚀🏔️ 𠀀"
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
CACHED = {"type": "ephemeral"}


def settings(gateway, **more):
    return {
        "base_url": gateway.url,
        "aws_region": "cn-northwest-1",
        "aws_access_key": "AKIDDEMO",
        "aws_secret_key": "demo-secret-key",
        "max_retries": 0,
    } | more


@pytest.fixture
def claude(gateway):
    with AnthropicBedrock(**settings(gateway)) as client:
        yield client


def asks(question, **more):
    return {
        "model": QWEN,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": question}],
    } | more


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("model", MODELS)
def test_a_message(claude, model):
    message = claude.messages.create(**asks("Hello", model=model))
    assert text(message) == "You said: Hello"
    assert message.id.startswith("msg_bdrk_")
    assert (message.type, message.role, message.model) == ("message", "assistant", model)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


def test_what_reaches_the_container(claude, sent):
    claude.messages.create(
        **asks(
            "Hello",
            system=[{"type": "text", "text": "Be brief.", "cache_control": CACHED}],
            stop_sequences=["END"],
            tools=[WEATHER],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            thinking={"type": "disabled"},
            output_config={"effort": "low"},
            metadata={"user_id": "somebody"},
            extra_body={"temperature": 0.5, "top_k": 40},
        )
    )
    body = sent()
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert body["tools"][0]["function"]["name"] == "get_weather"
    assert body["tool_choice"] == "auto"
    assert body["parallel_tool_calls"] is False
    assert body["chat_template_kwargs"] == {"enable_thinking": False, "thinking": False}
    assert body["reasoning_effort"] == "low"
    assert (body["max_tokens"], body["temperature"], body["top_k"]) == (1024, 0.5, 40)
    assert body["stop"] == ["END"]
    assert "metadata" not in body and "anthropic_version" not in body


@pytest.mark.parametrize("model", MODELS)
def test_a_stream(claude, model):
    with claude.messages.stream(**asks("#count", model=model)) as stream:
        said = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert said == text(message) == "one two three four five six seven eight nine ten"
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_chinese_and_emoji_survive_every_cut(claude, model):
    with claude.messages.stream(**asks("#chinese", model=model)) as stream:
        assert stream.get_final_text() == POEM


@pytest.mark.parametrize("question", ["Hello", "#think", "#weather", "#time"])
def test_a_stream_and_an_answer_say_the_same(claude, question):
    tools = [WEATHER, {"name": "now", "input_schema": {"type": "object"}}]
    with claude.messages.stream(**asks(question, tools=tools)) as stream:
        streamed = stream.get_final_message().to_dict(exclude_none=True)
    unary = claude.messages.create(**asks(question, tools=tools)).to_dict(exclude_none=True)
    for message in (streamed, unary):
        del message["id"]
        for block in message["content"]:
            if block["type"] == "tool_use":
                assert block.pop("id")
    assert streamed == unary


def test_the_events_of_a_stream(claude):
    stream = claude.messages.create(**asks("#think-and-call", tools=[WEATHER]), stream=True)
    events = [event for event in stream]
    names = [event.type for event in events]
    assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"]
    assert set(names) == {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    }
    starts = [e.content_block.type for e in events if e.type == "content_block_start"]
    assert starts == ["thinking", "tool_use"]
    thinking = [e.delta.type for e in events if e.type == "content_block_delta" and e.index == 0]
    assert set(thinking[:-1]) == {"thinking_delta"} and thinking[-1] == "signature_delta"
    pieces = [e.delta for e in events if e.type == "content_block_delta" and e.index == 1]
    assert {piece.type for piece in pieces} == {"input_json_delta"}
    assert json.loads("".join(piece.partial_json for piece in pieces)) == {"city": "银川"}
    assert events[-2].delta.stop_reason == "tool_use"
    assert events[-2].usage.output_tokens > 0


def test_the_helpers_of_a_stream(claude):
    seen = {}
    with claude.messages.stream(**asks("#think-and-call", tools=[WEATHER])) as stream:
        for event in stream:
            seen[event.type] = event
    assert seen["thinking"].snapshot == "The weather is asked for."
    assert seen["signature"].signature
    assert seen["input_json"].snapshot == {"city": "银川"}
    assert seen["content_block_stop"].content_block.input == {"city": "银川"}
    assert seen["message_stop"].message.stop_reason == "tool_use"


@pytest.mark.parametrize("model", MODELS)
def test_a_round_with_tools(claude, sent, model):
    messages = [{"role": "user", "content": "#weather"}]
    asked = {"model": model, "max_tokens": 1024, "tools": [WEATHER]}
    message = claude.messages.create(**asked, messages=messages)
    assert message.stop_reason == "tool_use"
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "银川", "days": 2})

    result = {"type": "tool_result", "tool_use_id": call.id, "content": "4 °C"}
    messages += [message.to_param(), {"role": "user", "content": [result]}]
    with claude.messages.stream(**asked, messages=messages) as stream:
        assert stream.get_final_text() == "The tool said: 4 °C"
    assert [turn["role"] for turn in sent()["messages"]] == ["user", "assistant", "tool"]


def test_the_tool_runner(claude):
    @anthropic.beta_tool
    def get_weather(city: str, days: int = 1) -> str:
        """The weather of a city."""
        return f"{city} for {days}: clear"

    runner = claude.beta.messages.tool_runner(**asks("#weather"), tools=[get_weather])
    assert text(runner.until_done()) == "The tool said: 银川 for 2: clear"


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"type": "any"}, "required"),
        (
            {"type": "tool", "name": "get_weather"},
            {"type": "function", "function": {"name": "get_weather"}},
        ),
    ],
)
def test_a_tool_that_must_be_called(claude, sent, choice, told):
    message = claude.messages.create(**asks("Hello", tools=[WEATHER], tool_choice=choice))
    assert message.stop_reason == "tool_use"
    assert message.content[-1].name == "get_weather"
    assert sent()["tool_choice"] == told


def test_tools_that_may_not_be_called(claude, sent):
    message = claude.messages.create(
        **asks("#weather", tools=[WEATHER], tool_choice={"type": "none"})
    )
    assert message.stop_reason == "end_turn"
    assert "tools" not in sent()


@pytest.mark.parametrize("model", MODELS)
def test_thinking_goes_and_comes_back(claude, sent, model):
    messages = [{"role": "user", "content": "#think"}]
    asked = {
        "model": model,
        "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    message = claude.messages.create(**asked, messages=messages)
    assert [block.type for block in message.content] == ["thinking", "text"]
    thought = message.content[0]
    assert thought.thinking == "The user asks for mountains. 贺兰山 is one. 🏔️"
    assert thought.signature

    messages += [message.to_param(), {"role": "user", "content": "And now?"}]
    claude.messages.create(**asked, messages=messages)
    assert sent()["chat_template_kwargs"] == {"enable_thinking": True, "thinking": True}
    assert sent()["messages"][1]["content"] == text(message)


def test_thinking_that_is_not_shown(claude):
    hidden = {"type": "adaptive", "display": "omitted"}
    with claude.messages.stream(**asks("#think", thinking=hidden)) as stream:
        thought = stream.get_final_message().content[0]
    assert (thought.type, thought.thinking) == ("thinking", "")
    assert thought.signature == claude.messages.create(**asks("#think")).content[0].signature


def test_images(claude, sent):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    message = claude.messages.create(**asks([image, {"type": "text", "text": "What is it?"}]))
    assert text(message) == "I see 1 image(s)."
    part = sent()["messages"][0]["content"][0]
    assert part == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def test_a_document(claude, sent):
    source = {"type": "text", "media_type": "text/plain", "data": "a costs 1"}
    document = {"type": "document", "source": source, "title": "Prices"}
    claude.messages.create(**asks([document, {"type": "text", "text": "What costs a?"}]))
    assert "a costs 1" in sent()["messages"][0]["content"]


def test_an_answer_that_keeps_to_a_schema(claude, sent):
    class City(BaseModel):
        city: str
        population: int

    message = claude.messages.parse(**asks("Which city?"), output_format=City)
    assert message.parsed_output == City(city="银川", population=2859000)
    schema = sent()["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["city", "population"]


def test_stop_sequences(claude):
    message = claude.messages.create(**asks("#stops", stop_sequences=["HALT"]))
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "HALT")
    assert text(message).strip() == "alpha beta"
    with claude.messages.stream(**asks("#stops", stop_sequences=["HALT", "other"])) as stream:
        assert stream.get_final_message().stop_sequence == "HALT"


def test_the_limit_and_the_filter(claude):
    assert claude.messages.create(**asks("#count", max_tokens=3)).stop_reason == "max_tokens"
    assert claude.messages.create(**asks("#filtered")).stop_reason == "refusal"


def test_cached_tokens(claude):
    content = [{"type": "text", "text": "#cached", "cache_control": CACHED}]
    usage = claude.messages.create(**asks(content)).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (20, 80)
    with claude.messages.stream(**asks(content)) as stream:
        usage = stream.get_final_message().usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (20, 80)
    # Who does not cache reads one count.
    usage = claude.messages.create(**asks("#cached")).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (100, 0)


def test_the_client_that_does_not_block(gateway):
    async def run():
        async with AsyncAnthropicBedrock(**settings(gateway)) as client:
            async with client.messages.stream(**asks("#count")) as stream:
                said = [piece async for piece in stream.text_stream]
            many = [client.messages.create(**asks(f"Number {at}")) for at in range(4)]
            return said, [text(message) for message in await asyncio.gather(*many)]

    said, answers = asyncio.run(run())
    assert "".join(said) == "one two three four five six seven eight nine ten"
    assert answers == [f"You said: Number {at}" for at in range(4)]


# --- What goes wrong


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"extra_body": {"container": "x"}}, "#: extraneous key [container] is not permitted"),
        ({"max_tokens": 0}, "#/max_tokens: 0 is not greater or equal to 1"),
        (
            {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "a"}]}]},
            "#/messages/0/content/0/type: container_upload is not a valid enum value",
        ),
    ],
)
def test_a_bad_request(claude, more, words):
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(**asks("Hello", **more))
    assert refused.value.status_code == 400
    assert refused.value.body == {
        "message": f"Malformed input request: {words}, please reformat your input and try again."
    }
    assert refused.value.response.headers["x-amzn-errortype"].startswith("ValidationException")


def test_a_tool_of_anthropics_own(claude):
    search = {"type": "web_search_20250305", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match="web_search_20250305 is not supported"):
        claude.messages.create(**asks("Hello", tools=[search]))


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ("#throttled-always", anthropic.RateLimitError),
        ("#unavailable", anthropic.InternalServerError),
        ("#overflow", anthropic.BadRequestError),
    ],
)
def test_an_error_of_the_model(claude, question, error):
    for stream in (False, True):
        with pytest.raises(error):
            claude.messages.create(**asks(question), stream=stream)


def test_a_key_that_is_wrong(gateway):
    with AnthropicBedrock(**settings(gateway, aws_secret_key="wrong")) as client:
        with pytest.raises(anthropic.PermissionDeniedError):
            client.messages.create(**asks("Hello"))


@pytest.mark.parametrize("question", ["#error-event", "#truncated", "#stream-broken"])
def test_a_stream_that_breaks(claude, question):
    with pytest.raises(anthropic.APIStatusError) as broken:
        with claude.messages.stream(**asks(question)) as stream:
            stream.until_done()
    assert broken.value.body["error"]["type"] == "modelStreamErrorException"


# --- As Claude Code calls


def claude_code(messages, **more):
    """A request with all that Claude Code sends."""
    tools = [dict(WEATHER, name=f"tool_{at}") for at in range(24)] + [WEATHER]
    tools[-1] = dict(tools[-1], cache_control=CACHED)
    return {
        "model": QWEN,
        "max_tokens": 32000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.0df; cch=eb6c6;"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": CACHED},
            {
                "type": "text",
                "text": "Long instructions.",
                "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"},
            },
        ],
        "messages": messages,
        "tools": tools,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {"user_id": "user_0_account__session_0"},
        "betas": [
            "claude-code-20250219",
            "interleaved-thinking-2025-05-14",
            "context-management-2025-06-27",
            "mid-conversation-system-2026-04-07",
            "effort-2025-11-24",
        ],
    } | more


def test_a_session_of_claude_code(claude, sent):
    question = {"type": "text", "text": "#think-and-call", "cache_control": CACHED}
    messages = [{"role": "user", "content": [question]}]
    with claude.beta.messages.stream(**claude_code(messages)) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    body = sent()
    assert body["stream"] is True and len(body["tools"]) == 25
    assert body["reasoning_effort"] == "high"
    assert body["chat_template_kwargs"]["enable_thinking"] is True
    assert "cache_control" not in json.dumps(body)
    # Its first line changes from call to call; prefix caches live by what follows.
    assert body["messages"][0]["content"] == "You are Claude Code.\nLong instructions."

    call = message.content[1]
    result = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": [{"type": "text", "text": "clear"}],
        "is_error": False,
        "cache_control": CACHED,
    }
    messages += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result, {"type": "text", "text": "<system-reminder>"}]},
        {"role": "system", "content": "The date has changed."},
    ]
    with claude.beta.messages.stream(**claude_code(messages)) as stream:
        assert text(stream.get_final_message()) == "You said: <system-reminder>"
    assert sent()["messages"][3]["content"] == "clear"
    roles = [turn["role"] for turn in sent()["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user", "system"]


# --- The older text completion, which the SDK no longer has


def test_a_text_completion(client):
    prompt = "\n\nHuman: #count\n\nAssistant:"
    body = json.dumps({"prompt": prompt, "max_tokens_to_sample": 50})
    answer = json.load(client.invoke_model(modelId="anthropic.claude-sonnet-4-5-20250929-v1:0", body=body)["body"])
    assert answer["type"] == "completion"
    assert answer["stop_reason"] == "stop_sequence"
    stream = client.invoke_model_with_response_stream(modelId="anthropic.claude-sonnet-4-5-20250929-v1:0", body=body)["body"]
    chunks = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert "".join(chunk["completion"] for chunk in chunks) == answer["completion"]
    assert chunks[-1]["stop_reason"] == "stop_sequence"
    assert "amazon-bedrock-invocationMetrics" in chunks[-1]
