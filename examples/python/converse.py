"""One question and its answer: Converse, through an unmodified boto3.

    pip install boto3
    python examples/python/converse.py             # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
"""

import os

import boto3
from botocore.config import Config

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

config = Config(
    # botocore gives up after 60 seconds without a byte. A reasoning model thinks longer than that, and
    # a unary answer has no bytes before its end: Helan waits for it, so the caller must, too.
    read_timeout=900,
    # botocore retries a timeout, too: the same question again, to a GPU that may still work on the first.
    # By default it asks three times (older versions five times); here twice, which is enough for what
    # Bedrock marks as worth it.
    retries={"mode": "standard", "total_max_attempts": 2},
)
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1", config=config)

answer = client.converse(
    modelId=os.environ.get("MODEL_ID", "deepseek.r1-v1:0"),
    system=[{"text": "You are a guide to the north-west of China."}],
    messages=[{"role": "user", "content": [{"text": "Where is Ningxia?"}]}],
    inferenceConfig={"maxTokens": 2048, "temperature": 0.6},
)
for block in answer["output"]["message"]["content"]:
    if "reasoningContent" in block:
        print("reasoning:", block["reasoningContent"]["reasoningText"]["text"].strip())
    elif "text" in block:
        print("answer:", block["text"].strip())
print("ended with", answer["stopReason"], "after", answer["usage"]["outputTokens"], "tokens")
