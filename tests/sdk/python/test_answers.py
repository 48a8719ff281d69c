"""What a program gets back from Converse."""

import pytest
from conftest import GPT_OSS, MAVERICK, MODELS, QWEN, R1, assistant, block, text, user

POEM = "贺兰山下果园成，塞北江南旧有名。👩‍🚀🏔️ 𠀀"


@pytest.mark.parametrize("model", MODELS)
def test_text(client, model):
    answer = client.converse(modelId=model, messages=[user("Hello")])
    assert answer["output"]["message"] == {
        "role": "assistant",
        "content": [{"text": "You said: Hello"}],
    }
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["inputTokens"] > 0 and answer["usage"]["outputTokens"] > 0
    assert answer["metrics"]["latencyMs"] >= 0


def test_a_conversation_of_several_turns_arrives_as_it_is(client, sent):
    turns = [user("My name is Wen."), assistant("Hello, Wen."), user("What is", "my name?")]
    answer = client.converse(modelId=QWEN, messages=turns)
    messages = sent()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == "My name is Wen."
    assert messages[1]["content"] == "Hello, Wen."
    assert "What is" in text(answer) and "my name?" in text(answer)


def test_the_system_prompt_comes_first(client, sent):
    answer = client.converse(
        modelId=MAVERICK,
        system=[{"text": "You are a pirate. #persona"}, {"cachePoint": {"type": "default"}}],
        messages=[user("Who are you?")],
    )
    assert text(answer) == "Arr, said the llama4-maverick."
    assert sent()["messages"][0]["role"] == "system"


def test_members_of_the_payload_come_in_an_order_that_caches_like(client, sent):
    client.converse(
        modelId=QWEN, messages=[user("Hello")], inferenceConfig={"maxTokens": 7, "temperature": 0.5}
    )
    names = list(sent())
    assert names.index("messages") < names.index("max_tokens")
    assert names.index("messages") < names.index("temperature")


@pytest.mark.parametrize("model", MODELS)
def test_chinese_and_emoji_survive_every_cut(client, model):
    answer = client.converse(modelId=model, messages=[user("#chinese 宁夏 🏜️")])
    assert text(answer) == POEM


@pytest.mark.parametrize("model", ["suite.streamed", "suite.invoked"])
def test_both_ways_to_carry_an_answer_give_the_same(client, model):
    answer = client.converse(modelId=model, messages=[user("#think")])
    content = answer["output"]["message"]["content"]
    assert content[0]["reasoningContent"]["reasoningText"]["text"].startswith("The user asks")
    assert content[1]["text"].startswith("贺兰山 (Helan")
    assert answer["stopReason"] == "end_turn"


def test_the_length_is_limited(client, sent):
    answer = client.converse(
        modelId=QWEN, messages=[user("#count")], inferenceConfig={"maxTokens": 3}
    )
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] == 3
    assert "one two three four five six seven eight nine ten".startswith(text(answer))
    assert sent()["max_tokens"] == 3


@pytest.mark.parametrize("model", [QWEN, MAVERICK])
def test_a_stop_sequence_ends_the_text_before_it(client, model, sent):
    answer = client.converse(
        modelId=model,
        messages=[user("#stops")],
        inferenceConfig={"stopSequences": ["HALT", "never"]},
    )
    assert answer["stopReason"] == "stop_sequence"
    assert text(answer).rstrip() == "alpha beta"
    assert sent()["stop"] == ["HALT", "never"]


def test_sampling_is_passed_on(client, sent):
    client.converse(
        modelId=QWEN,
        messages=[user("Hello")],
        inferenceConfig={"temperature": 0.0, "topP": 0.25, "maxTokens": 64},
        additionalModelRequestFields={"top_k": 5, "seed": 42, "chat_template_kwargs": {"a": [1]}},
    )
    payload = sent()
    assert payload["temperature"] == 0 and payload["top_p"] == 0.25
    assert payload["top_k"] == 5 and payload["seed"] == 42
    assert payload["chat_template_kwargs"] == {"a": [1]}


def reasoning(part):
    return part["reasoningContent"]["reasoningText"]["text"]


def test_deepseek_r1_shows_its_text_first(client):
    answer = client.converse(modelId=R1, messages=[user("#think")])
    said, thought = answer["output"]["message"]["content"]
    assert said["text"].startswith("贺兰山 (Helan")
    assert reasoning(thought) == "The user asks for mountains. 贺兰山 is one. 🏔️"


