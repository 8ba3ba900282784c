"""Fine-tuning's reference against transformers', and its checks against right and wrong answers."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import finetuning
from course import data, models
from course.checks import finetuning_toys as toys
from solutions.finetuning import group_into_blocks, perplexity, rouge_n, sentence_pairs
from solutions.gpt import GPT
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "finetuning"
SOLUTION = Path(__file__).parent.parent / "solutions" / "finetuning.py"
NAMES = ("group_into_blocks", "sentence_pairs", "perplexity", "rouge_n")
STUB = "".join(f"def {n}(*args, **kwargs):\n    raise NotImplementedError()\n" for n in NAMES)
PAIRS = [
    ("The old king had three daughters.", "The youngest was so beautiful that the sun wondered."),
    ("Why?", '"Because," said the fir-tree!'),
    ("It was winter; the snow lay deep in the forest, and a hare came by.", "Gerda wept."),
]


pytestmark = pytest.mark.usefixtures("one_thread_with_gradients")


@given(st.lists(st.lists(st.integers(0, 50), max_size=9), max_size=9), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_blocks_are_the_stream_but_for_less_than_a_block(lists: list[list[int]], size: int) -> None:
    stream = [token for tokens in lists for token in tokens]
    blocks = group_into_blocks(lists, size)
    flat = [token for block in blocks for token in block]
    assert flat == stream[: len(flat)] and len(stream) - len(flat) < size
    assert all(len(block) == size for block in blocks)


@pytest.mark.parametrize("size", [0, -4])
def test_a_block_needs_a_token(size: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 token, but it is {size}"):
        group_into_blocks([[1, 2, 3]], size)


def test_sentences_of_prose() -> None:
    """What the simple rule does with what is not simple."""
    first = '"Who are you?" asked the hare.'
    assert sentence_pairs([first + " Nobody knew! The end."]) == [(first, "Nobody knew!")]
    assert sentence_pairs(["It cost 3.50 crowns.\n\nHe paid (at last.) Then he left."]) == [
        ("It cost 3.50 crowns.", "He paid (at last.)")
    ]
    assert sentence_pairs(["Well... she went. Really?! Yes. "]) == [
        ("Well... she went.", "Really?!")
    ]
    # White space of any length is one gap, and no sentence begins with it.
    assert sentence_pairs(["He met Mr.  smith.\n\n Then he went."]) == [
        ("He met Mr.  smith.", "Then he went.")
    ]
    assert sentence_pairs(["", " \n", "One.", "One. ", "one without an end"]) == []
    with pytest.raises(TypeError, match=r"it is the string 'A\. B\.'"):
        sentence_pairs("A. B.")


def test_the_tales_give_pairs() -> None:
    stories = data.load("tales", "dev")["text"]
    pairs = sentence_pairs([paragraph for story in stories for paragraph in story.split("\n")])
    assert len(pairs) > 200
    assert all(sentence == sentence.strip() and sentence for pair in pairs for sentence in pair)


@pytest.fixture(scope="module")
def small() -> tuple[Any, Any]:
    return models.load("small_gpt2", quiet=True)


def transformers_perplexity(model: Any, tokenizer: Any) -> float:
    """From the model's own loss, a pair at a time."""
    total, count = 0.0, 0
    for first, second in PAIRS:
        prefix, target = tokenizer(first).input_ids, tokenizer(" " + second).input_ids
        labels = torch.tensor([[-100] * len(prefix) + target])
        with torch.no_grad():
            loss = model(torch.tensor([prefix + target]), labels=labels).loss
        total += loss.item() * len(target)
        count += len(target)
    return math.exp(total / count)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_perplexity_equals_transformers_loss(small: tuple[Any, Any], batch_size: int) -> None:
    model, tokenizer = small
    model.train()
    model.transformer.h[1].eval()  # a mixed mode must survive
    found = perplexity(model, tokenizer, PAIRS, batch_size)
    assert model.training and not model.transformer.h[1].training
    model.eval()
    assert found == pytest.approx(transformers_perplexity(model, tokenizer), rel=1e-5)


def test_our_gpt_is_measured(small: tuple[Any, Any]) -> None:
    """Ours refuses keywords that it does not know, and more than its context."""
    torch.manual_seed(0)
    model, tokenizer = GPT(4096, 64, 1, 2, 16).train(), small[1]
    found = perplexity(model, tokenizer, PAIRS)
    assert model.training and found == pytest.approx(4096, rel=0.05)  # a new model knows nothing
    assert found == pytest.approx(perplexity(model, tokenizer, PAIRS[::-1], 1), rel=1e-5)


