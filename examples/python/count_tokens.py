"""How long is this question? CountTokens, through an unmodified boto3.

    pip install boto3
    python examples/python/count_tokens.py         # against the gateway of examples/local/helan.toml

`helan demo` has no model that counts. Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and MODEL_ID to a model with a tokenizer or with
count_tokens = "endpoint".
"""

import json
import os

import boto3

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

MODEL = os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0")
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1")

question = {"role": "user", "content": [{"text": "Where is Ningxia? 贺兰山在哪里？"}]}

# A conversation of Converse …
conversation = {"converse": {"messages": [question], "system": [{"text": "Be brief."}]}}
counted = client.count_tokens(modelId=MODEL, input=conversation)["inputTokens"]
print("conversation:", counted, "tokens")

# … or a body of InvokeModel, here of Qwen.
body = {"messages": [{"role": "user", "content": question["content"][0]["text"]}], "max_tokens": 512}
counted = client.count_tokens(modelId=MODEL, input={"invokeModel": {"body": json.dumps(body)}})["inputTokens"]
print("body:", counted, "tokens")
