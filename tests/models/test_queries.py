"""Queries, keys and values explain the attention weights of the models that are known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, T5Config
from transformers import T5EncoderModel as T5

from course import models
from course.cache import CourseError
from course.models.queries import read_queries

TEXTS = ["The cat sat on the mat.", "Stop now."]


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    torch.set_num_threads(1)
    return {role: models.load(role, quiet=True) for role in ("encoder", "small_gpt2", "causal_lm")}


def of_softmax(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask, -1e9).softmax(dim=-1)


@pytest.mark.parametrize(("role", "causal"), [("encoder", False), ("small_gpt2", True)])
def test_they_give_the_models_own_weights(role: str, causal: bool, loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded[role]
    inputs = tokenizer(TEXTS[0], return_tensors="pt")
    length = inputs["input_ids"].shape[1]
    mask = torch.ones(length, length, dtype=torch.bool)
    mask = mask.tril() if causal else mask
    for layer, weights in enumerate(models.attentions(model, inputs)):
        q, k, v = models.queries_keys_values(model, inputs, layer)
        assert q.shape == k.shape == v.shape
        assert q.shape == (1, model.config.num_attention_heads, length, q.shape[-1])
        assert (of_softmax(q, k, mask) - weights).abs().max() < 1e-5


def test_the_values_are_those_of_the_layer(loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded["encoder"]
    inputs = tokenizer(TEXTS[0], return_tensors="pt")
    hidden = model(**inputs, output_hidden_states=True).hidden_states[2]
    attention = model.encoder.layer[2].attention.self
    for name, part in zip(
        ("query", "key", "value"), models.queries_keys_values(model, inputs, 2), strict=True
    ):
        made = getattr(attention, name)(hidden).detach()
        joined = part.transpose(1, 2).flatten(2)  # (batch, length, dim)
        torch.testing.assert_close(joined, made, rtol=0, atol=1e-5)


@pytest.mark.parametrize("role", ["encoder", "small_gpt2"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_is_read(role: str, side: str, loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded[role]
    inputs = tokenizer(TEXTS, padding=True, padding_side=side, return_tensors="pt")
    q, _, _ = models.queries_keys_values(model, inputs, 1)
    assert q.shape[0] == 2


def test_the_model_is_left_as_it_was(loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded["encoder"]
    inputs = tokenizer(TEXTS[0], return_tensors="pt")
    models.queries_keys_values(model, inputs, 0)
    attention = model.encoder.layer[0].attention.self
    assert not any(part._forward_hooks for part in attention.children())
    with pytest.raises(ValueError, match="layer must be 0 to 5, not 6"):
        models.queries_keys_values(model, inputs, 6)
    assert model.config._attn_implementation == "sdpa" and not model.training


def test_distilbert_is_known() -> None:
    config = DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=2, hidden_dim=32)
    inputs = {"input_ids": torch.tensor([[1, 2, 3]])}
    q, _, _ = models.queries_keys_values(DistilBertModel(config), inputs, 1)
    assert q.shape == (1, 2, 3, 8)


def test_rotary_models_are_refused_with_the_reason(loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded["causal_lm"]
    with pytest.raises(CourseError, match=r"LlamaForCausalLM turns .* \(rotary\)") as caught:
        models.queries_keys_values(model, tokenizer("a", return_tensors="pt"), 0)
    assert "\n" not in str(caught.value)


def test_unknown_names_and_other_arithmetic_are_refused() -> None:
    inputs = {"input_ids": torch.tensor([[1, 2, 3]])}
    t5 = T5(T5Config(vocab_size=50, d_model=16, d_kv=8, num_heads=2, num_layers=1, d_ff=32))
    with pytest.raises(CourseError, match="in a way that is not known here"):
        models.queries_keys_values(t5, inputs, 0)
    config = BertConfig(vocab_size=50, hidden_size=16, num_attention_heads=2, num_hidden_layers=1)
    strange = BertModel(config)
    strange.encoder.layer[0].attention.self.scaling = 1.0  # as a model that leaves out the root
    for parameter in strange.encoder.layer[0].attention.self.parameters():
        torch.nn.init.normal_(parameter)
    with pytest.raises(CourseError, match="in another way than softmax"):
        models.queries_keys_values(strange, inputs, 0)


def test_a_text_is_read_for_the_views(loaded: dict[str, Any]) -> None:
    (q, _, _), mask, ids, notice = read_queries(*loaded["encoder"], TEXTS[0], 0, 0, 64)
    assert mask is None and len(ids) == q.shape[1] and notice == ""
    (q, _, _), mask, ids, notice = read_queries(*loaded["small_gpt2"], "word " * 90, 0, 0, 64)
    assert mask is not None and torch.equal(mask, torch.ones(64, 64).tril().bool())
    assert q.shape[1] == len(ids) == 64 and "the model read 0 to 63" in notice
