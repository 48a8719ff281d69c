"""OpenAI's SDK with a bearer key: a tool, an answer, and a stream, whichever model answers.

    pip install openai aws-bedrock-token-generator
    python examples/python/openai_sdk.py           # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, MODEL_ID, and AWS_BEARER_TOKEN_BEDROCK to a key
of its key file, or an access key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) to make a short-term one of.
"""

import json
import os

from aws_bedrock_token_generator import provide_token
from openai import OpenAI

os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

gateway = os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
# A short-term key is an access key's signature, good for 12 hours: it is made here, nobody is asked.
key = os.environ.get("AWS_BEARER_TOKEN_BEDROCK") or provide_token(region="cn-northwest-1")
client = OpenAI(base_url=f"{gateway}/openai/v1", api_key=key, timeout=900, max_retries=1)
MODEL = os.environ.get("MODEL_ID", "openai.gpt-oss-120b-1:0")

ALTITUDES = {"Yinchuan": "1110 m", "Lhasa": "3650 m"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_altitude",
        "description": "How high above the sea a city lies",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": list(ALTITUDES)}},
            "required": ["city"],
        },
    },
}

messages = [{"role": "user", "content": "How high does Yinchuan lie?"}]
while True:
    turn = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL]).choices[0].message
    messages.append(turn)
    if not turn.tool_calls:
        break
    for call in turn.tool_calls:
        arguments = json.loads(call.function.arguments)
        print("the model calls", call.function.name, arguments)
        altitude = ALTITUDES.get(arguments.get("city"), "unknown")
        messages.append({"role": "tool", "tool_call_id": call.id, "content": altitude})
print(turn.content)

question = [{"role": "user", "content": "贺兰山在哪里？"}]
stream = client.chat.completions.create(
    model=MODEL, messages=question, stream=True, stream_options={"include_usage": True}
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    if chunk.usage:
        print("\ntokens:", chunk.usage.completion_tokens)
