"""The exercise `multi_head`: the reference against torch, its errors, and the specimens."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from solutions.multi_head import MultiHeadAttention, merge_heads, split_heads
from tests import harness

WORD = "multi_head"
SOLUTION = Path(__file__).parent.parent / "solutions" / f"{WORD}.py"


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def torch_twin(module: MultiHeadAttention) -> nn.MultiheadAttention:
    """torch's own module with the same weights."""
    twin = nn.MultiheadAttention(module.embed_dim, module.num_heads, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(module.qkv_projection.weight)
        twin.in_proj_bias.copy_(module.qkv_projection.bias)
        twin.out_proj.weight.copy_(module.output_projection.weight)
        twin.out_proj.bias.copy_(module.output_projection.bias)
    return twin.eval()


def random_module(dim: int, heads: int) -> MultiHeadAttention:
    module = MultiHeadAttention(dim, heads).eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


@pytest.mark.parametrize(
    ("batch", "length", "dim", "heads"), [(2, 5, 12, 3), (1, 1, 4, 4), (4, 4, 16, 4), (3, 7, 15, 1)]
)
def test_equals_torch(batch, length, dim, heads):
    module, x = random_module(dim, heads), torch.randn(batch, length, dim)
    twin = torch_twin(module)
    torch.testing.assert_close(module(x), twin(x, x, x)[0], atol=1e-5, rtol=1e-5)
    mask = torch.rand(batch, heads, length, length) < 0.6
    mask |= torch.eye(length, dtype=torch.bool)
    expected = twin(x, x, x, attn_mask=~mask.flatten(0, 1))[0]
    torch.testing.assert_close(module(x, mask), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_as_good_as_absence(side):
    module, x = random_module(12, 3), torch.randn(1, 6, 12)
    mask = torch.arange(6) < 4
    kept = slice(0, 4)
    if side == "left":
        mask, kept = mask.flip(0), slice(2, 6)
    masked = module(x, mask[None, None, None])[:, kept]
    torch.testing.assert_close(masked, module(x[:, kept]), atol=1e-5, rtol=1e-5)


def test_gradients_equal_finite_differences():
    module = random_module(6, 2).double()
    mask = torch.ones(4, 4, dtype=torch.bool).tril()
    x = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: module(x, mask), (x,))


def test_blind_query_gathers_zeros_and_finite_gradients():
    module, x = random_module(12, 3), torch.randn(2, 4, 12, requires_grad=True)
    mask = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    mask[0, 0, 2] = False
    output = module(x, mask)
    torch.testing.assert_close(output[0, 2], module.output_projection.bias)
    output.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_split_and_merge_are_inverse():
    x = torch.randn(3, 5, 12)
    assert split_heads(x, 4).shape == (3, 4, 5, 3)
    assert torch.equal(split_heads(x, 4)[1, 2, 3], x[1, 3, 6:9])
    assert torch.equal(merge_heads(split_heads(x, 4)), x)


def test_starts_xavier_uniform_with_zero_biases():
    module = MultiHeadAttention(64, 4)
    bound = (6 / (64 + 3 * 64)) ** 0.5
    assert bound * 0.98 < module.qkv_projection.weight.abs().max() <= bound
    assert not module.qkv_projection.bias.any() and not module.output_projection.bias.any()


def test_dropout_is_off_in_evaluation_and_on_in_training():
    module, x = MultiHeadAttention(8, 2, dropout=0.5), torch.randn(4, 6, 8)
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MultiHeadAttention(10, 3), ValueError, "3 heads .* 10 features"),
        (lambda: MultiHeadAttention(10, 0), ValueError, "0 heads .* 10 features"),
        (lambda: MultiHeadAttention(8, 2, 1.5), ValueError, r"1\.5"),
        (lambda: split_heads(torch.ones(2, 3, 10), 4), ValueError, "4 heads .* 10 features"),
        (lambda: split_heads(torch.ones(3, 8), 4), ValueError, r"\(3, 8\)"),
        (lambda: merge_heads(torch.ones(3, 2, 8)), ValueError, r"\(3, 2, 8\)"),
        (lambda: MultiHeadAttention(8, 2)(torch.ones(1, 3, 6)), ValueError, r"length, 8\).*3, 6\)"),
    ],
)
def test_bad_input_is_refused_in_words(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (torch.ones(2, 1, 1, 5), TypeError, "float32"),
        (torch.ones(2, 1, 1, 5, dtype=torch.int64), TypeError, "int64"),
        ([[True] * 5] * 5, TypeError, "it is list"),
        (torch.ones(2, 5, dtype=torch.bool), ValueError, r"\(2, 5\) .* \(2, 4, 5, 5\)"),
        (torch.ones(3, 1, 1, 5, dtype=torch.bool), ValueError, r"\(3, 1, 1, 5\)"),
        (torch.ones(1, 2, 1, 1, 5, dtype=torch.bool), ValueError, r"\(1, 2, 1, 1, 5\)"),
    ],
)
def test_bad_masks_are_refused_in_words(mask, error, words):
    with pytest.raises(error, match=words):
        MultiHeadAttention(8, 4)(torch.ones(2, 5, 8), mask)


@functools.cache
def failed_checks(path: Path) -> dict[str, str]:
    """The messages of the checks that a specimen fails, through judge and worker."""
    return harness.failed(harness.grade_file(WORD, path))


@pytest.mark.parametrize("path", harness.specimens(WORD, "wrong"), ids=lambda path: path.stem)
def test_a_wrong_specimen_loses_its_check(path):
    check, failed = harness.caught_by(path), failed_checks(path)
    assert check in failed, f"{path.name} passes {check}; it fails {sorted(failed)}"
    assert len(failed[check]) > 20


@pytest.mark.parametrize(
    "path", [SOLUTION, *harness.specimens(WORD, "right")], ids=lambda path: path.stem
)
def test_a_right_specimen_gets_full_marks(path):
    assert failed_checks(path) == {}
    assert harness.failed(harness.grade_in_process(WORD, path, seed=2)) == {}


def test_a_stub_gets_nothing(tmp_path):
    stub = tmp_path / "stub.py"
    stub.write_text(
        "from torch import nn\n"
        "def split_heads(x, num_heads):\n    raise NotImplementedError()\n"
        "def merge_heads(x):\n    raise NotImplementedError()\n"
        "class MultiHeadAttention(nn.Module):\n"
        "    def __init__(self, embed_dim, num_heads, dropout=0.0):\n"
        "        raise NotImplementedError()\n"
    )
    results = harness.grade_file(WORD, stub)
    assert results and not any(result.passed for result in results)


def test_every_check_catches_a_specimen():
    named = {harness.caught_by(path) for path in harness.specimens(WORD, "wrong")}
    checks = {check.name for suite in harness.suites(WORD) for check in suite.checks}
    assert named <= checks
    assert checks - named == set(), "checks without a specimen of their own"
    for path in harness.specimens(WORD, "wrong"):  # the kill matrix, to be seen with -s
        print(f"{path.stem:<36} {', '.join(failed_checks(path))}")
