"""A tool, an answer, and a stream, through an unmodified boto3.

    pip install boto3
    python examples/python/chat.py                 # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME and the usual AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
"""

import os

import boto3

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

client = boto3.client("bedrock-runtime", region_name="cn-northwest-1")
model = os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0")

weather = {
    "toolSpec": {
        "name": "get_weather",
        "description": "The weather of a city, now",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            }
        },
    }
}

messages = [{"role": "user", "content": [{"text": "What is the weather in Yinchuan?"}]}]
answer = client.converse(modelId=model, messages=messages, toolConfig={"tools": [weather]})
while answer["stopReason"] == "tool_use":
    turn = answer["output"]["message"]
    calls = [block["toolUse"] for block in turn["content"] if "toolUse" in block]
    for call in calls:
        print("the model calls", call["name"], call["input"])
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"json": {"sky": "clear", "celsius": 4}}]}}
        for call in calls
    ]
    messages += [turn, {"role": "user", "content": results}]
    answer = client.converse(modelId=model, messages=messages, toolConfig={"tools": [weather]})
print("".join(block.get("text", "") for block in answer["output"]["message"]["content"]))
print(answer["usage"])

stream = client.converse_stream(
    modelId=model, messages=[{"role": "user", "content": [{"text": "贺兰山在哪里？"}]}]
)["stream"]
for event in stream:
    delta = event.get("contentBlockDelta", {}).get("delta", {})
    print(delta.get("text", ""), end="", flush=True)
print()
