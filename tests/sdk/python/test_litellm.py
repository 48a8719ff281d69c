"""litellm's `bedrock/…` routes, unmodified."""

import json

import litellm
import pytest

ARN = "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl"
ROUTES = [
    "bedrock/us.deepseek.r1-v1:0",
    "bedrock/converse/qwen.qwen3-32b-v1:0",
    "bedrock/invoke/anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock/invoke/amazon.nova-lite-v1:0",
    "bedrock/invoke/mistral.mistral-large-2407-v1:0",
    "bedrock/invoke/meta.llama4-maverick-17b-instruct-v1:0",
    f"bedrock/llama/{ARN}",
    f"bedrock/qwen3/{ARN}",
]
COUNTED = "one two three four five six seven eight nine ten"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def complete(gateway):
    def ask(model, text="#count", **more):
        return litellm.completion(
            model=model,
            messages=[{"role": "user", "content": text}],
            aws_region_name="cn-northwest-1",
            aws_access_key_id="AKIDDEMO",
            aws_secret_access_key="demo-secret-key",
            aws_bedrock_runtime_endpoint=gateway.url,
            num_retries=0,
            **more,
        )

    return ask


@pytest.mark.parametrize("model", ROUTES)
def test_at_once(complete, model):
    answer = complete(model)
    assert answer.choices[0].message.content.strip() == COUNTED
    if "/qwen3/" not in model:  # there litellm reads no count
        assert answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", ROUTES)
def test_as_a_stream(complete, model):
    pieces = [chunk.choices[0].delta.content or "" for chunk in complete(model, stream=True)]
    assert "".join(pieces).strip() == COUNTED


@pytest.mark.parametrize(
    "model", ["bedrock/converse/qwen.qwen3-32b-v1:0", "bedrock/invoke/anthropic.claude-sonnet-4-5-20250929-v1:0"]
)
def test_tools(complete, model):
    answer = complete(model, "#weather", tools=[TOOL])
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["city"] == "银川"


def test_a_model_that_is_not_there(complete):
    with pytest.raises(litellm.BadRequestError, match="model identifier is invalid"):
        complete("bedrock/converse/nobody.knows-it-v1:0")
