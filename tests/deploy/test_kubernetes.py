"""docker/kubernetes against Kubernetes' own schemas, and what the manifests say of Helan against Helan."""

import copy
import functools
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from conftest import ECS, KUBERNETES, accepted, helan
from test_ecs import ACCOUNT, IMAGE, arns, containers, environment, read

MANIFESTS = sorted(path.name for path in KUBERNETES.glob("*.yaml"))
# The first release whose clusters start native sidecars by themselves, and the newest that has schemas.
VERSIONS = ["1.29", kubernetes_validate.latest_version()]


@functools.cache
def parsed(name):
    return [part for part in yaml.safe_load_all((KUBERNETES / name).read_text()) if part]


def load(name):
    return copy.deepcopy(parsed(name))


def find(name, kind):
    (found,) = [part for part in load(name) if part["kind"] == kind]
    return found


def pod(name):
    return find(name, "Deployment")["spec"]["template"]["spec"]


def own(name):
    """Helan's container."""
    spec = pod(name)
    (found,) = [
        part
        for part in spec.get("initContainers", []) + spec["containers"]
        if part["name"] == "helan"
    ]
    return found


def test_both_manifests_are_there():
    assert MANIFESTS == ["gateway.yaml", "sidecar.yaml"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_would_take_it(name, version):
    for part in load(name):
        kubernetes_validate.validate(part, version, strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_misspelt_key_would_be_seen(name):
    deployment = find(name, "Deployment")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 130
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_helan_is_shut_in(name):
    spec, container = pod(name), own(name)
    context = spec["securityContext"] | container["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_labels_accounts_and_images_fit(name):
    parts, deployment = load(name), find(name, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for part in parts:
        selector = part.get("spec", {}).get("selector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            assert wanted.items() <= labels.items()
        assert part["metadata"].get("namespace") == deployment["metadata"].get("namespace")
    account = find(name, "ServiceAccount")
    assert pod(name)["serviceAccountName"] == account["metadata"]["name"]
    role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role.startswith(f"arn:aws-cn:iam::{ACCOUNT}:role/")
    spec = pod(name)
    for container in spec.get("initContainers", []) + spec["containers"]:
        assert IMAGE.fullmatch(container["image"])
    # The role lets in this account.
    namespace = account["metadata"].get("namespace", "default")
    trusted = (KUBERNETES / "irsa-trust-policy.json").read_text()
    assert f'"system:serviceaccount:{namespace}:{account["metadata"]["name"]}"' in trusted
    arns(parts)


@pytest.mark.parametrize("name", MANIFESTS)
def test_probes_ask_ports_and_paths_that_are_there(name):
    container = own(name)
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if "exec" in container[probe]:
            # As the health check of ECS.
            command = containers(read("task-definition.json"))["helan"]["healthCheck"]["command"]
            assert container[probe]["exec"]["command"] == command[1:]
        else:
            assert container[probe]["httpGet"]["port"] in ports
            assert container[probe]["httpGet"]["path"] in ("/ready", "/ping")
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"


# The sidecar.
def sidecar_environment():
    return find("sidecar.yaml", "ConfigMap")["data"]


def test_the_sidecar_is_configured_by_its_environment():
    (source,) = own("sidecar.yaml")["envFrom"]
    assert source["configMapRef"]["name"] == find("sidecar.yaml", "ConfigMap")["metadata"]["name"]
    said = accepted(helan("check", environment=sidecar_environment()))
    assert "the environment serves 1 model" in said


def test_the_sidecar_says_what_the_task_of_ecs_says():
    other = environment(containers(read("task-definition.json"))["helan"])
    mine = sidecar_environment()
    differ = {name for name in mine | other if mine.get(name) != other.get(name)}
    assert differ == {"HELAN_ADMIN_LISTEN"}, "the kubelet comes from outside"


def test_the_application_finds_the_sidecar():
    (app,) = pod("sidecar.yaml")["containers"]
    told = {item["name"]: item["value"] for item in app["env"]}
    assert told["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == "http://" + sidecar_environment()["HELAN_LISTEN"]
    assert own("sidecar.yaml")["restartPolicy"] == "Always"


def test_the_pod_ends_after_the_sidecar():
    deadline = int(sidecar_environment()["HELAN_DRAIN_DEADLINE"].split()[0])
    assert pod("sidecar.yaml")["terminationGracePeriodSeconds"] > deadline


# The gateway.
@pytest.fixture
def mounted(tmp_path):
    """The gateway's volumes as the kubelet lays them out."""
    data = {
        "helan": find("gateway.yaml", "ConfigMap")["data"],
        "helan-keys": find("gateway.yaml", "Secret")["stringData"],
        "helan-tls": None,
    }
    volumes = {volume["name"]: volume for volume in pod("gateway.yaml")["volumes"]}
    for mount in own("gateway.yaml")["volumeMounts"]:
        assert "subPath" not in mount, "which would never be updated"
        volume = volumes[mount["name"]]
        source = volume.get("configMap", {}).get("name") or volume["secret"]["secretName"]
        # In a folder beside, behind a link that is swapped at once.
        folder = tmp_path / mount["mountPath"].lstrip("/")
        (folder / "..1").mkdir(parents=True)
        (folder / "..data").symlink_to("..1")
        for name, text in (data[source] or certificate(tmp_path)).items():
            (folder / "..1" / name).write_text(text)
            (folder / "..1" / name).chmod(volume.get("secret", {}).get("defaultMode", 0o644))
            (folder / name).symlink_to(f"..data/{name}")
    arguments = own("gateway.yaml")["args"]
    return tmp_path / arguments[arguments.index("--config") + 1].lstrip("/")


def certificate(folder):
    """As `kubectl create secret tls` stores it."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", folder / "key", "-out", folder / "crt", "-subj", "/CN=helan", "-days", "2"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return {"tls.crt": (folder / "crt").read_text(), "tls.key": (folder / "key").read_text()}


def test_the_gateway_takes_its_configuration(mounted):
    said = accepted(helan("check", "--config", str(mounted)))
    assert "serves 2 models, for known keys on 0.0.0.0:8443" in said


def test_the_gateways_ports_fit(mounted):
    text = mounted.read_text()
    ports = {port["name"]: port["containerPort"] for port in own("gateway.yaml")["ports"]}
    assert f'listen = "0.0.0.0:{ports["bedrock"]}"' in text
    assert f'listen = "0.0.0.0:{ports["admin"]}"' in text
    for port in find("gateway.yaml", "Service")["spec"]["ports"]:
        assert port["targetPort"] in ports


def test_the_gateways_pod_ends_after_it(mounted):
    grace, deadline = (
        int(re.search(rf'^{name} = "(\d+) s"', mounted.read_text(), re.M).group(1))
        for name in ("grace", "deadline")
    )
    spec = pod("gateway.yaml")
    assert grace < deadline < spec["terminationGracePeriodSeconds"]
    # A pod must have been seen as unready by then.
    probe = own("gateway.yaml")["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < grace


def test_one_gateway_stays_when_a_node_is_drained():
    deployment, budget = find("gateway.yaml", "Deployment"), find("gateway.yaml", "PodDisruptionBudget")
    assert 1 <= budget["spec"]["minAvailable"] < deployment["spec"]["replicas"]


def test_the_policy_of_ecs_has_the_endpoint():
    endpoint = sidecar_environment()["HELAN_ENDPOINT"]
    assert f"endpoint/{endpoint}" in (ECS / "task-role-policy.json").read_text()
