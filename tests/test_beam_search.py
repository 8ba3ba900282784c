"""The reference beam search against transformers' and brute force, and its checks on specimens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    NoRepeatNGramLogitsProcessor,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from autograder.checks.beam_search import oracle
from course import models
from course.checks import beam_search_toys as toys
from solutions.beam_search import NGramBlock, WordBlock, beam_search, init_beams
from solutions.gpt import GPT
from tests.harness import caught_by, failed, grade_file, grade_in_process, specimens, suites

WORD = "beam_search"
SOLUTION = Path(__file__).parent.parent / "solutions" / "beam_search.py"
STUB = """
def init_beams(*args, **kwargs):
    raise NotImplementedError()
def beam_search(*args, **kwargs):
    raise NotImplementedError()
class WordBlock:
    def __call__(self, *args):
        raise NotImplementedError()
class NGramBlock:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError()
    def __call__(self, *args):
        raise NotImplementedError()
"""


pytestmark = pytest.mark.usefixtures("one_thread_with_gradients")


@pytest.fixture(scope="module")
def tales() -> tuple[Any, Tensor]:
    """The small GPT-2 and a prompt."""
    model, tokenizer = models.load("small_gpt2", quiet=True)
    return model, tokenizer("Once upon a time there was a", return_tensors="pt")["input_ids"]


def theirs(
    model: Any, ids: Tensor, beams: int, new: int, rules: Sequence[Any] = (), **options: Any
) -> Any:
    """transformers' beam search with plain sums as scores."""
    settings: dict[str, Any] = {"eos_token_id": None, "pad_token_id": 0, "length_penalty": 0.0}
    settings |= {"num_beams": beams, "num_return_sequences": beams, "max_new_tokens": new}
    settings |= {"do_sample": False, "output_scores": True, "return_dict_in_generate": True}
    return model.generate(ids, logits_processor=list(rules), **(settings | options))


