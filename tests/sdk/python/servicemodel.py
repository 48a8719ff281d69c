"""Answers held against botocore's own service model, from the bytes on the wire.

botocore drops members that it does not know and lets many wrong values through. Here nothing is
let through: every member must be in the model, every required one present, every value of its
type, enum, length and pattern. Of a stream every frame is checked, headers, order and both
checksums included.
"""

import base64
import binascii
import json
import re
import struct
import zlib

import botocore.session

MODEL = botocore.session.get_session().get_service_model("bedrock-runtime")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
# What stands before the service: no operation's model has these.
FRONT_END = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "IncompleteSignatureException": 400,
}


class Invalid(AssertionError):
    """An answer that real Bedrock would not give."""


def check(shape, value, at="$"):
    """Holds one JSON value against its shape."""
    if getattr(shape, "is_document_type", False):
        return
    globals()[f"_{shape.type_name}"](shape, value, at)


def _of(kind, value, at):
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Invalid(f"{at}: {value!r} is no {kind}")


def _structure(shape, value, at):
    _of(dict, value, at)
    for name in value:
        if name not in shape.members:
            raise Invalid(f"{at}: {shape.name} has no member {name}")
        if value[name] is None:
            raise Invalid(f"{at}.{name}: null")
    for name in shape.required_members:
        if name not in value:
            raise Invalid(f"{at}: {shape.name} must have {name}")
    if shape.is_tagged_union and len(value) != 1:
        raise Invalid(f"{at}: the union {shape.name} has {sorted(value)}")
    for name, member in value.items():
        check(shape.members[name], member, f"{at}.{name}")


def _list(shape, value, at):
    _of(list, value, at)
    _within(shape, len(value), at)
    for index, member in enumerate(value):
        check(shape.member, member, f"{at}[{index}]")


def _map(shape, value, at):
    _of(dict, value, at)
    for name, member in value.items():
        check(shape.key, name, at)
        check(shape.value, member, f"{at}.{name}")


def _string(shape, value, at):
    _of(str, value, at)
    _within(shape, len(value), at)
    if shape.enum and value not in shape.enum:
        raise Invalid(f"{at}: {value!r} is none of {shape.enum}")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        raise Invalid(f"{at}: {value!r} does not match {pattern}")


def _blob(shape, value, at):
    _of(str, value, at)
    try:
        _within(shape, len(base64.b64decode(value, validate=True)), at)
    except binascii.Error as error:
        raise Invalid(f"{at}: {error}") from error


def _integer(shape, value, at):
    _of(int, value, at)
    _within(shape, value, at)


def _float(shape, value, at):
    _of((int, float), value, at)
    _within(shape, value, at)


def _boolean(_shape, value, at):
    _of(bool, value, at)


_long, _double = _integer, _float


def _within(shape, size, at):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        raise Invalid(f"{at}: {size} is not in {low}..{high}")


def check_head(headers):
    """What every answer carries."""
    if not UUID.fullmatch(headers.get("x-amzn-RequestId", "")):
        raise Invalid(f"x-amzn-RequestId: {headers.get('x-amzn-RequestId')}")
    if not HTTP_DATE.fullmatch(headers.get("Date", "")):
        raise Invalid(f"Date: {headers.get('Date')}")
    if "Content-Encoding" in headers:
        raise Invalid("no answer is compressed")


def check_unary(operation, headers, body):
    check_head(headers)
    if headers.get("Content-Type") != "application/json":
        raise Invalid(f"Content-Type: {headers.get('Content-Type')}")
    value = json.loads(body)
    check(MODEL.operation_model(operation).output_shape, value)
    if "usage" in value:
        check_usage(value["usage"])
    return value


def check_usage(usage):
    parts = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    if usage["totalTokens"] != sum(usage.get(part, 0) for part in parts):
        raise Invalid(f"the total is not the sum: {usage}")


