"""examples/deploy/deploy.py against a control plane that holds every request against the service model."""

import json

import pytest
import shapes

ROLE = ("--role", "arn:aws-cn:iam::123456789012:role/sagemaker")
S3 = ("--weights", "s3://my-bucket/models/it")
FAST = ("--poll", "0")
MODELS = {
    "deepseek-r1-distill-qwen-7b": 1,
    "deepseek-r1-distill-qwen-14b": 4,
    "deepseek-r1-distill-qwen-32b": 4,
    "qwen3-8b": 1,
    "qwen3-14b": 4,
    "qwen3-32b": 4,
}


@pytest.fixture
def deploy(script):
    def run(model, *arguments, weights=S3):
        return script("deploy.py", "deploy", "--model", model, *ROLE, *weights, *FAST, *arguments)

    return run


def environment(plane):
    """What the newest container is told."""
    (request,) = [request for name, request in plane.calls if name == "CreateModel"][-1:]
    return request["PrimaryContainer"]["Environment"]


def test_every_model_is_listed(script):
    out, _, words = script("deploy.py", "models")
    assert words is None
    assert [line.split()[0] for line in out.splitlines()] == list(MODELS)


@pytest.mark.parametrize("image", ["lmi", "vllm"])
@pytest.mark.parametrize("model", MODELS)
def test_a_model_and_its_configuration(deploy, plane, check, model, image):
    out, _, words = deploy(model, "--image", image)
    assert words is None
    assert plane.changes() == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    told = environment(plane)
    prefix = {"lmi": "OPTION_", "vllm": "SM_VLLM_"}[image]
    degree = {"lmi": "OPTION_TENSOR_PARALLEL_DEGREE", "vllm": "SM_VLLM_TENSOR_PARALLEL_SIZE"}[image]
    assert told[degree] == str(MODELS[model])
    assert told[{"lmi": "HF_MODEL_ID", "vllm": "SM_VLLM_MODEL"}[image]] == "/opt/ml/model"
    thinks = "deepseek_r1" if "r1" in model else "qwen3"
    assert told[prefix + "REASONING_PARSER"] == thinks
    assert told.get(prefix + "TOOL_CALL_PARSER") == (None if "r1" in model else "hermes")
    (variant,) = plane.things["config"].popitem()[1]["ProductionVariants"]
    assert variant["InferenceAmiVersion"].startswith("al2")
    said = check(out)
    assert f"→ {model} (openai)" in said


def test_raw_output_leaves_the_parsing_to_helan(deploy, plane, check):
    for model in ("deepseek-r1-distill-qwen-7b", "qwen3-8b"):
        out, _, _ = deploy(model, "--raw-output")
        assert not [key for key in environment(plane) if "PARSER" in key or "TOOL" in key]
        assert f"→ {model} (completions)" in check(out)


def test_the_second_run_changes_nothing(deploy, plane):
    options = ("--scale-to-zero", "--max-copies", "2")
    first, _, _ = deploy("qwen3-32b", *options)
    plane.calls.clear()
    second, _, words = deploy("qwen3-32b", *options)
    assert words is None and second == first
    # What sets a whole value is said again.
    assert set(plane.changes()) == {"RegisterScalableTarget", "PutScalingPolicy", "PutMetricAlarm"}


def test_another_option_updates_the_endpoint(deploy, plane):
    deploy("qwen3-8b", "--name", "chat")
    plane.calls.clear()
    _, _, words = deploy("qwen3-8b", "--name", "chat", "--max-model-len", "8192")
    assert words is None
    assert plane.changes() == ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]
    assert environment(plane)["OPTION_MAX_MODEL_LEN"] == "8192"
    assert plane.things["endpoint"]["chat"]["EndpointStatus"] == "InService"


def test_another_option_updates_the_component(deploy, plane):
    deploy("qwen3-8b", "--inference-component")
    plane.calls.clear()
    _, _, words = deploy("qwen3-8b", "--inference-component", "--raw-output")
    assert words is None
    assert plane.changes() == ["CreateModel", "UpdateInferenceComponent"]


def test_to_zero_and_back(deploy, plane, check):
    out, _, words = deploy("qwen3-32b", "--scale-to-zero", "--max-copies", "3")
    assert words is None
    (config,) = plane.things["config"].values()
    (variant,) = config["ProductionVariants"]
    assert "ModelName" not in variant
    assert variant["ManagedInstanceScaling"] == {
        "Status": "ENABLED",
        "MinInstanceCount": 0,
        "MaxInstanceCount": 3,
    }
    component = plane.things["component"]["qwen3-32b"]
    assert component["Specification"]["ModelName"] in plane.things["model"]
    (target,) = plane.targets.values()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 3)
    assert {policy["PolicyType"] for policy in plane.policies.values()} == {
        "TargetTrackingScaling",
        "StepScaling",
    }
    # The alarm pulls the policy that brings the first copy back.
    (alarm,) = plane.alarms.values()
    assert alarm["AlarmActions"][0].endswith(":qwen3-32b-from-zero")
    assert alarm["MetricName"] == "NoCapacityInvocationFailures"
    assert 'inference_component = "qwen3-32b"' in out and "wait_ready" in out
    check(out)


