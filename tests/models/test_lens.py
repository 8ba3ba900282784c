"""Every layer of a model, brought to logits as the model itself does it after the last."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from course import models
from course.cache import CourseError
from course.models.hidden import longest
from course.models.lens import is_masked, next_logits

TEXT = "The old woman went into the forest."
LAYERS = {"small_gpt2": 4, "causal_lm": 30, "masked_lm": 6}
SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "vocab_size": 50}


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    torch.set_num_threads(1)
    return {role: models.load(role, quiet=True) for role in LAYERS}


@pytest.mark.parametrize("role", LAYERS)
def test_the_last_layer_gives_the_models_own_logits(role: str, loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded[role]
    inputs = tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        wanted = model(**inputs, output_hidden_states=True)
    hidden, unembed = models.layers_and_head(model, inputs)
    assert hidden.shape == (LAYERS[role] + 1, *wanted.logits.shape[1:2], model.config.hidden_size)
    torch.testing.assert_close(unembed(hidden[-1]), wanted.logits[0], rtol=0, atol=1e-4)
    for ours, theirs in zip(hidden[:-1], wanted.hidden_states[:-1], strict=True):
        torch.testing.assert_close(ours, theirs[0])


@pytest.mark.parametrize("role", ["small_gpt2", "causal_lm"])
def test_the_last_hidden_state_is_the_one_before_the_norm(
    role: str, loaded: dict[str, Any]
) -> None:
    model, tokenizer = loaded[role]
    inputs = tokenizer(TEXT, return_tensors="pt")
    hidden, unembed = models.layers_and_head(model, inputs)
    with torch.no_grad():
        normed = model(**inputs, output_hidden_states=True).hidden_states[-1][0]
    assert (hidden[-1] - normed).abs().max() > 0.1
    assert (unembed(normed) - unembed(hidden[-1])).abs().max() > 0.1, "normed twice"


def test_the_model_is_left_as_it_was(loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded["small_gpt2"]
    model.train()
    try:
        hidden, unembed = models.layers_and_head(model, tokenizer(TEXT, return_tensors="pt"))
        next_logits(model, [1, 2])
        assert model.training
    finally:
        model.eval()
    assert not model.transformer.ln_f._forward_pre_hooks
    assert not hidden.requires_grad and not unembed(hidden[0]).requires_grad


@pytest.mark.parametrize(
    "model",
    [
        RobertaForMaskedLM(RobertaConfig(intermediate_size=32, **SMALL)),
        BertForMaskedLM(BertConfig(intermediate_size=32, **SMALL)),
        GPTNeoXForCausalLM(GPTNeoXConfig(intermediate_size=32, **SMALL)),
        OPTForCausalLM(OPTConfig(ffn_dim=32, word_embed_proj_dim=16, **SMALL)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_families_are_known(model: nn.Module) -> None:
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    model.eval()
    inputs = {"input_ids": torch.tensor([[4, 7, 9]])}
    hidden, unembed = models.layers_and_head(model, inputs)
    with torch.no_grad():
        torch.testing.assert_close(unembed(hidden[-1]), model(**inputs).logits[0])


def test_what_cannot_be_read_says_why(loaded: dict[str, Any]) -> None:
    inputs = {"input_ids": torch.tensor([[4, 7, 9]])}
    with pytest.raises(CourseError, match="a batch of texts"):
        models.layers_and_head(loaded["small_gpt2"][0], {"input_ids": torch.ones(2, 3).long()})
    with pytest.raises(CourseError, match="BertModel has no language-model head"):
        models.layers_and_head(BertModel(BertConfig(intermediate_size=32, **SMALL)), inputs)
    config = DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=2, hidden_dim=32)
    with pytest.raises(CourseError, match="DistilBertForMaskedLM has no language-model head"):
        models.layers_and_head(DistilBertForMaskedLM(config), inputs)
    strange = GPTNeoXForCausalLM(GPTNeoXConfig(intermediate_size=32, **SMALL))
    plain = strange.forward

    def louder(*arguments: Any, **options: Any) -> Any:
        output = plain(*arguments, **options)
        output.logits = output.logits + 1  # as a model with something after its head
        return output

    strange.forward = louder
    with pytest.raises(CourseError, match="does not give the model's own logits") as caught:
        models.layers_and_head(strange, inputs)
    assert "\n" not in str(caught.value)
    narrow = OPTForCausalLM(OPTConfig(ffn_dim=32, word_embed_proj_dim=8, **SMALL))
    with pytest.raises(CourseError, match="OPTForCausalLM does not give the model's own logits"):
        models.layers_and_head(narrow, inputs)


def test_logits_of_the_next_token(loaded: dict[str, Any]) -> None:
    model, tokenizer = loaded["causal_lm"]
    ids = tokenizer(TEXT)["input_ids"]
    with torch.no_grad():
        wanted = model(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(next_logits(model, ids), wanted)
    masked = loaded["masked_lm"][0]
    with pytest.raises(CourseError, match="BertForMaskedLM does not foretell the next token"):
        next_logits(masked, [1, 2])
    assert is_masked(masked) and not is_masked(model)
    assert longest(model) == 8192 and longest(nn.ModuleDict({"config": nn.Identity()})) == 10**9