def check_error(status, headers, body, operation=None):
    """An error: status, type and body as the model has them, and one of the operation's own."""
    check_head(headers)
    if headers.get("Content-Type") != "application/json":
        raise Invalid(f"Content-Type: {headers.get('Content-Type')}")
    name, _, namespace = headers.get("x-amzn-ErrorType", "").partition(":")
    if namespace and not namespace.startswith("http://internal.amazon.com/coral/com.amazon."):
        raise Invalid(f"x-amzn-ErrorType: {headers.get('x-amzn-ErrorType')}")
    value = json.loads(body)
    if name == "UnknownOperationException":
        expected = (404, 405)
    elif name in FRONT_END:
        expected = (FRONT_END[name],)
    else:
        shape = MODEL.shape_for(name)
        errors = MODEL.operation_model(operation).error_shapes if operation else [shape]
        if name not in [error.name for error in errors]:
            raise Invalid(f"{operation} never answers {name}")
        expected = (shape.metadata["error"]["httpStatusCode"],)
        if name == "ValidationException":
            expected += (413,)  # a body that is too large
        check(shape, value)
    if status not in expected:
        raise Invalid(f"{name} with status {status}")
    if not (value.get("message") or value.get("Message")):
        raise Invalid(f"an error without a message: {value}")


def frames(data):
    """The frames of an event stream: [(headers as a list of pairs, payload)]."""
    found, at = [], 0
    while at < len(data):
        if len(data) - at < 16:
            raise Invalid(f"{len(data) - at} bytes left over")
        total, headers_length, prelude_crc = struct.unpack_from(">III", data, at)
        message = data[at : at + total]
        if len(message) != total:
            raise Invalid("a frame that is cut off")
        if zlib.crc32(message[:8]) != prelude_crc:
            raise Invalid("the prelude's checksum")
        if zlib.crc32(message[:-4]) != struct.unpack(">I", message[-4:])[0]:
            raise Invalid("the message's checksum")
        headers = _headers(message[12 : 12 + headers_length])
        found.append((headers, message[12 + headers_length : -4]))
        at += total
    return found


def _headers(data):
    found, at = [], 0
    while at < len(data):
        length = data[at]
        name = data[at + 1 : at + 1 + length].decode("ascii")
        at += 1 + length
        if data[at] != 7:
            raise Invalid(f"the header {name} is no string")
        (length,) = struct.unpack_from(">H", data, at + 1)
        found.append((name, data[at + 3 : at + 3 + length].decode("utf-8")))
        at += 3 + length
    return found


def check_stream(operation, headers, data):
    """A whole stream: frames, events, their order. Gives [(event or exception, payload)]."""
    check_head(headers)
    if headers.get("Content-Type") != "application/vnd.amazon.eventstream":
        raise Invalid(f"Content-Type: {headers.get('Content-Type')}")
    union = MODEL.operation_model(operation).get_event_stream_output()
    events = []
    for head, payload in frames(data):
        kind = dict(head).get(":message-type")
        if events and events[-1][0].endswith("Exception"):
            raise Invalid("a frame after an exception")
        first = ":exception-type" if kind == "exception" else ":event-type"
        if [name for name, _ in head] != [first, ":content-type", ":message-type"]:
            raise Invalid(f"headers {head}")
        if dict(head)[":content-type"] != "application/json":
            raise Invalid(f"headers {head}")
        name = dict(head)[first]
        if name not in union.members or name.endswith("Exception") != (kind == "exception"):
            raise Invalid(f"{union.name} has no {kind} {name}")
        value = json.loads(payload)
        if kind == "event":
            padding = value.pop("p", None)
            if not isinstance(padding, str) or not padding:
                raise Invalid(f"{name} without padding")
        check(union.members[name], value, name)
        events.append((name, value))
    if operation == "ConverseStream":
        check_order(events)
    else:
        check_chunks(headers, events)
    return events


def check_chunks(headers, events):
    """Native chunks: the last one, and no other, carries what was measured."""
    if not headers.get("X-Amzn-Bedrock-Content-Type"):
        raise Invalid("a stream without X-Amzn-Bedrock-Content-Type")
    if headers["X-Amzn-Bedrock-Content-Type"] != "application/json":
        return
    *before, last = [json.loads(base64.b64decode(value["bytes"])) for name, value in events
                     if name == "chunk"] or [{}]  # fmt: skip
    if any("amazon-bedrock-invocationMetrics" in chunk for chunk in before):
        raise Invalid("metrics before the last chunk")
    if events and events[-1][0] == "chunk":
        metrics = last.get("amazon-bedrock-invocationMetrics", {})
        for name in ("outputTokenCount", "invocationLatency", "firstByteLatency"):
            if not isinstance(metrics.get(name), int):
                raise Invalid(f"the last chunk's {name}: {last}")


