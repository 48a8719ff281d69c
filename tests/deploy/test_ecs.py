"""docker/ecs: the task definition as ECS and as Helan see it, the policies, and Terraform's version of both.

`terraform validate` would have to download a provider and is not run: the Terraform files are parsed, and what
they make of their variables' defaults is compared with the JSON files, which ECS's own model is held against.
What no test here can see is whether every argument of a resource has its right name.
"""

import copy
import functools
import json
import re
import socket
import subprocess
import time

import botocore.session
import hcl2
import processes
import pytest
import shapes
from botocore.validate import ParamValidator
from conftest import ECS, KUBERNETES, ROOT, accepted, helan

ACCOUNT = "123456789012"
IMAGE = re.compile(rf"{ACCOUNT}\.dkr\.ecr\.cn-northwest-1\.amazonaws\.com\.cn/[a-z-]+:[\w.-]+")
TASKS = ["task-definition.json", "task-definition-keys.json"]
KEY = {"HELAN_ACCESS_KEY_ID": "AKIDSIDECAR", "HELAN_SECRET_ACCESS_KEY": "a long random text"}


def read(name):
    return json.loads((ECS / name).read_text())


def containers(task):
    return {container["name"]: container for container in task["containerDefinitions"]}


def environment(container):
    return {item["name"]: item["value"] for item in container["environment"]}


def given(container):
    """The environment as ECS makes it, secrets included."""
    secrets = {item["name"]: KEY[item["name"]] for item in container.get("secrets", [])}
    return environment(container) | secrets


def seconds(text):
    number, unit = text.split()
    assert unit == "s"
    return int(number)


@pytest.fixture(scope="module")
def register():
    service = botocore.session.get_session().get_service_model("ecs")
    return service.operation_model("RegisterTaskDefinition").input_shape


@pytest.fixture(params=TASKS)
def task(request):
    return read(request.param)


def test_ecs_would_take_it(register, task):
    report = ParamValidator().validate(task, register)
    assert not report.has_errors(), report.generate_report()
    assert list(shapes.faults(register, task)) == []


def test_fargate_has_the_size_and_it_is_enough(task):
    sizes = {"256": (512, 2048), "512": (1024, 4096), "1024": (2048, 8192)}
    least, most = sizes[task["cpu"]]
    assert least <= int(task["memory"]) <= most
    parts = containers(task).values()
    assert sum(part["cpu"] for part in parts) <= int(task["cpu"])
    assert sum(part["memory"] for part in parts) <= int(task["memory"])
    # All bodies in flight, and as much again for what is made of them.
    sidecar = containers(task)["helan"]
    assert 2 * int(environment(sidecar)["HELAN_BODY_BUDGET"].split()[0]) < sidecar["memory"]


def test_helan_knows_every_variable(task):
    said = accepted(helan("check", environment=given(containers(task)["helan"])))
    assert "the environment serves 1 model" in said
    assert "r1-distill-qwen-32b (openai)" in said


