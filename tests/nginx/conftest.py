"""The fixtures of the SDK suite, where this one runs alone."""

import pytest
import processes


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    process = processes.emulator(tmp_path_factory.mktemp("emulator"))
    yield process
    process.stop()


@pytest.fixture(scope="session")
def front(emulator, tmp_path_factory):
    process = processes.gateway(tmp_path_factory.mktemp("front"), emulator.url)
    yield process
    process.stop()
