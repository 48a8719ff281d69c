"""LangChain's own class for Bedrock, unmodified: a tool, an answer, and a stream.

    pip install langchain-aws
    python examples/python/langchain_chat.py       # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
"""

import os
from typing import Literal

from botocore.config import Config
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

chat = ChatBedrockConverse(
    model=os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0"),
    region_name="cn-northwest-1",
    max_tokens=2048,
    # LangChain knows which of Bedrock's models stream with tools, not which of yours do.
    disable_streaming=False,
    # Why these two: see converse.py.
    config=Config(read_timeout=900, retries={"mode": "standard", "total_max_attempts": 2}),
)


@tool
def get_altitude(city: Literal["Yinchuan", "Lhasa"]) -> str:
    """How high above the sea a city lies."""
    return {"Yinchuan": "1110 m", "Lhasa": "3650 m"}[city]


def said(message) -> str:
    """The text of a message, whose content is a string or a list of blocks."""
    if isinstance(message.content, str):
        return message.content
    return "".join(block.get("text", "") for block in message.content if block["type"] == "text")


with_tools = chat.bind_tools([get_altitude])
messages = [HumanMessage("How high does Yinchuan lie?")]
answer = with_tools.invoke(messages)
while answer.tool_calls:
    messages.append(answer)
    for call in answer.tool_calls:
        print("the model calls", call["name"], call["args"])
        messages.append(get_altitude.invoke(call))
    answer = with_tools.invoke(messages)
print(said(answer))

pieces = 0
for piece in chat.stream("贺兰山在哪里？"):
    print(said(piece), end="", flush=True)
    pieces += bool(said(piece))
print(f"\nin {pieces} pieces")