def assert_same(ours: dict[str, Tensor], other: Any) -> None:
    assert torch.equal(ours["output_ids"], other.sequences)
    torch.testing.assert_close(ours["beam_scores"], other.sequences_scores, atol=1e-4, rtol=0)
    sums = ours["token_scores"].sum(dim=1)
    torch.testing.assert_close(sums, ours["beam_scores"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("beams", [2, 3, 5])
def test_finds_what_transformers_finds(tales: tuple[Any, Tensor], beams: int) -> None:
    model, ids = tales
    assert_same(beam_search(model, ids, beams, 12), theirs(model, ids, beams, 12))


@pytest.mark.parametrize("rule", [WordBlock(), NGramBlock(2), NGramBlock(3)])
def test_processors_serve_transformers_too(tales: tuple[Any, Tensor], rule: Any) -> None:
    model, ids = tales
    assert_same(beam_search(model, ids, 3, 12, [rule]), theirs(model, ids, 3, 12, [rule]))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_ngram_block_is_transformers_own(n: int) -> None:
    ids = torch.randint(0, 3, (6, 14))
    scores = torch.randn(6, 9)
    before = scores.clone()
    due = NoRepeatNGramLogitsProcessor(n)(ids, scores.clone())
    found = NGramBlock(n)(ids, scores)
    assert torch.equal(found <= -1e9, due == float("-inf")) and torch.equal(scores, before)
    assert torch.equal(found[found > -1e9], due[due > float("-inf")])
    if n == 1:
        assert torch.equal(found, WordBlock()(ids, scores))


def test_score_dtypes() -> None:
    ids = torch.tensor([[1, 2, 1]])
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        for rule in (WordBlock(), NGramBlock(2)):
            found = rule(ids, torch.zeros(1, 4, dtype=dtype))
            assert found.dtype == dtype and float(found.min()) <= -0.99e9


class Plain(nn.Module):
    """A model without a cache around another one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        output = self.model(input_ids)
        return getattr(output, "logits", output)


def opinionated(model: Any) -> Any:
    """Weights so large that the beams change places."""
    torch.manual_seed(5)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.6)
    return model.eval()


def a_llama() -> nn.Module:
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=40, **sizes, **heads))


@pytest.mark.parametrize("make", [lambda: GPT(40, 64, 2, 2, 32), a_llama])
def test_caches_follow_the_beams(make: Any) -> None:
    model = opinionated(make())
    prompt = torch.tensor([[3, 4, 5]])
    for beams in (1, 2, 5):
        cached, anew = (beam_search(m, prompt, beams, 12) for m in (model, Plain(model)))
        assert torch.equal(cached["output_ids"], anew["output_ids"])
        torch.testing.assert_close(cached["token_scores"], anew["token_scores"], atol=1e-3, rtol=0)
        wanted = oracle.beam_search(Plain(model), prompt, beams, 12)
        assert torch.equal(cached["output_ids"], wanted.ids)


def test_one_beam_is_greedy(tales: tuple[Any, Tensor]) -> None:
    model, ids = tales
    found = beam_search(model, ids, 1, 12)["output_ids"]
    greedy = model.generate(ids, do_sample=False, max_new_tokens=12, pad_token_id=0)
    assert torch.equal(found, greedy)


def test_a_wide_beam_is_brute_force() -> None:
    model = toys.scripted(2 * torch.randn(50, 5), history=True)
    ids, scores = toys.every_sequence(model, torch.tensor([[1, 2]]), 5, 3)
    found = beam_search(model, torch.tensor([[1, 2]]), 25, 3)
    assert torch.equal(found["output_ids"], ids[:25])
    torch.testing.assert_close(found["beam_scores"].double(), scores[:25], atol=1e-4, rtol=0)


def test_more_beams_than_sequences() -> None:
    """Four sequences, seven beams: the rest says that it is nothing."""
    model = toys.scripted(torch.randn(50, 2), history=True)
    found = beam_search(model, torch.tensor([[1]]), 7, 2)
    assert (found["beam_scores"] > -1e8).tolist() == [True] * 4 + [False] * 3
    assert len({tuple(row) for row in found["output_ids"][:4].tolist()}) == 4
    assert not any(value.isnan().any() for value in found.values())


def test_an_all_blocked_round_goes_without_processors() -> None:
    model = toys.scripted(torch.randn(50, 3), history=True)
    prompt = torch.tensor([[0, 1]])
    with pytest.warns(UserWarning, match="block every token after 3: this round does without"):
        found = beam_search(model, prompt, 2, 3, [WordBlock()])
    assert found["output_ids"].shape == (2, 5) and bool((found["beam_scores"] > -1e8).all())
    assert bool((found["output_ids"][:, 2] == 2).any())


def test_a_dead_end_loses_to_a_way_on() -> None:
    """One beam whose words are all blocked is dropped without a notice: others go on."""
    table = toys.chances(4, {0: {1: 0.6, 2: 0.4}, 1: {1: 1.0}, 2: {3: 0.9, 0: 0.1}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = beam_search(toys.scripted(table), torch.tensor([[0]]), 2, 2, [WordBlock()])
    assert found["output_ids"][0].tolist() == [0, 2, 3]


class TableGPT2(GPT2LMHeadModel):
    """A model that transformers' generate accepts, with logits from a table by the last token."""

    scores: Any

    def forward(self, input_ids: Tensor, **others: Any) -> Any:
        return CausalLMOutputWithPast(logits=self.scores[input_ids])


def test_where_transformers_differs_at_the_end() -> None:
    """It keeps finished beams apart and searches on with the rest; ours compete with the others.

    Word 3 ends a text. [3] has the chance 0.2; two longer beams overtake it with 0.35 and 0.29.
    """
    ends = {0: {1: 0.75, 3: 0.2, 2: 0.05}, 1: {4: 0.52, 5: 0.48}, 4: {3: 0.9, 1: 0.1}}
    ends |= {5: {2: 0.9, 4: 0.1}, 2: {3: 0.9, 4: 0.1}}
    table = toys.chances(6, ends)
    prompt, model = torch.tensor([[0]]), TableGPT2(toys.tiny_gpt2(0, words=6).config).eval()
    model.scores = table
    ours = beam_search(toys.scripted(table), prompt, 2, 4, eos_token_id=3)
    assert ours["output_ids"].tolist() == [[0, 1, 4, 3, 3], [0, 1, 5, 2, 3]]
    options: dict[str, Any] = {"eos_token_id": 3, "pad_token_id": 3, "use_cache": False}
    other = theirs(model, prompt, 2, 4, **options, early_stopping=True)
    assert other.sequences.tolist() == [[0, 1, 4, 3], [0, 3, 3, 3]]  # it stops with two texts
    other = theirs(model, prompt, 2, 4, **options, early_stopping=False)
    assert torch.equal(other.sequences, ours["output_ids"])
    torch.testing.assert_close(ours["beam_scores"], other.sequences_scores, atol=1e-4, rtol=0)


def test_an_end_token_that_never_comes_changes_nothing(tales: tuple[Any, Tensor]) -> None:
    model, ids = tales
    ours = beam_search(model, ids, 3, 6, eos_token_id=0)
    assert bool((ours["output_ids"][:, ids.size(1) :] != 0).all())
    assert_same(ours, theirs(model, ids, 3, 6, eos_token_id=0))


def test_modes_are_left_as_found() -> None:
    model = opinionated(GPT(20, 16, 1, 2, 8, dropout=0.5))
    model.train()
    model.blocks[0].eval()  # a mixed mode must survive
    modes = [module.training for module in model.modules()]
    first, second = (beam_search(model, torch.tensor([[1]]), 3, 5) for _ in range(2))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(first["beam_scores"], second["beam_scores"])
    assert not first["beam_scores"].requires_grad and torch.is_grad_enabled()


def test_half_precision_models() -> None:
    model = opinionated(GPT(20, 16, 1, 2, 8)).to(torch.bfloat16)
    found = beam_search(model, torch.tensor([[1]]), 3, 5)
    assert found["beam_scores"].dtype == torch.float32 and found["beam_scores"][0] > -1e8


def test_init_beams() -> None:
    prompt = torch.tensor([[4, 5]], dtype=torch.int32)
    ids, scores = init_beams(prompt, 3)
    assert ids.dtype == torch.int64 and ids.tolist() == [[4, 5]] * 3
    assert scores.tolist() == [0.0, -1e9, -1e9]


def test_bad_input() -> None:
    model = GPT(20, 8, 1, 2, 8)
    for ids in (torch.zeros(1, 0).long(), torch.zeros(2, 3).long(), torch.zeros(3).long()):
        with pytest.raises(ValueError, match="one prompt of one token or more"):
            init_beams(ids, 2)
        with pytest.raises(ValueError, match="one prompt of one token or more"):
            beam_search(model, ids, 2, 2)
    with pytest.raises(ValueError, match="num_beams must be 1 or more, but it is 0"):
        beam_search(model, torch.tensor([[1]]), 0, 2)
    with pytest.raises(ValueError, match="max_new_tokens must be 1 or more, but it is 0"):
        beam_search(model, torch.tensor([[1]]), 2, 0)
    with pytest.raises(ValueError, match="n must be 1 or more, but it is 0"):
        NGramBlock(0)
    message = "a prompt of 5 tokens and 5 new ones do not fit into the model's context of 8"
    with pytest.raises(ValueError, match=message):
        beam_search(model, torch.ones(1, 5).long(), 2, 5)
    assert beam_search(model, torch.ones(1, 5).long(), 2, 4)["output_ids"].shape == (2, 9)
    with pytest.raises(ValueError, match="context of 32"):
        beam_search(toys.tiny_gpt2(0), torch.ones(1, 30).long(), 2, 4)


# Wrong specimens run in this process, which is fast; a few go through judge and worker below.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", specimens(WORD, "wrong"), ids=lambda p: p.stem)
def test_wrong_specimens_lose_the_points_of_their_check(path: Path) -> None:
    messages = failed(grade_in_process(WORD, path))
    assert caught_by(path) in messages, f"survives; fails only {sorted(messages)}"
    assert len(messages[caught_by(path)]) < 500
    print(f"  {path.stem:<40} {', '.join(n + '*' * (n == caught_by(path)) for n in messages)}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")], ids=lambda p: p.stem)
def test_right_answers_get_full_marks(path: Path) -> None:
    assert failed(grade_in_process(WORD, path)) == {}


CROSSING = ("word_in_place", "cache_not_reordered", "logits_in_place", "gradients_switched_off")


@pytest.mark.parametrize("name", CROSSING)
def test_judge_and_worker_see_the_same(name: str) -> None:
    path = next(p for p in specimens(WORD, "wrong") if p.stem == name)
    assert caught_by(path) in failed(grade_file(WORD, path))


@pytest.mark.parametrize("path", [SOLUTION, *specimens(WORD, "right")[:2]], ids=lambda p: p.stem)
def test_right_answers_get_full_marks_from_the_judge(path: Path) -> None:
    assert failed(grade_file(WORD, path)) == {}


def test_the_stub_passes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stub.py").write_text(STUB)
    results: list[Any] = grade_in_process(WORD, tmp_path / "stub.py")
    assert sum(r.points for r in results) == 0
    assert all("is not written yet" in str(r.message) for r in results)


def test_every_check_has_a_specimen() -> None:
    wanted = {check.name for suite in suites(WORD) for check in suite.checks}
    assert wanted == {caught_by(path) for path in specimens(WORD, "wrong")}
