#!/usr/bin/env python3
"""Write the facts of the bedrock-runtime service model to bedrock-runtime.json.

    python3 -m venv venv && venv/bin/pip install botocore==1.44.5
    venv/bin/python schemas/extract.py            # writes schemas/bedrock-runtime.json
    venv/bin/python schemas/extract.py --check    # fails if the file is not what it would write

Only facts are kept: operations, shapes, members, enums, limits, errors. Prose is left out. The
source is the model that botocore ships; its version is pinned, so that a newer model is a change
that somebody decides on: raise BOTOCORE, run, and read the difference.
"""

import argparse
import gzip
import json
import pathlib
import sys

BOTOCORE = "1.44.5"
SERVICE = ("bedrock-runtime", "2023-09-30")
TARGET = pathlib.Path(__file__).with_name("bedrock-runtime.json")

METADATA = ("apiVersion", "auth", "endpointPrefix", "protocol", "protocolSettings", "protocols",
            "serviceFullName", "serviceId", "signatureVersion", "signingName", "uid")
OPERATION = ("http", "idempotent", "readonly")
SHAPE = ("type", "required", "enum", "min", "max", "pattern", "payload", "union", "document",
         "event", "eventstream", "exception", "error", "fault", "retryable", "sensitive", "sparse",
         "timestampFormat")
REFERENCE = ("shape", "location", "locationName", "idempotencyToken", "timestampFormat", "eventpayload",
             "eventheader", "jsonvalue", "streaming", "deprecated")
PROSE = ("documentation", "documentationUrl", "deprecatedMessage", "deprecatedSince", "name", "examples",
         "errors", "input", "output", "members", "member", "key", "value", "synthetic", "box",
         "endpointdiscovery", "authtype", "deprecated")


def pick(source, wanted, where):
    """The wanted keys of source; a key that is neither wanted nor known prose ends the run."""
    unknown = set(source) - set(wanted) - set(PROSE)
    if unknown:
        sys.exit(f"{where}: the model has keys that this script does not know: {sorted(unknown)}")
    return {key: source[key] for key in wanted if key in source}


def reference(source, where):
    return pick(source, REFERENCE, where)


def operation(name, source):
    facts = pick(source, OPERATION, name)
    for side in ("input", "output"):
        if side in source:
            facts[side] = source[side]["shape"]
    facts["errors"] = sorted(error["shape"] for error in source.get("errors", []))
    return facts


def shape(name, source):
    facts = pick(source, SHAPE, name)
    if "required" in facts:
        facts["required"] = sorted(facts["required"])
    if "members" in source:
        facts["members"] = {
            member: reference(ref, f"{name}.{member}") for member, ref in source["members"].items()
        }
    for part in ("member", "key", "value"):
        if part in source:
            facts[part] = reference(source[part], f"{name}.{part}")
    return facts


def facts(model):
    return {
        "botocore": BOTOCORE,
        "metadata": pick(model["metadata"], METADATA, "metadata"),
        "operations": {name: operation(name, op) for name, op in model["operations"].items()},
        "shapes": {name: shape(name, sh) for name, sh in model["shapes"].items()},
    }


def model():
    try:
        import botocore
    except ImportError:
        sys.exit(f"botocore is not installed: pip install botocore=={BOTOCORE}")
    if botocore.__version__ != BOTOCORE:
        sys.exit(f"botocore {botocore.__version__} is installed, the facts are of {BOTOCORE}")
    folder = pathlib.Path(botocore.__file__).parent.joinpath("data", *SERVICE)
    plain, packed = folder / "service-2.json", folder / "service-2.json.gz"
    text = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    return json.loads(text)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", action="store_true", help="compare only")
    arguments = options.parse_args()
    text = json.dumps(facts(model()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if not arguments.check:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET} is not what botocore {BOTOCORE} says; run schemas/extract.py")


if __name__ == "__main__":
    main()
