"""A model that calls functions of this program: Converse with tools, through an unmodified boto3.

    pip install boto3
    python examples/python/tools.py                # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
"""

import os

import boto3
from botocore.config import Config

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

MODEL = os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0")
# Why these two: see converse.py.
config = Config(read_timeout=900, retries={"mode": "standard", "total_max_attempts": 2})
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1", config=config)

ALTITUDES = {"Yinchuan": 1110, "Lhasa": 3650}


def get_altitude(city: str) -> dict:
    return {"city": city, "metres": ALTITUDES[city]}


FUNCTIONS = {"get_altitude": get_altitude}
TOOLS = [
    {
        "toolSpec": {
            "name": "get_altitude",
            "description": "How high above the sea a city lies",
            "inputSchema": {
                "json": {
                    "type": "object",
                    "properties": {"city": {"type": "string", "enum": list(ALTITUDES)}},
                    "required": ["city"],
                }
            },
        }
    }
]


def run(call: dict) -> dict:
    """One call of the model, and what becomes of it; a failure is told to the model, which may try again."""
    print("the model calls", call["name"], call["input"])
    try:
        content, status = [{"json": FUNCTIONS[call["name"]](**call["input"])}], "success"
    except (KeyError, TypeError) as wrong:
        content, status = [{"text": f"{type(wrong).__name__}: {wrong}"}], "error"
    return {"toolResult": {"toolUseId": call["toolUseId"], "content": content, "status": status}}


messages = [{"role": "user", "content": [{"text": "How high does Yinchuan lie?"}]}]
while True:
    answer = client.converse(modelId=MODEL, messages=messages, toolConfig={"tools": TOOLS})
    turn = answer["output"]["message"]
    messages.append(turn)
    if answer["stopReason"] != "tool_use":
        break
    # A model may call several tools at once: all results go back in one turn.
    results = [run(block["toolUse"]) for block in turn["content"] if "toolUse" in block]
    messages.append({"role": "user", "content": results})
print("".join(block.get("text", "") for block in turn["content"]).strip())
