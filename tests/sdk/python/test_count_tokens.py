"""Tokens are counted: boto3, LangChain, pydantic-ai, Anthropic's plain client.

What is expected is counted here, by the Python library of the same tokenizer.
"""

import json

import anthropic
import processes
import pytest
from botocore.exceptions import ClientError
from conftest import assistant, user
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic_ai import Agent, UsageLimitExceeded, UsageLimits
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.bedrock import BedrockProvider
from tokenizers import Tokenizer

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
MODELS = [CLAUDE, "counted.text"]
KEY = "helan-suite-bearer-key"
SYSTEM = "You are a guide. 你是向导。"
TEXT = "贺兰山在哪里？ Where is Helan Mountain, <|im_end|> and what's 2,300 + 7?\n\n👩‍🚀🏔️"
TOKENIZER = Tokenizer.from_file(str(processes.TOKENIZER))


def tokens(*turns):
    """What the model reads, by hand: ChatML, control tokens in what a caller says made harmless."""
    said = [(role, text.replace("<|im_end|>", "<\u200b|im_end|>")) for role, text in turns]
    prompt = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in said)
    return len(TOKENIZER.encode(prompt + "<|im_start|>assistant\n", add_special_tokens=True))


EXPECTED = tokens(("system", SYSTEM), ("user", TEXT))


@pytest.fixture
def uncalled(emulator):
    """Nobody is called to count."""
    before = len(processes.requests(emulator.url))
    yield
    assert len(processes.requests(emulator.url)) == before


def converse(*messages):
    return {"converse": {"messages": list(messages), "system": [{"text": SYSTEM}]}}


@pytest.mark.parametrize("model", MODELS)
def test_a_question_of_converse(client, model, uncalled):
    answer = client.count_tokens(modelId=model, input=converse(user(TEXT)))
    assert answer["inputTokens"] == EXPECTED
    longer = converse(user(TEXT), assistant("宁夏。"), user("And 银川?"))
    turns = [("user", TEXT), ("assistant", "宁夏。"), ("user", "And 银川?")]
    answer = client.count_tokens(modelId=model, input=longer)
    assert answer["inputTokens"] == tokens(("system", SYSTEM), *turns)


@pytest.mark.parametrize("model", MODELS)
def test_a_long_question(client, model, uncalled):
    answer = client.count_tokens(modelId=model, input=converse(user(TEXT * 2000)))
    assert answer["inputTokens"] == tokens(("system", SYSTEM), ("user", TEXT * 2000))


def test_a_body_of_invoke_model(client, uncalled):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": TEXT}],
    }
    asked = {"invokeModel": {"body": json.dumps(body)}}
    assert client.count_tokens(modelId=CLAUDE, input=asked)["inputTokens"] == EXPECTED


def test_the_endpoint_counts(client, emulator, sent):
    asked = converse(user("one two three"))
    answer = client.count_tokens(modelId="counted.endpoint", input=asked)
    assert sent()["max_tokens"] == 1
    whole = client.converse(modelId="qwen.qwen3-32b-v1:0", **asked["converse"])
    assert answer["inputTokens"] == whole["usage"]["inputTokens"] > 0


def test_a_model_that_cannot(client):
    with pytest.raises(ClientError) as refused:
        client.count_tokens(modelId="qwen.qwen3-32b-v1:0", input=converse(user("hi")))
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"] == "The provided model doesn't support counting tokens."


def test_langchain(gateway, uncalled):
    chat = ChatBedrockConverse(
        model=CLAUDE,
        region_name="cn-northwest-1",
        endpoint_url=gateway.url,
        aws_access_key_id="AKIDDEMO",
        aws_secret_access_key="demo-secret-key",
    )
    messages = [SystemMessage(SYSTEM), HumanMessage(TEXT)]
    assert chat.get_num_tokens_from_messages(messages) == EXPECTED


def test_pydantic_ai(connect):
    model = BedrockConverseModel(CLAUDE, provider=BedrockProvider(bedrock_client=connect()))
    agent = Agent(model, system_prompt=SYSTEM)
    fits = UsageLimits(input_tokens_limit=EXPECTED, count_tokens_before_request=True)
    assert agent.run_sync(TEXT, usage_limits=fits).output
    tight = UsageLimits(input_tokens_limit=EXPECTED - 1, count_tokens_before_request=True)
    with pytest.raises(UsageLimitExceeded):
        agent.run_sync(TEXT, usage_limits=tight)


def test_anthropics_plain_client(gateway, uncalled):
    client = anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key=KEY, max_retries=0)
    messages = [{"role": "user", "content": TEXT}]
    counted = client.messages.count_tokens(model=CLAUDE, system=SYSTEM, messages=messages)
    assert counted.input_tokens == EXPECTED
    with pytest.raises(anthropic.BadRequestError, match="doesn't support counting tokens"):
        client.messages.count_tokens(model="qwen.qwen3-32b-v1:0", messages=messages)