def test_weights_from_elsewhere(deploy, plane):
    deploy("qwen3-8b", "--image", "vllm", weights=("--weights", "modelscope"))
    told = environment(plane)
    assert told["SM_VLLM_MODEL"] == "Qwen/Qwen3-8B"
    assert told["VLLM_USE_MODELSCOPE"] == "True"
    deploy("qwen3-14b", weights=("--weights", "hf-mirror"))
    told = environment(plane)
    assert told["HF_MODEL_ID"] == "Qwen/Qwen3-14B"
    assert told["HF_ENDPOINT"].startswith("https://")
    for request in [request for name, request in plane.calls if name == "CreateModel"]:
        assert "ModelDataSource" not in request["PrimaryContainer"]


def test_weights_are_a_folder_of_s3(deploy, plane):
    deploy("qwen3-8b")
    (model,) = plane.things["model"].values()
    source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source["S3Uri"] == "s3://my-bucket/models/it/"
    assert (source["S3DataType"], source["CompressionType"]) == ("S3Prefix", "None")


def test_delete_removes_what_deploy_made_and_nothing_else(deploy, script, plane):
    deploy("qwen3-32b", "--name", "chat", "--scale-to-zero")
    deploy("qwen3-8b", "--name", "chat-small")
    # By hand, with a name like a revision's.
    plane.create("model", "chat-0a1b2c3d", {"ExecutionRoleArn": ROLE[1]})
    _, _, words = script("deploy.py", "delete", "--name", "chat", *FAST)
    assert words is None
    assert list(plane.things["endpoint"]) == ["chat-small"]
    assert not plane.things["component"]
    assert [name.rpartition("-")[0] for name in plane.things["config"]] == ["chat-small"]
    assert sorted(name.rpartition("-")[0] for name in plane.things["model"]) == ["chat", "chat-small"]
    assert (plane.targets, plane.policies, plane.alarms) == ({}, {}, {})
    # Again, with nothing there.
    _, _, words = script("deploy.py", "delete", "--name", "chat", *FAST)
    assert words is None


def test_delete_removes_every_revision(deploy, script, plane):
    for tokens in ("4096", "8192", "12288"):
        deploy("qwen3-8b", "--max-model-len", tokens)
    assert len(plane.things["model"]) == 3
    script("deploy.py", "delete", "--name", "qwen3-8b", *FAST)
    assert not any(plane.things.values())


def test_a_dry_run_calls_nobody(deploy, script, plane):
    out, err, words = deploy("qwen3-32b", "--scale-to-zero", "--dry-run")
    assert words is None and not plane.calls
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["operation"] for line in lines] == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "CreateInferenceComponent",
        "RegisterScalableTarget",
        "PutScalingPolicy",
        "PutScalingPolicy",
        "PutMetricAlarm",
    ]
    for line in lines:
        shape = plane.models[line["service"]].operation_model(line["operation"]).input_shape
        assert list(shapes.faults(shape, line["request"])) == []
    assert '[models."qwen.qwen3-32b-v1:0"]' in err
    out, _, _ = script("deploy.py", "delete", "--name", "qwen3-32b", "--dry-run")
    assert not plane.calls
    assert json.loads(out.splitlines()[-1])["operation"] == "DeleteModel"


def test_an_endpoint_that_fails_is_told(deploy, plane):
    plane.fails.add("qwen3-8b")
    out, _, words = deploy("qwen3-8b")
    assert out == "" and words == "deploy.py: qwen3-8b is Failed: no capacity"
    _, _, words = deploy("qwen3-8b")
    assert "delete --name qwen3-8b" in words


def test_a_refusal_is_told(deploy, plane):
    plane.denied.add("CreateModel")
    _, _, words = deploy("qwen3-8b")
    assert "AccessDenied" in words


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--role", "arn:aws:iam::123456789012:role/x"), "arn:aws-cn:iam::"),
        (("--weights", "https://example.com"), "s3://BUCKET/PREFIX/"),
        (("--weights", "modelscope"), "--image vllm"),
        (("--image", "pytorch"), "djl-inference"),
        (("--subnet", "subnet-1"), "--security-group"),
        (("--gpus", "2"), "--instance-type"),
        (("--scale-to-zero", "--max-copies", "0"), "--max-copies"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(deploy, plane, arguments, told):
    _, _, words = deploy("qwen3-8b", *arguments)
    assert words.startswith("deploy.py: ") and told in words
    assert not plane.calls


def test_images_of_ones_own(deploy, plane):
    image = "123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn/vllm:0.11.2-cu129"
    _, _, words = deploy("qwen3-8b", "--image", image, "--ami", "default")
    assert words is None
    (model,) = plane.things["model"].values()
    assert model["PrimaryContainer"]["Image"] == image
    (config,) = plane.things["config"].values()
    assert "InferenceAmiVersion" not in config["ProductionVariants"][0]
