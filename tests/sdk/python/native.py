"""Native bodies through `invoke_model` and its stream."""

import json


def invoke(client, model, body):
    """The native answer, and the headers it came with."""
    answer = client.invoke_model(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def stream(client, model, body):
    """The native chunks. The last one has Bedrock's metrics, which are taken out of it."""
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    metrics = chunks[-1].pop("amazon-bedrock-invocationMetrics")
    assert metrics["outputTokenCount"] > 0
    assert metrics["inputTokenCount"] > 0
    assert all("amazon-bedrock-invocationMetrics" not in chunk for chunk in chunks)
    return chunks


def refusal(client, model, body):
    """What a body is refused with."""
    try:
        client.invoke_model(modelId=model, body=json.dumps(body))
    except client.exceptions.ValidationException as error:
        return error.response["Error"]["Message"]
    raise AssertionError("taken")
