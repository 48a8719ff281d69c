"""Embeddings and reranking as boto3 and LangChain read them: every vector against the container's."""

import json
import math

import boto3
import processes
import pytest
from botocore.config import Config
from conftest import user
from langchain_aws import BedrockEmbeddings

TITAN_1 = "amazon.titan-embed-text-v1"
TITAN_2 = "amazon.titan-embed-text-v2:0"
TITAN_IMAGE = "amazon.titan-embed-image-v1"
COHERE_3 = "cohere.embed-multilingual-v3"
COHERE_4 = "cohere.embed-v4:0"
RERANK = "cohere.rerank-v3-5:0"
TYPES = ["float", "int8", "uint8", "binary", "ubinary"]
TEXT = "贺兰山下果园成"


@pytest.fixture(scope="session")
def container(emulator):
    """The endpoints themselves, past the gateway."""
    runtime = boto3.client(
        "sagemaker-runtime",
        region_name="cn-northwest-1",
        endpoint_url=emulator.url,
        aws_access_key_id="AKIDDEMO",
        aws_secret_access_key="demo-secret-key",
    )

    def invoke(endpoint, body):
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/json", Body=json.dumps(body)
        )
        return json.loads(answer["Body"].read())

    yield invoke
    runtime.close()


def invoke(client, model, **body):
    answer = client.invoke_model(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def refusal(client, model, **body):
    with pytest.raises(client.exceptions.ValidationException) as refused:
        invoke(client, model, **body)
    return refused.value.response["Error"]["Message"]


def unit(vector):
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]


def near(vector):
    return pytest.approx(vector, abs=1e-6)


def test_titan_v1_is_the_models_own_vector_and_counts(client, container):
    answer, headers = invoke(client, TITAN_1, inputText=TEXT)
    (datum,) = container("embed-vllm", {"input": [TEXT]})["data"]
    assert answer == {"embedding": near(datum["embedding"]), "inputTextTokenCount": len(TEXT)}
    assert headers["x-amzn-bedrock-input-token-count"] == str(len(TEXT))
    assert "x-amzn-bedrock-output-token-count" not in headers
    assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0


@pytest.mark.parametrize("dimensions", [None, 1024, 512, 256])
def test_titan_v2_cuts_and_normalises(client, container, dimensions):
    asked = {"dimensions": dimensions} if dimensions else {}
    answer, headers = invoke(client, TITAN_2, inputText=TEXT, **asked)
    (vector,) = container("embed-tei", {"inputs": [TEXT]})
    assert answer["embedding"] == near(unit(vector[: dimensions or 1024]))
    assert answer["embeddingsByType"] == {"float": answer["embedding"]}
    # TEI tells its count in a header that SageMaker does not hand on.
    assert "inputTextTokenCount" not in answer
    assert "x-amzn-bedrock-input-token-count" not in headers


def test_titan_v2_leaves_a_vector_as_long_as_it_is_and_tells_its_signs(client, container):
    asked = {"normalize": False, "dimensions": 512, "embeddingTypes": ["float", "binary"]}
    answer, _ = invoke(client, TITAN_2, inputText=TEXT, **asked)
    (vector,) = container("embed-tei", {"inputs": [TEXT], "normalize": False})
    assert answer["embedding"] == near(vector[:512])
    assert answer["embeddingsByType"]["binary"] == [int(number >= 0) for number in vector[:512]]
    answer, _ = invoke(client, TITAN_2, inputText=TEXT, embeddingTypes=["binary"])
    assert list(answer) == ["embeddingsByType"] and list(answer["embeddingsByType"]) == ["binary"]


def test_cohere_v3_in_batches(client, container, emulator):
    texts = [f"text {number} 银川" for number in range(96)]
    before = processes.calls(emulator.url)["started"]
    answer, _ = invoke(client, COHERE_3, texts=texts, input_type="search_document")
    assert processes.calls(emulator.url)["started"] - before == 3
    assert (answer["response_type"], answer["texts"]) == ("embeddings_floats", texts)
    for at in (0, 31, 32, 64, 95):
        (vector,) = container("embed-tei", {"inputs": [texts[at]]})
        assert answer["embeddings"][at] == near(vector), at


@pytest.mark.parametrize("model", [COHERE_3, COHERE_4])
def test_cohere_in_every_type(client, model):
    asked = {"texts": [TEXT, "Hi"], "input_type": "clustering", "embedding_types": TYPES}
    answer, _ = invoke(client, model, **asked)
    assert answer["response_type"] == "embeddings_by_type"
    embeddings = answer["embeddings"]
    assert sorted(embeddings) == sorted(TYPES)
    for at in range(2):
        floats = embeddings["float"][at]
        scale = 127 * math.sqrt(len(floats)) / 4
        for number, byte in zip(floats, embeddings["int8"][at], strict=True):
            assert abs(max(-128.0, min(127.0, number * scale)) - byte) <= 0.5 + 1e-3
        assert embeddings["uint8"][at] == [byte + 128 for byte in embeddings["int8"][at]]
        signs = "".join("1" if number >= 0 else "0" for number in floats)
        packed = [int(signs[place : place + 8], 2) for place in range(0, len(signs), 8)]
        assert embeddings["ubinary"][at] == packed
        assert embeddings["binary"][at] == [byte - 128 for byte in packed]


