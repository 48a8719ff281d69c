"""boto3 → gateway → emulator → a real embedding model: the vectors are the model's own.

One server has the model in three shapes: Text Embeddings Inference's, with its limit of 32 texts,
OpenAI's as vLLM has it, and the Hugging Face toolkit's, whose vectors of tokens the gateway pools.
"""

import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import numpy as np
from botocore.config import Config

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk" / "python"))

import minilm  # noqa: E402
import processes  # noqa: E402

# The beginning of a vector that the model's authors publish, against mistakes of our own.
KNOWN = "This is an example sentence"
PUBLISHED = [0.0676569, 0.0634959, 0.0487131, 0.0793049, 0.0374480]
BATCH = 32
TEXTS = [
    KNOWN,
    "Each sentence is converted",
    "The Helan Mountains lie west of Yinchuan.",
    "贺兰山下果园成，塞北江南旧有名。",
    "👩‍🚀 launches",
    "word " * 400,
    *[f"Sentence number {number} of a longer list." for number in range(90)],
]


def serve(model):
    """The model's server. Its paths are the shapes."""
    lock = threading.Lock()  # numpy's threads are enough

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                status, answer = self.answer(body)
            answer = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def answer(self, body):
            texts = body["input" if self.path == "/openai" else "inputs"]
            if self.path == "/features":
                return 200, [[model.tokens(text).tolist()] for text in texts]
            if self.path == "/openai":
                data = [{"index": at, "embedding": model.vector(text).tolist()} for at, text in enumerate(texts)]
                count = sum(len(model.tokenizer.encode(text).ids) for text in texts)
                return 200, {"data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}
            if len(texts) > BATCH:
                error = f"batch size {len(texts)} > maximum allowed batch size {BATCH}"
                return 413, {"error": error, "error_type": "Validation"}
            return 200, [model.vector(text).tolist() for text in texts]

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def start(url, directory, started):
    """An emulator in front of each shape, and one gateway in front of them all."""
    models = ""
    for shape, contract, ids in [
        ("invocations", "tei", ["amazon.titan-embed-text-v2:0", "cohere.embed-multilingual-v3"]),
        ("openai", "embeddings", ["amazon.titan-embed-text-v1", "cohere.embed-v4:0"]),
        ("features", "hf-features", ["amazon.titan-embed-g1-text-02"]),
    ]:
        emulator = processes.Process(
            "emulate", "--listen", "127.0.0.1:0", "--container", f"{url}/{shape}",
            log=directory / f"{shape}.log", environment={},
        )
        started.append(emulator)
        for model in ids:
            models += f'[models."{model}"]\nendpoint = "minilm"\ncontract = "{contract}"\n'
            models += f'endpoint_url = "{emulator.url}"\n'
    config = directory / "helan.toml"
    config.write_text(
        'listen = "127.0.0.1:0"\nadmin.listen = "off"\nauth.mode = "none"\n'
        f'sagemaker.region = "cn-northwest-1"\n{models}'
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKIDDEMO", "AWS_SECRET_ACCESS_KEY": "demo-secret-key"}
    gateway = processes.Process(
        "serve", "--config", str(config), log=directory / "gateway.log", environment=keys
    )
    started.append(gateway)
    return gateway.url


def check(client, own, count):
    def invoke(model, **body):
        answer = client.invoke_model(modelId=model, body=json.dumps(body))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return json.loads(answer["body"].read()), headers.get("x-amzn-bedrock-input-token-count")

    def equal(what, vectors):
        vectors = np.array(vectors, dtype=np.float64)
        assert vectors.shape == own[: len(vectors)].shape, vectors.shape
        off = np.abs(vectors - own[: len(vectors)]).max()
        print(f"{what}: {len(vectors)} vectors of {vectors.shape[1]}, off by at most {off:.1e}")
        assert off <= 1e-6

    titan = "amazon.titan-embed-text-v2:0"
    equal("Titan v2, TEI", [invoke(titan, inputText=text)[0]["embedding"] for text in TEXTS[:12]])
    answer, _ = invoke("cohere.embed-multilingual-v3", texts=TEXTS, input_type="search_document")
    equal("Cohere v3, TEI in batches", answer["embeddings"])
    v4 = {"texts": TEXTS, "input_type": "search_document", "embedding_types": ["float", "ubinary"]}
    answer, tokens = invoke("cohere.embed-v4:0", **v4)
    equal("Cohere v4, vLLM's shape", answer["embeddings"]["float"])
    assert tokens == str(count), (tokens, count)
    assert (np.unpackbits(np.array(answer["embeddings"]["ubinary"], np.uint8), axis=1) == (own >= 0)).all()
    answer, tokens = invoke("amazon.titan-embed-text-v1", inputText=KNOWN)
    equal("Titan v1, vLLM's shape", [answer["embedding"]])
    assert str(answer["inputTextTokenCount"]) == tokens
    answer, _ = invoke(titan, inputText=KNOWN, dimensions=256)
    cut = own[0][:256] / np.linalg.norm(own[0][:256])
    assert np.abs(np.array(answer["embedding"]) - cut).max() <= 1e-6
    answer, _ = invoke("amazon.titan-embed-g1-text-02", inputText=KNOWN)
    pooled = np.array(answer["embedding"])
    off = np.abs(pooled / np.linalg.norm(pooled) - own[0]).max()
    print(f"Titan G1, vectors of tokens pooled here: off by at most {off:.1e}")
    assert off <= 1e-6


def main():
    model = minilm.MiniLM()
    own = np.array([model.vector(text) for text in TEXTS], dtype=np.float64)
    off = np.abs(own[0][: len(PUBLISHED)] - PUBLISHED).max()
    print(f"the model itself: off its published vector by at most {off:.1e}")
    assert off <= 1e-6
    count = sum(len(model.tokenizer.encode(text).ids) for text in TEXTS)
    started = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            url = start(serve(model), Path(directory), started)
            client = boto3.client(
                "bedrock-runtime",
                region_name="cn-northwest-1",
                endpoint_url=url,
                aws_access_key_id="any",
                aws_secret_access_key="any",
                config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
            )
            check(client, own, count)
        finally:
            for process in started:
                process.stop()
    print("ok")


if __name__ == "__main__":
    main()
