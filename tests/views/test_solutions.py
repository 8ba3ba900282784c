"""Every view with the numbers of a `solutions` model, as an engineer would hand them in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from course import views
from solutions.attention import causal_mask, scaled_dot_product_attention
from solutions.beam_search import beam_search
from solutions.encoder import Bert
from solutions.gpt import GPT
from solutions.multi_head import MultiHeadAttention, split_heads

WORDS = ["she", "he", "rubs", "feeds", "a", "the", "dog", "cat", "."]
IDS = torch.tensor([[0, 2, 4, 6, 8]])  # she rubs a dog .
TOKENS = [WORDS[i] for i in IDS[0]]


@contextmanager
def outputs_of(*modules: nn.Module) -> Iterator[list[Tensor]]:
    """What modules give back, in the order of their calls."""
    seen: list[Tensor] = []
    hooks = [m.register_forward_hook(lambda m, i, out: seen.append(out)) for m in modules]
    yield seen
    for hook in hooks:
        hook.remove()


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture
def net() -> GPT:
    made = GPT(len(WORDS), 8, num_layers=3, num_heads=2, embed_dim=8).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def query_key_value(attention: nn.Module, projection: nn.Module, x: Tensor) -> Any:
    """Each (batch, heads, length, head_dim) of a call."""
    with outputs_of(projection) as seen:
        attention(x)
    return (split_heads(part, 2) for part in seen[0].chunk(3, dim=-1))


def test_explorer_and_stepper_show_multi_head_attention() -> None:
    attention, x = MultiHeadAttention(8, 2).eval(), torch.randn(1, 5, 8)
    query, key, value = query_key_value(attention, attention.qkv_projection, x)
    values, weights = scaled_dot_product_attention(query, key, value, causal_mask(5))
    explorer = views.AttentionExplorer(weights, TOKENS, head=1)
    np.testing.assert_allclose(explorer.weights, weights[0, 1], atol=1e-6)
    stepper = views.QKVStepper(query[0, 1], key[0, 1], value[0, 1], TOKENS, mask=causal_mask(5))
    np.testing.assert_allclose(stepper.data.stage(4, True, True), weights[0, 1], atol=1e-6)
    np.testing.assert_allclose(stepper.data.stage(5, True, True), values[0, 1], atol=1e-6)


def test_logit_lens_reads_the_blocks_of_gpt(net: GPT) -> None:
    with outputs_of(net.dropout, *net.blocks) as hidden:  # the embeddings, then each block
        logits = net(IDS)
    lens = views.LogitLens(
        hidden[:1] + hidden[-len(net.blocks) :],
        lambda x: net.norm(x) @ net.token_embedding.weight.T,
        IDS,
        WORDS,
    )
    assert lens.data.best.shape[:2] == (4, 5)
    np.testing.assert_array_equal(lens.data.best[-1, :, 0], logits[0].argmax(dim=-1))
    np.testing.assert_allclose(
        lens.data.chances[-1, :, 0], logits[0].softmax(dim=-1).amax(dim=-1), atol=1e-5
    )


def test_probability_strip_reads_the_logits_of_gpt(net: GPT) -> None:
    logits = net(IDS)
    strip = views.ProbabilityStrip.from_logits(logits, IDS, WORDS)
    expected = logits[0, :-1].softmax(dim=-1).gather(1, IDS[0, 1:, None])[:, 0]
    np.testing.assert_allclose(strip.data.probabilities[1:], expected, atol=1e-6)
    assert list(strip.tokens) == TOKENS and np.isnan(strip.data.probabilities[0])


def test_beam_tree_follows_our_beam_search(net: GPT) -> None:
    recorder = views.BeamRecorder()
    found = beam_search(net, IDS[:, :2], 2, 3, [recorder])
    data = views.beam_tree_data(
        recorder, found["output_ids"], lambda ids: " ".join(WORDS[i] for i in ids)
    )
    tree = views.BeamTree(data)
    ends = sorted((n.total for n in data.nodes if n.kept and n.round == 2), reverse=True)
    np.testing.assert_allclose(ends, found["beam_scores"], atol=1e-5)
    assert repr(tree).startswith("BeamTree(3 rounds, 2 beams, ")


class Splitter:
    """A tokenizer of whole words, with the mask token after them, as `solutions.encoder` has it."""

    mask_token, mask_token_id, unk_token_id = "[MASK]", len(WORDS), None
    all_special_ids = (mask_token_id,)

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        return {"input_ids": [[*WORDS, "[MASK]"].index(word) for word in text.split()]}

    def __len__(self) -> int:
        return len(WORDS) + 1

    def decode(self, ids: list[int]) -> str:
        return " ".join([*WORDS, "[MASK]"][i] for i in ids)


def test_playground_and_map_ask_bert() -> None:
    bert = Bert(len(WORDS), num_layers=2, embed_dim=8, num_heads=2, feedforward_dim=16).eval()
    game = views.MaskPlayground.from_model(bert, Splitter(), "she rubs a [MASK] .")
    expected = bert(torch.tensor([[0, 2, 4, 9, 8]]))[0, 3].softmax(dim=-1)
    assert game.position == 3
    best, chance = game.fillers[0]
    assert best == WORDS[expected.argmax()] and abs(chance - expected.max()) < 1e-5
    ids = torch.tensor([[0, 2, 4], [1, 3, 5], [0, 3, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 1, 0]])
    with outputs_of(bert.blocks[-1]) as hidden:
        bert(ids, mask)
    map_ = views.PoolingMap(hidden[0], mask, ["she rubs a", "he feeds the", "she feeds"])
    vectors = hidden[0].clone()
    mean = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    close = torch.cosine_similarity(mean[None], mean[:, None], dim=-1).fill_diagonal_(-2)
    assert map_.pool == "mean" and map_.padding_mask
    mean_with_mask = map_.data.nearest[1, 1, :, 0]
    np.testing.assert_array_equal(mean_with_mask, close.argmax(dim=1))
