"""Which text is nearest to a question? Embeddings in Titan's and in Cohere's words, through InvokeModel.

    pip install boto3
    python examples/python/embeddings.py           # against the gateway of examples/local/helan.toml

`helan demo` has no model of vectors. Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and TITAN_ID or COHERE_ID to models of these families.
"""

import json
import os

import boto3

os.environ.setdefault("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:8080")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDDEMO")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "demo-secret-key")

TITAN = os.environ.get("TITAN_ID", "amazon.titan-embed-text-v2:0")
COHERE = os.environ.get("COHERE_ID", "cohere.embed-multilingual-v3")
client = boto3.client("bedrock-runtime", region_name="cn-northwest-1")


def invoke(model: str, **body) -> dict:
    return json.loads(client.invoke_model(modelId=model, body=json.dumps(body))["body"].read())


def similarity(one: list[float], other: list[float]) -> float:
    """The cosine; these vectors have the length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


texts = ["贺兰山在银川的西边。", "The Yellow River flows through Ningxia.", "Tea is grown in Fujian."]

# Titan takes one text a call.
vector = invoke(TITAN, inputText=texts[0], dimensions=512, normalize=True)["embedding"]
print("Titan:", len(vector), "dimensions")

# Cohere takes up to 96, and is told what they are for.
documents = invoke(COHERE, texts=texts, input_type="search_document")["embeddings"]
(query,) = invoke(COHERE, texts=[texts[1]], input_type="search_query")["embeddings"]
ranked = sorted(zip(texts, documents, strict=True), key=lambda pair: -similarity(query, pair[1]))
for text, document in ranked:
    print(f"Cohere: {similarity(query, document):.2f} {text}")
