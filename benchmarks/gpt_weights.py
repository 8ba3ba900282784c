"""Copy the weights of transformers' GPT-2 into our own GPT."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import GPT2Config

from solutions.gpt import GPT


def _copy(target: nn.Module, source: nn.Module) -> None:
    """Fill a layer from its namesake; GPT-2's Conv1D keeps its weight transposed, (in, out)."""
    turned = isinstance(target, nn.Linear) and type(source).__name__ == "Conv1D"
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            values = getattr(source, name)
            parameter.copy_(values.T if turned and name == "weight" else values)


def _copy_block(layer: Any, block: Any) -> None:
    """Fill one of our blocks from a ``GPT2Block``."""
    _copy(block.attention_norm, layer.ln_1)
    _copy(block.attention.qkv_projection, layer.attn.c_attn)
    _copy(block.attention.output_projection, layer.attn.c_proj)
    _copy(block.feedforward_norm, layer.ln_2)
    _copy(block.expand, layer.mlp.c_fc)
    _copy(block.shrink, layer.mlp.c_proj)
    block.attention_norm.eps, block.feedforward_norm.eps = layer.ln_1.eps, layer.ln_2.eps


def _check(config: GPT2Config) -> None:
    """Raise ValueError for a GPT-2 that differs from ours in more than its sizes."""
    wanted = {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "n_inner": (None, 4 * config.n_embd),
        "scale_attn_by_inverse_layer_idx": (False,),
        "scale_attn_weights": (True,),
        "tie_word_embeddings": (True,),
        "add_cross_attention": (False,),
    }
    for name, values in wanted.items():
        if getattr(config, name) not in values:
            raise ValueError(f"our GPT cannot have {name}={getattr(config, name)!r}")


def gpt_from_transformers(model: Any) -> GPT:
    """Our GPT with the weights of a ``GPT2LMHeadModel``, in its mode and dtype.

    Its logits are those of ``model``. Raises ValueError for a GPT-2 of another build (activation,
    width of the feed-forward, scaling of the scores, untied head).
    """
    config = model.config
    _check(config)
    sizes = (config.vocab_size, config.n_positions, config.n_layer, config.n_head, config.n_embd)
    ours = GPT(*sizes, dropout=config.resid_pdrop)
    _copy(ours.token_embedding, model.transformer.wte)
    _copy(ours.position_embedding, model.transformer.wpe)
    for layer, block in zip(model.transformer.h, ours.blocks, strict=True):
        _copy_block(layer, block)
    _copy(ours.norm, model.transformer.ln_f)
    ours.norm.eps = model.transformer.ln_f.eps
    return ours.train(model.training).to(model.dtype)
