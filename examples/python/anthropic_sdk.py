"""Anthropic's Messages through an unmodified Anthropic SDK: a tool, an answer, and a stream.

    pip install anthropic
    python examples/python/anthropic_sdk.py        # against `helan demo`

Another gateway: set ANTHROPIC_BEDROCK_BASE_URL and the usual AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
"""

import os

from anthropic import AnthropicBedrock

os.environ.setdefault("ANTHROPIC_BEDROCK_BASE_URL", "http://127.0.0.1:8080")
client = AnthropicBedrock(
    aws_region="cn-northwest-1",
    aws_access_key=os.environ.get("AWS_ACCESS_KEY_ID", "AKIDDEMO"),
    aws_secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "demo-secret-key"),
)
model = os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0")

weather = {
    "name": "get_weather",
    "description": "The weather of a city, now",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}

messages = [{"role": "user", "content": "What is the weather in Yinchuan?"}]
asked = {"model": model, "max_tokens": 1024, "tools": [weather]}
answer = client.messages.create(messages=messages, **asked)
while answer.stop_reason == "tool_use":
    calls = [block for block in answer.content if block.type == "tool_use"]
    for call in calls:
        print("the model calls", call.name, call.input)
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": "clear, 4 °C"} for call in calls
    ]
    messages += [answer.to_param(), {"role": "user", "content": results}]
    answer = client.messages.create(messages=messages, **asked)
print("".join(block.text for block in answer.content if block.type == "text"))
print(answer.usage.to_dict())

question = [{"role": "user", "content": "贺兰山在哪里？"}]
with client.messages.stream(model=model, max_tokens=1024, messages=question) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
