"""examples/deploy/discover.py: an account's endpoints become a configuration that `helan check` takes."""

import re
import tomllib

import pytest
from conftest import EXAMPLES

CHINA = "727897471807.dkr.ecr.cn-northwest-1.amazonaws.com.cn"
TEI = "451049120500.dkr.ecr.cn-northwest-1.amazonaws.com.cn"
ROLE = "arn:aws-cn:iam::123456789012:role/sagemaker"
LMI = f"{CHINA}/djl-inference:0.36.0-lmi27.0.0-cu130"
VLLM = f"{CHINA}/vllm:0.28.0-gpu-py312-cu130-ubuntu24.04-sagemaker"
TGI = f"{CHINA}/huggingface-pytorch-tgi-inference:2.6.0-tgi{{}}-gpu-py311-cu124-ubuntu22.04"


@pytest.fixture
def add(plane):
    """Adds an endpoint with one container."""

    def run(name, image, environment=None, status="InService", variant=None, **container):
        if image:
            container = {"Image": image, "Environment": environment or {}} | container
        model = {"ModelName": f"{name}-model", "ExecutionRoleArn": ROLE, "PrimaryContainer": container}
        plane.create("model", f"{name}-model", model)
        endpoint(plane, name, [{"VariantName": "AllTraffic", "ModelName": f"{name}-model"} | (variant or {})], status)

    return run


def endpoint(plane, name, variants, status="InService", **more):
    config = {"EndpointConfigName": f"{name}-config", "ProductionVariants": variants}
    plane.create("config", f"{name}-config", config)
    thing = {"EndpointName": name, "EndpointConfigName": f"{name}-config", "EndpointStatus": status}
    plane.create("endpoint", name, thing | more)


def component(plane, name, on, **specification):
    thing = {
        "InferenceComponentName": name,
        "EndpointName": on,
        "VariantName": "AllTraffic",
        "InferenceComponentStatus": "InService",
        "Specification": specification,
        "RuntimeConfig": {"CopyCount": 1},
    }
    plane.create("component", name, thing)


@pytest.fixture
def discover(script, check):
    """Runs it; gives the checked configuration, its text, and the last words."""

    def run(*arguments):
        out, _, words = script("discover.py", *arguments)
        if words is None:
            check(out)
        return tomllib.loads(out).get("models", {}), out, words

    return run


def by_endpoint(models):
    return {model.get("inference_component", model["endpoint"]): (id, model) for id, model in models.items()}


# name, image, environment → contract and what else is written, or None where it may only be a comment
CONTAINERS = [
    ("lmi", LMI, {"HF_MODEL_ID": "Qwen/Qwen3-14B"}, {"contract": "openai", "template": "qwen3"}),
    ("lmi-old", f"{CHINA}/djl-inference:0.32.0-lmi14.0.0-cu126", {},
     {"contract": "openai", "stream_usage": False}),
    ("lmi-roll", LMI, {"OPTION_ROLLING_BATCH": "vllm"}, {"contract": "openai", "stream_usage": False}),
    ("lmi-async", f"{CHINA}/djl-inference:0.33.0-lmi15.0.0-cu128", {"OPTION_ROLLING_BATCH": "disable"},
     {"contract": "openai"}),
    ("lmi-embed", LMI, {"OPTION_TASK": "text-embedding"}, {"contract": "lmi-embeddings", "family": "titan"}),
    ("vllm", VLLM, {"SM_VLLM_MODEL": "/opt/ml/model"}, {"contract": "openai"}),
    ("vllm-embed", VLLM, {"SM_VLLM_MODEL": "Qwen/Qwen3-Embedding-8B"}, {"contract": "embeddings"}),
    ("vllm-rerank", VLLM, {"SM_VLLM_MODEL": "BAAI/bge-reranker-v2-m3"}, {"contract": "rerank"}),
    ("sglang", f"{CHINA}/sglang:0.5.19-gpu-py312-cu130-ubuntu24.04-sagemaker", {}, {"contract": "openai"}),
    ("llamacpp", f"{CHINA}/huggingface-llamacpp:b9522-gpu", {}, {"contract": "openai", "stream_usage": False}),
    ("tgi-three", TGI.format("3.3.6"), {}, {"contract": "openai"}),
    ("tgi-two", TGI.format("2.4.0"), {"HF_MODEL_ID": "mistralai/Mistral-7B-Instruct-v0.3"},
     {"contract": "tgi", "template": "mistral-v3"}),
    ("tgi-two-messages", TGI.format("2.4.0"), {"MESSAGES_API_ENABLED": "true"}, {"contract": "openai"}),
    ("tgi-two-unknown", TGI.format("2.4.0"), {"HF_MODEL_ID": "/opt/ml/model"}, None),
    ("tei", f"{TEI}/tei:2.0.1-tei1.8.2-gpu-py310", {"HF_MODEL_ID": "BAAI/bge-m3"}, {"contract": "tei"}),
    ("tei-rerank", f"{TEI}/tei-cpu:2.0.1-tei1.8.2-cpu", {"HF_MODEL_ID": "BAAI/bge-reranker-base"},
     {"contract": "tei-rerank"}),
    ("hf-features", f"{CHINA}/huggingface-pytorch-inference:2.6.0", {"HF_TASK": "feature-extraction"},
     {"contract": "hf-features"}),
    ("hf-text", f"{CHINA}/huggingface-pytorch-inference:2.6.0",
     {"HF_TASK": "text-generation", "HF_MODEL_ID": "Qwen/Qwen2.5-7B-Instruct"},
     {"contract": "hf", "template": "qwen2.5", "stream": False}),
    ("hf-image", f"{CHINA}/huggingface-pytorch-inference:2.6.0", {"HF_TASK": "image-classification"}, None),
    ("own", "123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn/own:1", {}, None),
    ("emd-model-x", "123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn/model:1", {}, {"contract": "openai"}),
]  # fmt: skip


