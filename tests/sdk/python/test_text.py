"""Containers of text: a rendered prompt goes down, what the model wrote comes up parsed.

Each is asked the same questions and answers in its own shape: completions (vLLM), TGI, LMI in async
mode and by rolling batch, the Hugging Face toolkit.
"""

import processes
import pytest
from botocore.exceptions import ClientError, EventStreamError
from conftest import assistant, fold, text, user
from test_tools import NOW, WEATHER, uses

CONTRACTS = ["completions", "tgi", "lmi", "rolling", "hf"]
LONG = " ".join(["one two three four five six seven eight nine ten"] * 4)
POEM = "贺兰山下果园成，塞北江南旧有名。👩‍🚀🏔️ 𠀀"


def whole(client, model, question, **more):
    more.setdefault("messages", [user(question)])
    return client.converse(modelId=f"text.{model}", **more)


def streamed(client, model, question, **more):
    more.setdefault("messages", [user(question)])
    return fold(client.converse_stream(modelId=f"text.{model}", **more)["stream"])


each_contract = pytest.mark.parametrize("model", CONTRACTS)
each_way = pytest.mark.parametrize("ask", [whole, streamed])


@pytest.fixture
def prompt(emulator):
    """What the model read last, with the token that its tokenizer put in front."""
    return lambda: processes.requests(emulator.url)[-1]["prompt"]


@each_contract
@each_way
def test_text(client, model, ask):
    answer = ask(client, model, "#long")
    assert text(answer) == LONG
    assert answer["stopReason"] == "end_turn"
    assert answer["output"]["message"]["role"] == "assistant"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    # 40 words; some engines count the token that ends the turn.
    assert usage["outputTokens"] in ([0] if model == "hf" else [40, 41])


@each_contract
@each_way
def test_chinese(client, model, ask):
    assert text(ask(client, model, "#chinese")) == POEM


@each_contract
@each_way
def test_reasoning(client, model, ask):
    answer = ask(client, model, "#think")
    thought, said = answer["output"]["message"]["content"]
    words = thought["reasoningContent"]["reasoningText"]["text"]
    assert words.strip() == "The user asks for mountains. 贺兰山 is one. 🏔️"
    assert said["text"] == "贺兰山 (Helan Mountain) rises above Yinchuan."


@each_contract
@each_way
def test_no_reasoning_where_it_is_switched_off(client, model, ask, prompt):
    more = {"additionalModelRequestFields": {"chat_template_kwargs": {"enable_thinking": False}}}
    answer = ask(client, model, "#think", **more)
    assert prompt().endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    (said,) = answer["output"]["message"]["content"]
    assert said["text"] == "贺兰山 (Helan Mountain) rises above Yinchuan."


@each_contract
@each_way
def test_the_prompt_of_several_turns(client, model, ask, prompt):
    turns = [user("Hi"), assistant("Arr"), user("#heard?")]
    answer = ask(client, model, "", system=[{"text": "You are a pirate."}], messages=turns)
    assert text(answer) == "Heard."
    assert prompt() == (
        "<|im_start|>system\nYou are a pirate.<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nArr<|im_end|>\n"
        "<|im_start|>user\n#heard?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@each_way
@pytest.mark.parametrize(
    "model, expected",
    [
        ("mistral", "<s>[INST] Hi[/INST] Arr</s>[INST] You are a pirate.\n\n#heard?[/INST]"),
        (
            "llama",
            "<|begin_of_text|>"
            "<|start_header_id|>system<|end_header_id|>\n\nYou are a pirate.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nArr<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\n#heard?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
    ],
)
def test_the_model_reads_one_bos(client, model, ask, prompt, expected):
    turns = [user("Hi"), assistant("Arr"), user("#heard?")]
    answer = ask(client, model, "", system=[{"text": "You are a pirate."}], messages=turns)
    assert text(answer) == "Heard."
    assert prompt() == expected


def test_a_second_bos_is_the_operator_s_to_prevent(client, prompt):
    whole(client, "double", "#heard?")
    assert prompt() == "<s><s>[INST] #heard?[/INST]"


@each_contract
@each_way
def test_a_stop_sequence(client, model, ask):
    answer = ask(client, model, "#stops", inferenceConfig={"stopSequences": ["HALT"]})
    assert text(answer).rstrip() == "alpha beta"
    assert answer["stopReason"] == "stop_sequence"


@each_contract
@each_way
def test_the_length_is_limited(client, model, ask):
    answer = ask(client, model, "#count", inferenceConfig={"maxTokens": 3})
    assert text(answer) == "one two three"
    # The toolkit never says why it ended.
    assert answer["stopReason"] == ("end_turn" if model == "hf" else "max_tokens")
    assert answer["usage"]["outputTokens"] == (0 if model == "hf" else 3)


@each_contract
@each_way
def test_sampling_that_containers_refuse_is_said_otherwise(client, model, ask):
    for inference in ({"temperature": 0.0}, {"topP": 1.0}, {"temperature": 0.0, "topP": 1.0}):
        assert text(ask(client, model, "#heard", inferenceConfig=inference)) == "Heard."


@pytest.mark.parametrize("model", [*CONTRACTS, "mistral", "llama3.1"])
@each_way
def test_a_call_and_its_answer(client, model, ask):
    tools = {"tools": [WEATHER, NOW]}
    answer = ask(client, model, "#weather", toolConfig=tools)
    assert answer["stopReason"] == "tool_use"
    (use,) = uses(answer)
    assert use["name"] == "get_weather"
    if ask is streamed:
        assert use["input"].replace(" ", "") == '{"city":"银川","days":2}'
        return
    assert use["input"] == {"city": "银川", "days": 2}
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"c": 21}}]}}
    turns = [user("#weather"), answer["output"]["message"], user(result)]
    answer = ask(client, model, "", toolConfig=tools, messages=turns)
    assert text(answer) == "The tool has answered."


@pytest.mark.parametrize("model", CONTRACTS)
def test_an_error_inside_200(client, model):
    with pytest.raises(ClientError) as raised:
        whole(client, model, "#error-first")
    assert raised.value.response["Error"]["Code"] == "ModelErrorException"


@pytest.mark.parametrize("model", CONTRACTS[:-1])
@pytest.mark.parametrize("question", ["#error-event", "#truncated"])
def test_a_stream_that_breaks(client, model, question):
    seen = []
    with pytest.raises(EventStreamError) as raised:
        seen.extend(client.converse_stream(modelId=f"text.{model}", messages=[user(question)])["stream"])
    assert raised.value.response["Error"]["Code"] == "modelStreamErrorException"


@pytest.mark.parametrize("model", CONTRACTS[:-1])
def test_a_context_that_is_too_long(client, model):
    with pytest.raises(ClientError) as raised:
        whole(client, model, "x " * 5000)
    error = raised.value.response
    assert error["Error"]["Code"] == "ValidationException", error
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    expected = "must have less than 4095 tokens" if model == "tgi" else "maximum context length is 4096"
    assert expected in error["Error"]["Message"]


def test_a_refusal_with_422(client):
    """What the caller sets himself is the container's to refuse; in a stream, inside its 200."""
    more = {"additionalModelRequestFields": {"top_k": 0}}
    words = "`top_k` must be strictly positive"
    with pytest.raises(ClientError) as raised:
        whole(client, "tgi", "Hello", **more)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert words in raised.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as raised:
        streamed(client, "tgi", "Hello", **more)
    assert raised.value.response["Error"]["Code"] in ("ValidationException", "validationException")
    assert words in raised.value.response["Error"]["Message"]