def check_invocation(headers):
    """The head of a native answer; its body is the provider's."""
    check_head(headers)
    if not headers.get("Content-Type"):
        raise Invalid("no Content-Type")
    for name in ("Invocation-Latency", "Input-Token-Count", "Output-Token-Count"):
        value = headers.get(f"X-Amzn-Bedrock-{name}")
        if value is None and name == "Invocation-Latency":
            raise Invalid("no X-Amzn-Bedrock-Invocation-Latency")
        if value is not None and not value.isdigit():
            raise Invalid(f"X-Amzn-Bedrock-{name}: {value}")


def check_order(events):
    """The grammar of a ConverseStream. An exception may end it anywhere after its start."""
    names = [name for name, _ in events]
    if not names or names[0] != "messageStart" or names.count("messageStart") != 1:
        raise Invalid(f"does not start with messageStart: {names}")
    block, kind, last = None, None, -1
    after_stop = []
    for name, value in events[1:]:
        if name.endswith("Exception"):
            if "metadata" in after_stop:
                raise Invalid(f"{name} after the end")
            return
        if name in ("messageStop", "metadata"):
            if block is not None:
                raise Invalid(f"{name} while block {block} is open")
            after_stop.append(name)
            continue
        if after_stop:
            raise Invalid(f"{name} after {after_stop}")
        index = value["contentBlockIndex"]
        if block is None:
            if index != last + 1 or name == "contentBlockStop":
                raise Invalid(f"{name} {index} after block {last}")
            block, kind = index, None
        elif index != block or name == "contentBlockStart":
            raise Invalid(f"{name} {index} while block {block} is open")
        if name == "contentBlockStart":
            (kind,) = value["start"]
        elif name == "contentBlockDelta":
            (delta,) = value["delta"]
            if delta in ("toolUse", "toolResult", "image") and kind != delta:
                raise Invalid(f"a delta of {delta} in a block of {kind}")
            if kind is not None and delta != kind:
                raise Invalid(f"a delta of {delta} in a block of {kind}")
            kind = delta
        else:
            block, last = None, block
    if after_stop != ["messageStop", "metadata"]:
        raise Invalid(f"the stream ends in {names[-2:]}")
    check_usage(events[-1][1]["usage"])


class Recorder:
    """A stream's body that botocore reads through, kept for the check."""

    def __init__(self, raw):
        self.raw = raw
        self.data = bytearray()
        self.ended = False

    def stream(self, *arguments, **named):
        for chunk in self.raw.stream(*arguments, **named):
            self.data += chunk
            yield chunk
        self.ended = True

    def __getattr__(self, name):
        return getattr(self.raw, name)


class Checks:
    """Hooks into a client, so that every answer it gets is checked, whatever a test looks at."""

    def __init__(self, client):
        self.streams = []
        self.last = None
        client.meta.events.register_first("before-parse.bedrock-runtime.*", self._answer)

    def _answer(self, operation_model, response_dict, **_):
        headers, status = response_dict["headers"], response_dict["status_code"]
        if status >= 300:
            check_error(status, headers, response_dict["body"], operation_model.name)
        elif operation_model.has_event_stream_output:
            response_dict["body"] = Recorder(response_dict["body"])
            self.streams.append((operation_model.name, headers, response_dict["body"]))
        elif operation_model.has_streaming_output:
            check_invocation(headers)
        else:
            self.last = check_unary(operation_model.name, headers, response_dict["body"])

    def finish(self):
        """Checks the streams that were read to their end."""
        for operation, headers, recorder in self.streams:
            if recorder.ended:
                check_stream(operation, headers, bytes(recorder.data))
        self.streams.clear()
