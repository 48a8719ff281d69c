"""InvokeModel in the model's own words: a DeepSeek prompt that this program has rendered itself.

    pip install boto3
    python examples/python/invoke_model.py         # against `helan demo`

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

# Why these two: see converse.py.
config = Config(read_timeout=900, retries={"mode": "standard", "total_max_attempts": 2})
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1", config=config)

# <think> is open: what comes back begins with the reasoning, up to </think>. Helan takes the BOS token
# in front away again where the container's tokenizer adds its own.
prompt = "<｜begin▁of▁sentence｜><｜User｜>Where is Ningxia?<｜Assistant｜><think>\n"
answer = client.invoke_model(
    modelId=os.environ.get("MODEL_ID", "us.deepseek.r1-v1:0"),
    body=json.dumps({"prompt": prompt, "max_tokens": 2048, "temperature": 0.6}),
)
headers = answer["ResponseMetadata"]["HTTPHeaders"]
(choice,) = json.loads(answer["body"].read())["choices"]
reasoning, _, text = choice["text"].partition("</think>")
print("reasoning:", reasoning.strip())
print("answer:", text.strip())
print("ended with", choice["stop_reason"], "after", headers["x-amzn-bedrock-output-token-count"], "tokens")
