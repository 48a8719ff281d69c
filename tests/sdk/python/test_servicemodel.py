"""The checks themselves: what they let through, and what they refuse."""

import copy
import json
import struct
import zlib

import pytest
import servicemodel

HEAD = {
    "x-amzn-RequestId": "39c52d8a-a39c-42bb-a269-ec2735bdccc6",
    "Date": "Fri, 20 Nov 2026 23:22:04 GMT",
    "Content-Type": "application/json",
}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    "metrics": {"latencyMs": 3},
}


def unary(value, **head):
    servicemodel.check_unary("Converse", HEAD | head, json.dumps(value))


def test_an_answer_of_bedrock_is_let_through():
    unary(ANSWER)


def content(answer):
    return answer["output"]["message"]["content"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a.update(extra=1),
        lambda a: a.pop("usage"),
        lambda a: a.update(stopReason="stop"),
        lambda a: a.update(trace=None),
        lambda a: a["usage"].update(inputTokens="1"),
        lambda a: a["usage"].update(inputTokens=-1),
        lambda a: a["usage"].update(totalTokens=4),
        lambda a: a["metrics"].update(latencyMs=True),
        lambda a: a["output"].update(text="Hello"),
        lambda a: content(a).append({}),
        lambda a: content(a).append({"text": "a", "image": {}}),
        lambda a: content(a).append({"toolUse": {"toolUseId": "a b", "name": "x", "input": {}}}),
        lambda a: content(a).append({"toolUse": {"toolUseId": "a", "name": "x"}}),
        lambda a: content(a).append({"reasoningContent": {"redactedContent": "%%"}}),
        lambda a: content(a).append({"reasoningContent": {"text": "flat"}}),
    ],
)
def test_another_answer_is_refused(spoil):
    answer = copy.deepcopy(ANSWER)
    spoil(answer)
    with pytest.raises(servicemodel.Invalid):
        unary(answer)


@pytest.mark.parametrize(
    "head",
    [
        {"x-amzn-RequestId": ""},
        {"Date": "2026-11-20"},
        {"Content-Type": "text/plain"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_another_head_is_refused(head):
    with pytest.raises(servicemodel.Invalid):
        unary(ANSWER, **head)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (400, "ValidationException", "{}"),
        (500, "ValidationException", '{"message":"a"}'),
        (400, "ThrottlingException", '{"message":"a"}'),
        (424, "ModelErrorException", '{"message":"a","originalStatusCode":"500"}'),
        (424, "ModelErrorException", '{"message":"a","stack":"b"}'),
    ],
)
def test_another_error_is_refused(status, kind, body):
    servicemodel.check_error(400, HEAD | {"x-amzn-ErrorType": "ValidationException"}, '{"message":"a"}')
    with pytest.raises(servicemodel.Invalid):
        servicemodel.check_error(status, HEAD | {"x-amzn-ErrorType": kind}, body)


def test_an_error_of_another_operation_is_refused():
    arguments = (424, HEAD | {"x-amzn-ErrorType": "ModelStreamErrorException"}, '{"message":"a"}')
    servicemodel.check_error(*arguments, "InvokeModelWithResponseStream")
    with pytest.raises(servicemodel.Invalid):
        servicemodel.check_error(*arguments, "Converse")


def frame(event, payload, kind="event", order=("type", "content", "message")):
    headers = b""
    values = {
        "type": (":event-type" if kind == "event" else ":exception-type", event),
        "content": (":content-type", "application/json"),
        "message": (":message-type", kind),
    }
    for name, value in (values[key] for key in order):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value))
        headers += value.encode()
    payload = json.dumps(payload).encode()
    head = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


START = ("messageStart", {"role": "assistant", "p": "a"})
DELTA = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}, "p": "a"})
STOP = ("contentBlockStop", {"contentBlockIndex": 0, "p": "a"})
END = ("messageStop", {"stopReason": "end_turn", "p": "a"})
META = ("metadata", {"usage": ANSWER["usage"], "metrics": {"latencyMs": 1}, "p": "a"})
TOOL = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}, "p": "a"})
NEXT = ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Hi"}, "p": "a"})
BARE = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}})
STREAM = HEAD | {"Content-Type": "application/vnd.amazon.eventstream"}


def check(data):
    return servicemodel.check_stream("ConverseStream", STREAM, data)


def test_a_stream_of_bedrock_is_let_through():
    events = [START, DELTA, DELTA, STOP, END, META]
    assert len(check(b"".join(frame(*event) for event in events))) == 6
    failed = frame("modelStreamErrorException", {"message": "a"}, "exception")
    assert check(frame(*START) + frame(*DELTA) + failed)[-1][0] == "modelStreamErrorException"


@pytest.mark.parametrize(
    "events",
    [
        [],
        [DELTA, STOP, END, META],
        [START, DELTA, STOP, END],
        [START, DELTA, STOP, META, END],
        [START, DELTA, END, META],
        [START, NEXT, STOP, END, META],
        [START, STOP, END, META],
        [START, TOOL, STOP, END, META],
        [START, DELTA, NEXT, STOP, END, META],
        [START, DELTA, STOP, DELTA, STOP, END, META],
        [START, BARE, STOP, END, META],
        [START, DELTA, STOP, END, META, META],
        [START, ("ping", {"p": "a"}), DELTA, STOP, END, META],
    ],
)
def test_another_order_is_refused(events):
    with pytest.raises(servicemodel.Invalid):
        check(b"".join(frame(*event) for event in events))


def test_broken_frames_are_refused():
    whole = b"".join(frame(*event) for event in [START, DELTA, STOP, END, META])
    for at in (9, 20, 60, len(whole) - 1):
        broken = bytearray(whole)
        broken[at] ^= 1
        with pytest.raises(servicemodel.Invalid):
            check(bytes(broken))
    with pytest.raises(servicemodel.Invalid):
        check(whole[:-3])
    swapped = frame(*START, order=("message", "type", "content"))
    with pytest.raises(servicemodel.Invalid):
        check(swapped + whole[len(frame(*START)) :])
    with pytest.raises(servicemodel.Invalid):
        check(whole + frame("validationException", {"message": "a"}, "exception"))
