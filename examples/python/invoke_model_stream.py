"""InvokeModelWithResponseStream in the model's own words: a Llama prompt, answered piece by piece.

    pip install boto3
    python examples/python/invoke_model_stream.py  # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and
MODEL_ID to another model of this family, since each has a body of its own.
"""

import json
import os

import boto3
from botocore.config import Config

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

# Why these two: see converse_stream.py.
config = Config(read_timeout=300, retries={"mode": "standard", "total_max_attempts": 2})
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1", config=config)

prompt = (
    "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhere is Ningxia?<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\n"
)
answer = client.invoke_model_with_response_stream(
    modelId=os.environ.get("MODEL_ID", "meta.llama4-maverick-17b-instruct-v1:0"),
    body=json.dumps({"prompt": prompt, "max_gen_len": 2048, "temperature": 0.5}),
)
for event in answer["body"]:
    chunk = json.loads(event["chunk"]["bytes"])
    print(chunk["generation"], end="", flush=True)
    if chunk["stop_reason"]:
        print("\nended with", chunk["stop_reason"])
    # The last chunk brings Bedrock's own count as well.
    if metrics := chunk.get("amazon-bedrock-invocationMetrics"):
        print("tokens:", metrics["inputTokenCount"], "in,", metrics["outputTokenCount"], "out")
