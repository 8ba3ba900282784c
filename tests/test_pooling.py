"""The reference probes against transformers', and their checks against right and wrong answers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course.checks import pooling_toys as toys
from course.checks.base import Result, collect, seeded
from solutions import pooling
from solutions.pooling import (
    Probe,
    extract_features,
    first_token_pool,
    last_token_pool,
    max_pool,
    mean_pool,
    train_probe,
    tune_last_layers,
)
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "pooling"
SOLUTION = Path(__file__).parent.parent / "solutions" / "pooling.py"
POOLS = (first_token_pool, mean_pool, max_pool, last_token_pool)
FUNCTIONS = (*(pool.__name__ for pool in POOLS), "extract_features", "train_probe")
STUB = "".join(
    f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n"
    for n in (*FUNCTIONS, "Probe", "tune_last_layers")
)


pytestmark = [
    pytest.mark.usefixtures("one_thread_with_gradients"),
    pytest.mark.filterwarnings("ignore"),
]


def padded(side: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([3, 6, 1])
    places = torch.arange(6)
    mask = places < lengths.unsqueeze(1) if side == "right" else places >= 6 - lengths.unsqueeze(1)
    return torch.randn(3, 6, 4, generator=generator), mask.long()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_pools_keep_the_dtype_and_forget_the_padding(side: str, dtype: torch.dtype) -> None:
    hidden, mask = padded(side)
    for pool in POOLS:
        found = pool(hidden.to(dtype), mask)
        assert found.dtype == dtype
        for row, keep, vector in zip(hidden, mask.bool(), found, strict=True):
            alone = pool(row[keep].unsqueeze(0).to(dtype), mask.new_ones(1, int(keep.sum())))
            torch.testing.assert_close(vector, alone[0])
    poisoned = hidden.masked_fill(mask.unsqueeze(-1) == 0, float("nan"))
    assert all(not pool(poisoned, mask).isnan().any() for pool in POOLS)


@pytest.mark.parametrize("pool", POOLS, ids=lambda p: p.__name__)
def test_pools_refuse_empty_rows_and_other_shapes(pool: Any) -> None:
    hidden, mask = padded("right")
    mask[1] = 0
    with pytest.raises(ValueError, match=r"all zeros in rows \[1\]"):
        pool(hidden, mask)
    with pytest.raises(ValueError, match=r"\(3, 6, 4\) and \(3, 5\)"):
        pool(hidden, mask[:, :5])


@pytest.mark.parametrize("family", toys.FAMILIES)
@pytest.mark.parametrize("head", [False, True])
def test_features_are_those_of_the_model_alone(family: str, head: bool) -> None:
    model, texts = toys.tiny(family, head=head), ["the cat sat", "a", "old dog and king ran"]
    model.train()
    next(model.children()).eval()  # a mixed mode must survive
    modes = [m.training for m in model.modules()]
    for side in (False, True):
        tokenizer = toys.tokenizer(left=side)
        for pool in POOLS:
            found = extract_features(model, tokenizer, texts, pool, batch_size=2)
            assert [m.training for m in model.modules()] == modes
            frozen = copy.deepcopy(model).eval()
            for row, text in zip(found, texts, strict=True):
                batch = tokenizer(text, return_tensors="pt")
                hidden = frozen.base_model(**batch).last_hidden_state
                torch.testing.assert_close(row, pool(hidden, batch["attention_mask"])[0])


def test_long_sentences_are_cut_with_a_notice() -> None:
    model, tokenizer = toys.tiny("bert"), toys.tokenizer()  # 16 positions
    texts = ["the cat sat", " ".join(["dog"] * 30), " ".join(["king"] * 14)]
    with pytest.warns(UserWarning, match="1 sentences are cut to the limit of 16 tokens"):
        found = extract_features(model, tokenizer, texts, mean_pool)
    cut = extract_features(model, tokenizer, [" ".join(["dog"] * 14)], mean_pool)
    torch.testing.assert_close(found[1:2], cut)


def test_extract_features_refuses_bad_input() -> None:
    model, tokenizer = toys.tiny("bert"), toys.tokenizer()
    with pytest.raises(ValueError, match=r"at least one text, not \[\]"):
        extract_features(model, tokenizer, [], mean_pool)
    with pytest.raises(ValueError, match="at least one text, not 'the cat'"):
        extract_features(model, tokenizer, "the cat", mean_pool)
    with pytest.raises(ValueError, match="batch_size must be at least 1, but it is 0"):
        extract_features(model, tokenizer, ["the cat"], mean_pool, batch_size=0)
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match="no padding token"):
        extract_features(model, tokenizer, ["the cat"], mean_pool)


def test_a_sentence_without_tokens_is_named() -> None:
    class NoSpecials:
        pad_token_id, model_max_length = 0, 8

        def __call__(self, texts: list[str], **options: Any) -> dict[str, list[list[int]]]:
            return {"input_ids": [[1] * len(text.split()) for text in texts]}

    with pytest.raises(ValueError, match=r"sentences \[1\] have no token"):
        extract_features(toys.tiny("gpt2"), NoSpecials(), ["the cat", ""], mean_pool)


def blobs(size: int = 120) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(3, (size,), generator=generator)
    noise = torch.randn(size, 4, generator=generator)
    return 4 * torch.eye(3, 4)[labels] + noise, labels


def test_the_probe_has_its_best_accuracy() -> None:
    torch.manual_seed(0)
    train, dev = blobs(), blobs(77)
    for seed in range(5):
        torch.manual_seed(seed)
        probe = Probe(4, 5, 3)
        history = train_probe(probe, train, dev, 15, 0.1, patience=2)
        accuracy = (probe(dev[0]).argmax(-1) == dev[1]).float().mean().item()
        assert accuracy == max(entry["accuracy"] for entry in history) > 0.8
        assert history[-1]["loss"] < history[0]["loss"]


def test_same_seed_same_history() -> None:
    def run() -> list[dict[str, float]]:
        torch.manual_seed(3)
        return train_probe(Probe(4, 5, 3), blobs(), blobs(50), 3, 0.01)

    assert run() == run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "at least 1, but they are 0 and 3"),
        ({"patience": 0}, "at least 1, but they are 4 and 0"),
        ({"train": (torch.zeros(3, 4), torch.zeros(2, dtype=torch.long))}, r"\(3, 4\) and \(2,\)"),
        ({"dev": (torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))}, "dev must .* not empty"),
        (
            {"train": (torch.zeros(2, 4), torch.tensor([0, 3]))},
            "train labels .* 0 and 2, .* 0 to 3",
        ),
        ({"dev": (torch.zeros(2, 4), torch.tensor([-1, 2]))}, "dev labels .* from -1 to 2"),
        (
            {"dev": (torch.zeros(2, 5), torch.tensor([0, 1]))},
            r"does not take dev features \(2, 5\)",
        ),
    ],
)
def test_training_refuses_bad_input(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"train": blobs(), "dev": blobs(), "epochs": 4, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=message):
        train_probe(Probe(4, 5, 3), **(given | change))


def test_probes_need_sizes() -> None:
    with pytest.raises(ValueError, match="are 4, 0 and 3"):
        Probe(4, 0, 3)


def test_tuning_refuses_bad_input() -> None:
    with pytest.raises(ValueError, match="between 0 and the model's 3 layers, but is 4"):
        tune_last_layers(toys.tiny("bert"), 4)
    with pytest.raises(TypeError, match="layers of a Linear are not found"):
        tune_last_layers(nn.Linear(2, 2), 1)
    model = toys.tiny("bert")
    assert tune_last_layers(model, 0) == []
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("family", toys.FAMILIES)
def test_tuning_with_a_probe_moves_the_last_layers(family: str) -> None:
    """Encoder and probe in one graph: exactly the last layers and the probe move."""
    torch.manual_seed(0)
    model, probe = toys.tiny(family), Probe(8, 32, 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    parameters = [*tune_last_layers(model, 2), *probe.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    batch = toys.tokenizer()(["the cat sat", "a dog"], padding=True, return_tensors="pt")
    for _ in range(2):
        hidden = model(**batch).last_hidden_state
        logits = probe(last_token_pool(hidden, batch["attention_mask"]))
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.tensor([0, 1])).backward()
        optimizer.step()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    layers = pooling._layers(model)
    late = {id(p) for layer in layers[1:] for p in layer.parameters()}
    names = {name for name, p in model.named_parameters() if id(p) in late}
    assert moved and moved <= names


def only_about(path: Path) -> list[Result]:
    """The checks of the function that a wrong specimen's check is about."""
    named = caught_by(path)
    checks = [check for suite in suites(WORD) for check in suite.checks]
    (about,) = {check.about for check in checks if check.name == named}
    return grade_in_process(WORD, path, about=about)


# Wrong specimens run in this process, which is fast; a few go through judge and worker below.
@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(only_about(path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 500
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = ("shallow_copy", "order_applied_twice", "mean_divided_by_length", "names_returned")


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


def test_the_solution_gets_full_marks_from_the_judge() -> None:
    assert failed(grade_file(WORD, SOLUTION)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_a_probe_that_knows_held_out_labels_is_not_believed() -> None:
    """Perfect accuracy on labels of which a quarter is noise loses the check."""
    check = "accuracy_on_held_out_labels"

    def knowing(probe: nn.Module, train: Any, dev: Any, *rest: Any, **options: Any) -> Any:
        history = train_probe(probe, train, dev, *rest, **options)
        labels = train[1]._base  # in one process the held-out labels lie behind the given ones
        if labels is not None and len(labels) == 1500:
            probe.forward = lambda x: F.one_hot(labels[-len(x) :], 3).float()  # type: ignore[method-assign]
        return history

    with seeded(1), collect() as results:
        suites(WORD)[1].score("train_probe", knowing)
    assert "cannot come from learning" in failed(results)[check]


def test_every_check_has_a_specimen() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}
