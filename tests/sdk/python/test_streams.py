"""ConverseStream: the events, when they come, and how a stream fails."""

import processes
import pytest
from botocore.exceptions import EventStreamError
from conftest import MAVERICK, MODELS, QWEN, R1, fold, text, user

POEM = "贺兰山下果园成，塞北江南旧有名。👩‍🚀🏔️ 𠀀"


def events(client, question, model=QWEN, **more):
    return list(stream(client, question, model, **more))


def stream(client, question, model=QWEN, **more):
    return client.converse_stream(modelId=model, messages=[user(question)], **more)["stream"]


@pytest.mark.parametrize("model", MODELS)
def test_text(client, model):
    seen = events(client, "#count", model)
    names = [next(iter(event)) for event in seen]
    assert names[0] == "messageStart"
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    assert set(names[1:-3]) == {"contentBlockDelta"} and len(names) > 10
    assert seen[0]["messageStart"] == {"role": "assistant"}
    answer = fold(seen)
    assert text(answer) == "one two three four five six seven eight nine ten"
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["outputTokens"] > 0
    assert answer["metrics"]["latencyMs"] >= 0


@pytest.mark.parametrize("model", MODELS)
def test_chinese_and_emoji_survive_every_cut(client, model):
    assert text(fold(events(client, "#chinese", model))) == POEM


@pytest.mark.parametrize("model", MODELS)
def test_reasoning_is_streamed_as_it_is_generated(client, model):
    content = fold(events(client, "#think", model))["output"]["message"]["content"]
    assert [next(iter(part)) for part in content] == ["reasoningContent", "text"]
    thought = content[0]["reasoningContent"]["reasoningText"]["text"]
    assert thought == "The user asks for mountains. 贺兰山 is one. 🏔️"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("question", ["Hello", "#think", "#chinese", "#count"])
def test_a_stream_and_an_answer_say_the_same(client, model, question):
    streamed = fold(events(client, question, model))
    unary = client.converse(modelId=model, messages=[user(question)])
    assert streamed["usage"] == unary["usage"]
    assert streamed["stopReason"] == unary["stopReason"]
    parts = streamed["output"]["message"]["content"]
    if model == R1:
        parts = [p for p in parts if "text" in p] + [p for p in parts if "text" not in p]
    assert parts == unary["output"]["message"]["content"]


def test_the_system_prompt(client):
    seen = events(client, "Who are you?", MAVERICK, system=[{"text": "A pirate. #persona"}])
    assert text(fold(seen)) == "Arr, said the llama4-maverick."


def test_the_length_is_limited(client):
    answer = fold(events(client, "#count", inferenceConfig={"maxTokens": 3}))
    assert answer["stopReason"] == "max_tokens" and answer["usage"]["outputTokens"] == 3


def test_a_stop_sequence(client):
    answer = fold(events(client, "#stops", inferenceConfig={"stopSequences": ["HALT"]}))
    assert answer["stopReason"] == "stop_sequence" and text(answer).rstrip() == "alpha beta"


def test_what_is_asked_for_comes_with_the_end(client):
    answer = fold(
        events(
            client,
            "Hello",
            additionalModelResponseFieldPaths=["/model"],
            performanceConfig={"latency": "optimized"},
            serviceTier={"type": "priority"},
        )
    )
    assert answer["additionalModelResponseFields"] == {"model": "qwen3-32b"}
    assert answer["performanceConfig"] == {"latency": "optimized"}
    assert answer["serviceTier"] == {"type": "priority"}


def test_events_come_before_the_model_has_finished_and_leaving_ends_its_work(connect, emulator):
    """The emulator falls silent for an hour after its third event: what arrives before can only
    have been passed on at once. Then the caller leaves, and the emulator's call is cancelled."""
    client = connect()
    before = processes.calls(emulator.url)
    answer = stream(client, "#stall")
    heard = ""
    for event in answer:
        heard += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        if heard.strip():
            break
    assert heard and "one two three four five six seven eight".startswith(heard)
    now = processes.calls(emulator.url)
    assert now["started"] == before["started"] + 1
    assert now["completed"] == before["completed"] and now["cancelled"] == before["cancelled"]
    answer.close()
    client.close()
    processes.eventually(
        "the upstream call is cancelled",
        lambda: processes.calls(emulator.url)["cancelled"] == before["cancelled"] + 1,
    )
    assert processes.calls(emulator.url)["completed"] == before["completed"]


@pytest.mark.parametrize(
    ("question", "codes"),
    [
        ("#error-event", {"modelStreamErrorException"}),
        ("#error-first", {"modelStreamErrorException"}),
        ("#truncated", {"modelStreamErrorException"}),
        ("#stream-broken", {"modelStreamErrorException"}),
        ("#internal-stream", {"modelStreamErrorException", "internalServerException"}),
        ("#cut-off", {"modelStreamErrorException", "internalServerException"}),
        ("#empty", {"modelStreamErrorException"}),
    ],
)
@pytest.mark.parametrize("model", MODELS)
def test_a_failure_within_the_stream_is_an_exception(client, model, question, codes):
    seen = []
    with pytest.raises(EventStreamError) as failed:
        for event in stream(client, question, model):
            seen.append(event)
    assert failed.value.response["Error"]["Code"] in codes
    assert failed.value.response["Error"]["Message"]
    assert "messageStart" in seen[0]
    assert not any("messageStop" in event for event in seen)
    heard = "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in seen if "contentBlockDelta" in event
    )
    assert "one two three four five six seven eight".startswith(heard)
    assert bool(heard) == (question not in ("#error-first", "#empty"))


@pytest.mark.parametrize(
    ("question", "code", "status"),
    [
        ("#throttled-always", "ThrottlingException", 429),
        ("#not-ready", "ModelNotReadyException", 429),
        ("#unavailable", "ServiceUnavailableException", 503),
        ("#model-error", "ModelErrorException", 424),
        ("#overflow", "ValidationException", 400),
    ],
)
def test_a_failure_before_the_stream_is_an_error(client, question, code, status):
    with pytest.raises(client.exceptions.ClientError) as failed:
        stream(client, question)
    assert failed.value.response["Error"]["Code"] == code
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
