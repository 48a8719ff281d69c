"""Writes a tiny model with random weights: the Llama architecture, 2 layers, in the GGUF format.

It says its few tokens in a random round, which it enters where the whole prompt leads it;
everything around it is real: a tokenizer, a chat template, sampling, limits. One dimension of the
residual stream is the same for all tokens and is read by the output matrix alone: it keeps bytes
and control tokens from being said, so that an answer is text and ends where the request says.

usage: model.py <file.gguf>
"""

import sys

import gguf
import numpy

WIDTH, HEADS, LAYERS, INNER = 64, 4, 2, 128
CONTEXT = 2048
SAID = [*"abcdefghijklmnopqrstuvwxyz", "▁", "贺", "兰", "山", "宁", "夏", "🏔"]
BOS, EOS = "<s>", "</s>"
TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def vocabulary():
    kind = gguf.TokenType
    tokens = [("<unk>", kind.UNKNOWN), (BOS, kind.CONTROL), (EOS, kind.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    tokens += [(text, kind.NORMAL) for text in SAID]
    return tokens


def write(path):
    random = numpy.random.default_rng(20261120)
    tokens = vocabulary()

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) / numpy.sqrt(columns)).astype("float32")

    def blind(weights):
        """Does not see the constant dimension of the residual stream."""
        weights[:, 0] = 0
        return weights

    def silent(weights):
        """Adds nothing to it."""
        weights[0, :] = 0
        return weights

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)

    embedding = matrix(len(tokens), WIDTH)
    embedding[:, 0] = 4
    writer.add_tensor("token_embd.weight", embedding)
    ones = numpy.ones(WIDTH, dtype="float32")
    for layer in range(LAYERS):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", blind(matrix(WIDTH, WIDTH)))
        writer.add_tensor(f"blk.{layer}.attn_output.weight", silent(matrix(WIDTH, WIDTH)))
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", blind(matrix(INNER, WIDTH)))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", blind(matrix(INNER, WIDTH)))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", silent(matrix(WIDTH, INNER)) / 8)
    writer.add_tensor("output_norm.weight", ones)
    # After each token that can be said, the next one in a random round.
    output = numpy.zeros_like(embedding)
    round_of = random.permutation(numpy.arange(len(tokens) - len(SAID), len(tokens)))
    output[numpy.roll(round_of, -1)] = embedding[round_of] * 20
    output[:, 0] = [0 if kind == gguf.TokenType.NORMAL else -40 for _, kind in tokens]
    writer.add_tensor("output.weight", output)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(sys.argv[1])
