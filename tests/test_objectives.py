"""The reference solution of exercise 5, its checks, and the specimens that keep them honest."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.bart.modeling_bart import shift_tokens_right

from course.checks.base import Result, collect, seeded
from solutions import objectives
from tests import harness
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

RIGHT = [Path(objectives.__file__), *specimens("objectives", "right")]
DOCUMENTS = [["a0", "a1", "a2"], ["b0"], ["c0", "c1"]]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_sentence_with_a_successor_gives_one_pair() -> None:
    pairs = objectives.next_sentence_pairs(DOCUMENTS, generator())
    assert [first for first, _, _ in pairs] == ["a0", "a1", "c0"]


def test_false_seconds_are_uniform_over_the_other_documents() -> None:
    source, counts = generator(), dict.fromkeys(["b0", "c0", "c1"], 0)
    for _ in range(3000):
        for first, second, is_next in objectives.next_sentence_pairs(DOCUMENTS, source):
            if first == "a0" and not is_next:
                counts[second] += 1
    draws = sum(counts.values())
    # Six sigma of a binomial with p = 1/3; 1500 ± 164 draws.
    assert 1300 < draws < 1700
    assert all(abs(n - draws / 3) < 6 * (draws * 2 / 9) ** 0.5 for n in counts.values())


@pytest.mark.parametrize(
    ("documents", "words"),
    [([["a"]], "1 document"), ([], "0 document"), ([["a"], []], "document 1")],
)
def test_pairs_refuse(documents: list[list[str]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        objectives.next_sentence_pairs(documents, generator())


def test_permutation_mask_agrees_with_reordered_causal_attention() -> None:
    # Attention under the mask equals causal attention on the reordered sequence.
    order = torch.tensor([3, 0, 4, 1, 2])
    x = torch.randn(1, 1, 5, 8, generator=generator())
    ours = F.scaled_dot_product_attention(x, x, x, attn_mask=objectives.permutation_mask(order))
    moved = x[:, :, order]
    causal = F.scaled_dot_product_attention(moved, moved, moved, is_causal=True)
    torch.testing.assert_close(ours[:, :, order], causal)


@pytest.mark.parametrize("order", [[0, 2], [1, 2, 3], [0, 0], [], [[0, 1]], [0.5, 1.0]])
def test_permutation_mask_refuses(order: list) -> None:
    with pytest.raises(ValueError, match="not a permutation"):
        objectives.permutation_mask(order)


def test_distillation_loss_agrees_with_torch() -> None:
    student, teacher = torch.randn(2, 6, 5, generator=generator(), dtype=torch.float64)
    student.requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    loss = objectives.distillation_loss(student, teacher, labels, temperature=3.0, alpha=0.3)
    target = (teacher / 3).softmax(-1)
    soft = F.cross_entropy(student / 3, target) - F.cross_entropy(teacher / 3, target)
    expected = 0.3 * 9 * soft + 0.7 * F.cross_entropy(student, labels)
    torch.testing.assert_close(loss, expected)
    assert torch.autograd.grad(loss, student)[0].abs().sum() > 0


def test_no_gradient_reaches_the_teacher() -> None:
    logits = torch.randn(2, 3, 4, generator=generator()).requires_grad_()
    loss = objectives.distillation_loss(logits[0], logits[1], torch.tensor([0, 1, 2]))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0


def test_soft_gradients_keep_their_size_as_the_temperature_grows() -> None:
    student = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    teacher, sizes = torch.tensor([[0.0, 2.0, 0.0]]), []
    for temperature in (10.0, 100.0):
        loss = objectives.distillation_loss(
            student, teacher, torch.tensor([0]), temperature, alpha=1.0
        )
        sizes.append(float(torch.autograd.grad(loss, student)[0].norm()))
    # In the limit the gradient is (student − teacher, both centred) / classes.
    gap = student.detach() - teacher
    limit = float(gap.sub(gap.mean()).norm() / 3)
    assert sizes[1] == pytest.approx(limit, rel=0.02)
    assert sizes[0] == pytest.approx(limit, rel=0.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"temperature": -1.0}, "temperature -1.0"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"alpha": 1.5}, "alpha 1.5"),
        ({"teacher_logits": torch.zeros(2, 4)}, r"\(2, 3\)"),
    ],
)
def test_distillation_refuses(change: dict, words: str) -> None:
    zeros = torch.zeros(2, 3)
    arguments = {"student_logits": zeros, "teacher_logits": zeros, "labels": torch.tensor([0, 1])}
    with pytest.raises(ValueError, match=words):
        objectives.distillation_loss(**(arguments | change))


def test_span_corruption_serves_lists_and_tensors_alike() -> None:
    ids, sentinels = [5, 6, 7, 8, 9], [99, 98]
    for one, two in ((ids, sentinels), (torch.tensor(ids), torch.tensor(sentinels))):
        inputs, targets = objectives.span_corruption(one, [(1, 3)], two)
        assert (inputs.tolist(), targets.tolist()) == ([5, 99, 8, 9], [99, 6, 7, 98])
        assert inputs.dtype == targets.dtype == torch.long


@pytest.mark.parametrize(
    ("spans", "sentinels", "words"),
    [
        ([(3, 4), (0, 1)], [9, 8, 7], r"span \(0, 1\)"),
        ([(0, 3), (2, 4)], [9, 8, 7], r"span \(2, 4\)"),
        ([(4, 6)], [9, 8], r"span \(4, 6\)"),
        ([(-1, 2)], [9, 8], r"span \(-1, 2\)"),
        ([(2, 2)], [9, 8], r"span \(2, 2\)"),
        ([(1, 2)], [9], "1 sentinel"),
        ([], [], "0 sentinel"),
    ],
)
def test_span_corruption_refuses(spans: list, sentinels: list, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        objectives.span_corruption([1, 2, 3, 4, 5], spans, sentinels)


def test_shift_agrees_with_transformers_but_for_the_ignored_label() -> None:
    labels = torch.tensor([[5, 6, 7, -100], [8, -100, 9, 4]])
    ours = objectives.shift_for_teacher_forcing(labels, 2)
    pad = 1
    assert torch.equal(ours.masked_fill(ours == -100, pad), shift_tokens_right(labels, pad, 2))


def test_shift_trains_transformers_t5_as_its_own_labels_do() -> None:
    config = T5Config(
        vocab_size=32,
        d_model=16,
        d_kv=4,
        d_ff=32,
        num_layers=1,
        num_heads=2,
    )
    config.decoder_start_token_id = 0
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config).eval()
    ids, labels = torch.arange(1, 7).reshape(1, 6), torch.tensor([[9, 8, 7]])
    shifted = objectives.shift_for_teacher_forcing(labels, 0)
    with torch.no_grad():
        logits = model(input_ids=ids, decoder_input_ids=shifted).logits
        theirs = model(input_ids=ids, labels=labels).loss
    torch.testing.assert_close(F.cross_entropy(logits[0], labels[0]), theirs)


@pytest.mark.parametrize("shape", [(2, 0), ()])
def test_shift_refuses(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="hold no token"):
        objectives.shift_for_teacher_forcing(torch.ones(shape, dtype=torch.long), 0)


@functools.cache
def judged(path: Path) -> tuple[Result, ...]:
    """What judge and worker say of a file, asked once."""
    return tuple(grade_file("objectives", path))


@pytest.mark.parametrize("path", specimens("objectives", "wrong"), ids=lambda path: path.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(list(judged(path)))
    assert caught_by(path) in messages, messages


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_answers_have_full_marks(path: Path) -> None:
    assert failed(list(judged(path))) == {}
    assert failed(grade_in_process("objectives", path, seed=2)) == {}


def test_a_mistake_costs_points_of_its_own_name_alone() -> None:
    prefixes = {"nsp": 0, "perm": 1, "dist": 2, "span": 3, "shift": 4}
    names = list(dict.fromkeys(check.about for check in suites("objectives")[0].checks))
    for path in specimens("objectives", "wrong"):
        lost = {result.about for result in judged(path) if not result.passed}
        assert lost == {names[prefixes[path.stem.split("_")[0]]]}, path.stem


def test_the_stub_passes_nothing() -> None:
    def stub(*args: object, **kwargs: object) -> None:
        raise NotImplementedError

    with seeded(1), collect() as results:
        for suite in suites("objectives"):
            for name in dict.fromkeys(check.about for check in suite.checks):
                suite.score(name, stub)
    assert results
    assert not any(result.passed for result in results)
    assert all("not written yet" in str(result.message) for result in results)


def test_kill_matrix_has_no_survivor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "grade_file", lambda word, path: list(judged(path)))
    matrix = harness.kill_matrix("objectives")
    print(matrix)  # pytest -s shows it
    assert "SURVIVES" not in matrix
