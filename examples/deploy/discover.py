#!/usr/bin/env python3
"""Writes a starting configuration of Helan from the SageMaker endpoints that an account has.

    pip install boto3
    python discover.py > helan.toml                                 # cn-northwest-1
    python discover.py --region cn-northwest-1 --region cn-north-1 > helan.toml
    helan check --config helan.toml

It reads and changes nothing: sagemaker:ListEndpoints, DescribeEndpoint, DescribeEndpointConfig, DescribeModel,
ListInferenceComponents, DescribeInferenceComponent. Where one of them is denied, a comment says so. What a
container speaks is guessed from its image and its environment, with the reason beside it; what cannot be
guessed, or cannot be served, is written as a comment.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass, field

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# Chat templates that Helan has, by what a model is called; the first that fits.
TEMPLATES = [
    (r"r1-distill-qwen", "deepseek-r1-distill-qwen"),
    (r"r1-distill-llama", "deepseek-r1-distill-llama"),
    (r"deepseek-r1", "deepseek-r1"),
    (r"deepseek-v3[.-]1", "deepseek-v3.1"),
    (r"deepseek-v3", "deepseek-v3"),
    (r"qwen3-coder", "qwen3-coder"),
    (r"qwen3-\d+b-a\d+b-(instruct|thinking)|qwen3-(next|vl|omni)", None),  # templates of their own
    (r"qwen3-(?!embedding|reranker|guard)", "qwen3"),
    (r"qwen2[.-]5-(?!coder|math|vl)", "qwen2.5"),
    (r"llama-?3[.-]3", "llama3.3"),
    (r"llama-?3[.-]2", "llama3.2"),
    (r"llama-?3[.-]1", "llama3.1"),
    (r"gpt-oss", "gpt-oss"),
    (r"kimi-k2", "kimi-k2"),
    (r"glm-4[.-]5", "glm4.5"),
    (r"mistral-7b-instruct-v0[.-]3", "mistral-v3"),
]
# Bedrock's ids of models that one may have deployed.
MODEL_IDS = [
    (r"deepseek-r1|r1-distill", "deepseek.r1-v1:0"),
    (r"deepseek-v3[.-]1", "deepseek.v3-v1:0"),
    (r"qwen3-32b", "qwen.qwen3-32b-v1:0"),
    (r"qwen3-coder-30b", "qwen.qwen3-coder-30b-a3b-v1:0"),
    (r"gpt-oss-120b", "openai.gpt-oss-120b-1:0"),
    (r"gpt-oss-20b", "openai.gpt-oss-20b-1:0"),
]
# What says which model a container loads, the surest first.
MODEL_VARIABLES = [
    "HF_MODEL_ID", "OPTION_MODEL_ID", "SM_VLLM_MODEL", "SM_SGLANG_MODEL_PATH", "MODEL_ID"
]  # fmt: skip
REASONING_VARIABLES = [
    "OPTION_REASONING_PARSER", "SM_VLLM_REASONING_PARSER", "SM_SGLANG_REASONING_PARSER"
]  # fmt: skip
TOOL_VARIABLES = ["OPTION_TOOL_CALL_PARSER", "SM_VLLM_TOOL_CALL_PARSER", "SM_SGLANG_TOOL_CALL_PARSER"]
TAKES_TEXT = ("completions", "tgi", "lmi", "hf")


@dataclass
class Container:
    """What is known of one: empty, where a call was denied."""

    image: str = ""
    environment: dict = field(default_factory=dict)
    artifacts: str = ""


@dataclass
class Model:
    """One section of the configuration."""

    id: str
    keys: list  # of (key, value)
    comments: list  # above it
    active: bool = True


@dataclass
class Guess:
    contract: str | None
    reason: str
    keys: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def first(environment, names):
    return next((environment[name] for name in names if environment.get(name)), "")


def guess(container, names):
    """The contract of a container; `names` are those of its model, endpoint and component."""
    image, environment = container.image, container.environment
    repository, _, tag = image.rsplit("/", 1)[-1].partition(":")
    said = " ".join([first(environment, MODEL_VARIABLES), container.artifacts, *names]).lower()
    task = (environment.get("HF_TASK") or environment.get("OPTION_TASK") or "").lower()
    reranks, embeds = "rerank" in said, re.search(r"embed|\bbge-(?!rerank)|\be5-|gte-", said)
    if not image:
        return Guess(None, "its image is not known")
    if repository.startswith("djl"):
        if task in ("text-embedding", "text_embedding", "feature-extraction"):
            return Guess("lmi-embeddings", f"LMI with the task {task}", [("family", "titan")])
        return lmi(tag, environment)
    if repository in ("tei", "tei-cpu") or "text-embeddings-inference" in image:
        if reranks:
            return Guess("tei-rerank", "TEI, and its model's name says rerank")
        return Guess("tei", "TEI; if its model reranks, write tei-rerank", [("family", "titan")])
    if "tgi" in repository:
        version = re.search(r"tgi(\d+)", tag)  # what stands before it is PyTorch's
        messages = environment.get("MESSAGES_API_ENABLED", "").lower() == "true"
        if messages or (version and int(version.group(1)) >= 3):
            return Guess("openai", "TGI 3, or with the Messages API")
        return Guess("tgi", "TGI before version 3")
    if "vllm" in repository:
        pools = environment.get("SM_VLLM_RUNNER") == "pooling" or environment.get("SM_VLLM_TASK")
        if reranks:
            return Guess("rerank", "vLLM, and its model's name says rerank")
        if embeds or (pools and "generate" not in str(pools)):
            return Guess("embeddings", "vLLM with a model that embeds", [("family", "titan")])
        return Guess("openai", "vLLM")
    if "sglang" in repository:
        return Guess("openai", "SGLang")
    if "llamacpp" in repository or "llama-cpp" in repository:
        return Guess("openai", "llama.cpp", [("stream_usage", False)])
    if "huggingface-pytorch-inference" in repository:
        if task == "feature-extraction":
            return Guess("hf-features", "the Hugging Face toolkit: vectors of tokens", [("family", "titan")])
        if task == "text-generation":
            return Guess("hf", "the Hugging Face toolkit", [("stream", False)])
        return Guess(None, f"the Hugging Face toolkit with the task {task or '(none)'}")
    if re.search(r"\bemd\b", " ".join([repository, *names]).lower()):
        return Guess("openai", "the name of Easy Model Deployer")
    return Guess(None, f"the image {repository} is not known; contract = \"raw\" sends bodies as they are")


def lmi(tag, environment):
    """LMI before version 17 batches by itself unless it is told otherwise; then streams have no usage."""
    rolling = environment.get("OPTION_ROLLING_BATCH", "").lower()
    version = re.search(r"lmi(\d+)", tag)
    old = version and int(version.group(1)) < 17 and rolling != "disable"
    if "3p" in environment.get("OPTION_OUTPUT_FORMATTER", ""):
        return Guess("lmi", "LMI whose formatter is 3p")
    if rolling in ("disable", "") and not old:
        return Guess("openai", "LMI in its async mode")
    return Guess("openai", "LMI with a rolling batch", [("stream_usage", False)])


class Account:
    """The endpoints of one region, and what could not be seen of them."""

    def __init__(self, region):
        config = Config(retries={"mode": "adaptive", "total_max_attempts": 8})
        self.client = boto3.client("sagemaker", region_name=region, config=config)
        self.denied = []
        self.containers = {}

    def ask(self, operation, **request):
        """The answer, or an empty one and a note of why."""
        try:
            return getattr(self.client, operation)(**request)
        except ClientError as error:
            self.note(operation, error, **request)
            return {}

    def pages(self, operation, key, **request):
        """Every item of a list, as far as it may be read."""
        try:
            for page in self.client.get_paginator(operation).paginate(**request):
                yield from page[key]
        except ClientError as error:
            self.note(operation, error, **request)

    def note(self, operation, error, **request):
        code = error.response["Error"]["Code"]
        api = self.client.meta.method_to_api_mapping[operation]
        about = " ".join(str(value) for value in request.values())
        self.denied.append(f"{code}: sagemaker:{api} {about}".rstrip())

    def container(self, model_name):
        """The container of a SageMaker model, or why it cannot be served."""
        if model_name not in self.containers:
            self.containers[model_name] = self.read(self.ask("describe_model", ModelName=model_name))
        return self.containers[model_name]

    @staticmethod
    def read(model):
        several = model.get("Containers", [])
        if len(several) > 1:
            return Container(), f"an inference pipeline of {len(several)} containers"
        found = model.get("PrimaryContainer") or (several or [{}])[0]
        if found.get("Mode") == "MultiModel":
            return Container(), "a multi-model endpoint, whose calls name a TargetModel"
        source = found.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
        artifacts = source or found.get("ModelDataUrl", "")
        return Container(found.get("Image", ""), found.get("Environment", {}), artifacts), None


def endpoints(account):
    """Models for every endpoint of a region."""
    for summary in account.pages("list_endpoints", "Endpoints", SortBy="Name", SortOrder="Ascending"):
        name, status = summary["EndpointName"], summary["EndpointStatus"]
        account.denied.clear()
        endpoint = account.ask("describe_endpoint", EndpointName=name)
        config = {}
        if endpoint.get("EndpointConfigName"):
            config = account.ask(
                "describe_endpoint_config", EndpointConfigName=endpoint["EndpointConfigName"]
            )
        obstacle = None
        if status in ("Deleting", "Failed", "OutOfService"):
            obstacle = f"it is {status}"
        elif endpoint.get("AsyncInferenceConfig"):
            obstacle = "an asynchronous endpoint answers into S3"
        variants = config.get("ProductionVariants", [])
        hosts_components = bool(variants) and not variants[0].get("ModelName")
        if hosts_components:
            yield from components(account, name, status, obstacle)
        else:
            yield plain(account, name, status, obstacle, variants)


def plain(account, name, status, obstacle, variants):
    """An endpoint whose model is that of its variant."""
    notes, keys, container, kind = [], [("endpoint", name)], Container(), None
    if variants:
        container, kind = account.container(variants[0]["ModelName"])
        others = [variant["VariantName"] for variant in variants[1:]]
        if others:
            notes.append(
                f"the first of {len(variants)} variants; SageMaker shares calls out among them all, "
                f'unless target_variant = "{variants[0]["VariantName"]}"'
            )
        if variants[0].get("ServerlessConfig"):
            keys.append(("stream", False))
            notes.append("serverless: it cannot stream")
    return section(account, name, status, obstacle or kind, container, [name], keys, notes)


def components(account, name, status, obstacle):
    """An endpoint that hosts inference components: each is a model."""
    found = list(
        account.pages("list_inference_components", "InferenceComponents", EndpointNameEquals=name)
    )
    described = {
        item["InferenceComponentName"]: account.ask(
            "describe_inference_component", InferenceComponentName=item["InferenceComponentName"]
        )
        for item in found
    }
    for component, description in described.items():
        specification, notes = description.get("Specification", {}), []
        base = specification.get("BaseInferenceComponentName")
        if base:
            notes.append(f"an adapter on {base}")
            specification = described.get(base, {}).get("Specification", {})
        container, kind = Container(), None
        if specification.get("ModelName"):
            container, kind = account.container(specification["ModelName"])
        elif specification.get("Container"):
            given = specification["Container"]
            image = given.get("DeployedImage", {}).get("SpecifiedImage", "")
            container = Container(image, given.get("Environment", {}), given.get("ArtifactUrl", ""))
        copies = description.get("RuntimeConfig", {}).get("CurrentCopyCount")
        if copies == 0:
            notes.append("it has no copy now: see wait_ready")
        keys = [("endpoint", name), ("inference_component", component)]
        yield section(
            account, component, status, obstacle or kind, container, [component, name], keys, notes
        )
    if not described:
        comments = ["it hosts inference components, and none is there or may be listed"]
        yield Model(name, [("endpoint", name)], heading(account, name, status) + comments, False)


def heading(account, name, status):
    return [f"{name}: {status}", *account.denied]


def section(account, name, status, obstacle, container, names, keys, notes):
    """One model of the configuration."""
    comments = heading(account, name, status)
    account.denied.clear()
    if obstacle:
        return Model(name, keys, [*comments, f"not served: {obstacle}"], False)
    found = guess(container, names)
    if container.image:
        comments.append(container.image)
    comments += [f"{found.contract or 'contract not guessed'}: {found.reason}", *notes]
    keys = keys + [("contract", found.contract or "openai"), *found.keys]
    if found.contract in ("openai", *TAKES_TEXT):
        active = with_template(container, names, found.contract, keys, comments)
    else:
        active = found.contract is not None
    return Model(known(MODEL_IDS, container, names) or name, unique(keys), comments, active)


def with_template(container, names, contract, keys, comments):
    """Adds what is known of the model's language; says whether the container can be served without."""
    template = known(TEMPLATES, container, names)
    if contract == "openai":
        reasoning = first(container.environment, REASONING_VARIABLES)
        tools = first(container.environment, TOOL_VARIABLES)
        comments.append(
            f"parsers of the container: {reasoning or 'none'} for reasoning, {tools or 'none'} for tool calls"
        )
        if not tools:
            comments.append(
                'without one vLLM refuses tools: contract = "completions" and a template let Helan '
                "render and parse them"
            )
    if template:
        # Of a container that renders messages itself: so that callers cannot forge its control tokens.
        keys.append(("template", template))
        return True
    comments.append("template: the name of a built-in, or the path of the model's chat_template.jinja")
    return contract not in TAKES_TEXT