@pytest.mark.parametrize("model", [QWEN, GPT_OSS, MAVERICK])
def test_the_others_show_their_reasoning_first(client, model):
    answer = client.converse(modelId=model, messages=[user("#think")])
    thought, said = answer["output"]["message"]["content"]
    assert reasoning(thought) == "The user asks for mountains. 贺兰山 is one. 🏔️"
    assert said["text"].startswith("贺兰山 (Helan")


def test_reasoning_may_stand_in_the_history(client):
    thought = {"reasoningContent": {"reasoningText": {"text": "They greet me."}}}
    answer = client.converse(
        modelId=R1, messages=[user("Hi"), assistant(thought, "Hello."), user("And now?")]
    )
    assert text(answer) == "You said: And now?"


def test_structured_output(client, sent):
    schema = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
    answer = client.converse(
        modelId=QWEN,
        messages=[user("The capital of Ningxia?")],
        outputConfig={
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": schema, "name": "capital"}},
            }
        },
    )
    assert text(answer) == '{"city":"银川","population":2859000}'
    wanted = sent()["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["name"] == "capital"
    assert wanted["json_schema"]["schema"]["required"] == ["city"]


def test_effort_is_passed_on(client, sent):
    client.converse(modelId=GPT_OSS, messages=[user("Hello")], outputConfig={"effort": "low"})
    assert sent()["reasoning_effort"] == "low"


def test_fields_of_the_model_s_own_answer(client):
    answer = client.converse(
        modelId=QWEN,
        messages=[user("Hello")],
        additionalModelResponseFieldPaths=["/model", "/not_there"],
    )
    assert answer["additionalModelResponseFields"]["model"] == "qwen3-32b"


def test_tier_and_latency_are_echoed(client):
    answer = client.converse(
        modelId=QWEN,
        messages=[user("Hello")],
        performanceConfig={"latency": "optimized"},
        serviceTier={"type": "flex"},
        requestMetadata={"team": "suite"},
    )
    assert answer["performanceConfig"] == {"latency": "optimized"}
    assert answer["serviceTier"] == {"type": "flex"}


def test_cached_tokens_are_taken_out_where_a_cache_point_asks_for_it(client):
    plain = client.converse(modelId=QWEN, messages=[user("#cached")])["usage"]
    assert plain["inputTokens"] == 100 and plain["totalTokens"] == 105
    point = {"cachePoint": {"type": "default"}}
    cached = client.converse(modelId=QWEN, messages=[user("#cached", point)])["usage"]
    assert cached["inputTokens"] == 20
    assert cached["cacheReadInputTokens"] == 80
    assert cached["cacheWriteInputTokens"] == 0
    assert cached["totalTokens"] == 105


def test_a_filtered_answer(client):
    answer = client.converse(modelId=QWEN, messages=[user("#filtered")])
    assert answer["stopReason"] == "content_filtered"


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)


def test_images_go_as_data_urls(client, sent):
    image = {"image": {"format": "png", "source": {"bytes": PNG}}}
    answer = client.converse(modelId=MAVERICK, messages=[user("What is this?", image, image)])
    assert text(answer) == "I see 2 image(s)."
    parts = sent()["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(urls) == 2 and urls[0].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize("kind", ["txt", "md", "csv", "html"])
def test_documents_of_text_are_written_into_the_question(client, sent, kind):
    document = {
        "document": {"format": kind, "name": "harvest 2026", "source": {"bytes": "枸杞,7".encode()}}
    }
    client.converse(modelId=QWEN, messages=[user("Sum it up.", document)])
    content = sent()["messages"][0]["content"]
    whole = content if isinstance(content, str) else "".join(part["text"] for part in content)
    assert "harvest 2026" in whole and "枸杞,7" in whole and "Sum it up." in whole


@pytest.mark.parametrize(
    "source", [{"text": "a vineyard"}, {"content": [{"text": "a vine"}, {"text": "yard"}]}]
)
def test_documents_may_come_as_text(client, sent, source):
    document = {"document": {"format": "txt", "name": "notes", "source": source}}
    client.converse(modelId=QWEN, messages=[user("Sum it up.", document)])
    assert "yard" in str(sent()["messages"][0]["content"])


def test_guarded_content_is_flattened(client):
    guarded = {"guardContent": {"text": {"text": "plain words"}}}
    answer = client.converse(modelId=QWEN, messages=[user("Say:", block(guarded))])
    assert "plain words" in text(answer)
