"""A caller whose patience ends: boto3 closes its connection and tries again. The first upstream call
must have been cancelled by then, or one impatient caller would keep two GPUs busy."""

import boto3
import conftest
import processes
import pytest
from botocore.config import Config

# The first call of each operation hangs; what is tried again is answered.
RULES = """
builtin = false
[[rules]]
when.text = "slow head"
times = 1
fault.delay_ms = 3600000
[[rules]]
when.text = "slow parts"
times = 1
answer.text = "one two three four five six"
fault.stall = { after = 3, ms = 3600000 }
[[rules]]
answer.text = "There you are."
"""


@pytest.fixture
def pair(tmp_path):
    """An emulator with these rules, and a gateway before it."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    emulator = processes.Process(
        "emulate",
        "--listen",
        "127.0.0.1:0",
        "--rules",
        str(rules),
        log=tmp_path / "emulator.log",
        environment={},
    )
    gateway = processes.gateway(tmp_path, emulator.url)
    yield emulator, gateway
    gateway.stop()
    emulator.stop()


@pytest.mark.parametrize("model", ["suite.streamed", "suite.invoked"])
@pytest.mark.parametrize("text", ["slow head", "slow parts"])
def test_a_read_timeout_cancels_before_the_retry_is_answered(pair, model, text):
    emulator, gateway = pair
    client = boto3.client(
        "bedrock-runtime",
        region_name="cn-northwest-1",
        endpoint_url=gateway.url,
        aws_access_key_id="AKIDDEMO",
        aws_secret_access_key="demo-secret-key",
        config=Config(read_timeout=1, retries={"total_max_attempts": 2, "mode": "standard"}),
    )
    answer = client.converse(modelId=model, messages=[conftest.user(text)])
    assert conftest.text(answer) == "There you are."
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    processes.eventually(
        "the first call is cancelled, and only that",
        lambda: counts(emulator) == {"started": 2, "completed": 1, "cancelled": 1, "failed": 0},
    )
    client.close()


def counts(emulator):
    calls = processes.calls(emulator.url)
    return {name: calls[name] for name in ("started", "completed", "cancelled", "failed")}