def known(table, container, names):
    """What a table has for the model, by what the container loads or else by what things are called."""
    for text in [first(container.environment, MODEL_VARIABLES), container.artifacts, *names]:
        for pattern, value in table:
            if re.search(pattern, text.lower().replace("_", "-")):
                return value
    return None


def unique(keys):
    return list(dict(keys).items())


def toml(value):
    return str(value).lower() if isinstance(value, bool) else json.dumps(value)


def write(models, regions, denied):
    """The configuration, as text."""
    lines = [
        "# Written by discover.py: a start, not the truth. `helan check` says what is wrong with it.",
        'listen = "127.0.0.1:8080"',
        "",
        "[auth]",
        'mode = "none" # of others than this host: keys_file = "keys.toml" instead',
        "",
        "[sagemaker]",
        f"region = {toml(regions[0])}",
    ]
    lines += [f"# {comment(text)}" for text in denied]
    taken = set()
    for region, model in models:
        keys = model.keys + ([("region", region)] if region != regions[0] else [])
        lines += ["", *(f"# {comment(text)}" for text in model.comments)]
        # The first has Bedrock's id; another one of the same kind its own name, and its region's if need be.
        own = dict(keys).get("inference_component") or dict(keys)["endpoint"]
        wanted = [model.id, own, f"{own}.{region}"]
        name = next((name for name in wanted if name not in taken), f"{own}.{len(taken)}")
        if model.active:
            taken.add(name)
        mark = "" if model.active else "# "
        lines.append(f"{mark}[models.{toml(name)}]")
        lines += [f"{mark}{key} = {toml(value)}" for key, value in keys]
    return "\n".join(lines) + "\n"


def comment(text):
    """One line, whatever was in a name or an error."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--region", action="append", help="more than once; default: cn-northwest-1")
    regions = parser.parse_args().region or ["cn-northwest-1"]
    models, denied = [], []
    try:
        for region in dict.fromkeys(regions):
            account = Account(region)
            models += [(region, model) for model in endpoints(account)]
            denied += account.denied
    except BotoCoreError as error:
        sys.exit(f"discover.py: {error}")
    print(write(models, regions, denied), end="")
    if not any(model.active for _, model in models):
        sys.exit("discover.py: there is no endpoint that Helan could serve; the comments say why")


if __name__ == "__main__":
    main()