def test_nobody_else_reaches_helan_and_the_application_does(task):
    parts = containers(task)
    own, app = environment(parts["helan"]), environment(parts["app"])
    assert task["networkMode"] == "awsvpc"
    assert own["HELAN_LISTEN"].startswith("127.0.0.1:")
    assert own["HELAN_ADMIN_LISTEN"].startswith("127.0.0.1:")
    assert app["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == "http://" + own["HELAN_LISTEN"]
    assert "portMappings" not in parts["helan"]
    # Helan itself must find SageMaker, not the address of the application next to it.
    assert not [name for name in own if name.startswith("AWS_ENDPOINT")]


def test_the_order_of_start_and_end(task):
    parts = containers(task)
    assert parts["app"]["dependsOn"] == [{"containerName": "helan", "condition": "HEALTHY"}]
    assert parts["helan"]["healthCheck"]["command"] == ["CMD", "/usr/local/bin/helan", "ping"]
    deadline = seconds(environment(parts["helan"])["HELAN_DRAIN_DEADLINE"])
    assert deadline < parts["helan"]["stopTimeout"] <= 120
    assert all(part["essential"] for part in parts.values())


def test_helan_is_shut_in(task):
    sidecar = containers(task)["helan"]
    assert sidecar["readonlyRootFilesystem"] is True
    assert not sidecar["user"].startswith(("0", "root"))
    assert sidecar["linuxParameters"]["capabilities"]["drop"] == ["ALL"]


def test_everything_is_in_china(task):
    for part in task["containerDefinitions"]:
        assert IMAGE.fullmatch(part["image"])
        assert part["logConfiguration"]["logDriver"] == "awslogs"
        assert part["logConfiguration"]["options"]["awslogs-region"] == "cn-northwest-1"
        assert environment(part)["AWS_REGION"] == "cn-northwest-1"
    arns(task)


def arns(value):
    """Every ARN in a document, each of which must be one of AWS China."""
    found = re.findall(r'"(arn:[^"]*)"', json.dumps(value))
    for arn in found:
        assert re.match(rf"arn:aws-cn:[a-z-]+:(cn-northwest-1)?:{ACCOUNT}:", arn), arn
    return found


def test_the_variant_with_keys_differs_in_nothing_else():
    plain, keys = (read(name) for name in TASKS)
    secrets = {}
    for part in keys["containerDefinitions"]:
        secrets[part["name"]] = {item["name"]: item["valueFrom"] for item in part.pop("secrets")}
        for item in part["environment"]:
            if item["name"] == "HELAN_AUTH_MODE":
                assert item["value"] == "keys"
                item["value"] = "none"
    assert keys == plain
    # Both containers have the same key, the application under names that its SDK takes for no other service.
    assert set(secrets["helan"]) == set(KEY)
    assert list(secrets["app"].values()) == list(secrets["helan"].values())
    assert not [name for name in secrets["app"] if name.startswith("AWS_")]
    policy = read("execution-role-secret-policy.json")["Statement"][0]["Resource"]
    for value in secrets["helan"].values():
        assert re.fullmatch(re.escape(policy).replace(r"\?", "."), value.rsplit(":", 3)[0])


def test_the_image_has_the_binary_and_the_user_of_the_task():
    text = (ROOT / "docker" / "Dockerfile").read_text()
    sidecar = containers(read(TASKS[0]))["helan"]
    assert f"USER {sidecar['user']}" in text
    assert f'ENTRYPOINT ["{sidecar["healthCheck"]["command"][1]}"]' in text


@pytest.mark.parametrize("name", TASKS)
def test_the_health_check_tells_well_from_ill(name):
    own = given(containers(read(name))["helan"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own["HELAN_LISTEN"] = "127.0.0.1:%d" % free.getsockname()[1]
    own["HELAN_ADMIN_LISTEN"] = "127.0.0.1:0"
    own |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
    assert helan("ping", environment=own).returncode != 0
    served = subprocess.Popen(
        [processes.binary(), "serve"], env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        processes.eventually("well", lambda: helan("ping", environment=own).returncode == 0)
    finally:
        served.terminate()
        began = time.monotonic()
        assert served.wait(processes.PATIENCE) == 0
    assert time.monotonic() - began < seconds(own["HELAN_DRAIN_DEADLINE"])
    assert helan("ping", environment=own).returncode != 0


# Policies.
POLICIES = {
    "task-role-policy.json": {
        "sagemaker:InvokeEndpoint",
        "sagemaker:InvokeEndpointWithResponseStream",
    },
    "execution-role-policy.json": {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    },
    "execution-role-secret-policy.json": {"secretsmanager:GetSecretValue"},
}


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_allows_what_is_needed_and_no_more(name):
    policy = read(name)
    assert policy["Version"] == "2012-10-17"
    allowed = set()
    for statement in policy["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        allowed |= set(listed(statement["Action"]))
        if statement["Action"] != "ecr:GetAuthorizationToken":  # which knows no resource
            assert arns(statement["Resource"]) == listed(statement["Resource"])
    assert allowed == POLICIES[name]


def test_the_task_may_ask_its_own_endpoint_alone():
    (statement,) = read("task-role-policy.json")["Statement"]
    endpoint = environment(containers(read(TASKS[0]))["helan"])["HELAN_ENDPOINT"]
    assert endpoint == endpoint.lower(), "ARNs of SageMaker are in lower case"
    assert statement["Resource"] == [
        f"arn:aws-cn:sagemaker:cn-northwest-1:{ACCOUNT}:{kind}/{endpoint}"
        for kind in ("endpoint", "inference-component")
    ]


def test_the_policies_fit_the_task():
    task, policy = read(TASKS[0]), read("execution-role-policy.json")
    resources = [arn for statement in policy["Statement"] for arn in listed(statement["Resource"])]
    for part in task["containerDefinitions"]:
        repository = part["image"].partition("/")[2].partition(":")[0]
        assert any(arn.endswith(f":repository/{repository}") for arn in resources)
        group = part["logConfiguration"]["options"]["awslogs-group"]
        assert any(f":log-group:{group}:" in arn for arn in resources)


def test_only_ecs_of_this_account_takes_the_roles():
    (statement,) = read("trust-policy.json")["Statement"]
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws-cn:ecs:cn-northwest-1:{ACCOUNT}:*"},
    }


def test_only_the_service_accounts_take_the_role_on_eks():
    policy = json.loads((KUBERNETES / "irsa-trust-policy.json").read_text())
    (statement,) = policy["Statement"]
    provider = statement["Principal"]["Federated"].partition("oidc-provider/")[2]
    assert provider.startswith("oidc.eks.cn-northwest-1.amazonaws.com.cn/id/")
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert set(statement["Condition"]["StringEquals"]) == {f"{provider}:aud", f"{provider}:sub"}
    assert statement["Condition"]["StringEquals"][f"{provider}:aud"] == "sts.amazonaws.com"
    arns(policy)


# Terraform.
@functools.cache
def parsed():
    return [hcl2.loads(path.read_text()) for path in sorted((ECS / "terraform").glob("*.tf"))]


class Terraform:
    """What the files make of their variables' defaults: text, lists, maps, `join` and `lower`."""

    def __init__(self, **variables):
        self.blocks = {}
        for body in parsed():
            for kind, found in body.items():
                if kind != "__comments__":
                    self.blocks.setdefault(kind, []).extend(found)
        defaults = {}
        for block in self.blocks["variable"]:
            ((name, body),) = block.items()
            defaults[json.loads(name)] = body.get("default")
        self.locals = {key: value for block in self.blocks["locals"] for key, value in block.items()}
        self.known = {
            "data.aws_caller_identity.current.account_id": ACCOUNT,
            "data.aws_partition.current.partition": "aws-cn",
            "data.aws_partition.current.dns_suffix": "amazonaws.com.cn",
        }
        for name, default in defaults.items():
            self.known[f"var.{name}"] = variables.get(name, self.value(default))

    def resource(self, kind, name, of="resource"):
        for block in self.blocks[of]:
            for found, named in block.items():
                if json.loads(found) == kind and json.dumps(name) in named:
                    return named[json.dumps(name)]
        raise AssertionError(f"there is no {kind}.{name}")

    def value(self, written):
        if isinstance(written, dict):
            return {
                (json.loads(key) if key.startswith('"') else key): self.value(item)
                for key, item in written.items()
                if not key.startswith("__")
            }
        if isinstance(written, list):
            return [self.value(item) for item in written]
        if not isinstance(written, str):
            return written
        if written.startswith('"'):
            text = written[1:-1]
            return re.sub(r"\$\{([^}]*)\}", lambda found: str(self.expression(found.group(1))), text)
        whole = re.fullmatch(r"\$\{(.*)\}", written, re.S)
        return self.expression(whole.group(1)) if whole else written

    def expression(self, text):
        if text in self.known:
            return self.known[text]
        if found := re.fullmatch(r"local\.(\w+)", text):
            return self.value(self.locals[found.group(1)])
        if found := re.fullmatch(r"lower\((.*)\)", text):
            return self.expression(found.group(1)).lower()
        if found := re.fullmatch(r'join\("(.*)", (.*)\)', text):
            return found.group(1).join(self.expression(found.group(2)))
        return f"<{text}>"


LOOP = (
    "[for name, value in merge(local.helan_environment, var.helan_environment) : "
    '{name = name, value = value} if value != ""]'
)


def terraform_containers(terraform):
    """As Terraform sends them, with the one loop done by hand."""
    made = copy.deepcopy(terraform.value(terraform.locals["containers"]))
    for part in made:
        if part["environment"] == f"<{LOOP}>":
            merged = terraform.value(terraform.locals["helan_environment"])
            merged |= terraform.known["var.helan_environment"] or {}
            part["environment"] = [
                {"name": name, "value": value} for name, value in merged.items() if value != ""
            ]
    return made


def in_order(parts):
    """The order of an environment means nothing."""
    return [part | {"environment": sorted(part["environment"], key=lambda i: i["name"])} for part in parts]


def test_terraform_makes_the_same_containers():
    made = terraform_containers(Terraform())
    assert in_order(made) == in_order(read(TASKS[0])["containerDefinitions"])


def test_terraform_makes_the_same_task():
    terraform, task = Terraform(), read(TASKS[0])
    made = terraform.value(terraform.resource("aws_ecs_task_definition", "task"))
    assert made["container_definitions"] == "<jsonencode(local.containers)>"
    assert made["family"] == task["family"]
    assert made["requires_compatibilities"] == task["requiresCompatibilities"]
    assert made["network_mode"] == task["networkMode"]
    assert (str(made["cpu"]), str(made["memory"])) == (task["cpu"], task["memory"])
    assert made["runtime_platform"] == [
        {
            "cpu_architecture": task["runtimePlatform"]["cpuArchitecture"],
            "operating_system_family": task["runtimePlatform"]["operatingSystemFamily"],
        }
    ]
    for role in ("execution", "task"):
        assert made[f"{role}_role_arn"] == f"<aws_iam_role.{role}.arn>"
        name = terraform.value(terraform.resource("aws_iam_role", role))["name"]
        assert task[f"{role}RoleArn"].endswith(f":role/{name}")


def test_an_inference_component_is_passed_on():
    terraform = Terraform(inference_component="Qwen3-32B", model_ids=["a", "b"])
    (own,) = [part for part in terraform_containers(terraform) if part["name"] == "helan"]
    assert environment(own)["HELAN_INFERENCE_COMPONENT"] == "Qwen3-32B"
    assert environment(own)["HELAN_MODEL_ID"] == "a,b"
    accepted(helan("check", environment=environment(own)))
    component = terraform.value(terraform.locals["component_arn"])
    assert component == f"arn:aws-cn:sagemaker:cn-northwest-1:{ACCOUNT}:inference-component/qwen3-32b"


def test_terraform_gives_the_same_permissions():
    terraform = Terraform(inference_component="r1-distill-qwen-32b")
    # The one choice that is not evaluated here.
    assert terraform.locals["models"] == (
        '${var.inference_component == "" ? [local.endpoint_arn] : [local.endpoint_arn, local.component_arn]}'
    )
    models = [terraform.value(terraform.locals[name]) for name in ("endpoint_arn", "component_arn")]
    terraform.known["local.models"] = models
    for document, name in (("task", "task-role-policy.json"), ("execution", "execution-role-policy.json")):
        made = terraform.value(terraform.resource("aws_iam_policy_document", document, of="data"))
        assert [
            {
                "Sid": statement["sid"],
                "Effect": "Allow",
                "Action": statement["actions"],
                "Resource": statement["resources"],
            }
            for statement in made["statement"]
        ] == [
            statement | {"Action": listed(statement["Action"]), "Resource": listed(statement["Resource"])}
            for statement in read(name)["Statement"]
        ]
        role = terraform.value(terraform.resource("aws_iam_role_policy", document))
        assert role["policy"] == f"<data.aws_iam_policy_document.{document}.json>"
        assert role["role"] == f"<aws_iam_role.{document}.id>"


def test_terraform_gives_the_same_trust():
    terraform, (wanted,) = Terraform(), read("trust-policy.json")["Statement"]
    made = terraform.value(terraform.resource("aws_iam_policy_document", "trust", of="data"))
    (statement,) = made["statement"]
    assert statement["actions"] == [wanted["Action"]]
    assert statement["principals"] == [{"type": "Service", "identifiers": [wanted["Principal"]["Service"]]}]
    assert {
        condition["test"]: {condition["variable"]: condition["values"][0]}
        for condition in statement["condition"]
    } == wanted["Condition"]


def test_everything_that_terraform_names_is_there():
    terraform = Terraform()
    text = "\n".join(path.read_text() for path in (ECS / "terraform").glob("*.tf"))
    assert set(re.findall(r"\bvar\.(\w+)", text)) == {
        name.removeprefix("var.") for name in terraform.known if name.startswith("var.")
    }
    assert set(re.findall(r"\blocal\.(\w+)", text)) <= set(terraform.locals)
    for kind, name in re.findall(r"(?<!data\.)\b(aws_\w+)\.(\w+)\.", text):
        of = "data" if f"data.{kind}.{name}" in text else "resource"
        terraform.resource(kind, name, of)
    for block in terraform.blocks["variable"]:
        ((name, body),) = block.items()
        assert body.get("description"), name