def test_what_containers_speak(add, discover):
    for name, image, environment, _ in CONTAINERS:
        add(name, image, environment)
    models, out, words = discover()
    assert words is None
    found = by_endpoint(models)
    for name, _, _, wanted in CONTAINERS:
        if wanted is None:
            assert name not in found
            assert f'# endpoint = "{name}"' in out
        else:
            _, model = found[name]
            assert wanted | {"endpoint": name} == {
                key: value for key, value in model.items() if key in wanted or key == "endpoint"
            }, name
            assert set(model) <= {"endpoint", "contract", "template", "family", "stream", "stream_usage"}
    assert len(found) == sum(wanted is not None for *_, wanted in CONTAINERS)


def test_callers_ids_are_bedrocks_where_it_has_the_model(add, discover):
    for name in ("a", "b"):
        add(name, LMI, {"HF_MODEL_ID": "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B"})
    add("c", LMI, {"HF_MODEL_ID": "/opt/ml/model"}, ModelDataSource={
        "S3DataSource": {
            "S3Uri": "s3://bucket/models/Qwen3-32B/", "S3DataType": "S3Prefix", "CompressionType": "None",
        }
    })  # fmt: skip
    add("r1-distill-qwen-7b", VLLM)
    models, _, _ = discover()
    # No two models share an id; the others have their endpoints' names.
    assert list(models) == ["deepseek.r1-v1:0", "b", "qwen.qwen3-32b-v1:0", "r1-distill-qwen-7b"]
    assert [model["template"] for model in models.values()] == [
        "deepseek-r1-distill-qwen", "deepseek-r1-distill-qwen", "qwen3", "deepseek-r1-distill-qwen"
    ]  # fmt: skip


def test_parsers_are_told(add, discover):
    add("with", LMI, {"OPTION_REASONING_PARSER": "qwen3", "OPTION_TOOL_CALL_PARSER": "hermes"})
    add("without", VLLM)
    _, out, _ = discover()
    assert "qwen3 for reasoning, hermes for tool calls" in out
    assert "none for reasoning, none for tool calls" in out
    assert out.count('contract = "completions"') == 1


def test_inference_components(plane, discover):
    variant = {"VariantName": "AllTraffic", "InstanceType": "ml.g5.12xlarge", "InitialInstanceCount": 1}
    endpoint(plane, "shared", [variant])
    plane.create("model", "m", {"ModelName": "m", "PrimaryContainer": {"Image": VLLM}})
    component(plane, "qwen3-32b", "shared", ModelName="m")
    image = {"DeployedImage": {"SpecifiedImage": TGI.format("3.3.6")}}
    component(plane, "in-place", "shared", Container=image)
    component(plane, "tuned", "shared", BaseInferenceComponentName="qwen3-32b")
    component(plane, "elsewhere", "another", ModelName="m")
    plane.things["component"]["in-place"]["RuntimeConfig"] = {"CopyCount": 0}
    models, out, _ = discover()
    found = by_endpoint(models)
    assert set(found) == {"qwen3-32b", "in-place", "tuned"}
    for name, (_, model) in found.items():
        assert (model["endpoint"], model["contract"]) == ("shared", "openai"), name
    assert "an adapter on qwen3-32b" in out
    assert "it has no copy now" in out


def test_an_endpoint_without_components_is_only_told(plane, add, discover):
    add("good", VLLM)
    endpoint(plane, "empty", [{"VariantName": "AllTraffic"}])
    models, out, _ = discover()
    assert list(models) == ["good"]
    assert "# it hosts inference components, and none is there" in out


