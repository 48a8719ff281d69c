"""One stream through boto3, told as it goes: "begun" with the first text, then how it ended.

usage: stream.py <endpoint url> <model>
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import EventStreamError

url, model = sys.argv[1:]
client = boto3.client(
    "bedrock-runtime",
    endpoint_url=url,
    region_name="cn-northwest-1",
    aws_access_key_id="AKIDTEAMA",
    aws_secret_access_key="a-secret-for-team-a",
    config=Config(retries={"total_max_attempts": 1}),
)
messages = [{"role": "user", "content": [{"text": "Tell me everything."}]}]
ended = "without an end"
begun = False
try:
    for event in client.converse_stream(modelId=model, messages=messages)["stream"]:
        if "contentBlockDelta" in event and not begun:
            begun = True
            print("begun", flush=True)
        if "messageStop" in event:
            ended = f"complete: {event['messageStop']['stopReason']}"
except EventStreamError as error:
    ended = f"exception: {error.response['Error']['Code']}"
print(ended, flush=True)
