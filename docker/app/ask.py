"""One question, one streamed answer, and what it took: boto3 as it is, with an endpoint from the environment.

    AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY as for every AWS SDK
    MODEL_ID                           the model
    python ask.py [question]
"""

import os
import sys

import boto3

question = " ".join(sys.argv[1:]) or "Where is Ningxia?"
model = os.environ.get("MODEL_ID", "deepseek.r1-v1:0")
messages = [{"role": "user", "content": [{"text": question}]}]
client = boto3.client("bedrock-runtime")

print(f"{model} at {client.meta.endpoint_url}\n> {question}", flush=True)
answer = client.converse(modelId=model, messages=messages, inferenceConfig={"maxTokens": 512})
print(f"Converse: {answer['stopReason']}, {answer['usage']['outputTokens']} tokens", flush=True)

part = ""
for event in client.converse_stream(modelId=model, messages=messages, inferenceConfig={"maxTokens": 512})["stream"]:
    delta = event.get("contentBlockDelta", {}).get("delta", {})
    for name, text in (
        ("thinks", delta.get("reasoningContent", {}).get("text")),
        ("answers", delta.get("text")),
    ):
        if text:
            print("" if name == part else f"\nThe model {name}: ", text, sep="", end="", flush=True)
            part = name
    if "metadata" in event:
        usage, metrics = event["metadata"]["usage"], event["metadata"]["metrics"]
        print(f"\nConverseStream: {usage['outputTokens']} tokens in {metrics['latencyMs']} ms", flush=True)