def test_what_cannot_answer_is_only_told(plane, add, discover):
    add("good", VLLM)
    add("failed", VLLM, status="Failed")
    add("many", VLLM, Mode="MultiModel")
    add("serverless", VLLM, variant={"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}})
    plane.create("model", "pipe", {"ModelName": "pipe", "Containers": [{"Image": "a"}, {"Image": "b"}]})
    endpoint(plane, "pipeline", [{"VariantName": "v", "ModelName": "pipe"}])
    plane.create("model", "one", {"ModelName": "one", "Containers": [{"Image": VLLM}]})
    endpoint(plane, "single", [{"VariantName": "v", "ModelName": "one"}, {"VariantName": "w", "ModelName": "one"}])
    asynchronous = {"OutputConfig": {"S3OutputPath": "s3://bucket/"}}
    endpoint(plane, "later", [{"VariantName": "v", "ModelName": "one"}], AsyncInferenceConfig=asynchronous)
    models, out, _ = discover()
    assert set(models) == {"good", "serverless", "single"}
    assert models["serverless"]["stream"] is False
    for told in ("it is Failed", "TargetModel", "2 containers", "answers into S3", 'target_variant = "v"'):
        assert told in out


@pytest.mark.parametrize(
    "denied",
    ["DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel", "ListInferenceComponents",
     "DescribeInferenceComponent"],
)  # fmt: skip
def test_a_denied_call_is_a_comment(plane, add, script, check, denied):
    add("alone", VLLM)
    variant = {"VariantName": "AllTraffic"}
    endpoint(plane, "shared", [variant])
    component(plane, "part", "shared", Container={"DeployedImage": {"SpecifiedImage": VLLM}})
    plane.denied.add(denied)
    out, _, words = script("discover.py")
    assert f"# AccessDeniedException: sagemaker:{denied} " in out
    # What the others show is still served.
    models = tomllib.loads(out).get("models", {})
    inference = "InferenceComponent" in denied
    if denied == "DescribeModel":
        assert list(models) == ["part"]
    elif inference:
        assert list(models) == ["alone"]
    else:
        assert not models and "no endpoint that Helan could serve" in words
    if models:
        assert words is None
        check(out)


def test_an_account_that_may_not_be_seen(plane, discover):
    plane.denied.add("ListEndpoints")
    models, out, words = discover()
    assert not models
    assert "# AccessDeniedException: sagemaker:ListEndpoints" in out
    assert "no endpoint" in words


def test_several_pages_are_read_and_nothing_is_changed(plane, add, discover):
    for number in range(7):
        add(f"chat-{number}", VLLM)
    models, _, _ = discover()
    assert list(models) == [f"chat-{number}" for number in range(7)]
    assert sum(name == "ListEndpoints" for name, _ in plane.calls) == 4
    assert plane.changes() == []


def test_two_regions(plane, add, discover):
    add("chat", VLLM)
    # The control plane has the same endpoints in both.
    models, _, words = discover("--region", "cn-northwest-1", "--region", "cn-north-1")
    assert words is None
    assert list(models) == ["chat", "chat.cn-north-1"]
    assert models["chat.cn-north-1"]["region"] == "cn-north-1"
    assert "region" not in models["chat"]


def test_what_stands_in_names_cannot_leave_its_comment(add, discover):
    add("odd", VLLM, {"OPTION_TOOL_CALL_PARSER": 'x\n[models."y"]\nendpoint = "z"\n'})
    add("good", VLLM)
    models, _, _ = discover()
    assert set(models) == {"odd", "good"}


def test_every_template_is_one_that_helan_has(add, discover):
    # `helan check` refuses an unknown template, so each of the table is used once.
    source = (EXAMPLES / "discover.py").read_text()
    names = {
        "deepseek-r1-distill-qwen": "DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1-distill-llama":
        "DeepSeek-R1-Distill-Llama-8B", "deepseek-r1": "DeepSeek-R1-0528", "deepseek-v3.1": "DeepSeek-V3.1",
        "deepseek-v3": "DeepSeek-V3-0324", "qwen3-coder": "Qwen3-Coder-30B-A3B-Instruct", "qwen3": "Qwen3-8B",
        "qwen2.5": "Qwen2.5-7B-Instruct", "llama3.3": "Llama-3.3-70B-Instruct", "llama3.2":
        "Llama-3.2-3B-Instruct", "llama3.1": "Meta-Llama-3.1-8B-Instruct", "gpt-oss": "gpt-oss-20b",
        "kimi-k2": "Kimi-K2-Instruct", "glm4.5": "GLM-4.5-Air", "mistral-v3": "Mistral-7B-Instruct-v0.3",
    }  # fmt: skip
    table = source[source.index("TEMPLATES = [") : source.index("MODEL_IDS = [")]
    assert set(re.findall(r'", "([a-z0-9.-]+)"\)', table)) == set(names)
    for number, model in enumerate(names.values()):
        add(f"m{number}", LMI, {"HF_MODEL_ID": f"x/{model}"})
    models, _, words = discover()
    assert words is None
    found = by_endpoint(models)
    assert {model["template"] for _, model in found.values()} == set(names)
    for number, template in enumerate(names):
        assert found[f"m{number}"][1]["template"] == template


def test_models_with_templates_of_their_own_get_none(add, discover):
    add("other", LMI, {"HF_MODEL_ID": "Qwen/Qwen3-30B-A3B-Instruct-2507"})
    models, _, _ = discover()
    assert "template" not in models["other"]
