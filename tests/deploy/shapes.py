"""Requests held against the service model as AWS itself would: botocore checks less than half of it."""

import re

# What the patterns have in Java's spelling, and Python's own.
SPELLINGS = {
    r"\p{L}": "A-Za-z\u0080-\uffff",
    r"\p{Z}": " ",
    r"\p{N}": "0-9",
    r"\p{Print}": "[ -~]",
    r"\uD800\uDC00-\uDBFF\uDFFF": "\U00010000-\U0010ffff",
}
NUMBERS = {"integer": int, "long": int, "float": (int, float), "double": (int, float)}


def faults(shape, value, path="request"):
    """What is wrong with a value, in words."""
    if shape.type_name == "structure":
        yield from structure(shape, value, path)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        yield from length(shape, value, path)
        for index, item in enumerate(value):
            yield from faults(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "map":
        if not isinstance(value, dict):
            yield f"{path} is no map"
            return
        yield from length(shape, value, path)
        for key, item in value.items():
            yield from faults(shape.key, key, f"{path} key")
            yield from faults(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string":
        yield from string(shape, value, path)
    elif shape.type_name == "boolean":
        if not isinstance(value, bool):
            yield f"{path} is no boolean"
    elif shape.type_name in NUMBERS:
        if not isinstance(value, NUMBERS[shape.type_name]) or isinstance(value, bool):
            yield f"{path} is no {shape.type_name}"
        elif not (
            shape.metadata.get("min", value) <= value <= shape.metadata.get("max", value)
        ):
            yield f"{path} = {value} is out of range"


def structure(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is no structure"
        return
    for name in shape.required_members:
        if name not in value:
            yield f"{path} lacks {name}"
    for name, item in value.items():
        if name not in shape.members:
            yield f"{path}.{name} is unknown"
        else:
            yield from faults(shape.members[name], item, f"{path}.{name}")


def string(shape, value, path):
    if not isinstance(value, str):
        yield f"{path} is no string"
        return
    yield from length(shape, value, path)
    if shape.enum and value not in shape.enum:
        yield f"{path} = {value!r} is none of its words"
    pattern = shape.metadata.get("pattern")
    for java, python in SPELLINGS.items():
        pattern = pattern and pattern.replace(java, python)
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path} = {value!r} does not match {pattern}"


def length(shape, value, path):
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", len(value))
    if not least <= len(value) <= most:
        yield f"{path} has a length of {len(value)}"
