"""Hidden states of padded batches: those of single sentences, on either side."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from course.cache import CourseError
from course.models.hidden import asked, hidden_states, readable

SMALL = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"intermediate_size": 32, "pad_token_id": 0, "max_position_embeddings": 24}


def made(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if name == "gpt2":
        return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=2, n_head=2))
    if name == "t5":
        return T5ForConditionalGeneration(
            T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
        )
    kinds = {"bert": (BertModel, BertConfig), "roberta": (RobertaModel, RobertaConfig)}
    model, config = kinds[name]
    return model(config(**SMALL))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "t5"])
def test_padding_moves_no_sentence(name: str, side: str) -> None:
    model = made(name)
    texts = [[5, 6, 7, 8, 9, 10], [11, 12, 13]]
    ids, mask = torch.zeros(2, 6, dtype=torch.long), torch.zeros(2, 6, dtype=torch.long)
    for row, text in enumerate(texts):
        place = slice(0, len(text)) if side == "right" else slice(6 - len(text), 6)
        ids[row, place], mask[row, place] = torch.tensor(text), 1
    hidden = hidden_states(model, {"input_ids": ids, "attention_mask": mask})
    for row, text in enumerate(texts):
        alone = {
            "input_ids": torch.tensor([text]),
            "attention_mask": torch.ones(1, len(text)).long(),
        }
        found = hidden[row][mask[row] == 1]
        torch.testing.assert_close(found, hidden_states(model, alone)[0], atol=1e-5, rtol=1e-4)


def test_every_module_keeps_its_mode() -> None:
    model = made("bert").train()
    model.encoder.layer[0].eval()
    before = {name: part.training for name, part in model.named_modules()}
    with asked(model):
        assert not any(part.training for part in model.modules())
        assert not torch.is_grad_enabled()
    assert before == {name: part.training for name, part in model.named_modules()}
    with pytest.raises(RuntimeError), asked(model):
        raise RuntimeError
    assert before == {name: part.training for name, part in model.named_modules()}


def test_no_states_and_no_limit_are_dealt_with() -> None:
    class Classifier(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return input_ids.float().mean(dim=1)

    batch = {name: torch.ones(2, 3, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    with pytest.raises(CourseError, match="Classifier returned no last_hidden_state"):
        hidden_states(Classifier(), batch)
    assert readable(made("bert"), None, 64) == 24 and readable(Classifier(), None, 64) == 64