def test_long_contexts_keep_their_last_tokens(small: tuple[Any, Any]) -> None:
    tokenizer = small[1]
    torch.manual_seed(0)
    model = GPT(4096, 24, 1, 2, 16)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    first, second = "The king and the queen and " * 20 + "the hare.", "They danced all night."
    target = tokenizer(" " + second).input_ids
    ids = torch.tensor([(tokenizer(first).input_ids + target)[-24:]])
    with torch.no_grad():
        log_p = model(ids)[0, -len(target) - 1 : -1].log_softmax(-1)
    due = math.exp(-log_p[torch.arange(len(target)), torch.tensor(target)].mean().item())
    assert perplexity(model, tokenizer, [(first, second)]) == pytest.approx(due, rel=1e-5)
    with pytest.raises(ValueError, match=r"second sentence has \d+ tokens, .* context is 24"):
        perplexity(model, tokenizer, [(second, first)])


@pytest.mark.parametrize("pair", [("", "B."), ("A.", "  ")])
def test_nothing_to_measure(small: tuple[Any, Any], pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no pairs: perplexity needs at least one"):
        perplexity(*small, [])
    with pytest.raises(ValueError, match="both sentences of a pair must have text"):
        perplexity(*small, [PAIRS[0], pair])
    assert not small[0].training and torch.is_grad_enabled()


tokens = st.lists(st.integers(0, 3), max_size=14)


@given(tokens, tokens, st.integers(1, 4))
@settings(max_examples=120, deadline=None)
def test_rouge_is_a_greedy_matching(reference: list[int], prediction: list[int], n: int) -> None:
    """Each n-gram of the reference takes one of the prediction's away."""
    pool = [prediction[i : i + n] for i in range(len(prediction) - n + 1)]
    grams = [reference[i : i + n] for i in range(len(reference) - n + 1)]
    hits = 0
    for gram in grams:
        if gram in pool:
            pool.remove(gram)
            hits += 1
    assert rouge_n(reference, prediction, n) == (hits / len(grams) if grams else 0.0)
    as_tensor: Any = torch.tensor(reference)
    assert rouge_n(as_tensor, tuple(prediction), n) == rouge_n(reference, prediction, n)


@pytest.mark.parametrize("n", [0, -1])
def test_an_ngram_needs_a_token(n: int) -> None:
    with pytest.raises(ValueError, match=f"n must be at least 1, but it is {n}"):
        rouge_n([1, 2], [1, 2], n)


# Wrong specimens run in this process, which is fast; a few go through judge and worker below.
@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(grade_in_process(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 500
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


RIGHT = [SOLUTION, *specimens(WORD, "right")]


@pytest.mark.filterwarnings("ignore:Converting a tensor")
@pytest.mark.parametrize("path", RIGHT, ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = (
    "first_list_extended",
    "sum_kept_between_calls",
    "gradients_switched_off",
    "left_in_eval",
)


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


@pytest.mark.parametrize("name", ["finetuning", "generators_and_tuples", "labels_for_hugging_face"])
def test_right_answers_get_full_marks_from_the_judge(name: str) -> None:
    path = next(p for p in RIGHT if p.stem == name)
    assert failed(grade_file(WORD, path)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results: list[Any] = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_every_check_has_a_specimen() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}


def test_the_toy_is_what_the_table_says() -> None:
    """The checks' oracle and the scripted model agree: one is double, one is single precision."""
    from course.checks.base import Draw

    table, pairs = toys.a_table(Draw(3)), [toys.a_pair(Draw(4), 3, 5), toys.a_pair(Draw(5), 9, 2)]
    model = toys.scripted(table.after, table.given, table.weight)
    assert perplexity(model, toys.tokenizer(), pairs) == pytest.approx(table.perplexity(pairs))


def test_the_measuring_script_prints_both_figures() -> None:
    words = "--role small_gpt2 --layers 1 --steps 1 --batch 1 --block 32 --pairs 2 --threads 1"
    found = finetuning.main([*words.split(), "--continuations", "1"])
    assert "| 34.13 | 30.47 | -10.7% |" in found and "| bits a character |" in found


def test_bits_a_character_follow_from_the_perplexity(small: tuple[Any, Any]) -> None:
    found = finetuning.measure(*small, PAIRS, 0)
    tokens = sum(len(small[1](" " + second).input_ids) for _, second in PAIRS)
    characters = sum(len(" " + second) for _, second in PAIRS)
    assert found.perplexity == pytest.approx(perplexity(*small, PAIRS), rel=1e-5)
    assert found.bits == pytest.approx(tokens * math.log2(found.perplexity) / characters)


def test_the_hub_profile_has_the_published_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "hub")
    args = finetuning.arguments([])
    assert (args.steps * args.batch, args.block, args.learning_rate) == (1024, 256, 5e-5)
    assert args.role == "causal_lm" and args.layers == 0


def test_all_layers_are_trained_when_asked(small: tuple[Any, Any]) -> None:
    words = ["--layers", "0", "--steps", "2", "--batch", "2", "--block", "8"]
    model = copy.deepcopy(small[0])
    losses = finetuning.tune(model, torch.arange(32).view(4, 8), finetuning.arguments(words))
    assert len(losses) == 2 and not model.training
    changed = zip(model.parameters(), small[0].parameters(), strict=True)
    assert all(not torch.equal(new, old) for new, old in changed)
