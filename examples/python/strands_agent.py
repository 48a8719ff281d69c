"""An agent of Strands Agents with a tool, on any model that can call one.

    pip install strands-agents
    python examples/python/strands_agent.py        # against `helan demo`

Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
"""

import os
from typing import Literal

from botocore.config import Config
from strands import Agent, tool
from strands.models import BedrockModel

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")


@tool
def get_altitude(city: Literal["Yinchuan", "Lhasa"]) -> str:
    """How high above the sea a city lies.

    Args:
        city: The city's name
    """
    return {"Yinchuan": "1110 m", "Lhasa": "3650 m"}[city]


model = BedrockModel(
    model_id=os.environ.get("MODEL_ID", "qwen.qwen3-32b-v1:0"),
    region_name="cn-northwest-1",
    max_tokens=2048,
    # Why these two: see converse_stream.py. Strands itself asks again when it is throttled.
    boto_client_config=Config(read_timeout=300, retries={"mode": "standard", "total_max_attempts": 2}),
)
# callback_handler=None: nothing is printed while the agent works. Without it the stream is.
agent = Agent(model=model, tools=[get_altitude], callback_handler=None, system_prompt="You are a guide.")
result = agent("How high does Yinchuan lie?")

for message in agent.messages:
    for block in message["content"]:
        if "toolUse" in block:
            print("the model calls", block["toolUse"]["name"], block["toolUse"]["input"])
        elif "toolResult" in block:
            print("the tool says", block["toolResult"]["content"][0]["text"])
print("answer:", str(result).strip())
print("tokens:", result.metrics.accumulated_usage["outputTokens"])