def test_cohere_v4_fuses_cuts_and_prefixes(client, container, sent):
    inputs = [{"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    asked = {"inputs": inputs, "output_dimension": 256, "truncate": "RIGHT"}
    answer, headers = invoke(client, COHERE_4, input_type="search_query", **asked)
    assert sent()["input"] == ["query: a\nb"]
    assert (sent()["truncate_prompt_tokens"], sent()["truncation_side"]) == (-1, "right")
    (datum,) = container("embed-vllm", {"input": "query: a\nb"})["data"]
    assert answer["embeddings"] == {"float": [near(unit(datum["embedding"][:256]))]}
    assert int(headers["x-amzn-bedrock-input-token-count"]) > 0


def test_other_containers(client, container):
    answer, _ = invoke(client, "embed.lmi", inputText=TEXT)
    assert answer["embedding"] == near(container("embed-lmi", {"inputs": [TEXT]})[0])
    ((rows,),) = container("embed-hf", {"inputs": [TEXT]})
    answer, _ = invoke(client, "embed.hf", inputText=TEXT)
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    assert answer["embedding"] == near(unit(mean))
    answer, _ = invoke(client, "embed.hf-cls", inputText=TEXT)
    assert answer["embedding"] == near(unit(rows[0]))


@pytest.mark.parametrize(("model", "endpoint"), [(RERANK, "rerank-tei"), ("rerank.vllm", "rerank-vllm")])
def test_rerank(client, container, model, endpoint):
    documents = [f"nothing {number}" for number in range(98)]
    documents[40:40] = [{"text": "Washington is the capital of America", "title": "D.C."}]
    documents.append("Carson City is the capital of Nevada")
    asked = {"query": "capital of America", "documents": documents, "api_version": 2}
    answer, headers = invoke(client, model, **asked)
    results = answer["results"]
    assert sorted(result["index"] for result in results) == list(range(100))
    assert [results[0]["index"], results[1]["index"]] == [40, 99]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    best, _ = invoke(client, model, top_n=3, **asked)
    assert best["results"] == results[:3]
    assert ("x-amzn-bedrock-input-token-count" in headers) == (model == "rerank.vllm")
    name = "texts" if endpoint == "rerank-tei" else "documents"
    alone = container(endpoint, {"query": asked["query"], name: [documents[99]]})
    score = alone[0]["score"] if endpoint == "rerank-tei" else alone["results"][0]["relevance_score"]
    assert scores[1] == pytest.approx(score, abs=1e-6)


def test_requests_that_are_refused(client):
    assert refusal(client, COHERE_3, inputText="x") == (
        "Malformed input request: #: required key [texts] not found"
        "#: required key [input_type] not found#: extraneous key [inputText] is not permitted"
        ", please reformat your input and try again."
    )
    hundred = ["x"] * 100
    message = refusal(client, COHERE_3, texts=hundred, input_type="clustering")
    assert "#/texts: expected maximum item count: 96, found: 100" in message
    assert "Multimodal" in refusal(client, TITAN_IMAGE, inputText="x")
    assert "images" in refusal(client, COHERE_4, images=["data:"], input_type="clustering")
    message = refusal(client, "embed.lmi", inputText="x", dimensions=1024)
    assert message == "The model's embeddings have 256 dimensions. It cannot return 1024."
    message = refusal(client, RERANK, query="q", documents=["d"], api_version=1)
    assert "#/api_version: 1 is not greater or equal to 2" in message


def test_a_text_that_is_too_long(client):
    long = "x " * 100
    assert "Input is too long for requested model" in refusal(client, TITAN_2, inputText=long)
    assert "maximum context length is 64" in refusal(client, TITAN_1, inputText=long)
    start, _ = invoke(client, COHERE_3, texts=[long + "end"], input_type="clustering", truncate="START")
    end, _ = invoke(client, COHERE_3, texts=[long + "end"], input_type="clustering", truncate="END")
    assert start["embeddings"] != end["embeddings"]


@pytest.mark.parametrize("model", [TITAN_2, RERANK])
def test_operations_that_are_refused(client, model):
    with pytest.raises(client.exceptions.ValidationException) as refused:
        client.invoke_model_with_response_stream(modelId=model, body=b'{"inputText":"x"}')
    assert refused.value.response["Error"]["Message"] == "The model is unsupported for streaming."
    with pytest.raises(client.exceptions.ValidationException) as refused:
        client.converse(modelId=model, messages=[user("Hi")])
    assert "supported text or chat model" in refused.value.response["Error"]["Message"]


@pytest.mark.parametrize("model", [TITAN_1, TITAN_2, COHERE_3, COHERE_4])
def test_langchain(gateway, container, model):
    """An unmodified BedrockEmbeddings: a hundred texts, and a query."""
    embeddings = BedrockEmbeddings(
        model_id=model,
        region_name="cn-northwest-1",
        endpoint_url=gateway.url,
        aws_access_key_id="AKIDDEMO",
        aws_secret_access_key="demo-secret-key",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        dimensions={TITAN_2: 512, COHERE_4: 256}.get(model),
    )
    texts = [f"文 {number}" for number in range(100)]
    vectors = embeddings.embed_documents(texts)
    assert len(vectors) == 100
    width = {TITAN_2: 512, COHERE_4: 256}.get(model, 1536)
    for at in (0, 50, 99):
        (own,) = container("embed-tei", {"inputs": [texts[at]]})
        assert vectors[at] == near(unit(own[:width]))
    query = embeddings.embed_query("银川")
    read = "query: 银川" if model == COHERE_4 else "银川"
    (own,) = container("embed-tei", {"inputs": [read]})
    assert query == near(unit(own[:width]))
