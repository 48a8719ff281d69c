"""LangChain's own classes, unmodified: chats in each provider's native body, and Converse."""

import pytest
from langchain_aws import BedrockLLM, ChatBedrock, ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

CHATS = [
    "us.deepseek.r1-v1:0",
    "meta.llama4-maverick-17b-instruct-v1:0",
    "mistral.mistral-large-2407-v1:0",
    "openai.gpt-oss-120b-1:0",
    "qwen.qwen3-32b-v1:0",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
]
COMPLETIONS = [
    "amazon.titan-text-express-v1",
    "cohere.command-text-v14",
    "meta.llama4-maverick-17b-instruct-v1:0",
    "us.deepseek.r1-v1:0",
]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
COUNTED = "one two three four five six seven eight nine ten"


@pytest.fixture
def settings(gateway):
    return {
        "region_name": "cn-northwest-1",
        "endpoint_url": gateway.url,
        "aws_access_key_id": "AKIDDEMO",
        "aws_secret_access_key": "demo-secret-key",
    }


def text(message):
    content = message.content
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


@pytest.mark.parametrize("model", CHATS)
def test_chat_bedrock_in_the_providers_words(settings, model):
    chat = ChatBedrock(model=model, beta_use_converse_api=False, **settings)
    answer = chat.invoke("#count")
    assert text(answer).strip() == COUNTED
    assert answer.usage_metadata["output_tokens"] > 0
    pieces = list(chat.stream("#count"))
    assert "".join(text(piece) for piece in pieces).strip() == COUNTED
    assert len(pieces) > 3
    counted = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert any(usage["output_tokens"] > 0 for usage in counted), pieces


@pytest.mark.parametrize("model", COMPLETIONS)
def test_bedrock_llm(settings, model):
    llm = BedrockLLM(model=model, **settings)
    assert llm.invoke("#count").strip() == COUNTED
    assert "".join(llm.stream("#count")).strip() == COUNTED


def test_chat_bedrock_calls_tools(settings):
    chat = ChatBedrock(
        model="anthropic.claude-sonnet-4-5-20250929-v1:0", beta_use_converse_api=False, **settings
    )
    ask = HumanMessage("#weather")
    answer = chat.bind_tools([WEATHER]).invoke([ask])
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "银川", "days": 2})
    told = ToolMessage("18 °C", tool_call_id=call["id"])
    final = chat.bind_tools([WEATHER]).invoke([ask, answer, told])
    assert isinstance(final, AIMessage) and text(final)


@pytest.mark.parametrize("model", CHATS)
def test_chat_bedrock_converse(settings, model):
    chat = ChatBedrockConverse(model=model, **settings)
    assert text(chat.invoke("#count")) == COUNTED
    pieces = list(chat.stream("#count"))
    assert "".join(text(piece) for piece in pieces) == COUNTED
