"""What the tests of the deployment files share: the binary's judgement, and a control plane to talk to."""

import functools
import os
import runpy
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "sdk" / "python"))

import controlplane  # noqa: E402
import processes  # noqa: E402

ECS = ROOT / "docker" / "ecs"
KUBERNETES = ROOT / "docker" / "kubernetes"
EXAMPLES = ROOT / "examples" / "deploy"


def helan(*arguments, environment=None):
    """Runs the binary with nothing but this environment."""
    return subprocess.run(
        [processes.binary(), *arguments],
        env=environment or {},
        capture_output=True,
        text=True,
        timeout=processes.PATIENCE,
    )


def accepted(ran):
    """`helan check` found neither an error nor anything worth a warning."""
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout


@pytest.fixture
def check(tmp_path):
    """Has a configuration checked, and gives what is said of it."""

    def run(text):
        path = tmp_path / "helan.toml"
        path.write_text(text)
        return accepted(helan("check", "--config", str(path)))

    return run


@pytest.fixture(scope="session")
def server():
    plane = controlplane.ControlPlane()
    yield plane
    plane.close()


@pytest.fixture(scope="session")
def make_client():
    """boto3's own clients, each made once: that takes longer than all of its calls here."""
    return functools.cache(lambda service, region: real(service, region_name=region))


real = boto3.client


@pytest.fixture
def plane(server, make_client, monkeypatch):
    """An empty account; every client of boto3 talks to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "AKIDTEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        boto3, "client", lambda service, region_name, **_: make_client(service, region_name)
    )
    server.reset()
    return server


@pytest.fixture
def script(plane, monkeypatch, capsys):
    """Runs an example as its user does; gives its standard output, its standard error and its last words."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        capsys.readouterr()
        words = None
        try:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        except SystemExit as end:
            words = end.code
        out, err = capsys.readouterr()
        return out, err, words

    return run
