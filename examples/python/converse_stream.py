"""An answer as it is written: ConverseStream, through an unmodified boto3.

    pip install boto3
    python examples/python/converse_stream.py      # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
"""

import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import EventStreamError

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

config = Config(
    # In a stream this is the longest silence between two events, not the whole answer. A model that
    # reads a long prompt first is silent for a while.
    read_timeout=300,
    # Only calls that have not begun to stream are ever retried.
    retries={"mode": "standard", "total_max_attempts": 2},
)
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1", config=config)

answer = client.converse_stream(
    modelId=os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0"),
    messages=[{"role": "user", "content": [{"text": "贺兰山在哪里？"}]}],
    inferenceConfig={"maxTokens": 2048},
)
try:
    for event in answer["stream"]:
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            print(delta.get("text") or delta.get("reasoningContent", {}).get("text", ""), end="", flush=True)
        elif "contentBlockStop" in event:
            print()
        elif "messageStop" in event:
            print("ended with", event["messageStop"]["stopReason"])
        elif "metadata" in event:
            print("tokens:", event["metadata"]["usage"]["outputTokens"])
except EventStreamError as broken:
    # The answer failed half-way, after its 200 had been sent. What was read is not the whole of it.
    sys.exit(f"\nthe stream broke off: {broken}")
