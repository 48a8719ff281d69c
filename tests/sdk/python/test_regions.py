"""One model in both regions of China: two emulators, each of which answers in its region's name."""

import boto3
import conftest
import processes
import pytest
from botocore.config import Config

REGIONS = {"cn-northwest-1": "Ningxia", "cn-north-1": "Beijing"}
NINGXIA, BEIJING = REGIONS.values()


def rules(name):
    return f"""
builtin = false
[[rules]]
when.text = "too much for {name}"
fault.service.code = "ThrottlingException"
[[rules]]
when.text = "breaks"
fault.http = {{ status = 500, body = '{{"error":{{"message":"CUDA error"}}}}' }}
[[rules]]
answer.text = "{name}"
"""


def models(urls):
    """The same endpoint's name in both: first by priority, then by the conversation."""
    (home, (home_url, far_url)) = ("cn-northwest-1", urls)
    return "".join(
        f"""
[models."{model}"]
endpoint = "qwen"
region = "{home}"
endpoint_url = "{home_url}"
{more}
[[models."{model}".targets]]
endpoint = "qwen"
region = "cn-north-1"
endpoint_url = "{far_url}"
priority = {priority}
"""
        for model, more, priority in [("two.spare", "", 1), ("two.sticky", 'sticky = "4 KiB"', 0)]
    )


class Pair:
    def __init__(self, directory):
        self.emulators = {
            name: processes.emulator(directory / region, rules(name)) for region, name in REGIONS.items()
        }
        urls = [emulator.url for emulator in self.emulators.values()]
        self.gateway = processes.gateway(directory, urls[0], models(urls))
        self.client = boto3.client(
            "bedrock-runtime",
            region_name="cn-northwest-1",
            endpoint_url=self.gateway.url,
            aws_access_key_id="AKIDDEMO",
            aws_secret_access_key="demo-secret-key",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def stop(self):
        self.client.close()
        self.gateway.stop()
        for emulator in self.emulators.values():
            emulator.stop()

    def ask(self, model, *turns):
        """Who answers."""
        return conftest.text(self.client.converse(modelId=model, messages=list(turns)))

    def stream(self, model, *turns):
        answer = self.client.converse_stream(modelId=model, messages=list(turns))
        return conftest.text(conftest.fold(answer["stream"]))

    def asked(self):
        """How many calls each has begun."""
        return {name: processes.calls(emulator.url)["started"] for name, emulator in self.emulators.items()}


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    yield pair
    pair.stop()


def test_the_other_region_answers_what_the_first_declined(pair):
    question = conftest.user(f"too much for {NINGXIA}")
    assert pair.ask("two.spare", conftest.user("hi")) == NINGXIA
    assert pair.ask("two.spare", question) == BEIJING
    assert pair.stream("two.spare", question) == BEIJING


def test_a_region_that_is_gone_is_not_missed(pair):
    assert pair.ask("two.spare", conftest.user("hi")) == NINGXIA
    pair.emulators[NINGXIA].stop()
    for _ in range(8):
        assert pair.ask("two.spare", conftest.user("hi")) == BEIJING
        assert pair.stream("two.spare", conftest.user("hi")) == BEIJING
    assert '"target":"qwen@cn-north-1"' in pair.gateway.log()


def test_what_one_region_has_worked_on_is_not_asked_of_the_other(pair):
    with pytest.raises(pair.client.exceptions.ModelErrorException) as raised:
        pair.ask("two.spare", conftest.user("breaks"))
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert pair.asked() == {NINGXIA: 1, BEIJING: 0}


def test_a_conversation_stays_in_its_region(pair):
    homes = {}
    for number in range(24):
        # Longer than what is looked at: the turns that follow change nothing.
        first = conftest.user(f"Conversation {number}. " + "贺兰山在哪里？" * 300)
        homes[number] = pair.ask("two.sticky", first)
        turns = [first]
        for text in ("And then?", "And after that?"):
            turns += [conftest.assistant(homes[number]), conftest.user(text)]
            assert pair.ask("two.sticky", *turns) == homes[number]
            assert pair.stream("two.sticky", *turns) == homes[number]
    assert set(homes.values()) == {NINGXIA, BEIJING}
    # When one region goes, its conversations alone move.
    pair.emulators[BEIJING].stop()
    for number in homes:
        first = conftest.user(f"Conversation {number}. " + "贺兰山在哪里？" * 300)
        assert pair.ask("two.sticky", first) == NINGXIA
