"""Copy the weights of transformers' BERT into our own encoder blocks.

BERT adds learned positions, token types and one more LayerNorm before its first block, so it is
the stack of blocks that can be compared number by number: both get the embeddings' output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import BertConfig, BertModel

from solutions.encoder import EncoderBlock


def _copy(target: nn.Linear | nn.LayerNorm, *sources: nn.Module) -> None:
    """Fill a layer with the rows of one or more layers."""
    with torch.no_grad():
        for name in ("weight", "bias"):
            rows = torch.cat([getattr(source, name) for source in sources])
            getattr(target, name).copy_(rows)


def copy_bert_layer(layer: Any, block: EncoderBlock, eps: float) -> None:
    """Give ``block`` the weights of one ``BertLayer`` and its LayerNorms' ``eps`` (1e-12)."""
    own = layer.attention.self
    _copy(block.attention.qkv_projection, own.query, own.key, own.value)
    _copy(block.attention.output_projection, layer.attention.output.dense)
    _copy(block.attention_norm, layer.attention.output.LayerNorm)
    _copy(block.expand, layer.intermediate.dense)
    _copy(block.shrink, layer.output.dense)
    _copy(block.feedforward_norm, layer.output.LayerNorm)
    block.attention_norm.eps = block.feedforward_norm.eps = eps


def blocks_from_bert(model: BertModel) -> nn.ModuleList:
    """Our encoder blocks with the weights of ``model``, in its mode (training or evaluation).

    Raises ValueError for an activation other than the exact GELU.
    """
    config: BertConfig = model.config
    if config.hidden_act != "gelu":
        raise ValueError(f"our blocks use GELU, but this model uses {config.hidden_act!r}")
    sizes = (config.hidden_size, config.num_attention_heads, config.intermediate_size)
    blocks = nn.ModuleList()
    for layer in model.encoder.layer:
        block = EncoderBlock(*sizes, dropout=config.hidden_dropout_prob)
        copy_bert_layer(layer, block, config.layer_norm_eps)
        blocks.append(block)
    return blocks.train(model.training).to(model.dtype)
